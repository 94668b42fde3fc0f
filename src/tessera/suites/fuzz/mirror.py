# SPDX-License-Identifier: BSD-2-Clause
"""The comparison of both states after every event, made quick: what neither kernel has touched is equal still.

The running kernel notes which units of memory it writes (``Watch``). The abstract one notes slots and words of memory
(``Kernel.touched``, ``Kernel.written``, ``Kernel.erased``); of everything else in it there is a snapshot.
``agreement.compare`` looks at everything, without any memory of before.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tessera.abi.objects import PAGE_BITS
from tessera.arch import machine
from tessera.kernel.layout import Refill, Slot
from tessera.kernel.layout import Reply as KernelReply
from tessera.kernel.state import IRQ_SLOTS, KernelState
from tessera.lang import MEMORY_BASE, Memory, offset_of
from tessera.llvm.shadow import UNIT_BITS
from tessera.spec import describe
from tessera.spec.capability import FrameCap
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
from tessera.spec.state import Kernel
from tessera.suites.fuzz.abstraction import SLOT_WORDS, THREAD_SLOTS
from tessera.suites.fuzz.agreement import differences
from tessera.suites.fuzz.mirror_slots import Differences, SlotMirror
from tessera.suites.fuzz.watch import Changes, Watch

PAGE = 1 << PAGE_BITS
_SCALARS = offset_of(KernelState, "irq_states") // 8
_NOW, _CHARGED, _LEFT = (offset_of(KernelState, name) // 8 for name in ("now", "charged_until", "domain_time"))

_thread = attrgetter(
    *("state", "priority", "maximum_priority", "domain", "flags", "buffer_address", "context", "yields_to", "bound"),
    *("waits_at", "reply", "badge", "is_call", "can_grant", "can_grant_reply", "fault", "is_ready", "is_postponed"),
    "title",
)
_context = attrgetter(
    *("limit", "budget", "period", "sporadic", "badge", "consumed", "thread", "notification", "yields_from")
)
_refill = attrgetter("time", "amount")
_notification = attrgetter("signals", "bound", "context")
_numbers = attrgetter(
    *("current", "charged", "domain", "schedule_index", "schedule_start", "fpu_owner", "fpu_on", "space")
)


def _of_context(context: Context) -> Any:
    return _context(context), [*map(_refill, context.refills)], context.calls.copy()


def _same(value: Any) -> Any:
    return value


# What an abstract object is now, in a form that is quickly made and compared; and how to keep that.
SNAPSHOTS: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Thread: (lambda thread: (_thread(thread), tuple(thread.registers.values())), _same),
    Context: (_of_context, _same),
    Table: (attrgetter("entries"), dict.copy),
    AsidPool: (attrgetter("spaces"), dict.copy),
    Node: (attrgetter("radix"), _same),
    Endpoint: (attrgetter("queue"), list.copy),
    Notification: (lambda notification: (_notification(notification), tuple(notification.queue)), _same),
    Reply: (attrgetter("thread"), _same),
}


class Mirror(SlotMirror):
    """What is known of both states, which were equal when it was made."""

    def __init__(self, k: Kernel, memory: Memory, watch: Watch) -> None:
        super().__init__(k, memory)
        self.watch = watch
        # By name: the object, what makes its snapshot, and the latest one.
        self.rows: dict[int, list[Any]] = {}
        self.changes = Changes()
        self.numbers: Any = None
        self.scalars: list[int] = []
        # How an object is described as the running kernel has it.
        self.looks: dict[type, Callable[[int, int], Row]] = {
            Thread: lambda name, start: self.picture.thread_row(start),
            Context: lambda name, start: self.picture.context(start),
            Table: lambda name, start: self.picture.table(start),
            AsidPool: lambda name, start: self.picture.thing("AsidPool", name, 0),
            Node: lambda name, start: (),
            Endpoint: lambda name, start: self.picture.thing("Endpoint", name, 0),
            Notification: lambda name, start: self.picture.thing("Notification", name, 0),
            Reply: lambda name, start: self.picture.thing("Reply", name, 0),
        }
        for index in range(IRQ_SLOTS):
            self.places[self.irq_start + index * SLOT_WORDS] = (k.interrupts, index)
        # The states are equal now; what is in slots is looked at when it changes.
        for name, thing in k.objects.items():
            self._meet(name, thing)
            node = thing.own if isinstance(thing, Thread) else thing
            if isinstance(node, Node):
                for index, cap in node.slots.items():
                    if isinstance(cap, FrameCap) and not cap.is_device:
                        row = self.compared[node, index] = describe.capability(cap)
                        self._count_frame(row, 1)
        self.fresh.clear()

    def note(self, changes: Changes) -> None:
        """What the running kernel has written."""
        self.changes.add(changes)

    def check(self) -> Differences:
        """How the states differ now."""
        told: Differences = []
        k, rows = self.k, self.rows
        changed = self._changed()
        if k.touched and k.objects.keys() != rows.keys():
            changed.update(k.objects.keys() - rows.keys())
            self._part()
            for name in k.objects.keys() - rows.keys():
                self._meet(name, k.objects[name])
                k.touched.update(self._places_of(k.objects[name]))
        for name, row in rows.items():
            if row[1](row[0]) != row[2]:
                changed.add(name)
        for name in changed:
            found = rows.get(name)
            # Those that are gone are written once more where their memory is used anew.
            if found is not None:
                thing = found[0]
                get, keep = SNAPSHOTS[type(thing)]
                found[2] = keep(get(thing))
                told += self._object(name, thing, type(thing))
        told += self._slots(k.touched)
        told += self._memory()
        told += self._globals(self.changes.links or self.changes.queues)
        k.touched.clear()
        k.written.clear()
        k.erased.clear()
        self.changes = Changes()
        return told

    def _object(self, name: int, thing: Object, kind: type) -> Differences:
        """The descriptions of one object."""
        start = self.words.named(name)
        found = self.looks[kind](name, start)
        expected: Row
        match thing:
            case Thread():
                expected = describe.thread(thing)
            case Context():
                expected = describe.context(thing)
            case Table():
                expected = describe.table(thing)
            case Node():
                return []
            case Reply():
                # Which context it gives back is compared as the context's calls.
                expected = ("Reply", describe.name_of(thing.thread))
            case _:
                expected = describe.thing(self.k, thing)
        return [] if expected == found else differences(expected, found, f"/objects/{name:#x}")

    def _meet(self, name: int, thing: Object) -> None:
        """An object that was not there before."""
        get, keep = SNAPSHOTS[type(thing)]
        self.rows[name] = [thing, get, keep(get(thing))]
        places = self._places_of(thing)
        if places:
            start = self._start(places[0][0])
            self.places.update(zip(range(start, start + len(places) * SLOT_WORDS, SLOT_WORDS), places, strict=True))

    def _places_of(self, thing: Object) -> list[Place]:
        """The slots of a CNode or a thread."""
        node = thing.own if isinstance(thing, Thread) else thing
        if not isinstance(node, Node):
            return []
        return [(node, index) for index in range(THREAD_SLOTS if isinstance(thing, Thread) else 1 << node.radix)]

    def _part(self) -> None:
        """Forget objects that are gone."""
        for name in self.rows.keys() - self.k.objects.keys():
            del self.rows[name]

    def _changed(self) -> set[int]:
        """The names of objects whose bytes were written. Notes the slots and words of frames that were written, too."""
        changes, places = self.changes, self.places
        names: set[int] = set()
        contexts = self.watch.rings.context_of
        base, window = MEMORY_BASE, self.words.window
        for cls, addresses in changes.objects.items():
            if cls is Slot:
                self.k.touched.update(
                    place for address in addresses if (place := places.get(address - base >> 3)) is not None
                )
                continue
            if cls is Refill:
                addresses = {contexts[address] for address in addresses}
            names.update(address - window & 0xFFFF_FFFF_FFFF_FFFF for address in addresses)
        for unit in changes.loose:
            self._unit(unit)
        replies = KernelReply in changes.objects
        if changes.links or replies:
            # What is in a queue or a list of calls is told by others, too.
            for name, thing in self.k.objects.items():
                if (isinstance(thing, (Endpoint, Notification)) and thing.queue) or (
                    replies and isinstance(thing, Context) and thing.calls
                ):
                    names.add(name)
        return names

    def _unit(self, unit: int) -> None:
        """The words of user memory in a unit, if that is part of a frame, are to be compared."""
        address = (unit << UNIT_BITS) + MEMORY_BASE - self.words.window & 0xFFFF_FFFF_FFFF_FFFF
        if address >> PAGE_BITS in self.pages:
            self.k.written.update(range(address, address + (1 << UNIT_BITS), 8))

    def _memory(self) -> Differences:
        """The words of frames that were written, and pages that became frames or were erased."""
        told: Differences = []
        pages, words, memory = self.pages, self.words.words, self.k.memory
        for page in self.fresh | self.k.erased:
            if page in pages:
                told += self._page(page)
        self.fresh.clear()
        for address in self.k.written:
            if address >> PAGE_BITS in pages:
                held = memory.get(address >> PAGE_BITS)
                expected = 0 if held is None else held.get(address, 0)
                found = words[self.words.named(address)]
                if expected != found:
                    told += differences(expected, found, f"/memory/{address:#x}")
        return told

    def _page(self, page: int) -> Differences:
        expected = [0] * (PAGE // 8)
        for address, value in self.k.memory.get(page, {}).items():
            expected[(address & (PAGE - 1)) >> 3] = value
        start = self.words.named(page << PAGE_BITS)
        found = self.words.words[start : start + PAGE // 8].tolist()
        if expected == found:
            return []
        return differences(tuple(expected), tuple(found), f"/memory/{page << PAGE_BITS:#x}")

    def _globals(self, queues: bool) -> Differences:
        """What is in no object. The queues are looked at where threads or queues changed."""
        k = self.k
        start = self.picture.kernel
        scalars = self.words.words[start : start + _SCALARS].tolist()
        time = scalars[_NOW], scalars[_NOW] - scalars[_CHARGED], machine.Model.deadline, scalars[_LEFT]
        scalars[_NOW] = scalars[_CHARGED] = scalars[_LEFT] = 0
        numbers = (
            _numbers(k),
            {key: tuple(queue) for key, queue in k.ready.items()},
            tuple(k.postponed),
            tuple(k.schedule),
            k.irqs_in_use.copy(),
            k.pools.copy(),
        )
        if time != (specified := (k.now, k.used, k.deadline, k.domain_time)):
            return differences(specified, time, "/time")
        if not queues and scalars == self.scalars and numbers == self.numbers:
            return []
        self.scalars, self.numbers = scalars, numbers
        expected: dict[str, Any] = describe.numbers(k)
        found = self.picture.numbers()
        return [] if expected == found else differences(expected, found)
