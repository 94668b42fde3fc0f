# SPDX-License-Identifier: BSD-2-Clause
"""What a text in upstream's capability distribution language (capDL) says: objects, capabilities in slots, and who was
derived from whom. :mod:`tessera.system.capdl_write` writes such a text, :mod:`tessera.system.capdl_read` reads one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Slots of a thread by the names that the language has for them, with the numbers that they stand for.
TCB_SLOTS = {
    "cspace": 0,
    "vspace": 1,
    "reply_slot": 2,
    "caller_slot": 3,
    "ipc_buffer_slot": 4,
    "fault_ep_slot": 5,
    "sc_slot": 6,
    "temp_fault_ep_slot": 7,
    "bound_notification": 8,
    "bound_vcpu": 9,
}
TCB_SLOT_NAMES = {number: name for name, number in TCB_SLOTS.items()}

# Capabilities that are to no object.
WITHOUT_OBJECT = ("io_space_master", "asid_control", "irq_control", "domain", "sched_control")

# Kinds of objects that RISC-V has, as the language names them.
ENDPOINT, NOTIFICATION, TCB, CNODE, UNTYPED = "ep", "notification", "tcb", "cnode", "ut"
SCHED_CONTEXT, REPLY, PAGE_TABLE, FRAME, IRQ, ASID_POOL = "sc", "rtreply", "pt", "frame", "irq", "asid_pool"
KINDS = (ENDPOINT, NOTIFICATION, TCB, CNODE, UNTYPED, SCHED_CONTEXT, REPLY, PAGE_TABLE, FRAME, IRQ, ASID_POOL)

Place = tuple[str, int]


@dataclass(frozen=True)
class SpecCap:
    """A capability. ``rights`` are letters in the order RWGP; of a frame RWX. ``mapping``: of a frame, the slot of the
    page table in which it is mapped with this capability. ``core``: of ``sched_control``.
    """

    object: str
    rights: str = ""
    badge: int = 0
    guard: int = 0
    guard_size: int = 0
    cached: bool = True
    mapping: Place | None = None
    core: int | None = None


@dataclass(frozen=True)
class Fill:
    """``length`` bytes of a frame, from ``offset`` on, are those of ``file`` from ``file_offset`` on."""

    offset: int
    length: int
    file: str
    file_offset: int


@dataclass
class SpecObject:
    """An object. ``parameters`` by the names of the language; of a frame ``size`` in bytes and ``fill``, of others
    ``bits``. ``notes`` are facts that the language has no word for: upstream's tools take them for comments.
    """

    name: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    slots: dict[int, SpecCap] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass
class Schedule:
    """The domain schedule: pairs of domain and ticks, the index of the first entry, and where it starts."""

    entries: list[tuple[int, int]]
    start: int | None = None
    index_shift: int = 0


@dataclass
class Spec:
    """A whole text. ``irqs``: the object of each interrupt number. ``parents``: of derived capabilities, by place."""

    architecture: str
    objects: dict[str, SpecObject] = field(default_factory=dict)
    irqs: dict[int, str] = field(default_factory=dict)
    parents: dict[Place, Place] = field(default_factory=dict)
    schedule: Schedule | None = None

    def of(self, kind: str) -> list[SpecObject]:
        """The objects of one kind, in order."""
        return [each for each in self.objects.values() if each.kind == kind]
