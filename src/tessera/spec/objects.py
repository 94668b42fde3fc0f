# SPDX-License-Identifier: BSD-2-Clause
"""Kernel objects (manual: Kernel Services and Objects). ``name`` is the abstract name: the physical address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from tessera.abi.faults import USER_CONTEXT, Fault
from tessera.spec.capability import Capability

# Registers of a thread by name. ``pc`` is the instruction that trapped, ``next_pc`` where the thread goes on.
NEXT_PC = "next_pc"
REGISTERS: tuple[str, ...] = (*USER_CONTEXT, NEXT_PC)


@dataclass(eq=False, slots=True)
class Node:
    """Slots by index: a CNode of ``2**radix`` slots, a thread's own slots, or those of interrupts."""

    name: int
    radix: int
    slots: dict[int, Capability] = field(default_factory=dict)


# A slot: where it is, and which one.
Place = tuple[Node, int]

# A thread's own slots.
CSPACE, VSPACE, BUFFER, FAULT_HANDLER, TIMEOUT_HANDLER = range(5)


class State(Enum):
    """What a thread is doing."""

    INACTIVE = auto()
    RUNNING = auto()
    RESTART = auto()
    RECEIVING = auto()
    SENDING = auto()
    AWAITING_REPLY = auto()
    AWAITING_SIGNAL = auto()


RUNNABLE = (State.RUNNING, State.RESTART)


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """Why a thread cannot go on, and what its message says besides registers."""

    kind: Fault
    words: tuple[int, ...] = ()


@dataclass(eq=False, slots=True)
class Thread:
    """A thread. What it sends while it waits (``badge`` and so on) counts only in state SENDING."""

    name: int
    own: Node
    registers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REGISTERS, 0))
    state: State = State.INACTIVE
    priority: int = 0
    maximum_priority: int = 0
    domain: int = 0
    flags: int = 0
    buffer_address: int = 0
    context: Context | None = None
    yields_to: Context | None = None
    bound: Notification | None = None
    waits_at: Endpoint | Notification | None = None
    reply: Reply | None = None
    badge: int = 0
    is_call: bool = False
    can_grant: bool = False
    can_grant_reply: bool = False
    fault: FaultRecord | None = None
    is_ready: bool = False
    is_postponed: bool = False
    title: bytes = b""

    @property
    def is_runnable(self) -> bool:
        """Whether it waits for nothing but time."""
        return self.state in RUNNABLE

    @property
    def is_blocked(self) -> bool:
        """Whether it waits for another thread."""
        return self.state not in RUNNABLE and self.state is not State.INACTIVE


@dataclass(eq=False, slots=True)
class Endpoint:
    """Where senders and receivers meet. The queue is by priority, first come first served among equals."""

    name: int
    queue: list[Thread] = field(default_factory=list)

    @property
    def has_senders(self) -> bool:
        """Whether the threads that wait want to send."""
        return bool(self.queue) and self.queue[0].state is State.SENDING

    @property
    def has_receivers(self) -> bool:
        """Whether the threads that wait want to receive."""
        return bool(self.queue) and self.queue[0].state is State.RECEIVING


@dataclass(eq=False, slots=True)
class Notification:
    """A word of signals: ``None`` while nothing is signalled."""

    name: int
    signals: int | None = None
    queue: list[Thread] = field(default_factory=list)
    bound: Thread | None = None
    context: Context | None = None


@dataclass(eq=False, slots=True)
class Reply:
    """One outstanding call, or the offer of a thread that receives."""

    name: int
    thread: Thread | None = None
    # The context that was donated along this call, while an answer may give it back.
    context: Context | None = None


@dataclass(slots=True)
class Refill:
    """``amount`` ticks that may be used from ``time`` on."""

    time: int
    amount: int


@dataclass(eq=False, slots=True)
class Context:
    """A scheduling context. Times are ticks; ``limit`` 0: never configured; ``period`` 0: round robin."""

    name: int
    limit: int = 0
    budget: int = 0
    period: int = 0
    sporadic: bool = False
    badge: int = 0
    consumed: int = 0
    refills: list[Refill] = field(default_factory=list)
    thread: Thread | None = None
    notification: Notification | None = None
    yields_from: Thread | None = None
    # The calls that it was donated along, oldest first.
    calls: list[Reply] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a page table's entry maps: memory at ``base``, and what may be done with it."""

    base: int
    read: bool
    write: bool
    execute: bool


@dataclass(eq=False, slots=True)
class Table:
    """A page table: what its entries lead to, by index."""

    name: int
    entries: dict[int, Table | Mapping] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class AsidPool:
    """The address spaces of 512 identifiers, by index."""

    name: int
    spaces: dict[int, Table] = field(default_factory=dict)


Object = Node | Thread | Endpoint | Notification | Reply | Context | Table | AsidPool


def by_priority(queue: list[Thread], thread: Thread) -> None:
    """Let a thread wait behind all of its priority or a higher one."""
    place = len(queue)
    while place > 0 and queue[place - 1].priority < thread.priority:
        place -= 1
    queue.insert(place, thread)


def start_waiting(thread: Thread, at: Endpoint | Notification, state: State) -> None:
    """Let a thread wait in the queue of an endpoint or a notification."""
    thread.waits_at, thread.state = at, state
    by_priority(at.queue, thread)


def stop_waiting(thread: Thread, state: State) -> None:
    """Take a thread out of the queue of an endpoint or a notification."""
    assert thread.waits_at is not None
    thread.waits_at.queue.remove(thread)
    thread.waits_at = None
    thread.state = state


def names(things: Iterable[Object]) -> list[int]:
    """The names of objects, in their order."""
    return [thing.name for thing in things]
