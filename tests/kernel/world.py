# SPDX-License-Identifier: BSD-2-Clause
"""Small kernel states for tests: a root CNode and untyped memory, carved from a buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.objects import IPC_BUFFER_BITS, SLOT_BITS, TCB_BITS, ObjectType
from tessera.arch import registers
from tessera.kernel import derivation_invariants as invariants
from tessera.kernel import scheduler, untyped
from tessera.kernel.capability import (
    Capability,
    CNodeCap,
    IrqControlCap,
    NullCap,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.cspace import slot_at
from tessera.kernel.layout import MESSAGE_REGISTERS, DerivationLink, IpcBuffer, Slot, Tcb, ThreadState
from tessera.kernel.region import THREAD_SLOTS
from tessera.kernel.request import EXTRA_CAPS, Status, request
from tessera.kernel.state import IRQ_SLOTS, irq_slots, kernel
from tessera.lang import Memory, address_of, at
from tessera.lang.memory import MEMORY_BASE, static_size

# The largest object that a small world can hold is aligned to this.
ALIGNMENT_BITS = 16

ONE_SLOT = [
    invariants.empty_slot_has_no_links,
    invariants.next_points_back,
    invariants.previous_points_here,
    invariants.change_of_badge_is_marked,
    invariants.source_of_objects_is_revocable,
    invariants.object_is_aligned,
    invariants.free_part_is_inside,
    invariants.cleared_memory_is_zero,
    invariants.zombie_has_slots_left,
]
TWO_SLOTS = [
    invariants.zombie_is_cleared_from_the_end,
    invariants.objects_are_apart,
    invariants.untyped_memory_nests,
    invariants.free_memory_is_unused,
    invariants.object_is_derived_from_its_memory,
    invariants.neighbours_tell_the_last_capability,
]


@contextmanager
def identity_window() -> Iterator[None]:
    """The kernel sees physical memory at its own addresses, so that a buffer can be memory."""
    before = configuration.physical_window
    configuration.physical_window = 0
    try:
        yield
    finally:
        configuration.physical_window = before


def reachable_slots(root: Slot, root_bits: int) -> list[Slot]:
    """All slots, the root CNode's first: of CNodes and threads that a capability leads to, and of interrupts."""
    found: dict[int, Slot] = {}
    nodes: list[tuple[Slot, int]] = [(root, 1 << root_bits), (irq_slots.slots[0], IRQ_SLOTS)]
    seen: set[int] = set()
    while nodes:
        first, count = nodes.pop(0)
        if int(address_of(first)) in seen:
            continue
        seen.add(int(address_of(first)))
        for index in range(count):
            slot = slot_at(first, index)
            found[int(address_of(slot))] = slot
            cap = slot.capability
            if isinstance(cap, CNodeCap) or (isinstance(cap, ZombieCap) and not cap.is_thread):
                nodes.append((cap.slots, 1 << int(cap.radix)))
            elif isinstance(cap, ThreadCap):
                nodes.append((cap.tcb.cspace_root, THREAD_SLOTS))
            elif isinstance(cap, ZombieCap):
                nodes.append((cap.slots, THREAD_SLOTS))
    return list(found.values())


def check_capabilities(slots: list[Slot]) -> None:
    """All invariants of capabilities, for all slots and all pairs of slots in use."""
    for slot in slots:
        for one in ONE_SLOT:
            assert one(slot), f"{one.__name__}({slot}: {slot.capability})"
    used = [slot for slot in slots if not isinstance(slot.capability, NullCap)]
    for a in used:
        for b in used:
            for two in TWO_SLOTS:
                assert two(a, b), f"{two.__name__}({a}: {a.capability}, {b}: {b.capability})"


class World:
    """A state with a root CNode of ``2**root_bits`` slots; use as a context manager. ``size`` in bytes.

    Objects are made by the kernel's own retype. ``slot()`` gives an empty slot of the root CNode.
    """

    def __init__(self, size: int = 1 << 20, root_bits: int = 8, memory: Memory | None = None) -> None:
        self.memory = memory if memory is not None else Memory(size)
        self.root_bits = root_bits
        self._window = identity_window()

    def __enter__(self) -> World:
        self._window.__enter__()
        self.memory.__enter__()
        # A world may be built in memory that another one used. What is not used yet has arbitrary contents.
        size = len(self.memory.data)
        self.memory.data[:] = bytes(static_size()) + b"\xa5" * (size - static_size())
        self.next_address = MEMORY_BASE + static_size()
        scheduler.initialise()
        self.caller = at(Tcb, self.carve(TCB_BITS))
        untyped.clear(address_of(self.caller), TCB_BITS)
        self.caller.state = ThreadState.RUNNING
        self.buffer = at(IpcBuffer, self.carve(IPC_BUFFER_BITS))
        kernel.current = self.caller
        self.root = at(Slot, self.carve(self.root_bits + SLOT_BITS))
        untyped.clear(address_of(self.root), self.root_bits + SLOT_BITS)
        self.next_slot = 0
        self.root_cap = CNodeCap(slots=self.root, radix=self.root_bits, guard_size=64 - self.root_bits)
        self.root_slot = self.original(self.root_cap)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.memory.__exit__(kind, error, trace)
        self._window.__exit__(kind, error, trace)

    def carve(self, size_bits: int) -> int:
        """The address of memory not used yet, of ``2**size_bits`` bytes, aligned."""
        size = 1 << size_bits
        address = -(-self.next_address // size) * size
        self.next_address = address + size
        if self.next_address > MEMORY_BASE + len(self.memory.data):
            raise MemoryError("the world is too small")
        return address

    def slot(self) -> Slot:
        """An empty slot of the root CNode that was not given out before."""
        index = self.next_slot
        assert index < 1 << self.root_bits, "the root CNode is full"
        self.next_slot += 1
        return slot_at(self.root, index)

    def address(self, slot: Slot) -> int:
        """The address in the root CNode's capability space, for lookups of 64 bits."""
        return (address_of(slot) - address_of(self.root)) >> SLOT_BITS

    def original(self, capability: Capability) -> Slot:
        """A slot with a capability that has no parent, as after boot."""
        slot = self.slot()
        slot.capability = capability
        slot.link = DerivationLink(revocable=True, first_badged=True)
        return slot

    def untyped(self, size_bits: int, *, is_device: bool = False) -> Slot:
        """A slot with untyped memory that nothing was made of yet."""
        return self.original(UntypedCap(base=self.carve(size_bits), size_bits=size_bits, is_device=is_device))

    def make(self, kind: ObjectType, user_size: int = 0, memory: Slot | None = None, to: Slot | None = None) -> Slot:
        """Make one object; from memory of its own unless ``memory`` is given."""
        slot = to if to is not None else self.slot()
        if memory is None:
            memory = self.untyped(int(untyped.object_bits(kind, user_size)))
        while untyped.retype(memory, kind, user_size, slot, 1) != Status.OK:
            pass
        return slot

    def cnode(self, radix: int, **named: Any) -> Slot:
        """A slot with the first capability to a CNode of ``2**radix`` slots."""
        return self.make(ObjectType.CAP_TABLE, radix, **named)

    def inside(self, cnode: Slot, index: int) -> Slot:
        """A slot of a CNode or thread, by the slot of a capability to it."""
        cap = cnode.capability
        if isinstance(cap, ThreadCap):
            return slot_at(cap.tcb.cspace_root, index)
        assert isinstance(cap, (CNodeCap, ZombieCap))
        return slot_at(cap.slots, index)

    def thread(self, **named: Any) -> Slot:
        """A slot with the first capability to a thread."""
        return self.make(ObjectType.TCB, **named)

    def tcb(self, slot: Slot) -> Tcb:
        """The thread of a capability."""
        cap = slot.capability
        assert isinstance(cap, ThreadCap)
        return cap.tcb

    def irq_control(self) -> Slot:
        """A slot with the right to make interrupt handlers."""
        return self.original(IrqControlCap())

    def slots(self) -> list[Slot]:
        """All slots, the root CNode's first."""
        return reachable_slots(self.root, self.root_bits)

    def check(self) -> None:
        """All invariants of capabilities."""
        check_capabilities(self.slots())

    def arguments(self, words: Sequence[int], extra: Sequence[Slot] = ()) -> None:
        """Make these the message words and passed capabilities of the current request."""
        request.buffer = self.buffer
        for index, word in enumerate(words):
            if index < MESSAGE_REGISTERS:
                self.caller.registers[registers.FIRST_MESSAGE + index] = word
            else:
                self.buffer.message[index] = word
        for index in range(EXTRA_CAPS):
            request.extra[index] = extra[index] if index < len(extra) else None

    def error(self) -> tuple[Any, int, int]:
        """The error of the last failed operation with its details."""
        return request.error, int(request.error_words[0]), int(request.error_words[1])
