# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's debugger interface, as much of it as is needed: breakpoints, going on, and reading physical memory.

The protocol is that of GDB (manual of GDB, appendix "Remote Serial Protocol"); reading by physical address is QEMU's
own extension of it.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

CHUNK = 1024
CONNECT_SECONDS = 10.0


class DebuggerError(Exception):
    """The machine is gone, or it does not answer as expected."""


class Debugger:
    """A machine that waits at its first instruction, seen through a socket. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._input = b""
        self._socket = _connect(path)
        self._acknowledges = True
        if self.ask("QStartNoAckMode") == "OK":
            self._acknowledges = False
        if self.ask("Qqemu.PhyMemMode:1") != "OK":
            raise DebuggerError("QEMU does not read physical memory for a debugger")

    def __enter__(self) -> Debugger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, packet: str) -> str:
        """Send a packet and return the answer; for one that lets the machine run, that is why it stopped."""
        self._send(packet)
        return self._answer()

    def read(self, address: int, size: int) -> bytes:
        """Physical memory. Raises :class:`DebuggerError` for an address where there is none."""
        found = bytearray()
        while len(found) < size:
            count = min(CHUNK, size - len(found))
            answer = self.ask(f"m{address + len(found):x},{count:x}")
            if len(answer) != 2 * count:
                raise DebuggerError(f"the memory at {address + len(found):#x} cannot be read")
            found += bytes.fromhex(answer)
        return bytes(found)

    def write(self, address: int, data: bytes) -> None:
        """Change physical memory."""
        if self.ask(f"M{address:x},{len(data):x}:{data.hex()}") != "OK":
            raise DebuggerError(f"the memory at {address:#x} cannot be written")

    def set_breakpoint(self, address: int) -> None:
        """Stop before the instruction at a virtual address, in whatever address space."""
        self._change("Z", address)

    def remove_breakpoint(self, address: int) -> None:
        """No longer stop there."""
        self._change("z", address)

    def _change(self, what: str, address: int) -> None:
        if self.ask(f"{what}0,{address:x},2") != "OK":
            raise DebuggerError(f"no breakpoint can be changed at {address:#x}")

    def program_counter(self) -> int:
        """Where the machine stands. The registers are x0 to x31, then the program counter."""
        return int.from_bytes(bytes.fromhex(self.ask("g"))[32 * 8 : 33 * 8], "little")

    def go(self) -> None:
        """Run until a breakpoint."""
        self._check_stop(self.ask("c"))

    def step(self) -> None:
        """Run one instruction."""
        self._check_stop(self.ask("s"))

    def detach(self) -> None:
        """Let the machine run on, and watch it no more."""
        self.ask("D")

    def _check_stop(self, answer: str) -> None:
        if not answer.startswith(("T", "S")):
            raise DebuggerError("the machine ended before a component began")

    def _send(self, packet: str) -> None:
        data = packet.encode()
        try:
            self._socket.sendall(b"$" + data + b"#" + f"{sum(data) % 256:02x}".encode())
        except OSError as error:
            raise DebuggerError("the machine is gone") from error

    def _answer(self) -> str:
        while True:
            start = self._input.find(b"$")
            end = self._input.find(b"#", start)
            if start >= 0 and 0 <= end <= len(self._input) - 3:
                data = self._input[start + 1 : end]
                self._input = self._input[end + 3 :]
                if self._acknowledges:
                    with suppress(OSError):  # a machine that has ended needs no acknowledgement
                        self._socket.sendall(b"+")
                return data.decode("ascii", "replace")
            try:
                more = self._socket.recv(65536)
            except OSError as error:
                raise DebuggerError("the machine is gone") from error
            if not more:
                raise DebuggerError("the machine is gone")
            self._input += more


def _connect(path: Path) -> socket.socket:
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if time.monotonic() > end:
                raise DebuggerError("QEMU's debugger interface does not answer") from error
            time.sleep(0.01)
        else:
            return connection
