# SPDX-License-Identifier: BSD-2-Clause
"""Booting an image in QEMU: its console is streamed, its exit code becomes the result.

The guest ends the run through QEMU's test device (SiFive test finisher, physical address 0x100000): writing 0x5555
exits with 0, writing ``code << 16 | 0x3333`` exits with ``code``.
"""

from __future__ import annotations

import codecs
import os
import selectors
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

from tessera.abi import boards
from tessera.lang.diagnostics import Diagnostic, Location

QEMU = "qemu-system-riscv64"
QEMU_INSTALL = (
    "sudo apt-get install qemu-system-misc (on later releases than Debian 12 and Ubuntu 24.04: qemu-system-riscv)"
)

TIMED_OUT = 124
"""The result of a run that was stopped because its time was over, as the command ``timeout`` gives."""

SYSTEM_FAILED = 125
"""The result of a system that could not be started: what the kernel exits with, and a failed initialiser stands for."""

DIFFERENT = 126
"""The result of a system that was stopped before its first component ran, because a check said no."""

# A line of the console that begins so is the last thing that the initialiser does.
FAILED_START = "INITIALISER|ERROR"

LAST_LINES = 10

# One instruction in each nanosecond of virtual time, which all clocks follow, and which does not wait for real time
# when the processor is idle.
_COUNTED = ("-icount", "shift=0,sleep=off", "-rtc", "clock=vm")


@dataclass(frozen=True)
class Watch:
    """Arguments for QEMU, and what is done beside the machine; if it says no, the machine is stopped."""

    arguments: tuple[str, ...]
    check: Callable[[], bool]


def boot(
    image: Path,
    board: str,
    *,
    timeout: float | None,
    stream: TextIO,
    icount: bool = False,
    memory_size: int | None = None,
    processor: str = "",
    watch: Watch | None = None,
) -> int:
    """Boot ``image`` on ``board`` and write its console to ``stream`` as it comes; returns the guest's exit code.

    ``timeout`` is in seconds of real time: when it is over, QEMU is killed, ``stream`` is told with the last lines that
    were seen, and the result is ``TIMED_OUT``. ``icount`` runs one instruction per virtual nanosecond, so that the
    guest's counters are exact and repeatable. ``memory_size`` is in bytes; ``processor`` are properties of
    QEMU's processor, as in ``sstc=off``. ``watch``: what else is done meanwhile; if it says no, the result is
    ``DIFFERENT``. QEMU never outlives this call.

    Raises Diagnostic for an unknown board, a missing image, a missing QEMU, and whatever QEMU itself refuses.
    """
    command = qemu_command(image, board, icount=icount, memory_size=memory_size, processor=processor)
    command += watch.arguments if watch is not None else ()
    try:
        # A session of its own: Ctrl-C reaches this process alone, which then kills QEMU and can say so.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise _missing_qemu(f"{command[0]} could not be started: {error.strerror}") from error
    assert process.stdout is not None and process.stderr is not None
    console = _Console(stream)
    complaints: list[bytes] = []
    watcher = _Watcher(watch, process) if watch is not None else None
    try:
        in_time = _pump(process.stdout, process.stderr, console, complaints, timeout)
        if in_time:
            result = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if watcher is not None:
            watcher.join()
        process.stdout.close()
        process.stderr.close()
        console.close()
    if watcher is not None and not watcher.answer:
        return DIFFERENT
    if console.has_failed:
        return SYSTEM_FAILED
    if not in_time:
        assert timeout is not None
        stream.write(console.timeout_message(timeout))
        stream.flush()
        return TIMED_OUT
    _raise_if_qemu_failed(result, b"".join(complaints).decode(errors="replace"), image)
    return result


def qemu_command(
    image: Path, board: str, *, icount: bool = False, memory_size: int | None = None, processor: str = ""
) -> list[str]:
    """The command line that boots ``image`` on ``board``; everything that can be checked before is checked here."""
    machine = boards.board(board)
    if not image.is_file():
        raise Diagnostic(
            "image-missing",
            Location(str(image)),
            "the image to boot does not exist" if not image.exists() else "the image to boot is not a file",
            why="QEMU loads the image from this file",
            fix="build it first: tessera build SYSTEM -o IMAGE",
        )
    name, *arguments = machine.qemu_command(str(image), memory_size)
    if processor:
        place = arguments.index("-cpu") + 1
        arguments[place] += f",{processor}"
    program = shutil.which(name)
    if program is None:
        raise _missing_qemu(f"{name} is not installed, or not on PATH")
    return [program, *arguments, "-no-reboot", *(_COUNTED if icount else [])]


def _missing_qemu(what: str) -> Diagnostic:
    return Diagnostic(
        "qemu-missing",
        Location(QEMU),
        what,
        why="systems are booted in QEMU's model of the board",
        fix=f"install it: {QEMU_INSTALL}",
    )


class _Watcher(threading.Thread):
    """Does what a watch says, and stops the machine if the answer is no."""

    def __init__(self, watch: Watch, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._watch = watch
        self._process = process
        self.answer = True
        self.start()

    def run(self) -> None:
        self.answer = self._watch.check()
        if not self.answer:
            self._process.kill()


class _Console:
    """Turns the guest's bytes into text on a stream, and remembers the last lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._line = ""
        self.has_failed = False

    def write(self, data: bytes, final: bool = False) -> None:
        text = self._decoder.decode(data, final).replace("\r", "")
        if not text:
            return
        self._stream.write(text)
        self._stream.flush()
        *complete, self._line = (self._line + text).split("\n")
        self._last.extend(complete)
        self.has_failed |= any(line.startswith(FAILED_START) for line in complete)

    def close(self) -> None:
        """Ends an unfinished last line, so that whatever follows starts on its own."""
        self.write(b"", final=True)
        if self._line:
            self.write(b"\n")

    def timeout_message(self, timeout: float) -> str:
        head = f"tessera: no result after {timeout:g} s, so QEMU was stopped (exit code {TIMED_OUT})"
        if not self._last:
            return f"{head}; the console had printed nothing\n"
        return "\n".join([f"{head}; the last lines were:", *(f"  | {line}" for line in self._last), ""])


def _pump(
    output: IO[bytes], errors: IO[bytes], console: _Console, complaints: list[bytes], timeout: float | None
) -> bool:
    """Copy until QEMU closes both pipes; False when the time was over before."""
    end = None if timeout is None else time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(errors, selectors.EVENT_READ)
        while selector.get_map():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is output:
                    console.write(data)
                    if console.has_failed:
                        return False
                else:
                    complaints.append(data)
    return True


def _raise_if_qemu_failed(result: int, complaints: str, image: Path) -> None:
    """Tell QEMU's own failures from the guest's exit codes: only QEMU writes to its standard error."""
    told = [line.strip() for line in complaints.splitlines() if line.strip() and "warning:" not in line]
    if result == 0 or (result > 0 and not told):
        return
    what = told[-1].removeprefix(f"{QEMU}: ") if told else f"it was ended by signal {-result}"
    raise Diagnostic(
        "qemu-failed",
        Location(str(image)),
        f"QEMU could not run the image: {what}",
        why="the message after the colon is QEMU's own",
        fix="check the image with: tessera build; and QEMU with: tessera doctor",
    )
