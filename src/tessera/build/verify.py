# SPDX-License-Identifier: BSD-2-Clause
"""Is the capability graph of a booted machine exactly the distribution?

The kernel's objects are read out of the machine's memory, beginning at the CNode that holds a capability to each of
them. Then every slot of every object is compared, in both directions, with what the distribution says: a capability
that is missing, one too many, and one that is different are all told in the user's names. Where objects are in memory
makes no difference; that no two have one place does.

Besides, nobody else may be there: every thread in a queue of the kernel is one of the distribution's, and no capability
outside of it was derived from one inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tessera.build.derivation_order import Order, SlotName
from tessera.build.final_state import POOL_SLOT, REAL_TCB_SLOTS
from tessera.build.guest_memory import GuestWords
from tessera.build.kernel_memory import Row, fields_of, radix_of
from tessera.build.spec import KEPT_NAME
from tessera.build.verify_caps import Namer, cap_differences
from tessera.build.verify_objects import object_differences
from tessera.build.verify_text import place_text
from tessera.kernel.layout import Tcb
from tessera.kernel.state import IRQ_SLOTS, KernelState
from tessera.runtime.spec import MONITOR_SLOT_DOMAIN, MONITOR_SLOT_OWN_CNODE
from tessera.system import capdl_model as model
from tessera.system.capdl_model import Place, Spec, SpecObject
from tessera.system.environment import MONITOR_NAME

SLOT_WORDS = 4
KERNEL = fields_of(KernelState)
TCB = fields_of(Tcb)
# Where a thread's own slots are among its five, by the numbers of the language.
THREAD_SLOTS = dict(zip(REAL_TCB_SLOTS, range(4), strict=True))
TIMEOUT_SLOT = 4
LONGEST_LIST = 1 << 14


@dataclass
class Verdict:
    """What was compared, and every difference that was found, as sentences."""

    objects: int = 0
    capabilities: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences


def verify(spec: Spec, words: GuestWords) -> Verdict:
    """Compare a stopped machine with a specification that :func:`tessera.build.final_state.final_state` made."""
    comparison = _Comparison(spec, words)
    try:
        return comparison.run()
    except (ValueError, KeyError, IndexError) as error:
        # Only memory that no kernel of ours has left so: a kind of capability that there is not, a list without an end.
        comparison.verdict.differences.append(f"the kernel's memory makes no sense: {error}")
        return comparison.verdict


class _Comparison:
    def __init__(self, spec: Spec, words: GuestWords) -> None:
        self.spec = spec
        self.words = words
        self.verdict = Verdict()
        self.namer = Namer(spec, words)
        # The word at which each occupied slot begins, and its place.
        self.occupied: dict[int, Place] = {}
        # Places of which it has been told already that something else is there.
        self.different: set[Place] = set()

    def run(self) -> Verdict:
        base = self._kept()
        if base is None:
            self._tell(
                f"the CNode '{KEPT_NAME}', which holds a capability to every object, was not found: nothing else can be"
                " compared"
            )
            return self.verdict
        self._find_objects(base)
        for each in self.spec.objects.values():
            if each.name in self.namer.addresses or each.kind == model.IRQ:
                self._compare(each)
        self._interrupts()
        self._derivation()
        self.verdict.differences += object_differences(self.spec, self.words, self.namer)
        self.verdict.objects = len(self.spec.objects)
        return self.verdict

    def _tell(self, what: str) -> None:
        self.verdict.differences.append(what)

    # The objects

    def _kept(self) -> int | None:
        """The word at which the CNode begins that keeps everything, found by way of the thread that runs now."""
        words = self.words
        kernel = words.static("kernel")
        current = words.index(words.read(kernel, KERNEL["current"]))
        at = current + TCB["cspace_root"][0]
        kept = self.spec.objects[KEPT_NAME]
        numbers = [slot for slot, cap in kept.slots.items() if self.spec.objects[cap.object].kind == model.CNODE]
        # Somewhere before it in the list of slots is the capability with which the CNode was made: a kept one.
        for _ in range(LONGEST_LIST):
            for number in numbers:
                base = at - number * SLOT_WORDS
                found = words.cap(base)
                if found is not None and found[0] == "CNodeCap" and found[1] == base << 3:
                    return base if radix_of(words.words[base]) == kept.parameters["bits"] else None
            before = words.words[at + 2]
            if before == 0:
                return None
            at = words.index(before)
        return None

    def _find_objects(self, base: int) -> None:
        """Name the objects by the kept capabilities to them."""
        kept = self.spec.objects[KEPT_NAME]
        owners: dict[int, str] = {}
        for slot, cap in kept.slots.items():
            each = self.spec.objects[cap.object]
            found = self.words.cap(base + slot * SLOT_WORDS)
            if each.kind == model.IRQ or each.name in self.namer.addresses:
                continue
            if found is None or not self.namer.is_kind(found, each.kind):
                what = "nothing" if found is None else self.namer.what(found)
                self._tell(f"{place_text(self.spec, (KEPT_NAME, slot))} should make '{each.name}' live, and has {what}")
                continue
            address = int(found[1])
            if address in owners:
                self._tell(f"'{each.name}' and '{owners[address]}' are one object in the machine")
            owners[address] = each.name
            self.namer.add(each.name, address)

    # Slots

    def _compare(self, each: SpecObject) -> None:
        for slot, start in self._slots(each):
            found = self.words.cap(start)
            expected = each.slots.get(slot)
            if found is not None:
                self.occupied[start] = (each.name, slot)
            if found is None and expected is None:
                if any(self.words.words[start : start + SLOT_WORDS]):
                    self._tell(f"{place_text(self.spec, (each.name, slot))} is empty, and was not cleared")
                continue
            if expected is None and (self._is_pool(each, slot, found) or self._is_handover(each, slot, found)):
                continue
            self.verdict.capabilities += 1
            told = cap_differences(self.spec, self.namer, (each.name, slot), expected, found)
            if not told and found is not None and found[0] == "CNodeCap" and expected is not None:
                bits = self.spec.objects[expected.object].parameters["bits"]
                if radix_of(self.words.words[start]) != bits:
                    told = [f"the CNode is not as large as it should be, 2**{bits} slots"]
            if told:
                self.different.add((each.name, slot))
            for what in told:
                self._tell(f"{place_text(self.spec, (each.name, slot))}: {what}")

    def _slots(self, each: SpecObject) -> Iterator[tuple[int, int]]:
        """The real slots of an object: numbers, and the words at which they begin."""
        if each.kind == model.IRQ:
            number = next(number for number, name in self.spec.irqs.items() if name == each.name)
            yield 0, self.words.static("irq_slots") + number * SLOT_WORDS
        elif each.kind == model.TCB:
            start = self.namer.word(each.name) + TCB["cspace_root"][0]
            for slot, place in THREAD_SLOTS.items():
                yield slot, start + place * SLOT_WORDS
            yield -1, start + TIMEOUT_SLOT * SLOT_WORDS
        elif each.kind == model.CNODE:
            start = self.namer.word(each.name)
            for slot in range(1 << each.parameters["bits"]):
                yield slot, start + slot * SLOT_WORDS

    def _is_pool(self, each: SpecObject, slot: int, found: Row | None) -> bool:
        """Whether this is the kept capability to the pool of address space identifiers."""
        if found is None or found[0] != "PoolCap" or str(slot) != each.notes.get(POOL_SLOT):
            return False
        self.namer.pool = found[1]
        self.verdict.capabilities += 1
        return bool(found[2] == 0)

    def _is_handover(self, each: SpecObject, slot: int, found: Row | None) -> bool:
        """Whether this is what the monitor gives up in its first turn. It needs it to start a domain schedule, and
        that may be before its turn.
        """
        if self.spec.schedule is None or each.name != f"{MONITOR_NAME}.cnode" or found is None:
            return False
        if slot == MONITOR_SLOT_DOMAIN and found[0] == "DomainCap":
            self.verdict.notes.append(
                "the monitor still has the capability to the domain schedule, which it has started; it gives it up in"
                " its next turn"
            )
            return True
        return bool(slot == MONITOR_SLOT_OWN_CNODE and found[:2] == ("CNodeCap", self.namer.addresses.get(each.name)))

    def _interrupts(self) -> None:
        slots = self.words.static("irq_slots")
        for number in range(IRQ_SLOTS):
            if number not in self.spec.irqs:
                found = self.words.cap(slots + number * SLOT_WORDS)
                if found is not None:
                    self._tell(f"interrupt {number} signals {self.namer.what(found)}, and should signal nobody")

    # Derivation

    def _derivation(self) -> None:
        """Who was derived from whom, and that nobody else was."""
        names: dict[int, SlotName] = {start: (0, start) for start in self.occupied}
        order = Order(self.words, names)
        for start, place in self.occupied.items():
            if (0, start) not in order.parents:
                self._tell(f"{place_text(self.spec, place)} was derived from a capability that should not exist")
                continue
            self._compare_parent(place, order.parents[0, start])
        for _, start in order.parents:
            if start not in self.occupied:
                found = self.words.cap(start)
                what = "something" if found is None else self.namer.what(found)
                self._tell(f"there is a further capability to {what}, in a slot that belongs to nobody")

    def _compare_parent(self, place: Place, parent: SlotName | None) -> None:
        expected = self.spec.parents.get(place)
        found = None if parent is None else self.occupied.get(parent[1])
        if found == expected or (parent is not None and found is None):
            return
        if place in self.different or place[1] not in self.spec.objects[place[0]].slots:
            return

        def text(other: Place | None) -> str:
            return "nothing" if other is None else place_text(self.spec, other)

        self._tell(
            f"{place_text(self.spec, place)} was derived from {text(found)}, and should be from {text(expected)}"
        )
