# SPDX-License-Identifier: BSD-2-Clause
"""The comparison of both states after every event, made quick: what neither kernel has touched is equal still.

The running kernel's part is noticed by its bytes, the abstract one's slots and words of memory by its notes
(``Kernel.touched``, ``Kernel.written``); everything else of the abstract state is looked at each time.
``agreement.compare`` looks at everything, without any memory of before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tessera.abi.objects import PAGE_BITS, PAGE_TABLE_INDEX_BITS, REFILL_BYTES, SCHED_CONTEXT_CORE_BYTES
from tessera.kernel import state as kernel_state
from tessera.kernel.state import IRQ_SLOTS
from tessera.lang import Memory
from tessera.spec import describe
from tessera.spec.describe import Row
from tessera.spec.objects import (
    AsidPool,
    Context,
    Endpoint,
    Node,
    Notification,
    Object,
    Place,
    Reply,
    Table,
    Thread,
)
from tessera.spec.state import IRQ_NODE, Kernel, held
from tessera.suites.fuzz.abstraction import CSPACE_WORD, SLOT_WORDS, THREAD_SLOTS, Picture
from tessera.suites.fuzz.agreement import differences
from tessera.suites.fuzz.derivation_order import LINK, Order

SLOT_BYTES = SLOT_WORDS * 8
PAGE = 1 << PAGE_BITS
TCB_BYTES, TABLE_BYTES, POOL_BYTES = 2048, 4096, 4096
Differences = list[str]


class Mirror:
    """What is known of both states, which were equal when it was made."""

    def __init__(self, k: Kernel, memory: Memory) -> None:
        self.k = k
        self.picture = Picture(memory)
        self.words = self.picture.words
        self.bytes = memoryview(memory.data).cast("B")
        self.raw: dict[Object, bytes] = {}
        self.rows: dict[Object, Row] = {}
        self.irq_start = self.words.of(kernel_state.irq_slots)
        # How an object is looked at: what is specified of it, and what is found.
        self.looks: dict[type, Callable[[Any, int, set[Place]], tuple[Row, Row]]] = {
            Thread: self._thread,
            Context: self._context,
            Table: self._table,
            AsidPool: self._pool,
            Node: self._node,
            Endpoint: self._endpoint,
            Notification: self._notification,
            Reply: self._reply,
        }
        # Slots by the word they begin at, frames by base and level, and what the slots held when they were compared.
        self.places: dict[int, Place] = {}
        self.frames: Counter[tuple[int, int]] = Counter()
        self.compared: dict[Place, Row] = {}
        self.pages: dict[int, bytes] = {}
        self.order = Order(self.words, {})
        for node in [k.interrupts, *self._nodes()]:
            k.touched.update((node, index) for index in node.slots)
        k.written.update(k.memory)

    def _nodes(self) -> list[Node]:
        things = self.k.objects.values()
        return [t.own if isinstance(t, Thread) else t for t in things if isinstance(t, (Thread, Node))]

    def check(self) -> Differences:
        """How the states differ now."""
        told: Differences = []
        changed: set[Place] = set()
        looks, named = self.looks, self.words.named
        for name, thing in self.k.objects.items():
            expected, found = looks[type(thing)](thing, named(name), changed)
            if expected != found:
                told += differences(expected, found, f"/objects/{name:#x}")
        self._changed_slots(self.k.interrupts, self.irq_start, IRQ_SLOTS, changed)
        told += self._slots(changed | self.k.touched)
        told += self._memory()
        told += self._globals()
        self.k.touched.clear()
        self.k.written.clear()
        return told

    def _bytes_changed(self, thing: Object, start: int, size: int) -> bool:
        """Whether an object's bytes are not those of the last time it was looked at."""
        raw = self.bytes[start * 8 : start * 8 + size].tobytes()
        if self.raw.get(thing) == raw:
            return False
        self.raw[thing] = raw
        return True

    def _thread(self, thread: Thread, start: int, changed: set[Place]) -> tuple[Row, Row]:
        if self._bytes_changed(thread, start, TCB_BYTES):
            self.rows[thread] = self.picture.thread(thread.name)[1]
            self._changed_slots(thread.own, start + CSPACE_WORD, THREAD_SLOTS, changed)
        return describe.thread(thread), self.rows[thread]

    def _context(self, context: Context, start: int, changed: set[Place]) -> tuple[Row, Row]:
        size = SCHED_CONTEXT_CORE_BYTES + max(context.limit - 2, 0) * REFILL_BYTES
        # The list of calls goes through other objects.
        if self._bytes_changed(context, start, size) or context.calls:
            self.rows[context] = self.picture.context(start)
        return describe.context(context), self.rows[context]

    def _table(self, table: Table, start: int, changed: set[Place]) -> tuple[Row, Row]:
        if self._bytes_changed(table, start, TABLE_BYTES):
            self.rows[table] = self.picture.table(start)
        return describe.table(table), self.rows[table]

    def _pool(self, pool: AsidPool, start: int, changed: set[Place]) -> tuple[Row, Row]:
        if self._bytes_changed(pool, start, POOL_BYTES):
            self.rows[pool] = self.picture.thing("AsidPool", pool.name, 0)
        return describe.thing(self.k, pool), self.rows[pool]

    def _node(self, node: Node, start: int, changed: set[Place]) -> tuple[Row, Row]:
        self._changed_slots(node, start, 1 << node.radix, changed)
        return (), ()

    def _endpoint(self, endpoint: Endpoint, start: int, changed: set[Place]) -> tuple[Row, Row]:
        words = self.words.words
        if not endpoint.queue and words[start] == 0 == words[start + 1]:
            return (), ()
        return describe.thing(self.k, endpoint), self.picture.thing("Endpoint", endpoint.name, 0)

    def _notification(self, notification: Notification, start: int, changed: set[Place]) -> tuple[Row, Row]:
        return describe.thing(self.k, notification), self.picture.thing("Notification", notification.name, 0)

    def _reply(self, reply: Reply, start: int, changed: set[Place]) -> tuple[Row, Row]:
        # Which context it gives back is compared as the context's calls.
        address = self.words.words[start]
        return (describe.name_of(reply.thread),), (self.words.name(address),)

    def _changed_slots(self, node: Node, start: int, count: int, changed: set[Place]) -> None:
        """Note the slots whose bytes are not those of the last time."""
        raw = self.bytes[start * 8 : (start + count * SLOT_WORDS) * 8].tobytes()
        before = self.raw.get(node)
        if before == raw:
            return
        self.raw[node] = raw
        if before is None:
            before = bytes(len(raw))
            changed.update((node, index) for index in node.slots)
            self.places.update((start + index * SLOT_WORDS, (node, index)) for index in range(count))
        for at in range(0, len(raw), SLOT_BYTES):
            if before[at : at + SLOT_BYTES] != raw[at : at + SLOT_BYTES]:
                changed.add((node, at // SLOT_BYTES))

    def _start(self, node: Node) -> int:
        """The word that slots begin at."""
        if node.name == IRQ_NODE:
            return self.irq_start
        own = isinstance(self.k.objects.get(node.name), Thread)
        return self.words.named(node.name) + (CSPACE_WORD if own else 0)

    def _slots(self, slots: set[Place]) -> Differences:
        """Capabilities, marks and places in the tree."""
        told: Differences = []
        frames = False
        for place in slots:
            node, index = place
            before = self.compared.pop(place, None)
            if before is not None and before[0] == "FrameCap" and not before[3]:
                self.frames[before[1:3]] -= 1
                frames = True
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
                self.frames[expected[1:3]] += 1
                frames = True
            link = self.words.words[at + LINK]
            told += differences(place in self.k.original, link >> 1 & 1 == 1, f"{where}/original")
            told += self._tree(place, at, link, where)
        if frames:
            self.frames = +self.frames
        return told

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

    def _memory(self) -> Differences:
        """The words of all frames."""
        told: Differences = []
        for (base, level), count in self.frames.items():
            if count <= 0:
                continue
            for page in range(base >> PAGE_BITS, (base >> PAGE_BITS) + (1 << PAGE_TABLE_INDEX_BITS * level)):
                start = self.words.named(page << PAGE_BITS) * 8
                raw = self.bytes[start : start + PAGE].tobytes()
                if page in self.k.written or self.pages.get(page) != raw:
                    self.pages[page] = raw
                    told += self._page(page, raw)
        return told

    def _page(self, page: int, raw: bytes) -> Differences:
        expected = [0] * (PAGE // 8)
        for address, value in self.k.memory.get(page, {}).items():
            expected[(address & (PAGE - 1)) >> 3] = value
        found = memoryview(raw).cast("Q").tolist()
        if expected == found:
            return []
        return differences(tuple(expected), tuple(found), f"/memory/{page << PAGE_BITS:#x}")

    def _globals(self) -> Differences:
        """What is in no object."""
        expected: dict[str, Any] = describe.numbers(self.k)
        found = self.picture.numbers()
        return [] if expected == found else differences(expected, found)
