# SPDX-License-Identifier: BSD-2-Clause
"""Which objects live in the running kernel's memory, and where, as native code and the abstract state tell.

Native code says which objects begin to live. They end here: when the last capability to them is gone, which is what
proofs assume of deletion (kernel/untyped.py, ``nothing_is_left``).
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import Any

from tessera.arch import paging
from tessera.kernel.capability import CapKind
from tessera.kernel.layout import (
    AsidPool,
    Endpoint,
    Granule,
    IpcBuffer,
    Notification,
    PageTable,
    Refill,
    Reply,
    SchedContext,
    Slot,
    Tcb,
)
from tessera.lang import MEMORY_BASE, Memory
from tessera.lang.memory import STATICS
from tessera.llvm.instrumented import MOST_BEGUN, Instruments
from tessera.llvm.shadow import UNIT_BITS, parts_of
from tessera.llvm.watch import Plans
from tessera.spec.capability import ContextCap, FrameCap, UntypedCap
from tessera.spec.objects import AsidPool as SpecPool
from tessera.spec.objects import Context, Node, Object, Thread
from tessera.spec.objects import Endpoint as SpecEndpoint
from tessera.spec.objects import Notification as SpecNotification
from tessera.spec.objects import Reply as SpecReply
from tessera.spec.objects import Table as SpecTable
from tessera.spec.state import Kernel
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.lists import Addresses, Table
from tessera.suites.fuzz.pieces import GRANULE, Pieces
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
_KIND_MASK = 31
_BUFFER = int(IpcBuffer.__struct__.layout().size)  # type: ignore[attr-defined]
_CONTEXT = int(SchedContext.__struct__.layout().size)  # type: ignore[attr-defined]


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


class Lives:
    """The objects of one booted kernel."""

    def __init__(self, memory: Memory, instruments: Instruments, plan: Plans) -> None:
        self.memory = memory
        self.instruments = instruments
        self.shadow = shadow = instruments.shadow
        shadow.clear()
        size = len(memory.data)
        self.lives = shadow.view(instruments.lives, 8 + 24 * MOST_BEGUN).cast("Q")
        self.words = memoryview(self.memory.data).cast("B").cast("I")
        self.table = Table(shadow, plan.lists)
        most = size // GRANULE
        self.every = {cls: Addresses(self.table, f"all.{cls.__name__}", most) for cls in plans.structs()}
        names = ("used.Slot", "used.untyped", "heads", "places.Slot", "places.Refill")
        self.used, self.untyped, self.heads, *places = (Addresses(self.table, name, most) for name in names)
        self.places = {Slot: places[0], Refill: places[1]}
        self.pieces = Pieces(self.table, size)
        # What lies in a unit of memory: structs and addresses.
        self.owners: dict[int, tuple[tuple[Any, int], ...]] = {}
        # Abstract objects that were there after the last event, and what is behind the head of a context.
        self.known: set[tuple[int, type]] = set()
        self.tails: dict[int, tuple[int, int]] = {}
        self.radixes: dict[int, int] = {}
        self.rings = Rings(self.memory, shadow)
        radix = shadow.ghost(Slot, "node_radix")
        self.radix_of = shadow.view(radix.address, (size >> radix.shift) * 8).cast("Q")
        self.radix_shift = radix.shift

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
                    head = _CONTEXT
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
        for (cls, ghost, address), value in self.memory.ghosts.items():
            self.shadow.store(cls, ghost, address, value)
        for address in self.every[SchedContext].index:
            self.rings.begin(address, self.tails.get(_name(address), (0, 0))[1])
            self.rings.count(address)
        self.known = {(name, type(thing)) for name, thing in k.objects.items()}
        for node in k.objects.values():
            if isinstance(node, Node):
                self.radixes[node.name] = node.radix
        for address in self.every[Slot].index:
            self._slot(address)

    def save(self) -> SavedWatch:
        """What is known now, to come back to."""
        lists = {cls.__name__: list(found.index) for cls, found in self.every.items()}
        lists |= {
            found.name: list(found.index) for found in (self.used, self.untyped, self.heads, *self.places.values())
        }
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

    def _slot(self, address: int) -> None:
        """Note whether a slot is in use."""
        kind = self.words[address - MEMORY_BASE >> 2] & _KIND_MASK
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
            if cls is IpcBuffer:
                # Their memory may have been given back in the same call, which has just ended them again.
                self.shadow.set_live(cls, start, True, size // _BUFFER)
                continue
            if cls is Refill and size:
                head = start - _CONTEXT
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
