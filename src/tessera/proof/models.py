# SPDX-License-Identifier: BSD-2-Clause
"""States of a running kernel as the prover sees them: what is live, and the ghosts.

Ghosts are rebuilt from the state: intervals from the lists of the derivation tree, positions from queues, sizes of
CNodes from the capabilities to them. An object is live if a capability leads to it, or if it is the kernel's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tessera.abi.objects import IPC_BUFFER_BITS
from tessera.arch import paging
from tessera.kernel import derivation
from tessera.kernel.capability import (
    AsidPoolCap,
    Capability,
    CNodeCap,
    EndpointCap,
    FrameCap,
    NotificationCap,
    PageTableCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
    ZombieCap,
)
from tessera.kernel.cspace import slot_at
from tessera.kernel.derivation_order import size_of_object, start_of
from tessera.kernel.layout import (
    ASIDS_PER_POOL,
    GRANULE_BITS,
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
from tessera.kernel.region import THREAD_SLOTS, frame_bits
from tessera.kernel.release_tree import LAST_NUMBER, middle
from tessera.kernel.state import ASID_POOLS, IRQ_SLOTS, irq_slots, kernel, kernel_page_table
from tessera.lang import Memory, address_of, at, from_word, size_of
from tessera.lang.memory import MEMORY_BASE, STATICS
from tessera.lang.types import NAMED
from tessera.proof.concrete import USUAL_WORDS, LiveObjects, Predicates, Span
from tessera.smt.session import World


@dataclass
class Model:
    """A concrete state: its memory, with ghosts, and what is live in it."""

    memory: Memory
    slots: list[Slot]
    live: LiveObjects
    words: list[int]
    # As :attr:`Memory.ghosts`.
    ghosts: dict[tuple[Any, str, int], Any] = field(default_factory=dict)

    def predicates(self, world: World) -> Predicates:
        """The state as invariants see it."""
        objects = world.objects
        free = frozenset((*objects.single, *objects.placed))
        return Predicates(world.program, self.memory, self.ghosts, self.live, self.words, free)


def model_of(root: Slot, root_bits: int, others: Iterable[tuple[Any, int]] = ()) -> Model:
    """The state that the current memory holds. ``root``: the first slot of the root task's CNode.

    ``others`` are live objects, struct and address, that a test made and no capability leads to.
    """
    memory = Memory.current
    assert memory is not None
    # The running kernel keeps its own ghosts, as far as it has ghost code.
    kept, memory.ghosts = memory.ghosts, {}
    try:
        model = _model(memory, root, root_bits, others)
        model.ghosts = memory.ghosts
    finally:
        memory.ghosts = kept
    return model


def _model(memory: Memory, root: Slot, root_bits: int, others: Iterable[tuple[Any, int]]) -> Model:
    nodes = _nodes(root, root_bits)
    slots = [slot_at(first, index) for first, count in nodes for index in range(count)]
    live = LiveObjects()
    for slot in slots:
        live.add(Slot, address_of(slot))
    for entry in STATICS:
        if not entry.module.startswith("tessera.kernel"):
            continue  # a test's own, which nothing here speaks of
        _add(live, entry.type, MEMORY_BASE + entry.offset)
    for struct, address in others:
        _add(live, struct, int(address))
    for slot in slots:
        _add_object(live, slot.capability)
    _rebuild_spaces(live, slots)
    _rebuild_ghosts(slots)
    for context in live.of(SchedContext):
        _number_refills(at(SchedContext, context), live)
    words = {*USUAL_WORDS, *(address for name in live.single for address in live.of(NAMED[name]))}
    words |= {*live.of(Granule, 12), *live.of(IpcBuffer, 12), *live.of(Refill)}
    return Model(memory, slots, live, sorted(words))


def _nodes(root: Slot, root_bits: int) -> list[tuple[Slot, int]]:
    """The first slots of all CNodes and threads that a capability leads to, with how many there are."""
    found: dict[int, tuple[Slot, int]] = {}
    waiting = [(root, 1 << root_bits), (irq_slots.slots[0], IRQ_SLOTS), (kernel.idle.cspace_root, THREAD_SLOTS)]
    while waiting:
        first, count = waiting.pop(0)
        if int(address_of(first)) in found:
            continue
        found[int(address_of(first))] = first, count
        for index in range(count):
            match slot_at(first, index).capability:
                case CNodeCap() as cap:
                    waiting.append((cap.slots, 1 << int(cap.radix)))
                    cap.slots.node_radix = cap.radix
                case ThreadCap() as cap:
                    waiting.append((cap.tcb.cspace_root, THREAD_SLOTS))
                case ZombieCap() as cap:
                    waiting.append((cap.slots, THREAD_SLOTS if cap.is_thread else 1 << int(cap.radix)))
                    if not cap.is_thread:
                        cap.slots.node_radix = cap.radix
                case _:
                    pass
    return list(found.values())


def _add(live: LiveObjects, struct: Any, address: int) -> None:
    """An object, with the objects in it."""
    live.add(struct, address)
    if struct is SchedContext:
        # A context from a capability has as many refills as its memory holds.
        live.add_span(Refill, Span(address + _refills_offset(), int(size_of(Refill)), 2))
    elif struct is Tcb:
        first = int(address_of(at(Tcb, address).cspace_root))
        for index in range(THREAD_SLOTS):
            live.add(Slot, first + index * int(size_of(Slot)))


def _refills_offset() -> int:
    return int(SchedContext.__struct__.layout().fields["refills"].offset)  # type: ignore[attr-defined]


def _add_object(live: LiveObjects, cap: Capability) -> None:
    match cap:
        case ThreadCap():
            _add(live, Tcb, address_of(cap.tcb))
        case EndpointCap():
            _add(live, Endpoint, address_of(cap.endpoint))
        case NotificationCap():
            _add(live, Notification, address_of(cap.notification))
        case ReplyCap():
            _add(live, Reply, address_of(cap.reply))
        case PageTableCap():
            _add(live, PageTable, address_of(cap.table))
        case AsidPoolCap():
            _add(live, AsidPool, address_of(cap.pool))
        case SchedContextCap():
            start = int(address_of(cap.context))
            live.add(SchedContext, start)
            size = (1 << int(cap.size_bits)) - _refills_offset()
            live.add_span(Refill, Span(start + _refills_offset(), int(size_of(Refill)), size // int(size_of(Refill))))
        case FrameCap() if not cap.is_device:
            size = 1 << int(frame_bits(cap.size)) - IPC_BUFFER_BITS
            live.add_span(IpcBuffer, Span(int(paging.kernel_address(cap.base)), 1 << IPC_BUFFER_BITS, size))
        case UntypedCap() if not cap.is_device:
            size = (1 << int(cap.size_bits)) - int(cap.free_offset)
            start = int(paging.kernel_address(cap.base)) + int(cap.free_offset)
            live.add_span(Granule, Span(start, 1 << GRANULE_BITS, size >> GRANULE_BITS))
        case _:
            pass


def _rebuild_ghosts(slots: list[Slot]) -> None:
    for slot in slots:
        slot.object_start = start_of(slot.capability)
        slot.object_size = size_of_object(slot.capability)
        if slot.previous is None and not derivation.is_empty(slot):
            _number_list(slot)
    for number in range(len(kernel.domains)):
        domain = kernel.domains[number]
        for priority in range(len(domain.queues)):
            queue = domain.queues[priority]
            queue.marked = queue.head is not None
            _number_queue(queue.head, "queue_next", "position")
    _halve_ranges(kernel.release_head)
    for slot in slots:
        match slot.capability:
            case EndpointCap() as cap:
                _number_queue(cap.endpoint.head, "wait_next", "wait_position")
                _mark_ends(cap.endpoint.head)
            case NotificationCap() as cap:
                _number_queue(cap.notification.head, "wait_next", "wait_position")
                _mark_ends(cap.notification.head)
            case _:
                pass


def _rebuild_spaces(live: LiveObjects, slots: list[Slot]) -> None:
    """Which tables translate addresses of which space, and at which level."""
    for slot in slots:
        cap = slot.capability
        if isinstance(cap, PageTableCap) and cap.is_mapped:
            table = cap.table
            table.pool_number, table.place = divmod(int(cap.asid), ASIDS_PER_POOL)
            table.start = cap.mapped_address
    kernel_page_table.rank = 1
    for number in range(ASID_POOLS):
        pool = kernel.asid_table[number]
        if pool is None:
            continue
        live.add(AsidPool, address_of(pool))
        pool.number = number
        for place in range(ASIDS_PER_POOL):
            root = pool.spaces[place]
            if root is not None:
                root.pool_number, root.place = number, place
                _rank_tables(root, root, 1)
    for address in live.of(PageTable):
        table = at(PageTable, address)
        if table.rank == 0 and any(one.is_table() for one in _entries(table, paging.ENTRIES)):
            # Of a space that is gone.
            table.rank = 1


def _rank_tables(root: PageTable, table: PageTable, rank: int) -> None:
    table.rank, table.space, table.life = rank, root, root.life
    for one in _entries(table, paging.FIRST_KERNEL_ENTRY if rank == 1 else paging.ENTRIES):
        if one.is_table():
            _rank_tables(root, at(PageTable, paging.kernel_address(one.address)), rank + 1)


def _entries(table: PageTable, count: int) -> Iterator[paging.Entry]:
    for index in range(count):
        yield from_word(paging.Entry, table.entries[index])


def _number_list(first: Slot) -> None:
    """Intervals of one list of the derivation tree: descendants are the run that the kernel's own test accepts."""
    run: list[Slot] = []
    place: Slot | None = first
    while place is not None:
        run.append(place)
        place = place.link.next
    for index, slot in enumerate(run):
        end = index + 1
        while end < len(run) and derivation.is_parent_of(slot, run[end]):
            end += 1
        slot.chain = int(address_of(first))
        slot.low, slot.high = Fraction(2 * index), Fraction(2 * end - 1)


def _number_queue(first: Tcb | None, link: str, ghost: str) -> None:
    number = 0
    tcb = first
    while tcb is not None:
        setattr(tcb, ghost, Fraction(number))
        number, tcb = number + 1, getattr(tcb, link)


def _halve_ranges(first: Tcb | None) -> None:
    """The numbers that each place of the release queue is for."""
    to_do = [] if first is None else [(first, 0, LAST_NUMBER)]
    while to_do:
        tcb, least, last = to_do.pop()
        tcb.release_first, tcb.release_last = least, last
        centre = int(middle(least, last))
        if tcb.release_low is not None:
            to_do.append((tcb.release_low, least, centre))
        if tcb.release_high is not None:
            to_do.append((tcb.release_high, centre + 1, last))


def _mark_ends(first: Tcb | None) -> None:
    """Which threads of a queue of waiting ones are the last of their priority, and know the first."""
    tcb = first
    while tcb is not None:
        other = tcb.wait_run
        tcb.wait_last = other is not None and other.wait_position < tcb.wait_position
        tcb = tcb.wait_next


def _number_refills(context: SchedContext, live: LiveObjects) -> None:
    """Each place of a context's ring, and the sums of what comes before in the sequence of those in use."""
    start, size = int(address_of(context)) + _refills_offset(), int(size_of(Refill))
    # An object from a capability has a longer span than the two places that every context has.
    capacity = max(span.count for span in live.spans[Refill.__name__] if span.start == start)
    context.capacity = capacity
    for index in range(capacity):
        refill = at(Refill, start + index * size)
        refill.owner, refill.index, refill.offset = context, index, 0
    if context.refill_limit == 0:
        return
    context.first = at(Refill, start + int(context.refill_head) * size)
    context.last = at(Refill, start + int(context.refill_tail) * size)
    index, total = int(context.refill_head), 0
    while True:
        refill = at(Refill, start + index * size)
        refill.offset = total
        total += int(refill.amount)
        if index == context.refill_tail:
            return
        index = (index + 1) % int(context.refill_limit)
