# SPDX-License-Identifier: BSD-2-Clause
"""Kernel objects in memory; their sizes are the binary interface's (manual: Kernel Services, Object Sizes)."""

from __future__ import annotations

from enum import IntEnum

from tessera.abi.messages import IpcBuffer as IpcBuffer
from tessera.kernel.capability import Capability
from tessera.lang import (
    Array,
    Packed,
    array,
    bits,
    ghost_field,
    inline,
    integer,
    packed,
    rational,
    struct,
    u8,
    u32,
    u64,
    u128,
    word,
)


@packed(u64)
class DerivationLink(Packed):
    """The way to the next slot in the derivation tree's order, and two marks of the slot itself.

    ``revocable``: the capability may have children. ``first_badged``: its badge differs from its left neighbour's.
    (seL4: mdb_node.)
    """

    first_badged: bool = bits(0, 1)
    revocable: bool = bits(1, 1)
    next: Slot | None = bits(0 + 5, 59, shift=5)


@struct(size=32, alignment=32)
class Slot:
    """A place for one capability, linked into the derivation tree while it is not empty. (seL4: cte.)

    For proofs each slot in use has an interval: descendants lie inside of their ancestor's, and the list is in the
    order of ``low``. Slots of one list have the same ``chain``.
    """

    capability: Capability
    previous: Slot | None
    link: DerivationLink

    low: rational = ghost_field()
    high: rational = ghost_field()
    chain: integer = ghost_field()
    # Of the first slot of a CNode: its radix; 0 elsewhere.
    node_radix: u64 = ghost_field()
    # What the capability is to (derivation_order): where the object begins, and its size, 0 for what is no memory.
    object_start: integer = ghost_field()
    object_size: integer = ghost_field()


@word(u64)
class ThreadState(IntEnum):
    """What a thread is doing."""

    INACTIVE = 0
    RUNNING = 1
    RESTART = 2
    BLOCKED_ON_RECEIVE = 3
    BLOCKED_ON_SEND = 4
    BLOCKED_ON_REPLY = 5
    BLOCKED_ON_NOTIFICATION = 6
    IDLE = 7


# Indexes into ``Tcb.registers``: x1 .. x31 at their own numbers; in place of x0 where the thread goes on, and behind
# them the instruction that trapped. They differ after a system call; a restarted call goes on where it trapped.
REGISTER_COUNT = 33
NEXT_PC = 0
FAULT_PC = 32
FPU_REGISTER_COUNT = 33
THREAD_NAME_BYTES = 128
# Messages of 4 words, badge and MessageInfo travel in registers.
MESSAGE_REGISTERS = 4


@word(u64)
class FaultKind(IntEnum):
    """The fault a thread has, numbered as in its message (abi.faults.Fault)."""

    NONE = 0
    CAP_FAULT = 1
    UNKNOWN_SYSCALL = 2
    USER_EXCEPTION = 3
    TIMEOUT = 5
    VM_FAULT = 6


@struct(size=2048)
class Tcb:
    """A thread. The trap entry saves registers at the very start, so its offsets stay small.

    Its own slots hold the roots of its CSpace and VSpace, the frame of its IPC buffer and its two fault handlers.
    """

    registers: Array[u64] = array(REGISTER_COUNT)

    cspace_root: Slot = inline()
    vspace_root: Slot = inline()
    ipc_buffer_frame: Slot = inline()
    fault_handler: Slot = inline()
    timeout_handler: Slot = inline()

    state: ThreadState
    priority: u64
    maximum_priority: u64
    domain: u64
    flags: u64
    # User address of the IPC buffer; valid only while ipc_buffer_frame holds a frame.
    ipc_buffer: u64

    scheduling_context: SchedContext | None
    # The scheduling context that this thread waits to get time from (yield-to).
    yield_to: SchedContext | None
    bound_notification: Notification | None

    # What a blocked thread waits for; one of these according to `state`.
    blocked_endpoint: Endpoint | None
    blocked_notification: Notification | None
    # BLOCKED_ON_RECEIVE: the reply object offered; BLOCKED_ON_REPLY: the one that will wake it.
    reply: Reply | None
    blocked_badge: u64
    blocked_can_grant: bool
    blocked_can_grant_reply: bool
    blocked_is_call: bool

    in_ready_queue: bool
    in_release_queue: bool

    fault: FaultKind
    fault_words: Array[u64] = array(6)
    # For a capability fault or a failed invocation: the lookup failure, in message form (type, then details).
    lookup_failure: Array[u64] = array(4)

    # Links of the ready queue, and of an endpoint's or notification's queue.
    queue_next: Tcb | None
    queue_previous: Tcb | None
    wait_next: Tcb | None
    wait_previous: Tcb | None
    # Of threads of one priority that wait for the same, the first and the last know each other; others have None.
    wait_run: Tcb | None
    # Which of these two it is: the last one.
    wait_last: bool = ghost_field()
    # Rises along a queue of waiting threads.
    wait_position: rational = ghost_field()

    # The place in the release queue (release_tree): when it is left, and which insertion this was; who is above, and
    # who is below. For proofs, which numbers the place is for.
    release_time: u64
    release_number: u64
    release_parent: Tcb | None
    release_low: Tcb | None
    release_high: Tcb | None
    release_first: u64 = ghost_field()
    release_last: u64 = ghost_field()

    fpu: Array[u64] = array(FPU_REGISTER_COUNT)
    name: Array[u8] = array(THREAD_NAME_BYTES)

    # Of a thread in the ready queue: grows from the first to the last.
    position: rational = ghost_field()


@word(u64)
class EndpointState(IntEnum):
    """Which threads wait in an endpoint's queue."""

    IDLE = 0
    SENDING = 1
    RECEIVING = 2


@packed(u64)
class EndpointTail(Packed):
    """The end of the queue and the state in one word: an endpoint has 16 bytes."""

    state: EndpointState = bits(0, 2)
    tail: Tcb | None = bits(4, 60, shift=4)


@struct(size=16)
class Endpoint:
    """Where senders and receivers meet."""

    head: Tcb | None
    end: EndpointTail


@word(u64)
class NotificationState(IntEnum):
    """Whether threads wait, or a signal does."""

    IDLE = 0
    WAITING = 1
    ACTIVE = 2


@struct(size=64)
class Notification:
    """A word of signalled bits, and the threads that wait for it."""

    state: NotificationState
    signals: u64
    head: Tcb | None
    tail: Tcb | None
    bound_tcb: Tcb | None
    scheduling_context: SchedContext | None


@struct(size=32)
class Reply:
    """One outstanding call: the waiting caller, and its place in the call stack of a donated scheduling context.

    ``previous`` is the reply of the call before, ``next`` the one after; the newest has ``scheduling_context`` instead.
    """

    caller: Tcb | None
    previous: Reply | None
    next: Reply | None
    scheduling_context: SchedContext | None


@struct(size=16, alignment=16)
class Refill:
    """``amount`` ticks that may be used from ``time`` on."""

    time: u64
    amount: u64

    # Whose ring it is a place of, and which one; what all refills before it amount to, while it is in use.
    owner: SchedContext | None = ghost_field()
    index: u64 = ghost_field()
    offset: integer = ghost_field()


# The refills of the smallest scheduling context; a larger one has more behind them.
MIN_REFILLS = 2


@struct(size=128)
class SchedContext:
    """The right to use time: a budget per period as a ring of refills. All times are timer ticks.

    The ring of ``refill_limit`` refills begins at ``refills`` and goes on behind the struct where it is larger.
    """

    period: u64
    consumed: u64
    tcb: Tcb | None
    notification: Notification | None
    # The newest reply of the call stack that this scheduling context was donated along.
    reply: Reply | None
    yield_from: Tcb | None
    badge: u64
    budget: u64
    core: u32
    sporadic: bool
    # Refills in the ring, 0 while it was never configured; the first and the last one in use.
    refill_limit: u64
    refill_head: u64
    refill_tail: u64
    refills: Array[Refill] = array(MIN_REFILLS)

    # The refills that the object has room for; the first and the last one in use. Any unit of time, numbered as the
    # refills' offsets are, and when it may be used at the earliest.
    capacity: u64 = ghost_field()
    first: Refill | None = ghost_field()
    last: Refill | None = ghost_field()
    unit: integer = ghost_field()
    due: integer = ghost_field()


@struct(size=4096)
class PageTable:
    """512 entries, as the hardware reads them (arch.paging).

    For proofs: ``rank`` is 0 while a table is in no address space, 1 of a root, one more below; ``space`` is the root,
    ``pool_number`` and ``place`` are what its identifier stands for. A root begins a new ``life`` with each identifier,
    counted in all, so that tables of an earlier one are not its own. ``start`` is the address where a table is mapped.
    """

    entries: Array[u64] = array(512)

    rank: u64 = ghost_field()
    space: PageTable | None = ghost_field()
    life: integer = ghost_field()
    pool_number: u64 = ghost_field()
    place: u64 = ghost_field()
    start: u64 = ghost_field()


ASID_POOL_INDEX_BITS = 9
ASIDS_PER_POOL = 1 << ASID_POOL_INDEX_BITS


@struct(size=4096)
class AsidPool:
    """The address spaces of 512 identifiers."""

    spaces: Array[PageTable | None] = array(ASIDS_PER_POOL)

    # Where it stands in the table of pools.
    number: u64 = ghost_field()


# Memory is handed out and cleared in units of 16 bytes.
GRANULE_BITS = 4


@struct
class Granule:
    """The smallest piece of memory. For proofs, memory that nothing is made of consists of these."""

    value: u128


@struct
class ByteView:
    """Memory as single bytes, for copying while the kernel boots."""

    value: u8
