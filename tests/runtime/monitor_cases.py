# SPDX-License-Identifier: BSD-2-Clause
"""A system, and messages of every kind of fault in it with the words that tell them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tessera.abi.errors import LookupFailure
from tessera.abi.faults import Fault
from tessera.abi.layout import COMPONENT_STACK_TOP
from tessera.system import environment as env
from tessera.system.elf import LineRow, ProgramImage, Symbol
from tests.system.systems import described, domain, images

SYSTEM = described(
    f"""
<memory_region name="ring" size="0x1000" />
<memory_region name="secret" size="0x1000" />
<memory_region name="wall" size="0x1000" />
{domain("server", '<map mr="secret" vaddr="0x4000000" perms="rw" />', priority=9)}
{
        domain(
            "intruder",
            '''
<map mr="ring" vaddr="0x3000000" perms="r" />
<irq irq="7" id="5" />''',
            stack_size="0x3000",
            budget=1000,
            period=10000,
        )
    }
{domain("client", '<map mr="ring" vaddr="0x3200000" perms="rw" /><map mr="wall" vaddr="0x5000000" perms="rw" />')}
{domain("visitor", '<map mr="wall" vaddr="0x5000000" perms="r" /><map mr="ring" vaddr="0x6000000" perms="rw" />')}
{domain("helper", '<map mr="secret" vaddr="0x6000000" perms="rw" />', passive="true", priority=8, fpu="false")}
<channel> <end pd="intruder" id="0" notify="false" /> <end pd="server" id="3" pp="false" /> </channel>
<channel> <end pd="intruder" id="9" pp="true" /> <end pd="helper" id="1" /> </channel>
"""
)
SERVER, INTRUDER, CLIENT, VISITOR, HELPER = range(5)

MADE = images(SYSTEM)
# Two functions; the linker has left a third one out, of which rows at address 0 remain.
INTRUDER_PROGRAM = replace(
    MADE["intruder"],
    lines=(
        LineRow(0, "left_out.c", 1),
        LineRow(0x10, "", 0),
        LineRow(0x20_0000, "intruder.c", 20),
        LineRow(0x20_0004, "lib/helper.h", 7),
        LineRow(0x20_0008, "intruder.c", 23),
        LineRow(0x20_000C, "", 0),
    ),
    symbols={
        **MADE["intruder"].symbols,
        "init": Symbol("init", 0x20_0000, 4),
        "library.notified": Symbol("library.notified", 0x20_0004, 8),
        "label": Symbol("label", 0x20_0008, 0),
    },
)
IMAGES: dict[str, ProgramImage] = {**MADE, "intruder": INTRUDER_PROGRAM}

PC = 0x20_0008
FETCH, LOAD, STORE = 1, 5, 7
STACK = COMPONENT_STACK_TOP - 0x3000
REGISTERS = (PC, 0x20_0004, COMPONENT_STACK_TOP - 64)
AT = "; at intruder.c:23 in notified (pc 0x200008)"
CALLED = "; called from intruder.c:20 in init (return address 0x200004)"
CHANNELS = 'test.system:6 gives it channel 0 to "server", 5 (interrupt), 9 to "helper"'
STACK_ADVICE = "its stack has 12288 bytes; a larger stack_size= at test.system:6 gives it more"
NEAREST = 'its nearest region is "ring", 0x3000000 to 0x3000fff, mapped at test.system:7'
FPU_ADVICE = (
    'an instruction for floating point ends so, because of fpu="false" at test.system:11; a failed assertion can too'
)
STOP_ADVICE = "a failed assertion or a broken rule of the language can end so; what it printed before says which"


@dataclass
class Case:
    """A fault message and the lines that tell it, without what all lines begin with."""

    label: int
    words: tuple[int, ...]
    told: str
    advice: str = ""
    sender: int = INTRUDER
    registers: tuple[int, int, int] | None = REGISTERS

    @property
    def expected(self) -> str:
        """What is printed."""
        name = SYSTEM.domains()[self.sender].name
        text = f'MONITOR|FAULT: component "{name}" stopped: {self.told}\n'
        return text + (f"MONITOR|FAULT:   {self.advice}\n" if self.advice else "")


def memory(address: int, code: int, told: str, advice: str = "", pc: int = PC, **others: object) -> Case:
    """A fault of memory."""
    return Case(Fault.VM_FAULT, (pc, address, int(code == FETCH), code), told, advice, **others)  # type: ignore[arg-type]


def slot(address: int, told: str, advice: str = "", **others: object) -> Case:
    """A fault of a system call that names this capability."""
    receive, failure = int(bool(others.pop("receive", 0))), others.pop("failure", LookupFailure.MISSING_CAPABILITY)
    return Case(Fault.CAP_FAULT, (PC, address, receive, failure, 0), told, advice, **others)  # type: ignore[arg-type]


def exception(number: int, told: str, advice: str = "") -> Case:
    """A fault of an instruction."""
    return Case(Fault.USER_EXCEPTION, (PC, COMPONENT_STACK_TOP, number, 9), told + AT, advice)


def system_call(number: int, told: str, advice: str = "") -> Case:
    """A system call of this number."""
    return Case(Fault.UNKNOWN_SYSCALL, (PC, *range(9), number % 2**64), f"system call {number}, {told}{AT}", advice)


def access(kind: str, perms: str = "") -> str:
    return f'{kind}, mapped with perms="{perms}"'


CASES = {
    "memory of another": memory(
        0x400_0000,
        LOAD,
        'read of 0x4000000, which is region "secret", mapped by "server" and "helper" only' + AT,
        'only a <map mr="secret"> in it, at test.system:6, would give it access',
    ),
    "memory of several others": memory(
        0x500_0010,
        LOAD,
        'read of 0x5000010, which is region "wall", mapped by "client" and "visitor" only' + AT,
        'only a <map mr="wall"> in it, at test.system:6, would give it access',
    ),
    "two regions at one address": memory(
        0x600_0000,
        STORE,
        'write to 0x6000000, which is region "secret", mapped by "server" and "helper" only, '
        'or region "ring" in "visitor" ("intruder" has it at 0x3000000)' + AT,
        'only a <map mr="secret"> in it, at test.system:6, would give it access',
    ),
    "own region at the address of another": memory(
        0x320_0000,
        STORE,
        'write to 0x3200000, which is region "ring" in "client" ("intruder" has it at 0x3000000)' + AT,
    ),
    "write to what is read-only": memory(
        0x300_0010,
        STORE,
        access('write to 0x3000010, which is region "ring"', "r") + AT,
        "the permissions are those of its <map> at test.system:7",
    ),
    "write to code": memory(0x20_0000, STORE, access("write to 0x200000, which is in its text", "rx") + AT),
    "execution of data": memory(
        0x20_1010,
        FETCH,
        access("execution of 0x201010, which is in its data", "rw")
        + "; at pc 0x201010, which is not code of its program"
        + CALLED,
        pc=0x20_1010,
    ),
    "execution of the stack": memory(
        COMPONENT_STACK_TOP - 64,
        FETCH,
        access("execution of 0x3fffffcfc0, which is in its stack", "rw")
        + "; at pc 0x3fffffcfc0, which is not code of its program"
        + CALLED,
        pc=COMPONENT_STACK_TOP - 64,
    ),
    "null pointer": memory(0, LOAD, "read of 0x0, a null pointer" + AT),
    "field of a null pointer": memory(24, STORE, "write to 0x18, a null pointer plus 24" + AT),
    "call of a null pointer": memory(
        0, FETCH, "execution of 0x0, a null pointer; at pc 0x0, which is not code of its program" + CALLED, pc=0
    ),
    "call of a null pointer, caller unknown": memory(
        0,
        FETCH,
        "execution of 0x0, a null pointer; at pc 0x0, which is not code of its program",
        pc=0,
        registers=None,
    ),
    "stack overflow": memory(
        STACK - 8,
        STORE,
        "write to 0x3fffff9ff8, which is in the guard page below the stack: the stack has overflowed" + AT,
        STACK_ADVICE,
    ),
    "stack overflow past the guard page": memory(
        STACK - 0x8000,
        STORE,
        "write to 0x3fffff2000, which is below its stack: the stack has overflowed" + AT,
        STACK_ADVICE,
        registers=(PC, 0, STACK - 0x9000),
    ),
    "below the stack, and the stack is well": memory(
        STACK - 0x8000, STORE, "write to 0x3fffff2000, where nothing is mapped" + AT, NEAREST
    ),
    "above the stack": memory(
        COMPONENT_STACK_TOP + 8, LOAD, "read of 0x3fffffd008, which is in the guard page above the stack" + AT
    ),
    "end of a region": memory(
        0x300_1000,
        LOAD,
        'read of 0x3001000, where nothing is mapped, directly behind the end of region "ring"' + AT,
        NEAREST,
    ),
    "behind the end of a region": memory(
        0x300_1008,
        LOAD,
        'read of 0x3001008, where nothing is mapped, 8 bytes behind the end of region "ring"' + AT,
        NEAREST,
    ),
    "nothing": memory(0x1234_5678, LOAD, "read of 0x12345678, where nothing is mapped" + AT, NEAREST),
    "nothing below": memory(0x2FF_FFFF, LOAD, "read of 0x2ffffff, where nothing is mapped" + AT, NEAREST),
    "kernel": memory(2**64 - 2**31, LOAD, "read of 0xffffffff80000000, which is no address of a component" + AT),
    "no device": memory(
        0x300_0000,
        5,
        access('read of 0x3000000, which is region "ring"', "r")
        + ", which allows it: the hardware refused (exception code 5)"
        + AT,
    ),
    "odd code": memory(
        0x1234_5678, 23, "access (exception code 23) to 0x12345678, where nothing is mapped" + AT, NEAREST
    ),
    "no line tables": memory(0, LOAD, "read of 0x0, a null pointer; at pc 0x200008", sender=CLIENT),
    "illegal instruction": exception(2, "illegal instruction", STOP_ADVICE),
    "floating point": Case(
        Fault.USER_EXCEPTION, (PC, COMPONENT_STACK_TOP, 2, 0), "illegal instruction; at pc 0x200008", FPU_ADVICE, HELPER
    ),
    "breakpoint": exception(3, "it stopped itself (breakpoint)", STOP_ADVICE),
    "misaligned instruction": exception(0, "instruction address misaligned"),
    "misaligned load": exception(4, "load address misaligned"),
    "misaligned store": exception(6, "store address misaligned"),
    "unknown exception": exception(24, "exception 24 with code 0x9"),
    "positive system call": system_call(5, "which does not exist"),
    "negative system call": system_call(-40, "which does not exist"),
    "debug system call": system_call(
        -12,
        "which only a debug kernel answers",
        "the system was built with --config release; --config debug has this call",
    ),
    "benchmark system call": system_call(-22, "which only a benchmark kernel answers"),
    "undeclared channel": slot(
        env.SLOT_OUTPUT_NOTIFICATION + 7,
        "used channel 7 (notify), which test.system does not declare for it" + AT,
        CHANNELS,
        receive=True,
    ),
    "channel without notify": slot(
        env.SLOT_OUTPUT_NOTIFICATION,
        'used channel 0 (notify), which test.system declares for it with notify="false"' + AT,
        CHANNELS,
    ),
    "notify of an interrupt": slot(
        env.SLOT_OUTPUT_NOTIFICATION + 5,
        "used channel 5 (notify), which test.system declares as an interrupt of it" + AT,
        CHANNELS,
    ),
    "channel without call": slot(
        env.SLOT_OUTPUT_ENDPOINT,
        'used channel 0 (ppcall), which test.system declares for it without pp="true"' + AT,
        CHANNELS,
    ),
    "undeclared call": slot(
        env.SLOT_OUTPUT_ENDPOINT + 61,
        "used channel 61 (ppcall), which test.system does not declare for it" + AT,
        CHANNELS,
    ),
    "undeclared interrupt": slot(
        env.SLOT_IRQ + 8, "used channel 8 (irq_ack), which test.system does not declare for it" + AT, CHANNELS
    ),
    "acknowledgement of a channel": slot(
        env.SLOT_IRQ + 9,
        "used channel 9 (irq_ack), which test.system does not declare as an interrupt of it" + AT,
        CHANNELS,
    ),
    "no channels": slot(
        env.SLOT_OUTPUT_NOTIFICATION,
        "used channel 0 (notify), which test.system does not declare for it; at pc 0x200008",
        "test.system:9 gives it no channels",
        sender=CLIENT,
    ),
    "child": slot(
        env.SLOT_CHILD_TCB + 2,
        "used child 2, which test.system does not declare for it" + AT,
        'a <protection_domain id="2"> inside of it, at test.system:6, would be that child',
    ),
    "null capability": slot(0, "used capability 0, the null capability" + AT),
    "reply object": slot(4, "received from capability 4, its reply object, which is not there" + AT, receive=True),
    "empty slot": slot(400, "used capability 400, an empty slot" + AT),
    "no slot": slot(
        600, "used capability 600, which is beyond its 512 slots" + AT, failure=LookupFailure.GUARD_MISMATCH
    ),
    "no CNode": slot(
        400,
        "used capability 400: the root of the capability space is not a CNode" + AT,
        failure=LookupFailure.INVALID_ROOT,
    ),
    "timeout": Case(
        Fault.TIMEOUT,
        (env.SCHED_CONTEXT_BADGE + INTRUDER, 1234),
        "its budget of 1000 us in every 10000 us is used up (1234 us since the last report)" + AT,
        "its budget= and period= are at test.system:6",
    ),
    "unknown fault": Case(
        9,
        (1, 2, 255),
        "a fault of unknown kind 9; its message has 3 words: 0x1 0x2 0xff",
        registers=None,
    ),
    "long unknown fault": Case(
        2**52 - 1,
        tuple(range(20)),
        f"a fault of unknown kind {2**52 - 1}; its message has 20 words: "
        + " ".join(f"{i:#x}" for i in range(16))
        + " ..."
        + AT,
    ),
}
