# SPDX-License-Identifier: BSD-2-Clause
"""What `seL4_DebugCapIdentify` answers (manual: Debugging System Calls).

User libraries check kinds of capabilities in their assertions by these numbers: even ones for what every architecture
has, odd ones for this one's own.
"""

from __future__ import annotations

from tessera.kernel.capability import CapKind
from tessera.lang import compiled, u64


@compiled
def number_of(kind: CapKind) -> u64:
    """The number of a kind of capability; 0 for an empty slot."""
    match kind:
        case CapKind.UNTYPED:
            return u64(2)
        case CapKind.ENDPOINT:
            return u64(4)
        case CapKind.NOTIFICATION:
            return u64(6)
        case CapKind.REPLY:
            return u64(8)
        case CapKind.CNODE:
            return u64(10)
        case CapKind.THREAD:
            return u64(12)
        case CapKind.IRQ_CONTROL:
            return u64(14)
        case CapKind.IRQ_HANDLER:
            return u64(16)
        case CapKind.ZOMBIE:
            return u64(18)
        case CapKind.DOMAIN:
            return u64(20)
        case CapKind.SCHED_CONTEXT:
            return u64(22)
        case CapKind.SCHED_CONTROL:
            return u64(24)
        case CapKind.FRAME:
            return u64(1)
        case CapKind.PAGE_TABLE:
            return u64(3)
        case CapKind.ASID_CONTROL:
            return u64(11)
        case CapKind.ASID_POOL:
            return u64(13)
        case _:
            return u64(0)
