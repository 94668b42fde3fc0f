# SPDX-License-Identifier: BSD-2-Clause
"""Invocations with a purpose: they look for a state that random arguments seldom meet, and do something about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import PAGE_BITS
from tessera.spec.capability import (
    Capability,
    CNodeCap,
    ContextCap,
    EndpointCap,
    FrameCap,
    NotificationCap,
    PoolCap,
    ReplyCap,
    SchedControlCap,
    TableCap,
    ThreadCap,
    UntypedCap,
)
from tessera.spec.objects import Node, Reply, Thread
from tessera.spec.state import Kernel

ROOT, CONTEXT = 2, 14


@dataclass(frozen=True)
class Wish:
    """An invocation: its label, the slot of what is invoked, the words that matter by name, and extra capabilities."""

    label: Label
    address: int
    values: dict[str, int] = field(default_factory=dict)
    extra: tuple[int, ...] = ()


@dataclass
class Sight:
    """What a purpose sees: the state, the CNode whose slots are addresses, its slots by kind, and chance."""

    k: Kernel
    node: Node
    found: Mapping[type, list[int]]
    chance: Random
    free: Callable[[], int]

    def of(self, *kinds: type) -> list[tuple[int, Any]]:
        """Slots that hold capabilities of these kinds, with them; none that the root task needs."""
        slots = self.node.slots
        places = [i for kind in kinds for i in self.found.get(kind, ()) if i > 15 or i == CONTEXT]
        return [(i, slots[i]) for i in places]

    def one(self, found: list[tuple[int, Any]]) -> tuple[int, Any] | None:
        """Any of them."""
        return self.chance.choice(found) if found else None

    def depth(self, index: int) -> dict[str, int]:
        """The address of a slot of the CNode itself."""
        return {"index": index, "depth": 64}


def empty(sight: Sight, index: int) -> Wish:
    """Empty a slot, or what was derived from it."""
    label = sight.chance.choice((Label.CNODE_DELETE, Label.CNODE_DELETE, Label.CNODE_REVOKE))
    return Wish(label, ROOT, sight.depth(index))


def end_a_queue(sight: Sight) -> Iterator[Wish]:
    """An endpoint or notification for which threads wait is gone."""
    found = sight.of(EndpointCap, NotificationCap)
    waited = [(i, c) for i, c in found if (c.endpoint if isinstance(c, EndpointCap) else c.notification).queue]
    if chosen := sight.one(waited):
        yield empty(sight, chosen[0])


def cancel_badged(sight: Sight) -> Iterator[Wish]:
    """Sends with a badge that somebody waits with."""
    for index, cap in sight.of(EndpointCap):
        everything = cap.can_send and cap.can_receive and cap.can_grant and cap.can_grant_reply
        if cap.endpoint.has_senders and everything and any(t.badge == cap.badge for t in cap.endpoint.queue):
            yield Wish(Label.CNODE_CANCEL_BADGED_SENDS, ROOT, sight.depth(index))


def end_a_call(sight: Sight) -> Iterator[Wish]:
    """A reply object in use is gone, or the thread that waits with it is stopped, moved or gets a context."""
    found = [(i, c) for i, c in sight.of(ReplyCap) if c.reply.thread is not None]
    if chosen := sight.one(found):
        yield empty(sight, chosen[0])
        for index, cap in sight.of(ThreadCap):
            if cap.thread is chosen[1].reply.thread:
                yield Wish(sight.chance.choice((Label.TCB_SUSPEND, Label.TCB_RESUME)), index)
                yield Wish(Label.CNODE_DELETE, ROOT, sight.depth(index))


def end_a_space(sight: Sight) -> Iterator[Wish]:
    """A page table or pool in use is gone or unmapped."""
    found = [(i, c) for i, c in sight.of(TableCap, PoolCap) if isinstance(c, PoolCap) or c.is_mapped]
    if chosen := sight.one(found):
        yield empty(sight, chosen[0])
        if isinstance(chosen[1], TableCap):
            yield Wish(Label.RISCV_PAGE_TABLE_UNMAP, chosen[0])


def build_a_space(sight: Sight) -> Iterator[Wish]:
    """A root gets an identifier, a table comes into a space, and a frame into a table; a pool is made."""
    tables = sight.of(TableCap)
    roots = [i for i, c in tables if c.is_mapped and c.address == 0 and c.asid] + [3]
    unmapped = [i for i, c in tables if not c.is_mapped]
    address = sight.chance.choice((0x80_0000, 0x80_1000, 0x4000_0000, 0x40_3000))
    if unmapped:
        pools = [i for i, _ in sight.of(PoolCap)] + [6]
        table = sight.chance.choice(unmapped)
        yield Wish(Label.RISCV_ASID_POOL_ASSIGN, sight.chance.choice(pools), {}, (table,))
        yield Wish(Label.RISCV_PAGE_TABLE_MAP, table, {"vaddr": address}, (sight.chance.choice(roots),))
    frames = [i for i, c in sight.of(FrameCap) if not c.asid and not c.is_device]
    if frames:
        values = {"vaddr": address, "rights": sight.chance.choice((3, 3, 1, 2, 0))}
        yield Wish(Label.RISCV_PAGE_MAP, sight.chance.choice(frames), values, (sight.chance.choice(roots),))
    pages = [i for i, c in sight.of(UntypedCap) if c.size_bits == PAGE_BITS and not c.is_device and c.watermark == 0]
    if pages:
        values = sight.depth(sight.free())
        yield Wish(Label.RISCV_ASID_CONTROL_MAKE_POOL, 5, values, (sight.chance.choice(pages), ROOT))


def into_a_node(sight: Sight) -> Iterator[Wish]:
    """The capability to a CNode or thread lies in a CNode, perhaps in itself; then that is gone."""
    nodes = [(i, c) for i, c in sight.of(CNodeCap) if c.node is not sight.node]
    chosen = sight.one(nodes)
    if chosen is None:
        return
    index, cap = chosen
    inner = sight.one([*sight.of(ThreadCap), *nodes, *sight.of(CNodeCap)])
    if inner is not None:
        place = sight.chance.randrange(1 << cap.node.radix)
        values = {
            "dest_index": cap.guard << cap.node.radix | place,
            "dest_depth": cap.guard_size + cap.node.radix,
            "src_index": inner[0],
            "src_depth": 64,
        }
        label = sight.chance.choice((Label.CNODE_MOVE, Label.CNODE_COPY))
        yield Wish(label, index, values | {"rights": 15}, (ROOT,))
    if cap.node.slots:
        yield Wish(Label.CNODE_DELETE, ROOT, sight.depth(index))
        yield Wish(Label.CNODE_REVOKE, ROOT, sight.depth(index))


def give_time(sight: Sight) -> Iterator[Wish]:
    """Contexts change hands: to threads without one that wait, to notifications, or from one that runs."""
    unbound = [i for i, c in sight.of(ContextCap) if c.context.thread is None and c.context.notification is None]
    bound = [(i, c.context) for i, c in sight.of(ContextCap) if c.context.thread is not None]
    threads = [i for i, c in sight.of(ThreadCap) if c.thread.context is None]
    signals = [i for i, c in sight.of(NotificationCap) if c.notification.context is None]
    if unbound and (threads or signals):
        target = sight.chance.choice(threads + signals)
        yield Wish(Label.SCHED_CONTEXT_BIND, sight.chance.choice(unbound), {}, (target,))
    for index, context in bound:
        thread = context.thread
        if thread is not None and thread is not sight.k.current and not thread.is_runnable:
            yield Wish(Label.SCHED_CONTEXT_UNBIND, index)
    control = sight.found.get(SchedControlCap, [])
    spent = [i for i, context in bound if context.refills and context.refills[0].time > sight.k.now]
    if control and (spent or bound):
        budget = sight.chance.choice((200, 1000, 3000))
        values = {"budget": budget, "period": budget * sight.chance.choice((1, 3)), "flags": sight.chance.randrange(2)}
        chosen = sight.chance.choice(spent or [i for i, _ in bound])
        values |= {"extra_refills": sight.chance.choice((0, 1, 2)), "badge": 5}
        yield Wish(Label.SCHED_CONTROL_CONFIGURE_FLAGS, control[0], values, (chosen,))


def yield_time(sight: Sight) -> Iterator[Wish]:
    """Yield to a thread that can run, or to one that waits for its budget."""
    current = sight.k.current
    for index, cap in sight.of(ContextCap):
        thread = cap.context.thread
        if current is None or thread is None or thread is current or not thread.is_runnable:
            continue
        if thread.priority <= current.maximum_priority:
            yield Wish(Label.SCHED_CONTEXT_YIELD_TO, index)


def change_a_thread(sight: Sight) -> Iterator[Wish]:
    """A thread that is ready, waits or runs in another domain changes its priority, domain or spaces."""
    chosen = sight.one([(i, c) for i, c in sight.of(ThreadCap) if _is_lively(c.thread)])
    if chosen is None:
        return
    index, cap = chosen
    thread: Thread = cap.thread
    yield Wish(Label.TCB_SET_PRIORITY, index, {"priority": sight.chance.choice((55, 60, 65, 70))}, (1,))
    if thread.domain:
        yield Wish(Label.DOMAIN_SET_SET, 11, {"domain": 0}, (index,))
    notifications = [i for i, c in sight.of(NotificationCap) if c.notification.bound is None]
    if notifications and thread.bound is None:
        yield Wish(Label.TCB_BIND_NOTIFICATION, index, {}, (sight.chance.choice(notifications),))


def _is_lively(thread: Thread) -> bool:
    return thread.is_ready or thread.is_postponed or thread.is_blocked or thread.domain != 0


def derive_badges(sight: Sight) -> Iterator[Wish]:
    """Capabilities with badges, and copies of those, also of endpoints that threads wait for."""
    found = [(i, c) for i, c in sight.of(EndpointCap, NotificationCap, FrameCap, ReplyCap) if _is_plain(c)]
    if chosen := sight.one(found):
        values = {
            "dest_index": sight.free(),
            "dest_depth": 64,
            "src_index": chosen[0],
            "src_depth": 64,
            "rights": sight.chance.choice((15, 15, 15, 3, 7, 11, 2, 1)),
            "badge": sight.chance.choice((0, 0, 1, 7)),
        }
        yield Wish(Label.CNODE_MINT, ROOT, values, (ROOT,))
    frames = [i for i, c in sight.of(FrameCap) if not (c.is_device or (c.can_read and c.can_write)) and c.level == 0]
    threads = [i for i, _ in sight.of(ThreadCap)]
    if frames and threads:
        extra = (sight.chance.choice(frames),)
        yield Wish(Label.TCB_SET_IPC_BUFFER, sight.chance.choice(threads), {"buffer": 0x40_2000}, extra)


def _is_plain(cap: Any) -> bool:
    return not isinstance(cap, (EndpointCap, NotificationCap)) or cap.badge == 0


PURPOSES = (
    *(end_a_queue, cancel_badged, end_a_call, end_a_space, build_a_space, build_a_space, into_a_node, give_time),
    *(give_time, yield_time, change_a_thread, derive_badges, derive_badges),
)


def wish(
    k: Kernel, node: Node, found: Mapping[type, list[int]], chance: Random, free: Callable[[], int]
) -> Wish | None:
    """Something that one of the purposes wants, if the state has what it looks for."""
    wishes = list(chance.choice(PURPOSES)(Sight(k, node, found, chance, free)))
    return chance.choice(wishes) if wishes else None


def answerable(node: Node, found: Mapping[type, list[int]], thread: Thread) -> int | None:
    """The slot of the reply object that the present call of a thread would be answered with."""
    context = thread.context
    if context is None or not context.calls:
        return None
    newest = context.calls[-1]
    return next((i for i in found.get(ReplyCap, ()) if _reply_of(node.slots[i]) is newest), None)


def _reply_of(cap: Capability) -> Reply | None:
    return cap.reply if isinstance(cap, ReplyCap) else None
