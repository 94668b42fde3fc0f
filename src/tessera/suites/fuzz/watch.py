# SPDX-License-Identifier: BSD-2-Clause
"""Every invariant of the kernel, checked on the state of the native one after each event.

The native kernel runs its ghost code, too, and notes what it writes and which objects begin to live. Objects end here:
when the last capability to them is gone, which is what proofs assume of deletion (kernel/untyped.py).
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tessera.arch import paging
from tessera.kernel import state as kernel_state
from tessera.kernel.capability import CapKind
from tessera.kernel.layout import AsidPool, Endpoint, Granule, IpcBuffer, Notification, PageTable, Refill, Reply
from tessera.kernel.layout import SchedContext, Slot, Tcb
from tessera.kernel.state import KernelState
from tessera.lang import MEMORY_BASE, Memory, address_of, offset_of, size_of
from tessera.lang.memory import STATICS
from tessera.lang.words import Violation
from tessera.llvm.host import HostModule
from tessera.llvm.instrumented import Instruments
from tessera.llvm.shadow import UNIT_BITS, parts_of
from tessera.llvm.watch import FOUND_WORDS, Plans
from tessera.spec.capability import ContextCap, FrameCap, UntypedCap
from tessera.spec.objects import Context, Node, Object, Thread
from tessera.spec.objects import AsidPool as SpecPool
from tessera.spec.objects import Endpoint as SpecEndpoint
from tessera.spec.objects import Notification as SpecNotification
from tessera.spec.objects import Reply as SpecReply
from tessera.spec.objects import Table as SpecTable
from tessera.spec.state import Kernel
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.lists import Addresses, Changing, Table
from tessera.suites.fuzz.pieces import Pieces
from tessera.suites.fuzz.rings import Rings

STRUCTS: dict[type, Any] = {
    Thread: Tcb,
    Node: Slot,
    SpecEndpoint: Endpoint,
    SpecNotification: Notification,
    SpecReply: Reply,
    Context: SchedContext,
    SpecTable: PageTable,
    SpecPool: AsidPool,
}
GRANULE = 16
# How often everything is looked at, in events.
COMPLETE_EVERY = 1000
_KIND_SHIFT = 59 - 32
# Parts of the kernel's own state, in their order: ready queues, then interrupts, then the table of pools.
_PARTS = ("domains", "irq_states", "asid_table")
# Where a thread's links of queues are, from the beginning of the unit of memory that the first is in.
_LINKS = range(offset_of(Tcb, "queue_next") >> UNIT_BITS << UNIT_BITS, offset_of(Tcb, "fpu"))


@dataclass(frozen=True)
class SavedWatch:
    """What :class:`Watch` knows at a moment."""

    pages: list[tuple[int, bytes]]
    lists: dict[str, list[int]]
    owners: dict[int, tuple[tuple[Any, int], ...]]
    known: frozenset[tuple[int, type]]
    tails: dict[int, tuple[int, int]]
    radixes: dict[int, int]
    pieces: dict[tuple[int, int], tuple[int, int]]


@dataclass
class Changes:
    """What was written: objects by struct, units of memory in which none lies; whether queues and their links were."""

    objects: dict[Any, set[int]] = field(default_factory=dict)
    loose: list[int] = field(default_factory=list)
    queues: bool = False
    links: bool = False
    pools: bool = False
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


class Watch:
    """The invariants of one booted kernel. Use within the module's memory."""

    def __init__(self, module: HostModule, instruments: Instruments, plan: Plans) -> None:
        self.module = module
        self.memory: Memory = module.memory
        self.instruments = instruments
        self.shadow = instruments.shadow
        self.plan = plan
        missing = set(plan.lists) - plans.all_lists(plan)
        if missing:
            raise KeyError(f"nobody fills {sorted(missing)}")
        self.run: dict[str, Callable[[], None]] = {name: module.plan(name) for name in plan.plans}
        shadow, size = self.shadow, len(self.memory.data)
        self.marks = shadow.view(instruments.marks, size >> UNIT_BITS)
        self.written = shadow.view(instruments.written, 8 + 8 * (size >> UNIT_BITS)).cast("Q")
        self.lives = shadow.view(instruments.lives, 8 + 24 * (1 << 14)).cast("Q")
        self.found = shadow.view(shadow.reserve("found", 8 * FOUND_WORDS), 8 * FOUND_WORDS).cast("Q")
        self.inexact = shadow.view(instruments.inexact, 8)
        self.words = memoryview(self.memory.data).cast("B").cast("I")
        self.table = Table(shadow, plan.lists)
        self.kinds = plans.structs()
        most = size // GRANULE
        self.every = {cls: Addresses(self.table, f"all.{cls.__name__}", most) for cls in self.kinds}
        self.changed = {cls: Changing(self.table, f"changed.{cls.__name__}", most) for cls in self.kinds}
        names = ("used.Slot", "used.untyped", "heads", "places.Slot", "places.Refill")
        self.used, self.untyped, self.heads, *places = (Addresses(self.table, name, most) for name in names)
        self.places = {Slot: places[0], Refill: places[1]}
        self.changed_heads = Changing(self.table, "changed.heads", most)
        self.changed_valid = Changing(self.table, "changed.valid", most)
        self.pieces = Pieces(self.table, size)
        self.of_queues = {name: Changing(self.table, f"changed.{name}", 512) for name in plans.OF_QUEUES}
        self.fixed = {name: Addresses(self.table, name, count) for name, count in plans.word_lists().items()}
        for name, count in plans.word_lists().items():
            self.fixed[name].set(range(count))
        self.queue_words = {name: list(range(plans.of_words(name))) for name in plans.OF_QUEUES}
        queues, states, pools, end = (
            int(address_of(kernel_state.kernel)) - MEMORY_BASE + place >> UNIT_BITS
            for place in (*(offset_of(KernelState, name) for name in _PARTS), int(size_of(KernelState)))
        )
        start = int(address_of(kernel_state.kernel)) - MEMORY_BASE >> UNIT_BITS
        self.kernel_units = range(start, end + 1)
        self.queue_units = range(queues, states + 1)
        self.pool_units = range(pools, end + 1)
        # What lies in a unit of memory: structs and addresses.
        self.owners: dict[int, tuple[tuple[Any, int], ...]] = {}
        # Abstract objects that were there after the last event, and what is behind the head of a context.
        self.known: set[tuple[int, type]] = set()
        self.tails: dict[int, tuple[int, int]] = {}
        self.radixes: dict[int, int] = {}
        self.events = 0
        self.rings = Rings(self.memory, shadow)
        radix = shadow.ghost(Slot, "node_radix")
        self.radix_of = shadow.view(radix.address, (size >> radix.shift) * 8).cast("Q")
        self.radix_shift = radix.shift

    # What lives

    def _register(self, cls: Any, start: int, count: int) -> None:
        if cls not in self.every:
            return
        size = int(cls.__struct__.layout().size)
        found, owners = self.every[cls], self.owners
        for address in range(start, start + count * size, size):
            found.add(address)
            for unit in range(address - MEMORY_BASE >> UNIT_BITS, (address - MEMORY_BASE + size - 1 >> UNIT_BITS) + 1):
                owners[unit] = (*owners.get(unit, ()), (cls, address))
            if cls in self.places:
                self.places[cls].add(address)

    def _forget(self, cls: Any, start: int, count: int) -> None:
        """Objects have ended, with the structs in them."""
        size = int(cls.__struct__.layout().size)
        self.shadow.set_live(cls, start, False, count)
        waiting = [(cls, start, count)]
        while waiting:
            cls, start, count = waiting.pop()
            size = int(cls.__struct__.layout().size)
            for address in range(start, start + count * size, size):
                waiting += [(part, address + offset, number) for offset, part, number in parts_of(cls)]
                if cls not in self.every:
                    continue
                self.every[cls].discard(address)
                if cls in self.places:
                    self.places[cls].discard(address)
                if cls is Slot:
                    for found in (self.used, self.untyped, self.heads):
                        found.discard(address)
                first, last = address - MEMORY_BASE >> UNIT_BITS, address - MEMORY_BASE + size - 1 >> UNIT_BITS
                for unit in range(first, last + 1):
                    left = tuple(owner for owner in self.owners.get(unit, ()) if owner != (cls, address))
                    if left:
                        self.owners[unit] = left
                    else:
                        self.owners.pop(unit, None)

    def _begin(self, cls: Any, start: int, count: int = 1) -> None:
        """Objects that are there after boot live, with the structs in them."""
        self.shadow.set_live(cls, start, True, count)
        size = int(cls.__struct__.layout().size)
        self._register(cls, start, count)
        for address in range(start, start + count * size, size):
            for offset, part, number in parts_of(cls):
                self._begin_parts(part, address + offset, number)

    def _begin_parts(self, cls: Any, start: int, count: int) -> None:
        self._register(cls, start, count)
        size = int(cls.__struct__.layout().size)
        for address in range(start, start + count * size, size):
            for offset, part, number in parts_of(cls):
                self._begin_parts(part, address + offset, number)

    def boot(self, k: Kernel) -> None:
        """The ghost state of the kernel that was booted under CPython, whose ghost fields are in its memory."""
        self.shadow.clear()
        self.__init__(self.module, self.instruments, self.plan)  # type: ignore[misc]
        for entry in STATICS:
            self._begin(entry.type, MEMORY_BASE + entry.offset)
        nodes = [t.own if isinstance(t, Thread) else t for t in k.objects.values() if isinstance(t, (Thread, Node))]
        caps = [cap for node in nodes for cap in node.slots.values()]
        for name, thing in k.objects.items():
            self._begin(STRUCTS[type(thing)], _address(name), 1 << thing.radix if isinstance(thing, Node) else 1)
            if isinstance(thing, Node):
                self.shadow.store(Slot, "node_radix", _address(name), thing.radix)
        for cap in caps:
            match cap:
                case ContextCap():
                    head = int(SchedContext.__struct__.layout().size)  # type: ignore[attr-defined]
                    tail = _address(cap.context.name) + head, ((1 << cap.size_bits) - head) // GRANULE
                    if cap.context.name not in self.tails:
                        self.tails[cap.context.name] = tail
                        self._begin(Refill, *tail)
                case FrameCap() if not cap.is_device:
                    count = (1 << 12 + 9 * cap.level) >> 10
                    self.shadow.set_live(IpcBuffer, _address(cap.base), True, count)
                case UntypedCap() if not cap.is_device:
                    start, end = _address(cap.base + cap.watermark), _address(cap.base + (1 << cap.size_bits))
                    self.shadow.set_live(Granule, start, True, (end - start) // GRANULE)
        for (cls, name, address), value in self.memory.ghosts.items():
            self.shadow.store(cls, name, address, value)
        for address in self.every[SchedContext].index:
            self.rings.begin(address, self.tails.get(_name(address), (0, 0))[1])
            self.rings.count(address)
        self.known = {(name, type(thing)) for name, thing in k.objects.items()}
        for node in k.objects.values():
            if isinstance(node, Node):
                self.radixes[node.name] = node.radix
        for address in self.every[Slot].index:
            self._slot(address)
        self.take()

    def save(self) -> SavedWatch:
        """What is known now, to come back to."""
        lists = {cls.__name__: list(found.index) for cls, found in self.every.items()}
        lists |= {found.name: list(found.index) for found in (self.used, self.untyped, self.heads, *self.places.values())}
        return SavedWatch(
            self.shadow.save(),
            lists,
            dict(self.owners),
            frozenset(self.known),
            dict(self.tails),
            dict(self.radixes),
            dict(self.pieces.known),
        )

    def restore(self, saved: SavedWatch) -> None:
        """Come back to it."""
        table = bytes(self.table.words)
        outcomes = self.shadow.view(self.instruments.taken, len(self.instruments.outcomes))
        taken = outcomes.tobytes()
        self.shadow.restore(saved.pages)
        outcomes[:] = _either(taken, outcomes.tobytes())
        self.table.words.cast("B")[:] = table
        for cls, found in self.every.items():
            found.set(saved.lists[cls.__name__])
        for found in (self.used, self.untyped, self.heads, *self.places.values()):
            found.set(saved.lists[found.name])
        self.owners = dict(saved.owners)
        self.known = set(saved.known)
        self.tails, self.radixes = dict(saved.tails), dict(saved.radixes)
        self.pieces.known = dict(saved.pieces)

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

    def _slot(self, address: int) -> None:
        """Note whether a slot is in use."""
        kind = self.words[(address - MEMORY_BASE >> 2) + 1] >> _KIND_SHIFT
        (self.used.add if kind else self.used.discard)(address)
        is_memory = kind == CapKind.UNTYPED and self.pieces.slot(
            *struct.unpack_from("<QQ", self.memory.data, address - MEMORY_BASE)
        )
        (self.untyped.add if is_memory else self.untyped.discard)(address)
        radix = self.radix_of[address - MEMORY_BASE >> self.radix_shift]
        (self.heads.add if radix else self.heads.discard)(address)

    def _begun(self) -> bool:
        """Note the objects that began to live. Whether there were any."""
        count = self.lives[0]
        if not count:
            return False
        rows = self.lives[1 : 1 + 3 * count].tolist()
        self.lives[0] = 0
        for number, start, size in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            cls = self.instruments.begun[number]
            self.pieces.add(start, size)
            if cls is Granule:
                # Buffers end with the memory that they were made of; nobody has listed them.
                self._clear_lives(IpcBuffer, start, size)
                continue
            if cls is Refill and size:
                head = start - int(SchedContext.__struct__.layout().size)  # type: ignore[attr-defined]
                if head in self.every[SchedContext].index:
                    self.tails[_name(head)] = start, size // GRANULE
                    self.rings.begin(head, size // GRANULE)
            elif cls is SchedContext:
                self.rings.begin(start, 0)
            self._register(cls, start, size // int(cls.__struct__.layout().size))
        return True

    def _clear_lives(self, cls: Any, start: int, size: int) -> None:
        region = self.shadow.lives(cls)
        place, end = region.place(start), region.place(start + size)
        ctypes.memset(place, 0, end - place)

    def _ended(self, k: Kernel) -> bool:
        """Let objects end to which there is no capability any more. Whether there were any."""
        now = {(name, type(thing)) for name, thing in k.objects.items()}
        gone = self.known - now
        for name, kind in gone:
            count = 1 << self.radixes.pop(name) if kind is Node else 1
            self._forget(STRUCTS[kind], _address(name), count)
            if kind is Context and name in self.tails:
                self._forget(Refill, *self.tails.pop(name))
        for name, kind in now - self.known:
            if kind is Node:
                self.radixes[name] = _node(k.objects[name]).radix
            elif kind is SpecPool and _address(name) not in self.every[AsidPool].index:
                # What makes pools is not under proof, and has no ghost code.
                self._begin(AsidPool, _address(name))
        self.known = now
        return bool(gone)

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
                    if cls is Tcb and (unit << UNIT_BITS) - (address - MEMORY_BASE) in _LINKS:
                        changes.links = True
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
        changed, pieces, slots = changes.objects, self.pieces, changes.objects.get(Slot, set())
        lives = changes.lives
        if settled and k.touched:
            lives |= self._ended(k)
        for unit in changes.loose:
            pieces.add(MEMORY_BASE + (unit << UNIT_BITS), 1 << UNIT_BITS)
        for address in slots:
            self._slot(address)
        for refill in changed.get(Refill, ()):
            self.rings.count(self.rings.context_of[refill])
        for context in changed.get(SchedContext, ()):
            self.rings.count(context)
        if changes.pools or AsidPool in changed:
            changed[AsidPool] = set(self.every[AsidPool].index)
            changed[PageTable] = set(self.every[PageTable].index)
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


def _address(name: int) -> int:
    """Where the kernel sees the object of a name."""
    return int(paging.kernel_address(name))


def _name(address: int) -> int:
    return int(paging.physical_address(address))


def _node(thing: Object) -> Node:
    assert isinstance(thing, Node)
    return thing


def _either(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "little") | int.from_bytes(b, "little")).to_bytes(len(a), "little")
