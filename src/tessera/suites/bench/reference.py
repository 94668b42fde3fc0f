# SPDX-License-Identifier: BSD-2-Clause
"""What is measured, and the figures of seL4 16.0 to compare with.

The figures of reference are instructions of its release build (gcc 12.2 -O2, mixed-criticality configuration), counted
by its own benchmark suite under the same QEMU with ``-icount shift=0``; ``fast`` with its fastpath, ``slow`` without.
"""

from __future__ import annotations

from dataclasses import dataclass

# Behind the name of a measurement on a processor without Sstc, where the firmware sets the timer.
WITHOUT_SSTC = ".nosstc"


@dataclass(frozen=True)
class Operation:
    """One measured operation. The figures of reference are absent where there is no equal measurement.

    ``traps`` are the instructions at user level that are counted too: those that enter the kernel. ``bar`` is what the
    operation may take at most, ``goal`` what it should take.
    """

    name: str
    meaning: str
    fast: int | None = None
    slow: int | None = None
    bar: int | None = None
    goal: int | None = None
    traps: int = 1

    @property
    def entries(self) -> int:
        """How often the kernel is entered, by an instruction or an interrupt."""
        return max(self.traps, 1)


OPERATIONS: tuple[Operation, ...] = (
    Operation("null", "system call SetTLSBase: enter the kernel, write one register, leave"),
    Operation("call.0", "Call to a passive server in another address space, no words", 277, 1247, 277, 210),
    Operation("reply_recv.0", "ReplyRecv back to the client, no words", 359, 1512, 359, 260),
    Operation("round_trip.0", "Call and ReplyRecv together", 636, 2759, 636, 470, 2),
    Operation("call.0.same_space", "Call to a passive server in the same address space", 277, 1247),
    Operation("reply_recv.0.same_space", "ReplyRecv back to a client in the same address space", 359, 1512),
    Operation("call.0.client_fpu", "Call where the client may use the FPU and the server may not", 277, 1247),
    Operation(
        "reply_recv.0.client_fpu", "ReplyRecv where the client may use the FPU and the server may not", 359, 1512
    ),
    Operation("call.0.fpu", "Call where client and server use the FPU", 363, 1333),
    Operation("reply_recv.0.fpu", "ReplyRecv where client and server use the FPU", 443, 1593),
    Operation("call.4", "Call with the 4 words that travel in registers"),
    Operation("reply_recv.4", "ReplyRecv with 4 words"),
    Operation("call.10", "Call with 10 words", 1647, 1630, 1200, 700),
    Operation("reply_recv.10", "ReplyRecv with 10 words", 1691, 1670, 1200, 700),
    Operation("send.0", "Send to a waiting thread of higher priority", 1385, 1380, 1000, 600),
    Operation("signal.low", "Signal that makes a thread of lower priority ready", 560, 555, 430, 300),
    Operation("signal.high", "Signal that wakes a thread of higher priority", 1136, 1131, 800, 500),
    Operation("wait", "Wait where a signal is there already"),
    Operation("fault.to_handler", "exception to its handler", 1190, 1190, 900, 600),
    Operation("fault.from_handler", "reply of the handler back to the thread", 1497, 1351, 1100, 700),
    Operation("fault.round_trip", "both together", 2688, 2542, traps=2),
    Operation("yield.other", "Yield to another thread of the same priority", 1012, 1007, 800, 500),
    Operation("yield.other.same_space", "Yield to a thread in the same address space: a switch of context", 1012, 1007),
    Operation("map.4k", "map one page where there is a page table", 863, None, 863, 600),
    Operation("protect.4k", "change the rights of one page", 882),
    Operation("unmap.4k", "unmap one page"),
    Operation("retype.endpoint", "make one endpoint of untyped memory"),
    Operation("revoke.1", "revoke a capability that has one copy"),
    Operation("irq.ack", "acknowledge an interrupt"),
    Operation("interrupt.to_user", "device interrupt at user level to the thread that waits for it", traps=0),
)
