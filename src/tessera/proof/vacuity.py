# SPDX-License-Identifier: BSD-2-Clause
"""States of a running kernel as models of what proofs assume: no set of assumptions is empty.

Ghosts are rebuilt from the state: intervals from the lists of the derivation tree, positions from queues, sizes of
CNodes from the capabilities to them. An object is live if a capability leads to it, or if it is the kernel's own.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from types import FrameType
from typing import Any

from tessera.abi.objects import IPC_BUFFER_BITS
from tessera.arch import paging
from tessera.ir.nodes import Function
from tessera.ir.values import to_raw
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
from tessera.kernel.state import IRQ_SLOTS, irq_slots, kernel
from tessera.lang import Memory, address_of, at, size_of
from tessera.lang.memory import MEMORY_BASE, STATICS
from tessera.lang.types import NAMED, is_packed, is_struct
from tessera.proof.concrete import USUAL_WORDS, LiveObjects, Predicates, Span
from tessera.smt.reading import keeps_invariants
from tessera.smt.session import World

# More tuples of objects than this are not tried with one invariant.
MOST_TUPLES = 5_000


@dataclass(frozen=True)
class Broken:
    """Something that proofs assume, and that a state does not fulfil."""

    what: str
    values: tuple[str, ...]


@dataclass
class Model:
    """A concrete state: its memory, with ghosts, and what is live in it."""

    memory: Memory
    slots: list[Slot]
    live: LiveObjects
    words: list[int]

    def predicates(self, world: World) -> Predicates:
        """The state as invariants see it."""
        objects = world.objects
        free = frozenset((*objects.single, *objects.placed))
        return Predicates(world.program, self.memory, self.live, self.words, free)


def model_of(root: Slot, root_bits: int, others: Iterable[tuple[Any, int]] = ()) -> Model:
    """The state that the current memory holds. ``root``: the first slot of the root task's CNode.

    ``others`` are live objects, struct and address, that a test made and no capability leads to.
    """
    memory = Memory.current
    assert memory is not None
    memory.ghosts.clear()
    nodes = _nodes(root, root_bits)
    slots = [slot_at(first, index) for first, count in nodes for index in range(count)]
    live = LiveObjects()
    for slot in slots:
        live.add(Slot, address_of(slot))
    for entry in STATICS:
        _add(live, entry.type, MEMORY_BASE + entry.offset)
    for struct, address in others:
        _add(live, struct, int(address))
    for slot in slots:
        _add_object(live, slot.capability)
    _rebuild_ghosts(slots)
    for context in live.of(SchedContext):
        _number_refills(at(SchedContext, context), live)
    words = sorted({*USUAL_WORDS, *(address for name in live.single for address in live.of(NAMED[name]))})
    words = sorted({*words, *live.of(Granule, 12), *live.of(IpcBuffer, 12), *live.of(Refill)})
    return Model(memory, slots, live, words)


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
    _number_queue(kernel.release_head, "queue_next", "position")
    for slot in slots:
        match slot.capability:
            case EndpointCap() as cap:
                _number_queue(cap.endpoint.head, "wait_next", "wait_position")
            case NotificationCap() as cap:
                _number_queue(cap.notification.head, "wait_next", "wait_position")
            case _:
                pass


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


# What is checked


@dataclass
class Checked:
    """What came of it: broken assumptions, and how often each invariant's premises were true."""

    broken: list[Broken] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)


def check_invariants(world: World, model: Model) -> Checked:
    """Every invariant that proofs use, for all objects of the state; of very many tuples, evenly spread ones."""
    run = model.predicates(world)
    found = Checked()
    for invariant in world.invariants:
        if invariant.of_field is not None:
            continue
        _check(found, run, model, invariant.function, _tuples(model, invariant.function))
    for base, functions in world.of_packed.items():
        for function in functions:
            _check(found, run, model, function, _packed(model, base))
    _check_life(found, model)
    return found


def _check(
    found: Checked, run: Predicates, model: Model, function: Function, tuples: Iterator[tuple[int, ...]]
) -> None:
    for values in tuples:
        found.tried[function.name] += 1
        if not run.holds(function, values):
            found.broken.append(Broken(function.name, _told(function, values)))
        if run.met:
            found.met[function.name] += 1


def _tuples(model: Model, function: Function) -> Iterator[tuple[int, ...]]:
    choices = []
    for _, type_ in function.parameters:
        if type_ is Slot and len(function.parameters) > 1:
            # Empty slots are all alike: pairs have some of them.
            used = [int(address_of(slot)) for slot in model.slots if not derivation.is_empty(slot)]
            empty = [int(address_of(slot)) for slot in model.slots if derivation.is_empty(slot)]
            choices.append([*used, *empty[:4]])
        else:
            choices.append(model.live.of(type_) if is_struct(type_) else model.words)
    count = 1
    for one in choices:
        count *= len(one)
    step = max(1, count // MOST_TUPLES)
    # A step without a factor in common with the lists' lengths goes through all of each.
    while step > 1 and any(len(one) % step == 0 for one in choices):
        step += 1
    yield from itertools.islice(itertools.product(*choices), 0, None, step)


def _packed(model: Model, base: Any) -> Iterator[tuple[int, ...]]:
    fields = [
        (NAMED[name], one)
        for name in model.live.single
        for one in NAMED[name].__struct__.layout().fields.values()
        if is_packed(one.type) and one.type.__packed__.base is base
    ]
    for struct, one in fields:
        for address in model.live.of(struct):
            yield (model.memory.load(address + one.offset, base.__packed__.word.width // 8),)


def _told(function: Function, values: tuple[int, ...]) -> tuple[str, ...]:
    told = []
    for (name, type_), value in zip(function.parameters, values, strict=True):
        text = f"{name}={value:#x}"
        if type_ is Slot:
            text += f" {at(Slot, value).capability}"
        told.append(text)
    return tuple(told)


def _check_life(found: Checked, model: Model) -> None:
    """What the prover takes from an object's being live: it is aligned, inside of the address space, canonical."""
    for name in {*model.live.single, *model.live.spans}:
        layout = NAMED[name].__struct__.layout()
        for address in model.live.of(NAMED[name]):
            found.tried["live"] += 1
            canonical = address + layout.size <= 1 << 38 or address >= (1 << 64) - (1 << 38)
            if address % layout.alignment or not canonical:
                found.broken.append(Broken("live", (f"{name} at {address:#x}",)))


# Real calls


@dataclass
class Watch:
    """Looks at calls of functions under proof while the kernel runs: what proofs assume at entry must hold there."""

    world: World
    targets: list[Function]
    root: Slot
    root_bits: int
    others: tuple[tuple[Any, int], ...] = ()
    most: int = 1
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this lasts, the first calls of each function are looked at."""
        by_code = {function.info.function.__code__: function for function in self.targets}

        def entered(frame: FrameType, event: str, _: Any) -> None:
            function = by_code.get(frame.f_code) if event == "call" else None
            if function is None or self.seen[function.name] >= self.most:
                return
            self.seen[function.name] += 1
            sys.setprofile(None)
            try:
                self._look(function, frame)
            finally:
                sys.setprofile(entered)

        sys.setprofile(entered)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _look(self, function: Function, frame: FrameType) -> None:
        model = model_of(self.root, self.root_bits, self.others)
        run = model.predicates(self.world)
        names = {name: to_raw(type_, frame.f_locals[name]) for name, type_ in function.parameters}
        for contract in function.contracts:
            if contract.kind == "requires":
                for one in contract.expressions:
                    if not run.condition(function, one, names):
                        told = tuple(f"{name}={value:#x}" for name, value in names.items())
                        self.broken.append(Broken(f"{function.name} requires {contract.text}", told))
        if keeps_invariants(function):
            for found in check_invariants(self.world, model).broken:
                self.broken.append(Broken(f"{found.what} at a call of {function.name}", found.values))
