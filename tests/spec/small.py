# SPDX-License-Identifier: BSD-2-Clause
"""A small abstract kernel: a root task with a CNode, untyped memory and all rights, and what it can do with them."""

from __future__ import annotations

from typing import TypeVar

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.spec import budget, contexts, derivation, messages, scheduling
from tessera.spec.capability import (
    AsidControlCap,
    Capability,
    CNodeCap,
    ContextCap,
    DomainCap,
    FrameCap,
    IrqControlCap,
    SchedControlCap,
    ThreadCap,
    UntypedCap,
)
from tessera.spec.messages import MESSAGE_REGISTERS, Info
from tessera.spec.objects import BUFFER, CSPACE, Context, Node, Place, State, Thread
from tessera.spec.state import LONGEST_DOMAIN_TIME, Kernel, held
from tessera.spec.step import Event, SystemCall, step

RADIX = 8
MEMORY = 0x8000_0000
C = TypeVar("C", bound=Capability)

THREAD, ROOT, IRQ_CONTROL, ASID_CONTROL, SCHED_CONTROL, DOMAIN, UNTYPED, CONTEXT, DEVICE = range(1, 10)
FIRST_FREE = 16
US = 10


class Small:
    """``k`` is the state; slots are named by their index in the root CNode, which is their address, too."""

    def __init__(self) -> None:
        k = self.k = Kernel()
        k.schedule = [(0, LONGEST_DOMAIN_TIME), (0, 0), (0, 0)]
        k.domain_time = LONGEST_DOMAIN_TIME
        self.next_free = FIRST_FREE
        self.node = Node(0x1000, RADIX)
        self.root = Thread(0x2000, Node(0x2000, 3), priority=255, maximum_priority=255)
        context = Context(0x3000)
        for thing in (self.node, self.root, context):
            k.objects[thing.name] = thing
        self.original(THREAD, ThreadCap(self.root))
        self.original(ROOT, CNodeCap(self.node, 64 - RADIX))
        self.original(IRQ_CONTROL, IrqControlCap())
        self.original(ASID_CONTROL, AsidControlCap())
        self.original(SCHED_CONTROL, SchedControlCap(0))
        self.original(DOMAIN, DomainCap())
        self.original(UNTYPED, UntypedCap(MEMORY, 24, False))
        self.original(CONTEXT, ContextCap(context, 8))
        self.original(DEVICE, UntypedCap(0x1000_0000, 16, True))
        derivation.copy(k, self.cap(ROOT), self.place(ROOT), (self.root.own, CSPACE))
        self.buffer(self.root, MEMORY - 0x1000)
        budget.configure(k, context, 2, 5000 * US, 5000 * US, False, 0, False)
        contexts.bind_thread(k, context, self.root)
        self.root.state = State.RUNNING
        scheduling.let_run(k, self.root)
        scheduling.schedule(k)
        assert k.current is self.root

    def place(self, index: int) -> Place:
        """A slot of the root CNode."""
        return self.node, index

    def cap(self, index: int) -> Capability:
        """What it holds."""
        cap = held(self.place(index))
        assert cap is not None
        return cap

    def of(self, kind: type[C], index: int) -> C:
        """The same, which is of this kind."""
        cap = self.cap(index)
        assert isinstance(cap, kind)
        return cap

    def thread(self, index: int) -> Thread:
        """The thread of a capability."""
        return self.of(ThreadCap, index).thread

    def free(self) -> int:
        """An empty slot that was not given out before."""
        self.next_free += 1
        return self.next_free - 1

    def original(self, index: int, cap: Capability) -> None:
        """A capability that has no parent, as after boot."""
        self.k.put(self.place(index), cap)
        self.k.parent[self.place(index)] = None
        self.k.original.add(self.place(index))

    def buffer(self, thread: Thread, base: int) -> None:
        """Give a thread an IPC buffer."""
        place = (thread.own, BUFFER)
        self.k.put(place, FrameCap(base, 0, False))
        self.k.parent[place] = None

    def make(self, kind: ObjectType, size: int = 0, count: int = 1, memory: int = UNTYPED) -> int:
        """Make objects with a system call. Gives the first slot."""
        slot = self.free()
        self.next_free += count - 1
        assert self.call(Label.UNTYPED_RETYPE, memory, [kind, size, 0, 0, slot, count], [ROOT]) == (Error.NO_ERROR, [])
        return slot

    def say(self, thread: Thread, number: int, address: int, info: Info, words: list[int], caps: list[int]) -> None:
        """Set the registers and the buffer of a thread."""
        thread.registers |= {"a0": address, "a1": info.word, "a7": int(number)}
        thread.registers |= dict(zip(MESSAGE_REGISTERS, words, strict=False))
        buffer = messages.buffer_of(thread, True)
        if buffer is not None:
            for index, word in enumerate(words[4:], 4):
                self.k.write_word(buffer + messages.WORDS + 8 * index, word)
            for index, cap in enumerate(caps):
                self.k.write_word(buffer + messages.CAPS + 8 * index, cap)

    def trap(
        self, number: int, address: int, label: int = 0, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> None:
        """The current thread makes a system call, a microsecond later."""
        current = self.k.current
        assert current is not None
        self.say(current, number, address, Info(label, len(words), len(caps)), list(words), list(caps))
        self.event(SystemCall(self.k.now + US))

    def event(self, event: Event) -> None:
        """Something enters the kernel."""
        step(self.k, event)

    def call(
        self, label: int, address: int, words: list[int], caps: list[int] | None = None
    ) -> tuple[Error, list[int]]:
        """The current thread invokes a kernel object: the error, and the words of the answer."""
        caller = self.k.current
        assert caller is not None
        self.trap(Syscall.CALL, address, int(label), tuple(words), tuple(caps or ()))
        return self.answer(caller)

    def answer(self, thread: Thread) -> tuple[Error, list[int]]:
        """The label and the words that a thread got."""
        info = Info.of(thread.registers["a1"])
        return Error(info.label), messages.read(self.k, thread, messages.buffer_of(thread, False), info.length)

    def worker(self, priority: int = 100, budget_us: int = 1000, period_us: int = 1000, bound: bool = True) -> int:
        """A thread that shares the root task's capabilities, and does not run yet. Gives its slot."""
        slot = self.make(ObjectType.TCB)
        thread = self.thread(slot)
        derivation.copy(self.k, self.cap(ROOT), self.place(ROOT), (thread.own, CSPACE))
        thread.priority = thread.maximum_priority = priority
        if bound:
            context = self.of(ContextCap, self.context(budget_us, period_us)).context
            contexts.bind_thread(self.k, context, thread)
        return slot

    def context(self, budget_us: int, period_us: int, flags: int = 0) -> int:
        """A scheduling context with a budget. Gives its slot."""
        slot = self.make(ObjectType.SCHED_CONTEXT, 8)
        words = [budget_us, period_us, 0, 7, flags]
        assert self.call(Label.SCHED_CONTROL_CONFIGURE_FLAGS, SCHED_CONTROL, words, [slot])[0] == Error.NO_ERROR
        return slot

    def become(self, slot: int) -> Thread:
        """Let the thread of a slot run, at once, in place of the current one, which stays ready."""
        thread = self.thread(slot)
        if not thread.is_runnable:
            assert self.call(Label.TCB_RESUME, slot, [])[0] == Error.NO_ERROR
        k = self.k
        before = k.current
        assert before is not None
        scheduling.leave_all(k, thread)
        scheduling.enter(k, before)
        k.current = thread
        k.charged = thread.context
        return thread
