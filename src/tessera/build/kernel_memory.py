# SPDX-License-Identifier: BSD-2-Clause
"""A running kernel's memory, read as words: structs by their fields, and capabilities by their kinds.

The fuzzer reads so the kernel that runs on the host, and ``tessera run --verify-caps`` the one that has booted.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tessera.abi.configuration import configuration
from tessera.kernel import capability as kernel_capability
from tessera.kernel import layout as _layout  # noqa: F401  (what capabilities refer to)
from tessera.kernel.capability import CapKind
from tessera.lang import Memory, address_of

# A capability: its kind, then its fields in the order of COLUMNS.
Row = tuple[Any, ...]

# A field of a struct: which word of it, how far from its lowest bit, and the bits it has.
Place = tuple[int, int, int]

# Fields of capabilities in the order of the abstract ones (spec.capability). A star marks references.
COLUMNS: dict[CapKind, tuple[str, tuple[str, ...]]] = {
    CapKind.UNTYPED: ("UntypedCap", ("base", "size_bits", "is_device", "free_offset")),
    CapKind.ENDPOINT: (
        "EndpointCap",
        ("*endpoint", "badge", "can_send", "can_receive", "can_grant", "can_grant_reply"),
    ),
    CapKind.NOTIFICATION: ("NotificationCap", ("*notification", "badge", "can_send", "can_receive")),
    CapKind.REPLY: ("ReplyCap", ("*reply", "can_grant")),
    CapKind.CNODE: ("CNodeCap", ("*slots", "guard_size", "guard")),
    CapKind.THREAD: ("ThreadCap", ("*tcb",)),
    CapKind.SCHED_CONTEXT: ("ContextCap", ("*context", "size_bits")),
    CapKind.SCHED_CONTROL: ("SchedControlCap", ("core",)),
    CapKind.IRQ_CONTROL: ("IrqControlCap", ()),
    CapKind.IRQ_HANDLER: ("IrqHandlerCap", ("irq",)),
    CapKind.DOMAIN: ("DomainCap", ()),
    CapKind.FRAME: ("FrameCap", ("base", "size", "is_device", "can_read", "can_write", "asid", "mapped_address")),
    CapKind.PAGE_TABLE: ("TableCap", ("*table", "is_mapped", "asid", "mapped_address")),
    CapKind.ASID_CONTROL: ("AsidControlCap", ()),
    CapKind.ASID_POOL: ("PoolCap", ("*pool", "asid_base")),
    CapKind.ZOMBIE: ("ZombieCap", ("*slots", "radix", "is_thread", "remaining")),
}
KIND_MASK = 31
_RADIX: Any = kernel_capability.CNodeCap.__packed__.fields()["radix"]  # type: ignore[attr-defined]
_WORD = (1 << 64) - 1


@cache
def fields_of(cls: Any) -> dict[str, Place]:
    """Where the fields of a struct are; arrays and structs inside are named by their first word."""
    found = {}
    for name, field in cls.__struct__.layout().fields.items():
        size = 8 if field.inline else _size(field.type)
        found[name] = (field.offset >> 3, 8 * (field.offset & 7), (1 << 8 * size) - 1)
    return found


def _size(type_: Any) -> int:
    from tessera.lang.structs import size_of_stored

    return int(size_of_stored(type_))


@cache
def columns_of(kind: int) -> tuple[str, tuple[tuple[int, int, int, int, bool], ...]]:
    """The name of a kind, and for each column: lowest bit, mask, shift, sign bit or 0, and whether it refers."""
    name, columns = COLUMNS[CapKind(kind)]
    base: Any = kernel_capability.Capability
    cls = base.__packed__.variants[kind]
    found = []
    for column in columns:
        field = cls.__packed__.fields()[column.lstrip("*")]
        sign = 1 << (field.width - 1) if field.signed else 0
        found.append((field.low, (1 << field.width) - 1, field.shift, sign, column.startswith("*")))
    return name, tuple(found)


def radix_of(low: int) -> int:
    """The radix of a CNode, or of what is left of it, in the first word of a capability."""
    return int(low >> _RADIX.low & (1 << _RADIX.width) - 1)


@cache
def decode(low: int, high: int, window: int) -> Row | None:
    """The capability with these two words, objects by their physical addresses; ``None`` for an empty slot."""
    kind = low & KIND_MASK
    if kind == CapKind.NULL:
        return None
    name, columns = columns_of(kind)
    raw = high << 64 | low
    values = []
    for at, mask, shift, sign, refers in columns:
        value = raw >> at & mask
        if value & sign:
            value -= sign << 1
        value <<= shift
        values.append((value - window) & _WORD if refers else value)
    return name, *values


class Words:
    """A kernel's memory as words of 64 bits."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.words = memoryview(memory.data).cast("Q")
        self.base = memory.base
        self.window = configuration.physical_window

    def index(self, address: int) -> int:
        """Which word of memory is at an address of the kernel's."""
        return (address - self.base) >> 3

    def of(self, thing: Any) -> int:
        """Which word of memory a struct begins at."""
        return self.index(int(address_of(thing)))

    def named(self, name: int) -> int:
        """The same for an object, by its name."""
        return ((name + self.window & _WORD) - self.base) >> 3

    def name(self, address: int) -> int | None:
        """The name of the object at an address; ``None`` for no address."""
        return None if address == 0 else (address - self.window) & _WORD

    def read(self, start: int, field: Place) -> int:
        """A field of the struct that begins at a word."""
        return self.words[start + field[0]] >> field[1] & field[2]

    def cap(self, slot: int) -> Row | None:
        """The capability in the slot that begins at a word."""
        return decode(self.words[slot], self.words[slot + 1], self.window)
