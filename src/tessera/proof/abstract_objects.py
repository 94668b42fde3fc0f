# SPDX-License-Identifier: BSD-2-Clause
"""Objects of the abstract kernel of which nothing is known: what they are in the kernel's memory.

``TABLES`` is the abstraction. It says of each attribute which fields of the kernel's objects it is read from. An object
is its expression: a parameter, or a way from one through fields of the state before the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tessera.arch import registers
from tessera.kernel.layout import ThreadState
from tessera.proof.abstract_runs import Effect, Handed, Joined, Loose, Run, Unreadable, Write, text_of
from tessera.proof.abstract_values import Anything, Truth, Word
from tessera.spec import objects
from tessera.spec.objects import Context, Endpoint, Notification, Reply, State, Thread

# The idle thread is no thread of the abstract kernel; whatever it looks like, it does nothing.
STATES: dict[State, tuple[ThreadState, ...]] = {
    State.INACTIVE: (ThreadState.INACTIVE, ThreadState.IDLE),
    State.RUNNING: (ThreadState.RUNNING,),
    State.RESTART: (ThreadState.RESTART,),
    State.RECEIVING: (ThreadState.BLOCKED_ON_RECEIVE,),
    State.SENDING: (ThreadState.BLOCKED_ON_SEND,),
    State.AWAITING_REPLY: (ThreadState.BLOCKED_ON_REPLY,),
    State.AWAITING_SIGNAL: (ThreadState.BLOCKED_ON_NOTIFICATION,),
}
STRUCTS: dict[type, str] = {
    Thread: "Tcb",
    Endpoint: "Endpoint",
    Notification: "Notification",
    Reply: "Reply",
    Context: "SchedContext",
}


class Scene:
    """The objects of one run that were met so far, and what their attributes are now."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.met: dict[type, list[Any]] = {}
        # Attributes that were written, registers, and who left or joined a queue.
        self.written: list[tuple[Any, Attribute]] = []
        self.elements: list[tuple[Any, int, Any]] = []
        self.moves: list[tuple[str, Any, Any]] = []
        self.handed: list[Any] = []
        # What was answered about conditions that are asked again.
        self.known: dict[str, bool] = {}

    def thing(self, cls: type, text: str) -> Any:
        """An object that is known to be different from those that were met."""
        thing: Any = object.__new__(_symbolic(cls))
        thing.sym_scene, thing.sym_text, thing.sym_names, thing.sym_now = self, text, [text], {}
        self.met.setdefault(cls, []).append(thing)
        return thing

    def one_of(self, cls: type, text: str, optional: bool, others: Sequence[Any] = ()) -> Any:
        """What an expression refers to: nothing, something that was met (but none of ``others``), or something else."""
        known = [one for one in self.met.get(cls, []) if not any(one is other for other in others)]
        if any(text in one.sym_names for one in known):
            return next(one for one in known if text in one.sym_names)
        there = f"{text} is not None and " if optional else ""
        conditions = [f"{text} is None"] if optional else []
        conditions += [f"{text} is {one.sym_text}" for one in known]
        conditions.append(
            (there + " and ".join(f"{text} is not {one.sym_text}" for one in known)).removesuffix(" and ")
        )
        values = [*([None] if optional else []), *known]
        answer = self.run.choose(conditions)
        if answer == len(values):
            return self.thing(cls, text)
        if values[answer] is not None:
            # From here on it is called by its last name, as it would be if it were another one.
            values[answer].sym_text = text
            values[answer].sym_names.append(text)
        return values[answer]

    def unknown(self, cls: type = object) -> Any:
        """Something that is not compared: nothing, any object that was met, or another."""
        possible = [None, *self.met.get(cls, []), Anything(self)]
        return possible[self.run.choose([""] * len(possible))]

    def effects(self) -> frozenset[Effect]:
        """What was written, in terms of the kernel's fields."""
        found: set[Effect] = set()
        for thing, attribute in self.written:
            if isinstance(attribute, Outside):
                continue
            struct, value = STRUCTS[_class_of(thing)], thing.sym_now[attribute.name]
            found |= {Write(struct, place, thing.sym_text, told) for place, told in attribute.parts(value)}
        for thread, index, value in {(id(one[0]), one[1]): one for one in self.elements}.values():
            is_told = not isinstance(value, Anything)
            found.add(
                Write("Tcb", "registers", thread.sym_text, text_of(value), index)
                if is_told
                else Loose(thread.sym_text, index)
            )
        found |= {Handed(receiver.sym_text) for receiver in self.handed}
        joined = [(queue, thread) for move, queue, thread in self.moves if move == "insert"]
        if len({id(queue) for queue, _ in joined}) != len(joined):
            raise Unreadable("two threads join a queue")
        for move, queue, thread in self.moves:
            if move == "remove" and (queue, thread) in joined:
                # It leaves its place, and takes another one.
                continue
            # Who is in a queue and what a thread waits at are one thing in the kernel, so they must change together.
            if (move == "insert") != (thread.sym_now.get("waits_at") is queue):
                raise Unreadable(f"{thread.sym_text} is not where the queue of {queue.sym_text} says")
            if move == "insert":
                field_ = "blocked_endpoint" if isinstance(queue, Endpoint) else "blocked_notification"
                found.add(Joined(field_, queue.sym_text, thread.sym_text))
        return frozenset(found)


@dataclass
class Attribute:
    """An attribute that is a field of the concrete object, with its name there."""

    place: str
    name: str = field(default="", init=False)

    def read(self, scene: Scene, owner: Any) -> Any:
        """What it is before the step."""
        return Word(scene, f"{owner.sym_text}.{self.place}")

    def parts(self, value: Any) -> Iterator[tuple[str, str]]:
        """The concrete fields that say this, and what they are."""
        yield self.place, text_of(value)


class Flag(Attribute):
    """True or false."""

    def read(self, scene: Scene, owner: Any) -> Any:
        return Truth(scene, f"{owner.sym_text}.{self.place}")


@dataclass
class Reference(Attribute):
    """Another object, or none."""

    to: type

    def read(self, scene: Scene, owner: Any) -> Any:
        return scene.one_of(self.to, f"{owner.sym_text}.{self.place}", True)


@dataclass
class Outside(Attribute):
    """Something that is not compared: when it is read it may be anything, and that it is written is not told."""

    to: type = object

    def read(self, scene: Scene, owner: Any) -> Any:
        return scene.unknown(self.to)


class Account(Outside):
    """What is there in any case, and is not compared: the calls that a context was donated along, the time used."""

    def read(self, scene: Scene, owner: Any) -> Any:
        return Anything(scene)


class ThreadStatus(Attribute):
    """What a thread is doing."""

    def read(self, scene: Scene, owner: Any) -> Any:
        text = f"{owner.sym_text}.{self.place}"
        waits_at = owner.sym_now.get("waits_at")
        possible = list(State)
        if isinstance(waits_at, Endpoint):
            possible = [State.RECEIVING, State.SENDING]
        elif isinstance(waits_at, Notification):
            possible = [State.AWAITING_SIGNAL]
        conditions = [" or ".join(f"{text} == ThreadState.{one.name}" for one in STATES[state]) for state in possible]
        return possible[scene.run.choose(conditions)]

    def parts(self, value: Any) -> Iterator[tuple[str, str]]:
        yield self.place, f"ThreadState.{STATES[value][0].name}"


class WaitsAt(Attribute):
    """The endpoint or the notification in whose queue a thread is."""

    def read(self, scene: Scene, owner: Any) -> Any:
        # An invariant says which states wait for what.
        if owner.state in (State.RECEIVING, State.SENDING):
            return scene.one_of(Endpoint, f"{owner.sym_text}.blocked_endpoint", False)
        if owner.state is State.AWAITING_SIGNAL:
            return scene.one_of(Notification, f"{owner.sym_text}.blocked_notification", False)
        return None

    def parts(self, value: Any) -> Iterator[tuple[str, str]]:
        yield "blocked_endpoint", text_of(value if isinstance(value, Endpoint) else None)
        yield "blocked_notification", text_of(value if isinstance(value, Notification) else None)


class Signals(Attribute):
    """The signals of a notification, which are there only in one of its states."""

    def read(self, scene: Scene, owner: Any) -> Any:
        active = f"{owner.sym_text}.state == NotificationState.ACTIVE"
        none = f"{owner.sym_text}.state != NotificationState.ACTIVE"
        return Word(scene, f"{owner.sym_text}.signals") if scene.run.choose([none, active]) else None

    def parts(self, value: Any) -> Iterator[tuple[str, str]]:
        yield "is_active", text_of(value is not None)
        yield "signals", text_of(0 if value is None else value)


class Fault(Attribute):
    """Why a thread cannot go on; what the fault says is not looked at here."""

    def read(self, scene: Scene, owner: Any) -> Any:
        text = f"{owner.sym_text}.{self.place}"
        there = scene.run.choose([f"{text} == FaultKind.NONE", f"{text} != FaultKind.NONE"])
        if not there:
            return None
        fault = object.__new__(objects.FaultRecord)
        for name in ("kind", "words"):
            object.__setattr__(fault, name, Anything(scene))
        return fault

    def parts(self, value: Any) -> Iterator[tuple[str, str]]:
        if value is not None:
            raise Unreadable("a fault is noted")
        yield self.place, "FaultKind.NONE"


class Registers(Attribute):
    """All registers of a thread."""

    def read(self, scene: Scene, owner: Any) -> Any:
        return Elements(scene, owner)


class Queue(Attribute):
    """The threads that wait: those that wait at the object, the first of them is the head."""

    def read(self, scene: Scene, owner: Any) -> Any:
        return Threads(scene, owner)


TABLES: dict[type, dict[str, Attribute]] = {
    Thread: {
        "registers": Registers("registers"),
        "state": ThreadStatus("state"),
        "priority": Attribute("priority"),
        "context": Outside("", Context),
        "yields_to": Reference("yield_to", Context),
        "is_ready": Outside(""),
        "bound": Reference("bound_notification", Notification),
        "waits_at": WaitsAt(""),
        "reply": Reference("reply", Reply),
        "badge": Attribute("blocked_badge"),
        "is_call": Flag("blocked_is_call"),
        "can_grant": Flag("blocked_can_grant"),
        "can_grant_reply": Flag("blocked_can_grant_reply"),
        "fault": Fault("fault"),
    },
    Endpoint: {"queue": Queue("head")},
    Notification: {
        "queue": Queue("head"),
        "signals": Signals("signals"),
        "bound": Reference("bound_tcb", Thread),
        "context": Reference("scheduling_context", Context),
    },
    Reply: {"thread": Reference("caller", Thread), "context": Outside("", Context)},
    Context: {
        "thread": Outside("", Thread),
        "notification": Reference("notification", Notification),
        "yields_from": Reference("yield_from", Thread),
        "calls": Account(""),
        "consumed": Account(""),
        "limit": Attribute("refill_limit"),
    },
}
for _table in TABLES.values():
    for _name, _attribute in _table.items():
        _attribute.name = _name


class Elements:
    """The registers of a thread, by name."""

    def __init__(self, scene: Scene, thread: Any) -> None:
        self.scene = scene
        self.thread = thread

    def __getitem__(self, name: str) -> Any:
        index = _index_of(name)
        for thread, at, value in reversed(self.scene.elements):
            if thread is self.thread and at == index:
                return value
        return Word(self.scene, f"{self.thread.sym_text}.registers[{index}]")

    def __setitem__(self, name: str, value: Any) -> None:
        self.scene.elements.append((self.thread, _index_of(name), value))

    def update(self, **values: Any) -> None:
        """Set some of them."""
        for name, value in values.items():
            self[name] = value


class Threads:
    """The queue of an endpoint or a notification. Only its first thread can be looked at."""

    def __init__(self, scene: Scene, owner: Any) -> None:
        self.scene = scene
        self.owner = owner

    def __bool__(self) -> bool:
        self._must_be_as_before()
        text = f"{self.owner.sym_text}.head"
        return self.scene.run.choose([f"{text} is None", f"{text} is not None"]) == 1

    def __getitem__(self, index: int) -> Any:
        self._must_be_as_before()
        if index != 0:
            raise Unreadable("only the first thread of a queue is known")
        # Whoever is known to wait elsewhere, or not at all, is not in this queue.
        others = [
            one for one in self.scene.met.get(Thread, []) if one.sym_now.get("waits_at", self.owner) is not self.owner
        ]
        thread = self.scene.one_of(Thread, f"{self.owner.sym_text}.head", False, others)
        thread.sym_now.setdefault("waits_at", self.owner)
        return thread

    def _must_be_as_before(self) -> None:
        if any(queue is self.owner for _, queue, _ in self.scene.moves):
            raise Unreadable("who is in a queue is known only before it changes")

    def remove(self, thread: Any) -> None:
        """The others stay in their order."""
        self.scene.moves.append(("remove", self.owner, thread))

    def insert_by_priority(self, thread: Any) -> None:
        """Behind all of its priority or a higher one; the others stay in their order."""
        self.scene.moves.append(("insert", self.owner, thread))


def _index_of(name: str) -> int:
    return 0 if name == objects.NEXT_PC else int(registers.index_of(name))


_made: dict[type, type] = {}


def _class_of(thing: Any) -> type:
    return type(thing).__mro__[1]


def _symbolic(cls: type) -> type:
    """A subclass in which each attribute is looked up in the scene."""
    if cls not in _made:
        names = list(getattr(cls, "__slots__", ()))
        table = TABLES[cls]
        members: dict[str, Any] = {name: _attribute_of(name, table.get(name)) for name in names}
        _made[cls] = type(
            cls.__name__, (cls,), members | {"__slots__": ("sym_scene", "sym_text", "sym_names", "sym_now")}
        )
    return _made[cls]


def _attribute_of(name: str, attribute: Attribute | None) -> property:
    def get(self: Any) -> Any:
        if attribute is None:
            raise Unreadable(f"{_class_of(self).__name__}.{name} is not in the table")
        if name not in self.sym_now:
            self.sym_now[name] = attribute.read(self.sym_scene, self)
        return self.sym_now[name]

    def set_(self: Any, value: Any) -> None:
        if attribute is None:
            raise Unreadable(f"{_class_of(self).__name__}.{name} is not in the table")
        self.sym_now[name] = value
        self.sym_scene.written.append((self, attribute))

    return property(get, set_)
