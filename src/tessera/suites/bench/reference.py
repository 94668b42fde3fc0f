# SPDX-License-Identifier: BSD-2-Clause
"""What is measured, and the figures of seL4 16.0 to compare with.

The figures of reference are instructions of its release build (gcc 12.2 -O2, mixed-criticality configuration), counted
by its own benchmark suite under the same QEMU with ``-icount shift=0``; ``fast`` with its fastpath, ``slow`` without.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One measured operation. The figures of reference are absent where there is no equal measurement."""

    name: str
    meaning: str
    fast: int | None = None
    slow: int | None = None


OPERATIONS: tuple[Operation, ...] = (
    Operation("null", "system call SetTLSBase: enter the kernel, write one register, leave"),
    Operation("call", "Call to a passive server in another address space, no words", 277, 1247),
    Operation("reply_recv", "ReplyRecv back to the client, no words", 359, 1512),
    Operation("round_trip", "Call and ReplyRecv together", 636, 2759),
    Operation("call_same_space", "Call to a passive server in the same address space", 277, 1247),
    Operation("reply_recv_same_space", "ReplyRecv back to a client in the same address space", 359, 1512),
    Operation("call_fpu", "Call where client and server use the FPU", 363, 1333),
    Operation("reply_recv_fpu", "ReplyRecv where client and server use the FPU", 443, 1593),
    Operation("call_10_words", "Call with 10 words", 1647, 1630),
    Operation("reply_recv_10_words", "ReplyRecv with 10 words", 1691, 1670),
    Operation("send_to_higher", "Send to a waiting thread of higher priority", 1385, 1380),
    Operation("signal_higher", "Signal that wakes a thread of higher priority", 1136, 1131),
    Operation("signal_lower", "Signal that makes a thread of lower priority ready", 560, 555),
    Operation("yield_to_equal", "Yield to another thread of the same priority", 1012, 1007),
    Operation("fault", "exception to its handler", 1190, 1190),
    Operation("fault_reply", "reply of the handler back to the thread", 1497, 1351),
    Operation("fault_round_trip", "both together", 2688, 2542),
    Operation("page_map", "map one page", 863, None),
    Operation("page_protect", "change the rights of one page", 882, None),
)
