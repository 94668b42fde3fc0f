# SPDX-License-Identifier: BSD-2-Clause
"""The derivation tree that the kernel's list of slots stands for.

The kernel keeps capabilities in one list, each behind what it was derived from; who is whose parent follows from the
kinds, the memory they are to, and two marks (kernel/derivation.py). Here that rule is told anew.
"""

from __future__ import annotations

from tessera.abi.objects import (
    ASID_POOL_BITS,
    ENDPOINT_BITS,
    NOTIFICATION_BITS,
    PAGE_TABLE_BITS,
    REPLY_BITS,
    SLOT_BITS,
    TCB_BITS,
)
from tessera.build.kernel_memory import Row, Words, radix_of

SlotName = tuple[int, int]

SIZES = {
    "EndpointCap": ENDPOINT_BITS,
    "NotificationCap": NOTIFICATION_BITS,
    "ReplyCap": REPLY_BITS,
    "ThreadCap": TCB_BITS,
    "TableCap": PAGE_TABLE_BITS,
    "PoolCap": ASID_POOL_BITS,
}
LINK, FIRST_BADGED, REVOCABLE = 3, 1, 2


def region(cap: Row, radix: int) -> tuple[int, int]:
    """The memory that a capability is to; empty where it is to none."""
    match cap[0]:
        case "UntypedCap":
            bits = cap[2]
        case "CNodeCap":
            bits = radix + SLOT_BITS
        case "ContextCap":
            bits = cap[2]
        case "FrameCap":
            bits = 12 + 9 * cap[2]
        case kind if kind in SIZES:
            bits = SIZES[kind]
        case _:
            return 0, 0
    return cap[1], cap[1] + (1 << bits)


def is_about_same(a: Row, b: Row, radix: int) -> bool:
    """Whether ``b`` is to the object of ``a``, or to something made from it."""
    match a[0]:
        case "UntypedCap":
            low, high = region(b, radix)
            return high != 0 and a[1] <= low and high <= a[1] + (1 << a[2])
        case "IrqControlCap":
            return b[0] in ("IrqControlCap", "IrqHandlerCap")
        case "FrameCap":
            return b[0] == "FrameCap" and a[1:3] == b[1:3]
        case _:
            return a[0] == b[0] and a[1:2] == b[1:2]


class Order:
    """Parents and children of the slots, which are given by the word they begin at."""

    def __init__(self, words: Words, slots: dict[int, SlotName]) -> None:
        self.words = words
        self.slots = slots
        self.parents: dict[SlotName, SlotName | None] = {}
        self.children: dict[SlotName, list[SlotName]] = {}
        for start in slots:
            if words.words[start + 2] == 0:
                self._follow(start)

    def is_parent(self, a: int, b: int) -> bool:
        """Whether a slot is derived from another one, given that all between them are."""
        words = self.words.words
        if not words[a + LINK] & REVOCABLE:
            return False
        first, second = self.words.cap(a), self.words.cap(b)
        if first is None or second is None or not is_about_same(first, second, radix_of(words[b])):
            return False
        badge = first[2] if first[0] in ("EndpointCap", "NotificationCap") else 0
        return badge == 0 or (second[2] == badge and not words[b + LINK] & FIRST_BADGED)

    def _follow(self, start: int) -> None:
        """One list, from its first slot on."""
        above: list[int] = []
        while start:
            name = self.slots.get(start, (0, start))
            if name in self.parents:
                raise ValueError("a list of slots has no end")
            while above and not self.is_parent(above[-1], start):
                above.pop()
            parent = self.slots.get(above[-1], (0, above[-1])) if above else None
            self.parents[name] = parent
            if parent is not None:
                self.children.setdefault(parent, []).append(name)
            above.append(start)
            following = self.words.words[start + LINK] >> 5 << 5
            start = self.words.index(following) if following else 0
