# SPDX-License-Identifier: BSD-2-Clause
"""Kernel states with threads that make system calls: time moves as the test says, and all invariants are checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, registers
from tessera.kernel import (
    budget,
    deletion,
    derivation,
    entry,
    release_tree,
    schedcontext,
    scheduler,
    scheduling_invariants,
    waiting_invariants,
)
from tessera.kernel.capability import (
    Capability,
    DomainCap,
    EndpointCap,
    FrameCap,
    FrameSize,
    NotificationCap,
    ReplyCap,
    SchedContextCap,
    SchedControlCap,
)
from tessera.kernel.layout import (
    FAULT_PC,
    NEXT_PC,
    Endpoint,
    IpcBuffer,
    Notification,
    Reply,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.state import PRIORITIES, SchedulerAction, kernel
from tessera.lang import address_of, at, from_word, to_word, u64
from tessera.lang.functions import FUNCTIONS, FunctionInfo
from tests.kernel.world import World

US = configuration.ticks_per_us
START = 1_000_000 * US
BUFFER_ADDRESS = 0x10_0000


def invariants_of(*modules: Any) -> list[FunctionInfo]:
    """All invariants that modules define."""
    names = {module.__name__ for module in modules}
    return [info for info in FUNCTIONS.values() if info.kind == "invariant" and info.function.__module__ in names]


# Those of the release queue that speak of no ghosts, which native code does not have.
OF_RELEASES = ("above_knows_this_one", "those_below_come_later", "release_head_is_live")
INVARIANTS = invariants_of(scheduling_invariants, waiting_invariants) + [
    info for info in invariants_of(release_tree) if info.name.rpartition(".")[2] in OF_RELEASES
]


def check_objects(objects: Mapping[type[Any], Collection[Any]]) -> None:
    """All invariants of scheduling and waiting, for all objects of each kind."""
    for info in INVARIANTS:
        kinds = list(info.signature()[0].values())
        if not kinds:
            assert info.function(), info.name
        elif len(kinds) == 1:
            for item in objects[kinds[0]]:
                assert info.function(item), f"{info.name}({item})"
        else:
            for priority in {int(tcb.priority) for tcb in objects[Tcb]} | {0, 255}:
                assert info.function(kernel.current_domain, u64(priority)), info.name


@dataclass
class Answer:
    """What an invocation told its caller."""

    error: Error
    words: list[int]


class TimeWorld(World):
    """A world in which threads run. ``entry`` gives the functions of the kernel's entry, in any reader."""

    def __init__(self, size: int = 1 << 20, root_bits: int = 8, memory: Any = None) -> None:
        super().__init__(size, root_bits, memory)
        self.tcbs: list[Tcb] = []
        self.contexts: list[SchedContext] = []
        self.endpoints: list[Endpoint] = []
        self.notifications: list[Notification] = []
        self.replies: list[Reply] = []
        # The frames of the threads' IPC buffers, by the slot of the thread.
        self.frames: dict[Slot, Slot] = {}
        self.checking = True

    def __enter__(self) -> TimeWorld:
        super().__enter__()
        machine.Model.time = START
        machine.Model.pending = 0
        scheduler.initialise()
        self.domain = self.original(DomainCap())
        self.control = self.original(SchedControlCap(core=0))
        return self

    # Kernel entries; a test of native code replaces these.
    def system_call(self, address: int, info: int, number: int) -> None:
        entry.handle_system_call(address, info, number)

    def interrupt(self) -> None:
        entry.handle_interrupt()

    def exception(self, cause: int, value: int) -> None:
        self.settle()
        entry.handle_exception(cause, value)

    def settle(self) -> None:
        """What the test changed outside of a kernel entry is acted on, so that the current thread is entered from."""
        current = kernel.current
        if kernel.action != SchedulerAction.RESUME_CURRENT:
            entry.leave()
            assert kernel.current is current, f"{kernel.current} runs"

    def leave(self) -> None:
        """Let the scheduler decide, as at the end of a kernel entry."""
        entry.leave()
        self.check_time()

    # Objects.
    def of(self, slot: Slot, kind: type[Any]) -> Any:
        """The capability in a slot, which is of this kind."""
        assert isinstance(slot.capability, kind), slot.capability
        return slot.capability

    def new_endpoint(self) -> Slot:
        """A slot with the first capability to an endpoint."""
        slot = self.make(ObjectType.ENDPOINT)
        self.endpoints.append(self.of(slot, EndpointCap).endpoint)
        return slot

    def new_notification(self) -> Slot:
        """A slot with the first capability to a notification."""
        slot = self.make(ObjectType.NOTIFICATION)
        self.notifications.append(self.of(slot, NotificationCap).notification)
        return slot

    def new_reply(self) -> Slot:
        """A slot with the first capability to a reply object."""
        slot = self.make(ObjectType.REPLY)
        self.replies.append(self.of(slot, ReplyCap).reply)
        return slot

    def new_context(
        self, budget_us: int = 0, period_us: int = 0, *, sporadic: bool = False, size_bits: int = 8
    ) -> Slot:
        """A slot with the first capability to a scheduling context, configured unless the budget is 0."""
        slot = self.make(ObjectType.SCHED_CONTEXT, size_bits)
        context = self.of(slot, SchedContextCap).context
        self.contexts.append(context)
        if budget_us:
            limit = 2 + ((1 << size_bits) - 128) // 16
            budget.configure(context, limit, budget_us * US, (period_us or budget_us) * US, sporadic, 7)
        return slot

    def new_thread(self, priority: int = 100, context: Slot | None = None, *, runs: bool = True) -> Slot:
        """A slot with the first capability to a thread, which has the root CNode and an IPC buffer."""
        slot = self.thread()
        tcb = self.tcb(slot)
        self.tcbs.append(tcb)
        tcb.priority = priority
        tcb.maximum_priority = PRIORITIES - 1
        derivation.insert(self.root_cap, self.root_slot, tcb.cspace_root)
        frame = FrameCap(base=self.carve(PAGE_BITS), size=FrameSize.PAGE, can_read=True, can_write=True)
        self.frames[slot] = self.original(frame)
        derivation.insert(frame, self.frames[slot], tcb.ipc_buffer_frame)
        tcb.ipc_buffer = BUFFER_ADDRESS
        if context is not None:
            schedcontext.bind_tcb(self.of(context, SchedContextCap).context, tcb)
        if runs:
            tcb.state = ThreadState.RUNNING
            if scheduler.is_schedulable(tcb):
                scheduler.append(tcb)
                scheduler.reschedule_required()
        return slot

    def active(self, priority: int = 100, budget_us: int = 10_000, period_us: int = 0) -> Slot:
        """A slot with a capability to a thread with a scheduling context of its own."""
        return self.new_thread(priority, self.new_context(budget_us, period_us))

    def copy(self, slot: Slot, **changes: Any) -> Slot:
        """A slot with a copy of a capability, with some fields changed."""
        target = self.slot()
        capability: Capability = slot.capability
        derivation.insert(capability.replace(**changes), slot, target)
        return target

    def buffer_of(self, tcb: Tcb) -> IpcBuffer:
        """A thread's IPC buffer."""
        cap = tcb.ipc_buffer_frame.capability
        assert isinstance(cap, FrameCap)
        return at(IpcBuffer, int(cap.base))

    def passive_server(self, endpoint: Slot, reply: Slot, priority: int = 120) -> Slot:
        """A slot with a capability to a thread that waits at an endpoint without a scheduling context."""
        context = self.new_context(1000)
        server = self.new_thread(priority, context)
        self.run(server)
        self.receive(endpoint, reply)
        schedcontext.unbind_tcb(self.of(context, SchedContextCap).context)
        self.leave()
        return server

    def take_away(self, slot: Slot) -> None:
        """Delete a capability without anybody having asked for it."""
        deletion.delete(slot)
        self.leave()

    def context_of(self, slot: Slot) -> SchedContext | None:
        """The scheduling context of a thread."""
        return self.tcb(slot).scheduling_context

    # What threads do.
    def run(self, slot: Slot) -> Tcb:
        """Let the kernel choose a thread, and expect this one."""
        self.leave()
        assert kernel.current is self.tcb(slot), f"{kernel.current} runs"
        return kernel.current

    def prepare(self, words: tuple[int, ...], caps: tuple[Slot, ...], label: int) -> int:
        """Put a message into the current thread's registers and buffer; the message info word."""
        tcb = kernel.current
        for index, word in enumerate(words):
            if index < 4:
                tcb.registers[registers.FIRST_MESSAGE + index] = word
            else:
                self.buffer_of(tcb).message[index] = word
        for index, cap in enumerate(caps):
            self.buffer_of(tcb).caps[index] = self.address(cap)
        return int(to_word(MessageInfo(length=len(words), extra_caps=len(caps), label=label)))

    def trap(self, number: Syscall, address: int, info: int, reply: Slot | None = None, send_to: int = 0) -> None:
        """The current thread makes a system call."""
        tcb = kernel.current
        assert tcb is not kernel.idle, "only the idle thread runs"
        pc = int(tcb.registers[NEXT_PC])
        tcb.registers[FAULT_PC] = pc
        tcb.registers[NEXT_PC] = pc + 4
        tcb.registers[registers.CAPABILITY] = address
        tcb.registers[registers.MESSAGE_INFO] = info
        tcb.registers[registers.SYSCALL] = int(number)
        tcb.registers[registers.SEND_DESTINATION] = send_to
        if reply is not None:
            tcb.registers[registers.REPLY_CAP] = self.address(reply)
        self.settle()
        self.system_call(address, info, int(number))
        self.check_time()

    def again(self) -> None:
        """The current thread, which has to start its system call again, does."""
        tcb = kernel.current
        assert int(tcb.registers[NEXT_PC]) == int(tcb.registers[FAULT_PC])
        number = Syscall(int(tcb.registers[registers.SYSCALL]))
        tcb.registers[NEXT_PC] = int(tcb.registers[FAULT_PC]) + 4
        self.system_call(tcb.registers[registers.CAPABILITY], tcb.registers[registers.MESSAGE_INFO], int(number))
        self.check_time()

    def again_receive(self, reply: Slot) -> None:
        """The same for a receive with a reply object."""
        kernel.current.registers[registers.REPLY_CAP] = self.address(reply)
        self.again()

    def call(self, slot: Slot, *words: int, caps: tuple[Slot, ...] = (), label: int = 0) -> None:
        """Call."""
        self.trap(Syscall.CALL, self.address(slot), self.prepare(words, caps, label))

    def send(self, slot: Slot, *words: int, caps: tuple[Slot, ...] = (), label: int = 0, blocking: bool = True) -> None:
        """Send or NBSend."""
        number = Syscall.SEND if blocking else Syscall.NB_SEND
        self.trap(number, self.address(slot), self.prepare(words, caps, label))

    def receive(self, slot: Slot, reply: Slot | None = None, *, blocking: bool = True) -> None:
        """Recv or NBRecv with a reply object; Wait or NBWait without."""
        if reply is None:
            self.trap(Syscall.WAIT if blocking else Syscall.NB_WAIT, self.address(slot), 0)
        else:
            self.trap(Syscall.RECV if blocking else Syscall.NB_RECV, self.address(slot), 0, reply)

    def reply_receive(self, slot: Slot, reply: Slot, *words: int, label: int = 0) -> None:
        """ReplyRecv."""
        self.trap(Syscall.REPLY_RECV, self.address(slot), self.prepare(words, (), label), reply)

    def invoke(self, slot: Slot, label: Label, *words: int, caps: tuple[Slot, ...] = ()) -> Answer:
        """Call a kernel object and read the answer."""
        tcb = kernel.current
        self.call(slot, *words, caps=caps, label=int(label))
        return self.answer(tcb)

    def answer(self, tcb: Tcb) -> Answer:
        """The answer in a thread's registers."""
        info = self.info(tcb)
        return Answer(Error(int(info.label)), self.words(tcb))

    def info(self, tcb: Tcb) -> MessageInfo:
        """The shape of the message that a thread received."""
        return from_word(MessageInfo, int(tcb.registers[registers.MESSAGE_INFO]))

    def words(self, tcb: Tcb) -> list[int]:
        """The message that a thread received."""
        length = int(self.info(tcb).length)
        first = [int(tcb.registers[registers.FIRST_MESSAGE + index]) for index in range(min(length, 4))]
        return first + [int(self.buffer_of(tcb).message[index]) for index in range(4, length)]

    def badge(self, tcb: Tcb) -> int:
        """The badge that a thread received."""
        return int(tcb.registers[registers.BADGE])

    # Time.
    def pass_time(self, ticks: int) -> None:
        """Let the clock go on without anybody noticing."""
        machine.Model.time += ticks

    def advance(self, ticks: int) -> None:
        """Let the current thread, or nobody, run for so long; the timer interrupts when it was told to."""
        end = machine.Model.time + ticks
        for _ in range(10_000):
            if machine.Model.deadline > end:
                machine.Model.time = end
                return
            machine.Model.time = max(machine.Model.time, machine.Model.deadline)
            self.timer()
        raise AssertionError("the timer interrupts for ever")

    def timer(self) -> None:
        """The timer interrupts now."""
        machine.Model.pending = machine.TIMER_PENDING
        tcb = kernel.current
        tcb.registers[FAULT_PC] = int(tcb.registers[NEXT_PC])
        self.settle()
        self.interrupt()
        machine.Model.pending = 0
        self.check_time()

    # Checks.
    def check_time(self) -> None:
        """All invariants of scheduling and waiting, for all objects."""
        if not self.checking:
            return
        objects: dict[type[Any], list[Any]] = {
            Tcb: self.tcbs,
            SchedContext: self.contexts,
            Endpoint: self.endpoints,
            Notification: self.notifications,
            Reply: self.replies,
        }
        check_objects(objects)

    def ready(self, slot: Slot) -> bool:
        """Whether a thread is in a ready queue."""
        return bool(self.tcb(slot).in_ready_queue)

    def is_current(self, slot: Slot) -> bool:
        """Whether a thread is running."""
        return kernel.current is self.tcb(slot)

    def object_address(self, item: Any) -> int:
        """Where an object is."""
        return int(address_of(item))
