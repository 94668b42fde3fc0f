# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own state: one static object (manual: Threads and Execution; Scheduling)."""

from __future__ import annotations

from enum import IntEnum

from tessera.kernel.layout import AsidPool, PageTable, SchedContext, Slot, Tcb
from tessera.lang import Array, array, ghost_field, integer, static, struct, u64, word

# Room for the largest profile; the profile in use may have fewer domains.
MAX_DOMAINS = 16
PRIORITIES = 256
MAX_DOMAIN_SCHEDULE = 128
# The longest time that an entry of the domain schedule can have, in ticks: 56 bits.
LONGEST_DOMAIN_TIME = (1 << 56) - 1
ASID_POOLS = 128
IRQ_SLOTS = 128


@struct
class ReadyQueue:
    """Threads of one domain and priority that can run, first to last."""

    head: Tcb | None
    tail: Tcb | None

    # Whether the bit for it is set.
    marked: bool = ghost_field()


@struct
class DomainQueues:
    """The ready queues of one domain; a set bit in ``occupied`` marks each priority with a thread.

    ``summary`` has a bit for each word of ``occupied`` that is not zero.
    """

    summary: u64
    occupied: Array[u64] = array(PRIORITIES // 64)
    queues: Array[ReadyQueue] = array(PRIORITIES)


@word(u64)
class SchedulerAction(IntEnum):
    """What to do before the kernel is left.

    Go on with the current thread if it still can, switch to ``candidate`` unless others come first, or choose anew.
    """

    RESUME_CURRENT = 0
    SWITCH_TO_CANDIDATE = 1
    CHOOSE_NEW = 2


@struct
class DomainScheduleEntry:
    """``domain`` runs for ``duration`` ticks; 0 ends the schedule."""

    domain: u64
    duration: u64


@word(u64)
class IrqState(IntEnum):
    """Who an interrupt is for."""

    INACTIVE = 0
    SIGNAL = 1
    TIMER = 2


@struct
class KernelState:
    """Everything the kernel keeps that is not in an object made from untyped memory."""

    current: Tcb
    idle: Tcb
    current_context: SchedContext
    idle_context: SchedContext
    action: SchedulerAction
    candidate: Tcb | None
    # Time stamp of this kernel entry, and until when the time of the current scheduling context was taken off it.
    now: u64
    charged_until: u64
    # Set when the timer must be set anew before the kernel is left.
    reprogram: bool
    # What the timer is set to: when the first of all things happens that time brings.
    deadline: u64
    # Who leaves the release queue first, and how many threads joined it so far.
    release_head: Tcb | None
    releases: u64
    current_domain: u64
    domain_index: u64
    domain_start: u64
    domain_time: u64
    # Steps of a long operation since the last look for pending interrupts.
    work_units: u64
    # A preempted cancellation of sends with a badge: who does it, and the waiting thread that it goes on with.
    cancel_by: Tcb | None
    cancel_next: Tcb | None
    cancel_badge: u64
    # The thread whose FPU registers are in the hardware.
    fpu_owner: Tcb | None
    fpu_on: bool
    # What selects the address space that the hardware uses now.
    space_word: u64
    # What is read often comes before what is large.
    irq_states: Array[IrqState] = array(IRQ_SLOTS)
    asid_table: Array[AsidPool | None] = array(ASID_POOLS)
    domain_schedule: Array[DomainScheduleEntry] = array(MAX_DOMAIN_SCHEDULE)
    domains: Array[DomainQueues] = array(MAX_DOMAINS)

    # While the scheduler chooses, the current thread may be in a queue.
    is_choosing: bool = ghost_field()
    # How many address spaces were begun so far.
    lives: integer = ghost_field()


@struct
class IrqSlots:
    """The notification capability of each interrupt; slots are aligned to their size."""

    slots: Array[Slot] = array(IRQ_SLOTS)


kernel: KernelState = static(KernelState)
# The tables of the kernel's own address space; every other one copies the root's entries.
kernel_page_table: PageTable = static(PageTable, alignment=4096)
device_page_table: PageTable = static(PageTable, alignment=4096)
irq_slots: IrqSlots = static(IrqSlots, alignment=4096)
idle_tcb: Tcb = static(Tcb, alignment=2048)
idle_scheduling_context: SchedContext = static(SchedContext)
