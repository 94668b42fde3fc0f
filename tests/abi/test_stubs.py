# SPDX-License-Identifier: BSD-2-Clause
"""C stubs: the compiler folds each call to constants, and the registers and words are compared with the tables."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

import pytest

from tessera.abi.invocations import INVOCATIONS, Invocation, pack
from tessera.abi.messages import MAX_EXTRA_CAPS, MAX_MESSAGE_LENGTH, IpcBuffer, MessageInfo
from tessera.abi.syscalls import SYSCALL_REGISTERS, Syscall
from tessera.lang import from_word, offset_of, to_word
from tests.abi.conftest import Compile

REGISTER_NAMES = {**{f"x{10 + i}": f"a{i}" for i in range(8)}, "x5": "t0"}
MASK = (1 << 64) - 1

_CALL = re.compile(r'asm sideeffect "ecall", "(?P<constraints>[^"]*)"\((?P<operands>[^)]*)\)')
_STORE = re.compile(r"store i64 (?P<value>-?\d+), ptr (?P<place>%\d+)")
_PLACE = re.compile(r"(?P<name>%\d+) = getelementptr inbounds nuw i8, ptr %\d+, i64 (?P<offset>\d+)")


@dataclass
class Seen:
    """What one function does: register values at the call, registers written by it, and stores to the IPC buffer."""

    inputs: dict[str, str] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    memory: bool = False
    stores: dict[int, int] = field(default_factory=dict)


def observe(output: str, function: str) -> Seen:
    """Read a function of LLVM IR up to its system call."""
    body = output.split(f"@{function}(")[1].split("\n}")[0]
    call = _CALL.search(body)
    assert call is not None, f"{function} has no system call"
    assert len(_CALL.findall(body)) == 1, f"{function} has several system calls"
    constraints = call["constraints"].split(",")
    inputs = [part for part in constraints if not part.startswith(("=", "~"))]
    operands = [part.split()[-1] for part in call["operands"].split(", ")]
    seen = Seen()
    seen.inputs = {REGISTER_NAMES[name.strip("{}")]: value for name, value in zip(inputs, operands, strict=True)}
    seen.outputs = {REGISTER_NAMES[part[2:-1]] for part in constraints if part.startswith("=")}
    seen.memory = "~{memory}" in constraints
    before = body[: call.start()]
    places = {found["name"]: int(found["offset"]) for found in _PLACE.finditer(before)}
    for store in _STORE.finditer(before):
        if store["place"] in places:
            seen.stores[places[store["place"]]] = int(store["value"]) & MASK
    return seen


def constant(seen: Seen, register: str) -> int:
    return int(seen.inputs[register]) & MASK


def arguments(call: Invocation, seed: int) -> dict[str, int]:
    """A value for each plain parameter; never zero, so that a missing one shows."""
    numbers = random.Random(f"{call.c_name} {seed}")
    return {
        p.name: numbers.randrange(1, 2 if p.type.bits == 1 else 1 << min(p.type.bits, 31))
        for p in call.parameters
        if not p.type.by_reference
    }


def written(call: Invocation, function: str, values: dict[str, int], service: int) -> str:
    """A C function without arguments that makes the call."""
    declarations, passed = "", [str(service)]
    for p in (*call.parameters, *(p for p in call.results if p.type.by_reference)):
        if p.type.by_reference:
            declarations += f"static {p.type.c_type} {p.name}; "
            passed.append(f"&{p.name}")
        elif p.type.name == "rights":
            declarations += f"{p.type.c_type} {p.name} = {{{{{values[p.name]}ul}}}}; "
            passed.append(p.name)
        else:
            passed.append(f"{values[p.name]}ul")
    outcome = f"{call.c_name}({', '.join(passed)})"
    outcome += ".error" if any(not p.type.by_reference for p in call.results) else ""
    return f"int {function}(void) {{ {declarations}return {outcome}; }}\n"


def test_every_stub_sends_what_the_table_says(compile_text: Compile) -> None:
    service, cases = 77, []
    text = "#include <sel4/sel4.h>\n"
    for call in INVOCATIONS:
        for seed in range(2):
            values = arguments(call, seed)
            function = f"check_{call.symbol}_{seed}"
            text += written(call, function, values, service)
            cases.append((call, function, values))
    # Everything is to be inlined, so that each function shows its constants.
    output = compile_text(text, "-S", "-emit-llvm", "-mllvm", "-inline-threshold=100000")
    assert len(cases) == 2 * 46
    for call, function, values in cases:
        seen = observe(output, function)
        info = from_word(MessageInfo, constant(seen, "a1"))
        assert constant(seen, "a0") == service
        assert constant(seen, "a7") == Syscall.CALL
        assert (info.label, info.length) == (int(call.label), call.message_length), function
        assert (info.extra_caps, info.caps_unwrapped) == (len(call.extra_caps), 0)
        assert seen.memory
        for i, p in enumerate(call.extra_caps):
            assert seen.stores[offset_of(IpcBuffer, "caps") + 8 * i] == values[p.name], function
        placements = [p for p in call.placements if not p.parameter.type.by_reference]
        words = pack(placements, values)
        for i, word in enumerate(words):
            if i < 4:
                assert constant(seen, f"a{2 + i}") == word, (function, i)
            else:
                assert seen.stores[offset_of(IpcBuffer, "message") + 8 * i] == word, (function, i)


# Packing as it is known from upstream's libraries: object, call, registers a1 to a5 and IPC buffer words, by hand.
KNOWN = {
    "seL4_CNode_Copy(1, 2, 64, 3, 4, 63, seL4_AllRights)": (21 << 12 | 1 << 7 | 5, [2, 64, 4, 63], {5: 15 - 0}),
    "seL4_TCB_CopyRegisters(1, 2, 1, 0, 1, 1, 5)": (4 << 12 | 1 << 7 | 1, [0x50D, 0, 0, 0], {}),
    "seL4_Untyped_Retype(1, 8, 0, 2, 3, 4, 5, 6)": (1 << 12 | 1 << 7 | 6, [8, 0, 3, 4], {5: 5, 6: 6}),
    "seL4_TCB_SetPriority(1, 2, 200)": (6 << 12 | 1 << 7 | 1, [200, 0, 0, 0], {}),
    "seL4_DomainSet_Set(1, 3, 2)": (30 << 12 | 1 << 7 | 1, [3, 0, 0, 0], {}),
    "seL4_TCB_Resume(1)": (13 << 12, [0, 0, 0, 0], {}),
    "seL4_SchedControl_ConfigureFlags(1, 2, 10, 20, 3, 4, 1)": (33 << 12 | 1 << 7 | 5, [10, 20, 3, 4], {5: 1}),
}


@pytest.mark.parametrize("call", KNOWN)
def test_known_packing(compile_text: Compile, call: str) -> None:
    info, registers, buffered = KNOWN[call]
    seen = observe(compile_text(f"#include <sel4/sel4.h>\nint f(void) {{ return {call}; }}\n", "-S", "-emit-llvm"), "f")
    assert constant(seen, "a1") == info
    assert [constant(seen, f"a{i}") for i in range(2, 6)] == registers
    # Word n of the message is at byte 8 * n of the buffer, counted from 1 because the tag comes first.
    assert {n: seen.stores[8 * n] for n in buffered} == buffered


def test_read_registers_stops_at_the_count(compile_text: Compile) -> None:
    text = "#include <sel4/sel4.h>\nint f(seL4_UserContext *c) { return seL4_TCB_ReadRegisters(1, 1, 7, 2, c); }\n"
    seen = observe(compile_text(text, "-S", "-emit-llvm"), "f")
    assert [constant(seen, f"a{i}") for i in range(2, 6)] == [1 | 7 << 8, 2, 0, 0]
    assert constant(seen, "a1") == 2 << 12 | 2


def test_write_registers_takes_the_first_two_into_registers(compile_text: Compile) -> None:
    text = "#include <sel4/sel4.h>\nint f(seL4_UserContext *c) { return seL4_TCB_WriteRegisters(1, 1, 0, 1, c); }\n"
    seen = observe(compile_text(text, "-S", "-emit-llvm"), "f")
    assert constant(seen, "a1") == 3 << 12 | 34
    assert seen.inputs["a4"].startswith("%"), "the program counter comes from the structure"
    assert constant(seen, "a5") == 0, "one register was asked for"


SYSTEM_CALLS = {
    Syscall.SEND: "seL4_Send(1, info)",
    Syscall.NB_SEND: "seL4_NBSend(1, info)",
    Syscall.CALL: "seL4_Call(1, info)",
    Syscall.RECV: "seL4_Recv(2, badge, 3)",
    Syscall.NB_RECV: "seL4_NBRecv(2, badge, 3)",
    Syscall.REPLY_RECV: "seL4_ReplyRecv(2, info, badge, 3)",
    Syscall.NB_SEND_RECV: "seL4_NBSendRecv(1, info, 2, badge, 3)",
    Syscall.NB_SEND_WAIT: "seL4_NBSendWait(1, info, 2, badge)",
    Syscall.WAIT: "seL4_Wait(2, badge)",
    Syscall.NB_WAIT: "seL4_NBWait(2, badge)",
    Syscall.YIELD: "seL4_Yield()",
}

WITH_REGISTERS = {
    Syscall.SEND: "seL4_SendWithMRs(1, info, {})",
    Syscall.NB_SEND: "seL4_NBSendWithMRs(1, info, {})",
    Syscall.CALL: "seL4_CallWithMRs(1, info, {})",
    Syscall.RECV: "seL4_RecvWithMRs(2, badge, 3, {})",
    Syscall.REPLY_RECV: "seL4_ReplyRecvWithMRs(2, info, badge, {}, 3)",
    Syscall.NB_SEND_RECV: "seL4_NBSendRecvWithMRs(1, info, 2, badge, {}, 3)",
    Syscall.NB_SEND_WAIT: "seL4_NBSendWaitWithMRs(1, info, 2, badge, {})",
    Syscall.WAIT: "seL4_WaitWithMRs(2, badge, {})",
}

FORMS = [
    *SYSTEM_CALLS.items(),
    *((call, text.format("&mr[0], &mr[1], &mr[2], &mr[3]")) for call, text in WITH_REGISTERS.items()),
]


@pytest.mark.parametrize("call, text", FORMS)
def test_system_calls_use_the_registers_of_the_table(compile_text: Compile, call: Syscall, text: str) -> None:
    words = int(to_word(MessageInfo(label=9, length=4)))
    source = (
        "#include <sel4/sel4.h>\n"
        "void f(seL4_Word *badge, seL4_Word *mr)\n{\n    (void)badge;\n    (void)mr;\n"
        f"    seL4_MessageInfo_t info = {{{{{words}}}}};\n    (void)info;\n    {text};\n}}\n"
    )
    seen = observe(compile_text(source, "-S", "-emit-llvm"), "f")
    use = SYSCALL_REGISTERS[call]
    assert constant(seen, "a7") == call
    assert seen.memory
    for register, value in ((use.destination, 1), (use.source, 2), (use.reply, 3)):
        if register is not None:
            assert constant(seen, register) == value
    if use.sends:
        assert constant(seen, "a1") == words
        assert {"a2", "a3", "a4", "a5"} <= seen.inputs.keys()
    if use.receives:
        assert {"a0", "a1", "a2", "a3", "a4", "a5"} <= seen.outputs


def test_signal_sends_an_empty_message(compile_text: Compile) -> None:
    seen = observe(compile_text("#include <sel4/sel4.h>\nvoid f(void) { seL4_Signal(5); }\n", "-S", "-emit-llvm"), "f")
    assert (constant(seen, "a0"), constant(seen, "a1"), constant(seen, "a7")) == (5, 0, Syscall.SEND)


def test_messages_fit_the_buffer() -> None:
    assert all(call.message_length <= MAX_MESSAGE_LENGTH for call in INVOCATIONS)
    assert all(len(call.extra_caps) <= MAX_EXTRA_CAPS for call in INVOCATIONS)
