# SPDX-License-Identifier: BSD-2-Clause
"""The abstract state as plain maps of names, so that it can be compared, printed and kept."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tessera.spec.capability import Capability
from tessera.spec.objects import (
    AsidPool,
    Context,
    Endpoint,
    Node,
    Notification,
    Object,
    Place,
    Reply,
    State,
    Table,
    Thread,
    names,
)
from tessera.spec.state import Kernel

Row = tuple[Any, ...]


def name_of(thing: Object | None) -> int | None:
    """The name of an object."""
    return None if thing is None else thing.name


def capability(cap: Capability) -> Row:
    """A capability by the name of its kind and its fields, objects by their names."""
    return type(cap).__name__, *(_plain(getattr(cap, name)) for name in _FIELDS[type(cap)])


_FIELDS: dict[type, tuple[str, ...]] = {kind: tuple(f.name for f in fields(kind)) for kind in Capability.__args__}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, bool)) else value.name


def place(slot: Place | None) -> tuple[int, int] | None:
    """A slot by the name of what it is in, and its index."""
    return None if slot is None else (slot[0].name, slot[1])


def thread(t: Thread) -> Row:
    """A thread: registers in the order of ``REGISTERS``, then everything else."""
    sending = (t.badge, t.is_call, t.can_grant, t.can_grant_reply) if t.state is State.SENDING else None
    fault = None if t.fault is None else (int(t.fault.kind), t.fault.words)
    return (
        tuple(t.registers.values()),
        t.state.name,
        (t.priority, t.maximum_priority, t.domain, t.flags, t.buffer_address),
        (name_of(t.context), name_of(t.yields_to), name_of(t.bound), name_of(t.waits_at), name_of(t.reply)),
        sending,
        fault,
        (t.is_ready, t.is_postponed),
        t.title,
    )


def context(c: Context) -> Row:
    """A scheduling context."""
    return (
        (c.limit, c.budget, c.period, c.sporadic, c.badge) if c.limit else None,
        c.consumed,
        tuple((refill.time, refill.amount) for refill in c.refills) if c.limit else (),
        (name_of(c.thread), name_of(c.notification), name_of(c.yields_from)),
        tuple(names(c.calls)),
    )


def table(t: Table) -> Row:
    """A page table: what its entries lead to."""
    return tuple(
        (i, e.name) if isinstance(e, Table) else (i, e.base, e.read, e.write, e.execute)
        for i, e in sorted(t.entries.items())
    )


def node(k: Kernel, n: Node) -> Row:
    """Slots: capabilities, and whether they may have children."""
    return tuple((i, capability(cap), (n, i) in k.original) for i, cap in sorted(n.slots.items()))


def thing(k: Kernel, item: Object) -> Row:
    """Any object."""
    match item:
        case Thread():
            return ("Thread", thread(item), node(k, item.own))
        case Endpoint():
            return ("Endpoint", item.queue[0].state.name if item.queue else None, tuple(names(item.queue)))
        case Notification():
            return (
                "Notification",
                item.signals,
                tuple(names(item.queue)),
                name_of(item.bound),
                name_of(item.context),
            )
        case Reply():
            return ("Reply", name_of(item.thread), name_of(item.context))
        case Context():
            return ("Context", context(item))
        case Table():
            return ("Table", table(item))
        case AsidPool():
            return ("AsidPool", tuple((i, t.name) for i, t in sorted(item.spaces.items())))
        case Node():
            return ("Node", item.radix, node(k, item))


def globals_of(k: Kernel) -> dict[str, Any]:
    """What is in no object."""
    return {"interrupts": node(k, k.interrupts), **numbers(k)}


def numbers(k: Kernel) -> dict[str, Any]:
    """The same without slots."""
    return {
        "interrupts in use": tuple(sorted(k.irqs_in_use)),
        "pools": tuple((i, p.name) for i, p in sorted(k.pools.items())),
        "time": (k.now, k.used, k.deadline),
        "current": (name_of(k.current), name_of(k.charged)),
        "ready": {key: tuple(names(queue)) for key, queue in k.ready.items()},
        "postponed": tuple(names(k.postponed)),
        "domain": (k.domain, k.domain_time, k.schedule_index, k.schedule_start),
        "schedule": tuple(k.schedule),
        "fpu": (name_of(k.fpu_owner), k.fpu_on),
        "space": None if k.space is None else (k.space[0].name, k.space[1]),
    }


def tree(k: Kernel) -> dict[str, Any]:
    """The derivation tree: parents, and children in their order."""
    return {
        "parents": {place(slot): place(parent) for slot, parent in k.parent.items()},
        "children": {place(slot): [place(child) for child in found] for slot, found in k.children.items() if found},
    }


def memory(k: Kernel) -> dict[int, int]:
    """Words of user memory that are not zero."""
    return {address: value for page in k.memory.values() for address, value in page.items() if value}


def describe(k: Kernel) -> dict[str, Any]:
    """Everything."""
    objects = {name: thing(k, item) for name, item in k.objects.items()}
    return {"objects": objects, **globals_of(k), **tree(k), "memory": memory(k)}
