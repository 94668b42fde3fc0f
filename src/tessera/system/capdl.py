# SPDX-License-Identifier: BSD-2-Clause
"""A capability distribution: which kernel objects there are, and who holds which capability to them.

This is the capDL model as data. The initialiser creates exactly these objects and nothing else. Objects are named after
the user's own words: ``client.tcb``, ``client.stack.0``, ``ring``. Sizes in bits ``b`` mean ``2**b`` bytes, except
for a CNode: ``2**b`` slots. What an object is made of, and what it holds, is in the object itself; the contents of
address spaces are in :attr:`Distribution.tables` and :attr:`Distribution.mappings`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from tessera.abi import capabilities, objects
from tessera.abi.objects import ObjectType
from tessera.system.model import Permissions, Trigger


class Rights(enum.IntFlag):
    """What a capability allows; the bits are those of the rights word of Mint and Page Map."""

    NONE = 0
    WRITE = capabilities.RIGHT_WRITE
    READ = capabilities.RIGHT_READ
    GRANT = capabilities.RIGHT_GRANT
    GRANT_REPLY = capabilities.RIGHT_GRANT_REPLY
    ALL = capabilities.ALL_RIGHTS

    def letters(self) -> str:
        """``rwgp``, of which the absent ones are left out; p is grant reply."""
        named = {Rights.READ: "r", Rights.WRITE: "w", Rights.GRANT: "g", Rights.GRANT_REPLY: "p"}
        return "".join(letter for right, letter in named.items() if right in self) or "-"


@dataclass(frozen=True)
class Cap:
    """A capability to the object called ``object``. ``guard`` and ``guard_bits`` matter for a CNode only."""

    object: str
    rights: Rights = Rights.ALL
    badge: int = 0
    guard: int = 0
    guard_bits: int = 0

    def text(self) -> str:
        parts = [] if self.rights == Rights.ALL else [self.rights.letters()]
        if self.badge:
            parts.append(f"badge {self.badge:#x}")
        if self.guard_bits:
            parts.append(f"guard {self.guard:#x} of {self.guard_bits} bits")
        return f"{self.object} ({', '.join(parts)})" if parts else self.object


@dataclass(frozen=True)
class KernelObject:
    """Any object. ``kind`` is its type in a retype; None for what is not made from untyped memory."""

    name: str
    word: ClassVar[str] = ""

    @property
    def kind(self) -> ObjectType | None:
        return None

    @property
    def retype_bits(self) -> int:
        """The ``size_bits`` argument of the retype that makes the object; 0 where its type fixes the size."""
        return 0

    @property
    def memory_bits(self) -> int | None:
        """The memory that the object takes is ``2**memory_bits`` bytes; None for no memory."""
        return None if self.kind is None else objects.object_size_bits(self.kind, self.retype_bits)

    @property
    def paddr(self) -> int | None:
        """The physical address at which the object must be, or None."""
        return None

    def properties(self) -> dict[str, str]:
        """What is said of the object in the text form, in order."""
        return {}


@dataclass(frozen=True)
class Endpoint(KernelObject):
    word: ClassVar[str] = "endpoint"

    @property
    def kind(self) -> ObjectType:
        return ObjectType.ENDPOINT


@dataclass(frozen=True)
class Notification(KernelObject):
    word: ClassVar[str] = "notification"

    @property
    def kind(self) -> ObjectType:
        return ObjectType.NOTIFICATION


@dataclass(frozen=True)
class Reply(KernelObject):
    word: ClassVar[str] = "reply"

    @property
    def kind(self) -> ObjectType:
        return ObjectType.REPLY


@dataclass(frozen=True)
class CNode(KernelObject):
    """``size_bits``: of its number of slots. ``slots`` in ascending order."""

    word: ClassVar[str] = "cnode"
    size_bits: int
    slots: Mapping[int, Cap]

    @property
    def kind(self) -> ObjectType:
        return ObjectType.CAP_TABLE

    @property
    def retype_bits(self) -> int:
        return self.size_bits

    def properties(self) -> dict[str, str]:
        return {"slots": str(1 << self.size_bits)}


@dataclass(frozen=True)
class SchedContext(KernelObject):
    """Time: ``budget`` in every ``period``, both in microseconds. ``badge`` is what a timeout fault reports."""

    word: ClassVar[str] = "sched_context"
    size_bits: int
    budget: int
    period: int
    badge: int
    extra_refills: int = 0

    @property
    def kind(self) -> ObjectType:
        return ObjectType.SCHED_CONTEXT

    @property
    def retype_bits(self) -> int:
        return self.size_bits

    def properties(self) -> dict[str, str]:
        return {"budget": f"{self.budget} us", "period": f"{self.period} us", "badge": f"{self.badge:#x}"}


@dataclass(frozen=True)
class Fill:
    """Bytes that a frame holds from ``offset`` on, before any program runs. ``origin`` says where they come from."""

    offset: int
    data: bytes = field(repr=False)
    origin: str


@dataclass(frozen=True)
class Frame(KernelObject):
    """Memory that programs use: ``2**size_bits`` bytes, zero where no fill says otherwise."""

    word: ClassVar[str] = "frame"
    size_bits: int
    address: int | None = None
    fills: tuple[Fill, ...] = ()

    @property
    def kind(self) -> ObjectType:
        return FRAME_TYPES[self.size_bits]

    @property
    def paddr(self) -> int | None:
        return self.address

    def properties(self) -> dict[str, str]:
        said = {"size": f"{1 << self.size_bits:#x}"}
        if self.address is not None:
            said["paddr"] = f"{self.address:#x}"
        if self.fills:
            said["fill"] = "; ".join(f"{fill.offset:#x}+{len(fill.data):#x} {fill.origin}" for fill in self.fills)
        return said


FRAME_TYPES = {
    objects.PAGE_BITS: ObjectType.PAGE,
    objects.MEGA_PAGE_BITS: ObjectType.MEGA_PAGE,
    objects.GIGA_PAGE_BITS: ObjectType.GIGA_PAGE,
}


@dataclass(frozen=True)
class PageTable(KernelObject):
    """A page table below the root; ``level`` counts from the root, which is level 0."""

    word: ClassVar[str] = "page_table"
    level: int

    @property
    def kind(self) -> ObjectType:
        return ObjectType.PAGE_TABLE

    def properties(self) -> dict[str, str]:
        return {"level": str(self.level)}


@dataclass(frozen=True)
class VSpace(KernelObject):
    """The root page table of an address space. It needs an address space identifier before anything is mapped."""

    word: ClassVar[str] = "vspace"

    @property
    def kind(self) -> ObjectType:
        return ObjectType.PAGE_TABLE


@dataclass(frozen=True)
class IrqHandler(KernelObject):
    """The authority over interrupt ``irq``, and the notification that it signals."""

    word: ClassVar[str] = "irq_handler"
    irq: int
    trigger: Trigger
    notification: Cap

    def properties(self) -> dict[str, str]:
        return {"irq": str(self.irq), "trigger": self.trigger.value}


@dataclass(frozen=True)
class Tcb(KernelObject):
    """A thread with everything that it is given. 255 is the highest priority.

    ``thread_name`` is for the kernel's debugging aids. ``arguments`` go to the argument registers in order. ``domain``
    is the number of its scheduling domain.
    """

    word: ClassVar[str] = "tcb"
    cspace: Cap
    vspace: Cap
    ipc_buffer: Cap
    ipc_buffer_address: int
    sched_context: Cap
    bound_notification: Cap | None
    fault_endpoint: Cap | None
    priority: int
    max_priority: int
    entry: int
    stack_pointer: int
    arguments: tuple[int, ...]
    fpu: bool
    resume: bool
    thread_name: str
    domain: int = 0

    @property
    def kind(self) -> ObjectType:
        return ObjectType.TCB

    def properties(self) -> dict[str, str]:
        return {
            "priority": str(self.priority),
            "max_priority": str(self.max_priority),
            "entry": f"{self.entry:#x}",
            "stack_pointer": f"{self.stack_pointer:#x}",
            "ipc_buffer_address": f"{self.ipc_buffer_address:#x}",
            "arguments": "[" + ", ".join(f"{word:#x}" for word in self.arguments) + "]",
            "fpu": str(self.fpu).lower(),
            "resume": str(self.resume).lower(),
            **({"domain": str(self.domain)} if self.domain else {}),
        }


@dataclass(frozen=True)
class TableMapping:
    """A page table in an address space, for the addresses from ``vaddr`` on."""

    vspace: str
    vaddr: int
    table: str
    level: int


@dataclass(frozen=True)
class FrameMapping:
    """A frame in an address space."""

    vspace: str
    vaddr: int
    frame: str
    perms: Permissions
    cached: bool

    @property
    def rights(self) -> Rights:
        """The rights of the capability with which the frame is mapped."""
        pairs = ((Permissions.READ, Rights.READ), (Permissions.WRITE, Rights.WRITE))
        return Rights(sum(right for permission, right in pairs if permission in self.perms))

    @property
    def executable(self) -> bool:
        return Permissions.EXECUTE in self.perms


@dataclass(frozen=True)
class ScheduleSlot:
    """An entry of the kernel's domain schedule; domain 0 for no ticks ends it."""

    index: int
    domain: int
    ticks: int


@dataclass(frozen=True)
class Schedule:
    """The domain schedule: its entries, and the index at which it begins when all threads are ready."""

    entries: tuple[ScheduleSlot, ...]
    start: int


@dataclass(frozen=True)
class Distribution:
    """Everything that is to exist; :mod:`tessera.system.dump` writes it down.

    Objects are in the order of the description, the monitor first. ``tables`` are sorted so that a table comes after
    the one that holds it.
    """

    architecture: str
    objects: tuple[KernelObject, ...]
    tables: tuple[TableMapping, ...]
    mappings: tuple[FrameMapping, ...]
    schedule: Schedule | None = None

    @cached_property
    def by_name(self) -> dict[str, KernelObject]:
        return {each.name: each for each in self.objects}

    def of(self, kind: type[KernelObject]) -> list[Any]:
        """The objects of one class, in order."""
        return [each for each in self.objects if isinstance(each, kind)]
