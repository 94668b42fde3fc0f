# SPDX-License-Identifier: BSD-2-Clause
"""A whole booted kernel on the host, and random system calls of whatever thread is running.

Arguments are drawn from the table of invocations: capabilities of the right kind mostly, and of any kind otherwise;
words from small pools of values that matter.
"""

from __future__ import annotations

import random
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.invocations import INVOCATIONS, Invocation, pack
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import machine, registers
from tessera.kernel import boot, boot_slots, entry, message, scheduler, thread
from tessera.kernel.capability import (
    CapKind,
    CNodeCap,
    EndpointCap,
    NotificationCap,
    ReplyCap,
    SchedContextCap,
    ThreadCap,
    UntypedCap,
)
from tessera.kernel.layout import Endpoint, Notification, Reply, SchedContext, Tcb
from tessera.kernel.state import kernel
from tessera.lang import Memory, address_of, to_word, u64
from tessera.suites.fuzz.world import (
    IMAGE_PAGES,
    IMAGE_VIRTUAL,
    KERNEL_BYTES,
    ROOT_BITS,
)
from tests.kernel.world import check_capabilities, reachable_slots
from tests.kernel.world_time import check_objects

KIND_OF_INTERFACE = {
    "Untyped": CapKind.UNTYPED,
    "TCB": CapKind.THREAD,
    "CNode": CapKind.CNODE,
    "IRQControl": CapKind.IRQ_CONTROL,
    "IRQHandler": CapKind.IRQ_HANDLER,
    "DomainSet": CapKind.DOMAIN,
    "SchedControl": CapKind.SCHED_CONTROL,
    "SchedContext": CapKind.SCHED_CONTEXT,
    "RISCV_PageTable": CapKind.PAGE_TABLE,
    "RISCV_Page": CapKind.FRAME,
    "RISCV_ASIDControl": CapKind.ASID_CONTROL,
    "RISCV_ASIDPool": CapKind.ASID_POOL,
    "RISCV_IRQControl": CapKind.IRQ_CONTROL,
}
# What an extra capability mostly is, by the name of the parameter.
KIND_OF_PARAMETER = {
    "root": CapKind.CNODE,
    "src_root": CapKind.CNODE,
    "dest_root": CapKind.CNODE,
    "pivot_root": CapKind.CNODE,
    "cspace_root": CapKind.CNODE,
    "vspace_root": CapKind.PAGE_TABLE,
    "vspace": CapKind.PAGE_TABLE,
    "buffer": CapKind.FRAME,
    "bufferFrame": CapKind.FRAME,
    "notification": CapKind.NOTIFICATION,
    "schedcontext": CapKind.SCHED_CONTEXT,
    "sched_context": CapKind.SCHED_CONTEXT,
    "fault_ep": CapKind.ENDPOINT,
    "timeout_fault_ep": CapKind.ENDPOINT,
    "untyped": CapKind.UNTYPED,
    "authority": CapKind.THREAD,
    "cap": CapKind.THREAD,
    "thread": CapKind.THREAD,
}
SENDING_CALLS = (Syscall.CALL, Syscall.SEND, Syscall.NB_SEND)
IPC_CALLS = (
    Syscall.CALL,
    Syscall.REPLY_RECV,
    Syscall.NB_SEND_RECV,
    Syscall.NB_SEND_WAIT,
    Syscall.SEND,
    Syscall.NB_SEND,
    Syscall.RECV,
    Syscall.NB_RECV,
    Syscall.WAIT,
    Syscall.NB_WAIT,
    Syscall.YIELD,
)
IPC_KINDS = (CapKind.ENDPOINT, CapKind.NOTIFICATION, CapKind.REPLY)


class Machine:
    """A booted kernel in a memory, driven by random events that depend on the seed alone."""

    def __init__(self, memory: Memory, seed: int) -> None:
        self.memory = memory
        self.chance = random.Random(seed)
        self.counts: dict[tuple[str, str], int] = {}
        self.mapped: list[int] = []
        machine.Model.time = 1000
        machine.Model.pending = 0
        scheduler.initialise()
        start = configuration.memory_start + KERNEL_BYTES
        offset = (start - IMAGE_VIRTUAL) % (1 << 64)
        assert boot.make_root_task(start, start + IMAGE_PAGES * 4096, offset, 0, 0, start)
        boot.start_root_task(IMAGE_VIRTUAL)
        assert entry.leave() is not None
        self.root = kernel.current
        self.root_slots = boot_slots.root_task.slots
        self.first_slot = int(address_of(self.root_slots))
        self.populate()

    def revive(self) -> bool:
        """Let the root task go on if nothing runs; false if it has lost what it needs for that."""
        if kernel.current is not kernel.idle:
            return True
        context = self.root.scheduling_context
        if not isinstance(self.root.cspace_root.capability, CNodeCap) or context is None:
            return False
        machine.Model.time += 1_000_000
        scheduler.update_time()
        thread.restart(self.root)
        entry.leave()
        return kernel.current is not kernel.idle

    def kinds(self) -> list[int]:
        """The kinds of the root CNode's capabilities, read from memory as bytes, which is quick."""
        first = self.first_slot - self.memory.base
        table = bytes(self.memory.data[first : first + (32 << ROOT_BITS)])
        return [table[32 * i] & 31 for i in range(1 << ROOT_BITS)]

    def pick(self, *kinds: CapKind) -> int:
        """An address of a slot that holds a capability of one of the kinds, now and then of any kind."""
        wanted = {int(kind) for kind in kinds}
        found = [i for i, kind in enumerate(self.kinds()) if kind in wanted]
        if not found or self.chance.random() < 0.05:
            return self.chance.randrange(1 << ROOT_BITS)
        if wanted == {CapKind.UNTYPED}:
            # Most untyped capabilities are to device memory; objects are made from the others.
            found = [i for i in found if not self.is_device(i)] or found
        return self.chance.choice(found)

    def is_device(self, index: int) -> bool:
        """Whether the slot holds untyped device memory."""
        cap = boot_slots.root_slot(u64(index)).capability
        return isinstance(cap, UntypedCap) and cap.is_device

    def free(self) -> int:
        """An address of a slot that is mostly empty."""
        found = [i for i, kind in enumerate(self.kinds()) if kind == CapKind.NULL and i > 15]
        return self.chance.choice(found) if found and self.chance.random() < 0.95 else self.pick(*CapKind)

    def check(self) -> None:
        """All invariants, on all slots and objects that a capability leads to."""
        slots = reachable_slots(self.root_slots, ROOT_BITS)
        check_capabilities(slots)
        objects: dict[type[Any], set[Any]] = {
            kind: set() for kind in (Tcb, SchedContext, Endpoint, Notification, Reply)
        }
        for slot in slots:
            match slot.capability:
                case ThreadCap() as cap:
                    objects[Tcb].add(cap.tcb)
                case SchedContextCap() as cap:
                    objects[SchedContext].add(cap.context)
                case EndpointCap() as cap:
                    objects[Endpoint].add(cap.endpoint)
                case NotificationCap() as cap:
                    objects[Notification].add(cap.notification)
                case ReplyCap() as cap:
                    objects[Reply].add(cap.reply)
        check_objects(objects)

    def populate(self) -> None:
        """Two objects of every kind, made by the root task with system calls."""
        for kind, size in ((1, 0), (2, 0), (3, 0), (4, 4), (5, 8), (6, 0), (8, 0), (10, 0)) * 2:
            self.invoke(
                InvocationLabel.UNTYPED_RETYPE, self.pick(CapKind.UNTYPED), [kind, size, 0, 0, self.free(), 1], [2]
            )

    def invoke(self, label: int, address: int, words: list[int], extra: list[int]) -> None:
        """One system call of the running thread, under CPython."""
        entry.handle_system_call(*self.call(kernel.current, Syscall.CALL, address, label, words, extra))

    def word(self, call: Invocation, name: str) -> int:
        """A value for an argument of this name."""
        chance = self.chance
        pools: dict[str, list[int]] = {
            "type": [int(kind) for kind in ObjectType if kind != ObjectType.GIGA_PAGE],
            "size_bits": [4, 5, 7, 8, 12, 13, 0, 3],
            "num_objects": [1, 1, 1, 2, 3, 0, 300],
            "node_index": [0],
            "node_depth": [*[0] * 9, 64],
            "node_offset": [self.free()],
            "depth": [*[64] * 10, 8, 0],
            "dest_depth": [*[64] * 10, 8, 0],
            "src_depth": [*[64] * 10, 8, 0],
            "pivot_depth": [64, 64, 64, 64],
            "index": [self.free() if "IRQ" in call.interface or "ASID" in call.interface else self.pick(*CapKind)],
            "dest_index": [self.free()],
            "src_index": [self.pick(*(kind for kind in CapKind if kind != CapKind.NULL))],
            "pivot_index": [self.pick(*CapKind)],
            "rights": [15, 15, 15, 3, 2, 1, 0],
            "badge": [0, 1, 2, 7, 0xFFFF],
            "priority": [255, 254, 100, 100, 50, 1, 0, 256],
            "mcp": [255, 254, 100, 0, 256],
            "vaddr": [0x40_0000, 0x40_2000, 0x80_0000, 0x80_1000, 0x4000_0000, 0x3F_FFFF_F000, 0x123],
            "budget": [1000, 5000, 100, 20, 10, 0],
            "period": [1000, 5000, 10000, 100, 10],
            "extra_refills": [0, 0, 1, 2, 100],
            "flags": [0, 1],
            "buffer": [0x40_2000, 0x40_2400, 0x123],
            "irq": [1, 2, 10, 95, 96, 0],
            "domain": [0, 1, 2],
            "arch_flags": [0],
            "count": [2, 4, 32, 33],
        }
        return chance.choice(pools.get(name, [0, 1, 64, 1 << 40]))

    def invocation(self) -> tuple[str, int, int, list[int], list[int]]:
        """One invocation: its name, address, label, message words and extra capabilities."""
        call = self.chance.choice(INVOCATIONS)
        if self.chance.random() < 0.3:
            call = INVOCATIONS[0]
        if call.method in ("Delete", "Revoke", "Suspend") and self.chance.random() < 0.6:
            call = INVOCATIONS[0]
        values = {}
        for placement in call.placements:
            parameter = placement.parameter
            values[parameter.name] = self.word(call, parameter.name) & ((1 << placement.width) - 1)
        words = pack(call.placements, values)
        extra = [self.pick(KIND_OF_PARAMETER.get(p.name, CapKind.ENDPOINT)) for p in call.extra_caps]
        if self.chance.random() < 0.03:
            words, extra = words[: len(words) // 2], extra[: len(extra) // 2]
        address = self.pick(KIND_OF_INTERFACE.get(call.interface, CapKind.UNTYPED))
        if call.interface == "CNode" and self.chance.random() < 0.9:
            address = 2
        return f"{call.interface}_{call.method}", address, int(call.label), words, extra

    def prepare(self, caller: Tcb) -> tuple[str, tuple[int, int, int]]:
        """Fill the registers and buffer of the running thread for a random system call; what the trap entry passes."""
        chance = self.chance
        if chance.random() < 0.75:
            name, address, label, words, extra = self.invocation()
            number = Syscall.CALL
        else:
            number = chance.choice(IPC_CALLS)
            name, address, label = number.name, self.pick(*IPC_KINDS), chance.randrange(4)
            words = [chance.getrandbits(16) for _ in range(chance.choice([0, 1, 3, 4, 6]))]
            extra = [self.pick(*CapKind) for _ in range(chance.choice([0, 0, 0, 1, 2, 3]))]
        caller.registers[registers.REPLY_CAP] = self.pick(CapKind.REPLY)
        caller.registers[registers.SEND_DESTINATION] = self.pick(*IPC_KINDS)
        return name, self.call(caller, number, address, label, words, extra)

    def call(
        self, caller: Tcb, number: Syscall, address: int, label: int, words: list[int], extra: list[int]
    ) -> tuple[int, int, int]:
        """Fill registers and buffer for a system call; what the trap entry passes on."""
        buffer = message.buffer_of(caller, True)
        for index, value in enumerate(words):
            if index < 4:
                caller.registers[registers.FIRST_MESSAGE + index] = value
            elif buffer is not None:
                buffer.message[index] = value
        if buffer is not None:
            for index, value in enumerate(extra):
                buffer.caps[index] = value
            buffer.receive_cnode, buffer.receive_index, buffer.receive_depth = 2, self.free(), 64
        info = int(to_word(MessageInfo(label=label, length=len(words), extra_caps=len(extra))))
        caller.registers[registers.CAPABILITY] = address
        caller.registers[registers.MESSAGE_INFO] = info
        caller.registers[registers.SYSCALL] = number
        return address, info, int(number)

    def event(self) -> tuple[str, str, tuple[int, ...]]:
        """The next event: a name, the entry point and its arguments. Time has passed, and registers are set."""
        chance = self.chance
        machine.Model.time += chance.choice([1, 10, 50, 300, 3000])
        machine.Model.pending = 0
        if kernel.current is kernel.idle or chance.random() < 0.08:
            machine.Model.time += 100000 if kernel.current is kernel.idle else 0
            machine.Model.pending = machine.TIMER_PENDING
            return "timer", "handle_interrupt", ()
        if chance.random() < 0.03:
            cause = chance.choice([machine.LOAD_PAGE_FAULT, machine.INSTRUCTION_PAGE_FAULT, 2, 3])
            return "exception", "handle_exception", (cause, 0x1234)
        name, arguments = self.prepare(kernel.current)
        return name, "handle_system_call", arguments
