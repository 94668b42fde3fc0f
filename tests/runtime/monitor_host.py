# SPDX-License-Identifier: BSD-2-Clause
"""The monitor on the host: a kernel that hands it messages, prints for it, and notes what it invokes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import IpcBuffer, MessageInfo
from tessera.abi.syscalls import Syscall
from tessera.build.monitor import encode
from tessera.ir.build import build_program
from tessera.ir.interpret import Interpreter
from tessera.lang import Memory, at, from_word, to_word
from tessera.lang.memory import MEMORY_BASE, static_size
from tessera.llvm.host import HostMemory, HostModule
from tessera.runtime import monitor
from tessera.runtime.fault_tables import place
from tessera.runtime.machine import Host
from tessera.runtime.sel4 import environment
from tessera.system.elf import ProgramImage
from tessera.system.faultmap import fault_map
from tessera.system.model import System

Answer = tuple[int, ...]
PAGE = 4096


class Kernel:
    """What the monitor sees of a kernel. ``registers``: pc, ra and sp of the thread that has the fault, or None where
    they cannot be read. ``invoked``: label, capability, words and extra capabilities of each invocation.
    """

    def __init__(self, buffer: IpcBuffer) -> None:
        self.buffer = buffer
        self.message: tuple[int, int, tuple[int, ...]] = (0, 0, ())
        self.registers: tuple[int, int, int] | None = (0, 0, 0)
        self.error = Error.NO_ERROR
        self.console = ""
        self.invoked: list[tuple[InvocationLabel, int, tuple[int, ...], tuple[int, ...]]] = []
        self.serve: Callable[[], object] = monitor.serve

    def answer(self, number: Syscall, cap: int, info: int, words: Answer, reply: int, second: int) -> Answer:
        """One system call."""
        if number is Syscall.DEBUG_PUT_CHAR:
            self.console += chr(cap)
            return (0,) * 6
        if number is Syscall.RECV:
            badge, label, content = self.message
            return self._with(badge, MessageInfo(label=label, length=len(content)), content)
        assert number is Syscall.CALL
        shape = from_word(MessageInfo, info)
        label = InvocationLabel(int(shape.label))
        caps = tuple(int(self.buffer.caps[i]) for i in range(int(shape.extra_caps)))
        if label is InvocationLabel.TCB_READ_REGISTERS:
            if self.registers is None:
                return self._with(0, MessageInfo(label=Error.ILLEGAL_OPERATION), ())
            return self._with(0, MessageInfo(length=len(self.registers)), self.registers)
        self.invoked.append((label, cap, words[: int(shape.length)], caps))
        return self._with(0, MessageInfo(label=self.error), ())

    def _with(self, badge: int, info: MessageInfo, content: Answer) -> Answer:
        """A message as the registers have it, and the rest in the buffer; what was there before is overwritten."""
        for index in range(120):
            self.buffer.message[index] = content[index] if 4 <= index < len(content) else 0xDEAD
        first = [*content[:4], 0, 0, 0, 0][:4]
        return (badge, int(to_word(info)), *first)

    def deliver(self, badge: int, label: int, *words: int) -> str:
        """Let the monitor handle one message; gives what it printed for it."""
        self.console, self.invoked = "", []
        self.message = (badge, label, words)
        self.serve()
        return self.console


READERS = ("CPython", "interpreter", "native")


@contextmanager
def monitor_of(system: System, images: Mapping[str, ProgramImage], reader: str = "CPython") -> Iterator[Kernel]:
    """The monitor of a system, with its tables in memory; each message is handled by the reader of this name."""
    tables = encode(system, fault_map(system, images), images)
    start = -(-static_size() // PAGE) * PAGE
    memory, serve = _reader(reader, start + PAGE + len(tables))
    with memory:
        environment.ipc_buffer = at(IpcBuffer, MEMORY_BASE + start)
        place.value = MEMORY_BASE + start + PAGE
        memory.data[start + PAGE : start + PAGE + len(tables)] = tables
        kernel = Kernel(environment.ipc_buffer)
        kernel.serve = serve
        Host.kernel = kernel.answer
        try:
            yield kernel
        finally:
            Host.kernel = None


def _reader(name: str, size: int) -> tuple[Memory, Callable[[], object]]:
    if name == "CPython":
        return Memory(size), monitor.serve
    program = build_program([monitor.serve])
    if name == "interpreter":
        interpreter = Interpreter(program, Memory(size), checked=True)
        return interpreter.memory, lambda: interpreter.call(monitor.serve)
    HostMemory.view(size)
    HostMemory.clear()
    host = HostModule(program, checked=True, memory_size=size)
    return host.memory, lambda: host.call(monitor.serve)
