# SPDX-License-Identifier: BSD-2-Clause
"""The comparison of slots: capabilities, marks, and places in the derivation tree."""

from __future__ import annotations

from tessera.abi.objects import PAGE_BITS, PAGE_TABLE_INDEX_BITS
from tessera.build.derivation_order import LINK, Order
from tessera.kernel import state as kernel_state
from tessera.lang import Memory
from tessera.spec import describe
from tessera.spec.describe import Row
from tessera.spec.objects import Node, Place, Thread
from tessera.spec.state import IRQ_NODE, Kernel, held
from tessera.suites.fuzz.abstraction import CSPACE_WORD, SLOT_WORDS, Picture
from tessera.suites.fuzz.agreement import differences

Differences = list[str]


class SlotMirror:
    """What is known of the slots of both states."""

    def __init__(self, k: Kernel, memory: Memory) -> None:
        self.k = k
        self.picture = Picture(memory)
        self.words = self.picture.words
        self.irq_start = self.words.of(kernel_state.irq_slots)
        # Slots by the word they begin at, what they held when they were compared, and pages of frames with the number
        # of capabilities to them; pages that were not seen before.
        self.places: dict[int, Place] = {}
        self.compared: dict[Place, Row] = {}
        self.pages: dict[int, int] = {}
        self.fresh: set[int] = set()
        self.order = Order(self.words, {})

    def _start(self, node: Node) -> int:
        """The word that slots begin at."""
        if node.name == IRQ_NODE:
            return self.irq_start
        own = isinstance(self.k.objects.get(node.name), Thread)
        return self.words.named(node.name) + (CSPACE_WORD if own else 0)

    def _slots(self, slots: set[Place]) -> Differences:
        """Capabilities, marks and places in the tree."""
        told: Differences = []
        for place in slots:
            node, index = place
            before = self.compared.pop(place, None)
            if before is not None and before[0] == "FrameCap" and not before[3]:
                self._count_frame(before, -1)
            if node.name != IRQ_NODE and not self._is_live(node):
                continue
            cap = held(place)
            at = self._start(node) + index * SLOT_WORDS
            expected = None if cap is None else describe.capability(cap)
            found = self.words.cap(at)
            where = f"/slots/{node.name:#x}/{index}"
            if expected != found:
                told += differences(expected, found, where)
                continue
            if expected is None:
                if any(self.words.words[at : at + SLOT_WORDS]):
                    told.append(f"{where}: specified empty, found remains")
                continue
            self.compared[place] = expected
            if expected[0] == "FrameCap" and not expected[3]:
                self._count_frame(expected, 1)
            link = self.words.words[at + LINK]
            told += differences(place in self.k.original, link >> 1 & 1 == 1, f"{where}/original")
            told += self._tree(place, at, link, where)
        return told

    def _count_frame(self, cap: Row, step: int) -> None:
        """There is one more capability to a frame, or one less. Words of pages are compared while there is one."""
        page, pages = cap[1] >> PAGE_BITS, self.pages
        for number in range(page, page + (1 << PAGE_TABLE_INDEX_BITS * cap[2])):
            count = pages.get(number, 0) + step
            if count:
                pages[number] = count
            else:
                del pages[number]
            if step > 0 and count == 1:
                self.fresh.add(number)

    def _is_live(self, node: Node) -> bool:
        thing = self.k.objects.get(node.name)
        return thing is node or (isinstance(thing, Thread) and thing.own is node)

    def _tree(self, place: Place, at: int, link: int, where: str) -> Differences:
        """A slot's neighbours in the running kernel's list are those that the tree says, and so is its parent."""
        words = self.words
        told: Differences = []
        following = self._place(link >> 5 << 5)
        told += self._successor(place, following, f"{where}/next")
        previous_address = words.words[at + 2]
        previous = self._place(previous_address)
        parent = self.k.parent.get(place)
        if previous is None:
            told += differences(None, describe.place(parent), f"{where}/parent")
            return told
        back = words.words[words.index(previous_address) + LINK] >> 5 << 5
        told += differences(place, self._place(back), f"{where}/previous")
        told += self._successor(previous, place, f"{where}/previous")
        # The nearest slot before this one, or above that, that the kernel's rule makes a parent.
        candidate: Place | None = previous
        while candidate is not None:
            start = self._start(candidate[0]) + candidate[1] * SLOT_WORDS
            if self.order.is_parent(start, at):
                break
            candidate = self.k.parent.get(candidate)
        return told + differences(describe.place(parent), describe.place(candidate), f"{where}/parent")

    def _place(self, address: int) -> Place | None:
        return None if address == 0 else self.places.get(self.words.index(address), (self.k.interrupts, -1))

    def _successor(self, place: Place, found: Place | None, where: str) -> Differences:
        """What comes behind a slot: its first child, or its next sibling, or that of the first above that has one."""
        children = self.k.children.get(place)
        if children:
            expected = children[0]
        else:
            above: Place = place
            while True:
                parent = self.k.parent.get(above)
                if parent is None:
                    # Slots without parents are in no order.
                    if found is not None and self.k.parent.get(found, found) is not None:
                        return [f"{where}: specified None, found {describe.place(found)}"]
                    return []
                siblings = self.k.children[parent]
                after = siblings.index(above) + 1
                if after < len(siblings):
                    expected = siblings[after]
                    break
                above = parent
        return [] if expected == found else differences(describe.place(expected), describe.place(found), where)
