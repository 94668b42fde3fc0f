# SPDX-License-Identifier: BSD-2-Clause
"""An abstract kernel from a description of one, such as the picture of a booted kernel."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tessera.abi.faults import Fault
from tessera.abi.objects import PAGE_BITS
from tessera.spec import capability as capabilities
from tessera.spec.capability import Capability
from tessera.spec.describe import Row
from tessera.spec.objects import (
    REGISTERS,
    AsidPool,
    Context,
    Endpoint,
    FaultRecord,
    Mapping,
    Node,
    Notification,
    Place,
    Refill,
    Reply,
    State,
    Table,
    Thread,
)
from tessera.spec.state import IRQ_NODE, Kernel

REFERRING = {"EndpointCap", "NotificationCap", "ReplyCap", "CNodeCap", "ThreadCap", "ContextCap", "TableCap", "PoolCap"}


def lift(told: dict[str, Any]) -> Kernel:
    """The state that ``spec.describe.describe`` describes like this."""
    k = Kernel()
    objects: dict[int | None, Any] = {None: None}
    for name, row in told["objects"].items():
        objects[name] = k.objects[name] = _empty(name, row)
    for name, row in told["objects"].items():
        _fill(k, objects, objects[name], row)
    _slots(k, objects, k.interrupts, told["interrupts"])
    _globals(k, objects, told)
    for child, parent in told["parents"].items():
        k.parent[_place(k, objects, child)] = None if parent is None else _place(k, objects, parent)
    for parent, children in told["children"].items():
        k.children[_place(k, objects, parent)] = [_place(k, objects, child) for child in children]
    for address, value in told["memory"].items():
        k.memory.setdefault(address >> PAGE_BITS, {})[address] = value
    return k


def _empty(name: int, row: Row) -> Any:
    match row[0]:
        case "Thread":
            return Thread(name, Node(name, 3))
        case "Node":
            return Node(name, row[1])
        case kind:
            simple: dict[str, Any] = {
                "Endpoint": Endpoint,
                "Notification": Notification,
                "Reply": Reply,
                "Context": Context,
                "Table": Table,
                "AsidPool": AsidPool,
            }
            return simple[kind](name)


def _place(k: Kernel, objects: dict[int | None, Any], name: tuple[int, int]) -> Place:
    if name[0] == IRQ_NODE:
        return k.interrupts, name[1]
    found = objects[name[0]]
    return (found.own if isinstance(found, Thread) else found), name[1]


def _capability(objects: dict[int | None, Any], row: Row) -> Capability:
    kind, *values = row
    if kind in REFERRING:
        values[0] = objects[values[0]]
    cls: Any = getattr(capabilities, kind)
    flags = [field.type == "bool" for field in fields(cls)]
    cap: Capability = cls(*(bool(value) if flag else value for value, flag in zip(values, flags, strict=True)))
    return cap


def _slots(k: Kernel, objects: dict[int | None, Any], node: Node, rows: Row) -> None:
    for index, cap, original in rows:
        k.put((node, index), _capability(objects, cap))
        if original:
            k.original.add((node, index))


def _fill(k: Kernel, objects: dict[int | None, Any], thing: Any, row: Row) -> None:
    match thing:
        case Thread():
            _fill_thread(objects, thing, row[1])
            _slots(k, objects, thing.own, row[2])
        case Node():
            _slots(k, objects, thing, row[2])
        case Endpoint():
            thing.queue = [objects[name] for name in row[2]]
        case Notification():
            thing.signals = row[1]
            thing.queue = [objects[name] for name in row[2]]
            thing.bound, thing.context = objects[row[3]], objects[row[4]]
        case Reply():
            thing.thread, thing.context = objects[row[1]], objects[row[2]]
        case Context():
            parameters, thing.consumed, refills, bound, calls = row[1]
            if parameters is not None:
                thing.limit, thing.budget, thing.period, sporadic, thing.badge = parameters
                thing.sporadic = bool(sporadic)
            thing.refills = [Refill(time, amount) for time, amount in refills]
            thing.thread, thing.notification, thing.yields_from = (objects[name] for name in bound)
            thing.calls = [objects[name] for name in calls]
        case Table():
            for index, base, *rights in row[1]:
                thing.entries[index] = Mapping(base, *(bool(right) for right in rights)) if rights else objects[base]
        case AsidPool():
            thing.spaces = {index: objects[name] for index, name in row[1]}


def _fill_thread(objects: dict[int | None, Any], thread: Thread, row: Row) -> None:
    registers, state, numbers, references, sending, fault, queued, thread.title = row
    thread.registers = dict(zip(REGISTERS, registers, strict=True))
    thread.state = State[state]
    thread.priority, thread.maximum_priority, thread.domain, thread.flags, thread.buffer_address = numbers
    thread.context, thread.yields_to, thread.bound, thread.waits_at, thread.reply = (objects[n] for n in references)
    if sending is not None:
        thread.badge = sending[0]
        thread.is_call, thread.can_grant, thread.can_grant_reply = (bool(flag) for flag in sending[1:])
    if fault is not None:
        thread.fault = FaultRecord(Fault(fault[0]), fault[1])
    thread.is_ready, thread.is_postponed = (bool(flag) for flag in queued)


def _globals(k: Kernel, objects: dict[int | None, Any], told: dict[str, Any]) -> None:
    k.irqs_in_use = set(told["interrupts in use"])
    k.pools = {index: objects[name] for index, name in told["pools"]}
    k.now, k.used, k.deadline = told["time"]
    k.current, k.charged = (objects[name] for name in told["current"])
    k.ready = {key: [objects[name] for name in queue] for key, queue in told["ready"].items()}
    k.postponed = [objects[name] for name in told["postponed"]]
    k.domain, k.domain_time, k.schedule_index, k.schedule_start = told["domain"]
    k.schedule = list(told["schedule"])
    k.fpu_owner, k.fpu_on = objects[told["fpu"][0]], told["fpu"][1]
    if told["space"] is not None:
        k.space = (objects[told["space"][0]], told["space"][1])
