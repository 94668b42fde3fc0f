# SPDX-License-Identifier: BSD-2-Clause
"""Every invariant of the kernel, checked on the state of the native one after each event.

The native kernel runs its ghost code, too, and notes what it writes and which objects begin to live (``lives``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tessera.kernel import state as kernel_state
from tessera.kernel.layout import (
    AsidPool,
    PageTable,
    Refill,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.kernel.state import KernelState
from tessera.lang import MEMORY_BASE, address_of, offset_of, size_of
from tessera.lang.words import Violation
from tessera.llvm.host import HostModule
from tessera.llvm.instrumented import Instruments
from tessera.llvm.shadow import UNIT_BITS
from tessera.llvm.watch import FOUND_WORDS, Plans
from tessera.spec.state import Kernel
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.lists import Addresses, Changing
from tessera.suites.fuzz.lives import Lives
from tessera.suites.fuzz.pieces import GRANULE

# How often everything is looked at, in events.
COMPLETE_EVERY = 5000
# Parts of the kernel's own state, in their order: the table of pools, the domain schedule, and at its end ready queues.
_PARTS = ("asid_table", "domain_schedule", "domains")
# Where a thread's links of queues are, from the beginning of the unit of memory that the first is in.
_LINKS = range(offset_of(Tcb, "queue_next") >> UNIT_BITS << UNIT_BITS, offset_of(Tcb, "fpu"))
# Where a context says which refills are in use.
_RING = range(offset_of(SchedContext, "refill_limit") >> UNIT_BITS << UNIT_BITS, offset_of(SchedContext, "refills"))


@dataclass
class Changes:
    """What was written: objects by struct, units of memory in which none lies; whether queues and their links were."""

    objects: dict[Any, set[int]] = field(default_factory=dict)
    loose: list[int] = field(default_factory=list)
    queues: bool = False
    links: bool = False
    pools: bool = False
    # Contexts of which another refill is the first or last, or which have another number of them.
    rings: set[int] = field(default_factory=set)
    # Whether objects began to live.
    lives: bool = False

    def add(self, other: Changes) -> None:
        """What was written later."""
        for cls, addresses in other.objects.items():
            if cls in self.objects:
                self.objects[cls] |= addresses
            else:
                self.objects[cls] = set(addresses)
        self.loose += other.loose
        self.queues |= other.queues
        self.links |= other.links


class Watch(Lives):
    """The invariants of one booted kernel. Use within the module's memory."""

    def __init__(self, module: HostModule, instruments: Instruments, plan: Plans) -> None:
        self.plan = plan
        missing = set(plan.lists) - plans.all_lists(plan)
        if missing:
            raise KeyError(f"nobody fills {sorted(missing)}")
        self.run: dict[str, Callable[[], None]] = {name: module.plan(name) for name in plan.plans}
        super().__init__(module.memory, instruments, plan)
        shadow, size = self.shadow, len(self.memory.data)
        self.marks = shadow.view(instruments.marks, size >> UNIT_BITS)
        self.written = shadow.view(instruments.written, 8 + 8 * (size >> UNIT_BITS)).cast("Q")
        self.found = shadow.view(shadow.reserve("found", 8 * FOUND_WORDS), 8 * FOUND_WORDS).cast("Q")
        self.inexact = shadow.view(instruments.inexact, 8)
        most = size // GRANULE
        self.changed = {cls: Changing(self.table, f"changed.{cls.__name__}", most) for cls in self.every}
        self.changed_heads = Changing(self.table, "changed.heads", most)
        self.used_numbers = Changing(self.table, "used.number", 512)
        table = int(address_of(kernel_state.kernel)) - MEMORY_BASE + offset_of(KernelState, "asid_table") >> 3
        self.pool_words = memoryview(self.memory.data).cast("B").cast("Q")[table : table + kernel_state.ASID_POOLS]
        self.changed_valid = Changing(self.table, "changed.valid", most)
        self.of_queues = {name: Changing(self.table, f"changed.{name}", 512) for name in plans.OF_QUEUES}
        self.fixed = {name: Addresses(self.table, name, count) for name, count in plans.word_lists().items()}
        for name, count in plans.word_lists().items():
            self.fixed[name].set(range(count))
        self.queue_words = {name: list(range(plans.of_words(name))) for name in plans.OF_QUEUES}
        pools, schedule, queues, end = (
            int(address_of(kernel_state.kernel)) - MEMORY_BASE + place >> UNIT_BITS
            for place in (*(offset_of(KernelState, name) for name in _PARTS), int(size_of(KernelState)))
        )
        start = int(address_of(kernel_state.kernel)) - MEMORY_BASE >> UNIT_BITS
        self.kernel_units = range(start, end + 1)
        self.queue_units = range(queues, end + 1)
        self.pool_units = range(pools, schedule + 1)
        self.events = 0

    # What changed

    def take(self) -> list[int]:
        """The units of memory that were written since this was asked last."""
        count = self.written[0]
        units: list[int] = self.written[1 : count + 1].tolist()
        self.written[0] = 0
        marks = self.marks
        for unit in units:
            marks[unit] = 0
        return units

    def sort(self, units: Iterable[int]) -> Changes:
        """What lies in units of memory that were written."""
        changes = Changes(lives=self._begun())
        objects, loose, owners = changes.objects, changes.loose, self.owners
        for unit in units:
            found = owners.get(unit)
            if found is not None:
                for cls, address in found:
                    if cls in objects:
                        objects[cls].add(address)
                    else:
                        objects[cls] = {address}
                    if cls is Tcb:
                        if (unit << UNIT_BITS) - (address - MEMORY_BASE) in _LINKS:
                            changes.links = True
                    elif cls is SchedContext and (unit << UNIT_BITS) - (address - MEMORY_BASE) in _RING:
                        changes.rings.add(address)
            elif unit not in self.kernel_units:
                loose.append(unit)
            elif unit in self.queue_units:
                changes.queues = True
            elif unit in self.pool_units:
                changes.pools = True
        return changes

    def look(self, changes: Changes, k: Kernel, settled: bool) -> list[str]:
        """What does not hold after an event that wrote this. ``settled``: nothing is half done."""
        self.events += 1
        changed, pieces, lives = changes.objects, self.pieces, changes.lives
        if settled and k.touched and self._ended(k):
            lives = True
            for cls, addresses in changed.items():
                changed[cls] = addresses & self.every[cls].index.keys()
        slots = changed.get(Slot, set())
        for unit in changes.loose:
            pieces.add(MEMORY_BASE + (unit << UNIT_BITS), 1 << UNIT_BITS)
        for address in slots:
            self._slot(address)
        changes.rings.update(self.rings.context_of[refill] for refill in changed.get(Refill, ()))
        for context in changes.rings:
            self.rings.count(context)
        if changes.pools or AsidPool in changed or PageTable in changed:
            # Each says something of others.
            changed[AsidPool] = set(self.every[AsidPool].index)
            changed[PageTable] = set(self.every[PageTable].index)
            self.used_numbers.set([number for number, pool in enumerate(self.pool_words) if pool])
        for cls, few in self.changed.items():
            few.set(changed.get(cls, ()))
        # Capabilities may refer to what has ended.
        self.changed_valid.set(self.used.index if lives else slots)
        self.changed_heads.set(self.heads.index if lives else self.heads.index.keys() & slots)
        for name, words in self.of_queues.items():
            words.set(self.queue_words[name] if changes.queues else ())
        pieces.tell()
        told = self.check("event")
        if self.inexact[0] and not told:
            raise OverflowError("the ghosts of the derivation tree need more bits")
        if not told and self.events % COMPLETE_EVERY == 0:
            told = self.check("complete")
        return told

    def check(self, plan: str) -> list[str]:
        """Run a plan. What does not hold: one line, or none."""
        wrong = ""
        try:
            self.run[plan]()
        except Violation as error:
            wrong = f" ({error})"
        number = self.found[0]
        if not number:
            return []
        name, lists = self.plan.checks[number - 1]
        objects = ", ".join(hex(self.found[1 + index]) for index in range(len(lists)))
        return [f"invariant {name.removeprefix('tessera.')}{wrong}: does not hold of {objects or 'the kernel'}"]
