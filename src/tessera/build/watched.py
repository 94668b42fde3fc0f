# SPDX-License-Identifier: BSD-2-Clause
"""Stopping a system before the first instruction of a component, and comparing all capabilities with the build."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tessera.build.debugger import Debugger, DebuggerError
from tessera.build.guest_memory import GuestWords, symbols_of
from tessera.build.kernel_memory import fields_of
from tessera.build.run import Watch
from tessera.build.verify import Verdict, verify
from tessera.kernel.layout import Tcb
from tessera.kernel.state import KernelState
from tessera.system import capdl_model as model
from tessera.system.capdl_model import Spec
from tessera.system.environment import MONITOR_NAME, MONITOR_PRIORITY

KERNEL, TCB = fields_of(KernelState), fields_of(Tcb)

Inspect = Callable[[Debugger, GuestWords], None]


class CapabilityCheck:
    """What ``tessera run --verify-caps`` does. ``verdict`` is there when the machine has come that far.

    ``inspect`` is called with the stopped machine before it is read; tests plant differences there.
    """

    def __init__(self, spec: Spec, kernel: Path, inspect: Inspect | None = None) -> None:
        self.spec = spec
        self.symbols = symbols_of(kernel)
        self.verdict: Verdict | None = None
        self.problem = ""
        self._inspect = inspect

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """For :func:`tessera.build.run.boot`."""
        with tempfile.TemporaryDirectory(prefix="tessera-") as folder:
            path = Path(folder) / "debugger"
            chardev = f"socket,path={path},server=on,wait=off,id=debugger"
            yield Watch(("-S", "-chardev", chardev, "-gdb", "chardev:debugger"), lambda: self._run(path))

    def _run(self, path: Path) -> bool:
        """Whether the machine may go on; called while its console is read."""
        try:
            with Debugger(path) as machine:
                words = self._stop(machine)
                if self._inspect is not None:
                    self._inspect(machine, words)
                self.verdict = verify(self.spec, words)
                if self.verdict.exact:
                    machine.detach()
        except DebuggerError as error:
            self.problem = str(error)
            return True
        return self.verdict.exact

    def _stop(self, machine: Debugger) -> GuestWords:
        """Run until a component is about to run its first instruction."""
        threads = [each for each in self.spec.of(model.TCB) if each.name != f"{MONITOR_NAME}.tcb"]
        entries = sorted({int(each.parameters["ip"]) for each in threads})
        for entry in entries:
            machine.set_breakpoint(entry)
        while True:
            machine.go()
            words = GuestWords(machine.read, self.symbols)
            if self._is_component(words):
                return words
            # The monitor, the initialiser or the firmware is at this address.
            at = machine.program_counter()
            machine.remove_breakpoint(at)
            machine.step()
            machine.set_breakpoint(at)

    def _is_component(self, words: GuestWords) -> bool:
        """Whether the kernel runs, and its current thread has a component's priority."""
        current = words.read(words.static("kernel"), KERNEL["current"])
        if current >> 38 != (1 << 26) - 1:
            return False
        priority = words.read(words.index(current), TCB["priority"])
        return priority < MONITOR_PRIORITY
