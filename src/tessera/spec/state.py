# SPDX-License-Identifier: BSD-2-Clause
"""The abstract state: maps of objects, slots, memory words and queues (manual: Kernel Services and Objects)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.objects import PAGE_BITS
from tessera.spec.capability import Capability, object_of
from tessera.spec.objects import AsidPool, Context, Node, Object, Place, Table, Thread

IRQ_NODE = -1
NO_DEADLINE = (1 << 64) - 1
LONGEST_DOMAIN_TIME = (1 << 56) - 1


def irq_node() -> Node:
    """The slots that say where interrupts are signalled; no capability leads to them."""
    return Node(IRQ_NODE, 7)


@dataclass(eq=False, slots=True)
class Kernel:
    """Everything that the kernel knows, between two events and inside of one.

    ``current`` is ``None`` while the kernel waits for an interrupt. The derivation tree is ``parent``, with the
    children of each slot in order, the newest first; ``original`` slots may have children.
    """

    objects: dict[int, Object] = field(default_factory=dict)
    references: Counter[object] = field(default_factory=Counter)
    parent: dict[Place, Place | None] = field(default_factory=dict)
    children: dict[Place, list[Place]] = field(default_factory=dict)
    original: set[Place] = field(default_factory=set)
    # Words of user memory by page and address; what is not there is zero.
    memory: dict[int, dict[int, int]] = field(default_factory=dict)

    interrupts: Node = field(default_factory=irq_node)
    irqs_in_use: set[int] = field(default_factory=set)
    # Delivered and not acknowledged: the controller keeps these back.
    unacknowledged: set[int] = field(default_factory=set)
    pools: dict[int, AsidPool] = field(default_factory=dict)

    now: int = 0
    # Time used since the current context was charged last.
    used: int = 0
    current: Thread | None = None
    charged: Context | None = None
    ready: dict[tuple[int, int], list[Thread]] = field(default_factory=dict)
    postponed: list[Thread] = field(default_factory=list)
    domain: int = 0
    domain_time: int = 0
    schedule: list[tuple[int, int]] = field(default_factory=list)
    schedule_index: int = 0
    schedule_start: int = 0
    fpu_owner: Thread | None = None
    fpu_on: bool = False
    # The address space in use: its root and identifier; None is the kernel's own.
    space: tuple[Table, int] | None = None
    deadline: int = NO_DEADLINE

    # What was changed since somebody looked: slots, addresses of words of memory, and pages that became zero.
    touched: set[Place] = field(default_factory=set)
    written: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)

    # Only inside of an event: whether to choose a thread anew, or to let one that woke up go first; the timer.
    choose_anew: bool = False
    candidate: Thread | None = None
    set_timer: bool = False
    # What became of the last invocation of a kernel object: the capability, the label, the error.
    outcome: tuple[Capability, int, Error] | None = None

    def put(self, place: Place, cap: Capability) -> None:
        """Change what a slot holds; its place in the derivation tree stays."""
        node, index = place
        self.touched.add(place)
        self._forget(node.slots.get(index))
        node.slots[index] = cap
        found = object_of(cap)
        if found is not None:
            self.references[found] += 1

    def clear(self, place: Place) -> None:
        """Empty a slot that is in the derivation tree no longer."""
        self.touched.add(place)
        self._forget(place[0].slots.pop(place[1], None))

    def _forget(self, cap: Capability | None) -> None:
        found = None if cap is None else object_of(cap)
        if found is not None:
            self.references[found] -= 1

    def is_last(self, cap: Capability) -> bool:
        """Whether no other capability to the object exists."""
        return self.references[object_of(cap)] == 1

    def read_word(self, address: int) -> int:
        """A word of user memory, by physical address."""
        page = self.memory.get(address >> PAGE_BITS)
        return 0 if page is None else page.get(address, 0)

    def write_word(self, address: int, value: int) -> None:
        """Change a word of user memory."""
        self.written.add(address)
        self.memory.setdefault(address >> PAGE_BITS, {})[address] = value

    def erase(self, start: int, end: int) -> None:
        """Memory becomes zero: whole pages, or objects that no user sees."""
        for page in [page for page in self.memory if start <= page << PAGE_BITS < end]:
            self.erased.add(page)
            del self.memory[page]


def held(place: Place) -> Capability | None:
    """What a slot holds."""
    return place[0].slots.get(place[1])


def ticks(microseconds: int) -> int:
    """A time in timer ticks."""
    return microseconds * configuration.ticks_per_us
