# SPDX-License-Identifier: BSD-2-Clause
"""What random arguments are drawn from: kinds of capabilities, and words that matter."""

from __future__ import annotations

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.spec import capability as caps

KIND_OF_INTERFACE: dict[str, type] = {
    "Untyped": caps.UntypedCap,
    "TCB": caps.ThreadCap,
    "CNode": caps.CNodeCap,
    "IRQControl": caps.IrqControlCap,
    "IRQHandler": caps.IrqHandlerCap,
    "DomainSet": caps.DomainCap,
    "SchedControl": caps.SchedControlCap,
    "SchedContext": caps.ContextCap,
    "RISCV_PageTable": caps.TableCap,
    "RISCV_Page": caps.FrameCap,
    "RISCV_ASIDControl": caps.AsidControlCap,
    "RISCV_ASIDPool": caps.PoolCap,
}
KIND_OF_PARAMETER: dict[str, tuple[type, ...]] = {
    "root": (caps.CNodeCap,),
    "src_root": (caps.CNodeCap,),
    "pivot_root": (caps.CNodeCap,),
    "cspace_root": (caps.CNodeCap,),
    "vspace_root": (caps.TableCap,),
    "vspace": (caps.TableCap,),
    "bufferFrame": (caps.FrameCap,),
    "notification": (caps.NotificationCap,),
    "schedcontext": (caps.ContextCap,),
    "sched_context": (caps.ContextCap,),
    "fault_ep": (caps.EndpointCap,),
    "timeout_fault_ep": (caps.EndpointCap,),
    "untyped": (caps.UntypedCap,),
    "authority": (caps.ThreadCap,),
    "source": (caps.ThreadCap,),
    "thread": (caps.ThreadCap,),
    "cap": (caps.ThreadCap, caps.ThreadCap, caps.NotificationCap),
}
MESSAGING = (caps.EndpointCap, caps.NotificationCap, caps.ReplyCap)
# How often each system call is made, besides invocations of kernel objects.
CALLS = (
    *[Syscall.CALL] * 4,
    *[Syscall.RECV] * 3,
    *[Syscall.REPLY_RECV] * 4,
    *[Syscall.NB_SEND_RECV, Syscall.NB_SEND_WAIT, Syscall.SEND, Syscall.NB_SEND, Syscall.NB_RECV] * 2,
    *[Syscall.WAIT, Syscall.NB_WAIT, Syscall.YIELD, Syscall.SET_TLS_BASE],
    *[Syscall.DEBUG_NAME_THREAD, Syscall.BENCHMARK_NULL_SYSCALL, Syscall.BENCHMARK_FLUSH_CACHES],
    *[Syscall.DEBUG_CAP_IDENTIFY, Syscall.DEBUG_PUT_CHAR, Syscall.DEBUG_DUMP_SCHEDULER, Syscall.DEBUG_SNAPSHOT],
)
# What system calls of debug builds are about; nothing: any kind of capability.
ABOUT: dict[Syscall, tuple[type, ...]] = {
    Syscall.DEBUG_NAME_THREAD: (caps.ThreadCap,),
    Syscall.DEBUG_CAP_IDENTIFY: (),
}
# What never waits: for a manager that keeps the others going.
PATIENT = (Syscall.NB_SEND, Syscall.NB_RECV, Syscall.NB_WAIT, Syscall.YIELD, Syscall.BENCHMARK_NULL_SYSCALL)
# Invocations that wear a system down are made less often, those that build it up more often.
WEAR = (Label.CNODE_DELETE, Label.CNODE_REVOKE, Label.TCB_SUSPEND, Label.TCB_SET_SPACE, Label.SCHED_CONTEXT_UNBIND)
HELP = (Label.UNTYPED_RETYPE, Label.TCB_RESUME, Label.TCB_SET_SCHED_PARAMS, Label.TCB_CONFIGURE, Label.CNODE_COPY)
# Operations that can take long.
LONG = (
    *(Label.UNTYPED_RETYPE, Label.CNODE_REVOKE, Label.CNODE_DELETE, Label.CNODE_CANCEL_BADGED_SENDS),
    *(Label.TCB_SET_SPACE, Label.TCB_CONFIGURE, Label.TCB_SET_IPC_BUFFER, Label.TCB_SET_SCHED_PARAMS),
)
CAUSES = (2, 3, machine.LOAD_PAGE_FAULT, machine.INSTRUCTION_PAGE_FAULT, machine.STORE_ACCESS_FAULT)
ADDRESSES = (
    0x40_0000,
    0x40_2000,
    0x40_2400,
    0x80_0000,
    0x80_1000,
    0x4000_0000,
    0x3F_FFFF_F000,
    0x3F_FFFF_E000,
    1 << 40,
    0x123,
)
WORDS: dict[str, tuple[int, ...]] = {
    "type": tuple(int(kind) for kind in (*ObjectType, *ObjectType) if kind != ObjectType.GIGA_PAGE) + (7, 11),
    "size_bits": (4, 5, 7, 8, 12, 12, 0, 3, 64),
    "num_objects": (1, 1, 1, 2, 3, 0, 300),
    "rights": (15, 15, 15, 3, 2, 1, 0),
    "badge": (0, 1, 2, 7, 0xFFFF),
    "priority": (70, 60, 60, 50, 100, 1, 0, 255, 256),
    "mcp": (255, 255, 254, 100, 0, 256),
    "vaddr": ADDRESSES,
    "buffer": (0x40_2000, 0x40_2400, 0x40_2000, 0, 0x123),
    "budget": (1000, 5000, 100, 20, 200, 10, 0),
    "period": (1000, 5000, 10000, 5000, 100, 10),
    "extra_refills": (0, 0, 1, 2, 8, 100),
    "flags": (0, 1),
    "irq": (1, 2, 10, 95, 96, 0),
    "domain": (0, 0, 1, 2),
    "arch_flags": (0,),
    "count": (2, 4, 32, 33, 0),
    "duration": (0, 5000, 20000, 100000, 1 << 60),
    "regs": (0x1000, 0x2000 | 7 << 64, (1 << 200) - 1),
    "cspace_root_data": (0, 0, 0, 56, 8, 1 << 6 | 4),
    "vspace_root_data": (0,),
}
MANAGER_PRIORITY = 50
# Slots of the root task.
THREAD, ROOT, SPACE, IRQ_CONTROL, CONTEXT = 1, 2, 3, 4, 14
OWN = (THREAD, CONTEXT)
SMALL_WORDS = (0, 1, 2, 4, 64, 1 << 40, (1 << 64) - 1)
