# SPDX-License-Identifier: BSD-2-Clause
"""The reference of objects, system calls, invocations, errors and faults, written from the tables of this package.

``python -m tessera.abi.reference docs/reference.md`` writes it again; a test sees that it is up to date. It is complete
because it goes through the tables that stubs, headers and kernel use.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tessera.abi.errors import ERROR_DETAILS, ERROR_MEANING, LOOKUP_FAILURE_DETAILS, LOOKUP_FAILURE_MEANING, Error
from tessera.abi.faults import FAULT_MEANING, FAULT_MESSAGE
from tessera.abi.invocations import INVOCATIONS, Invocation, Placement
from tessera.abi.objects import (
    DEVICE_TYPES,
    FIXED_SIZE_BITS,
    MAX_UNTYPED_BITS,
    MIN_USER_SIZE_BITS,
    SLOT_BITS,
    ObjectType,
)
from tessera.abi.syscalls import DEBUG_SYSCALLS, SYSCALL_REGISTERS, Syscall, signed_number

# What user level calls an interface.
TITLES = {
    "Untyped": "Untyped memory",
    "TCB": "Threads",
    "CNode": "CNodes",
    "IRQControl": "Control of interrupts",
    "IRQHandler": "Interrupt handlers",
    "DomainSet": "Domains",
    "SchedControl": "Control of scheduling",
    "SchedContext": "Scheduling contexts",
    "RISCV_PageTable": "Page tables",
    "RISCV_Page": "Frames",
    "RISCV_ASIDControl": "Control of address space identifiers",
    "RISCV_ASIDPool": "Pools of address space identifiers",
    "RISCV_IRQControl": "Control of interrupts, of this architecture",
}


def reference() -> str:
    """The page, as Markdown."""
    parts = [
        "<!-- Written by `python -m tessera.abi.reference docs/reference.md` from src/tessera/abi. -->\n",
        "# Objects, system calls, invocations\n",
        "What user level can ask the kernel for: the interface of seL4 16, mixed-criticality (MCS), RISC-V 64.\n",
        *_objects(),
        *_system_calls(),
        *_invocations(),
        *_errors(),
        *_faults(),
    ]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _objects() -> Iterator[str]:
    yield "## Objects\n"
    yield "`type` is the argument of `Untyped_Retype`; `size_bits` matters only where the size can be chosen.\n"
    rows = []
    for kind in ObjectType:
        if kind in FIXED_SIZE_BITS:
            size = f"2^{FIXED_SIZE_BITS[kind]} bytes"
        else:
            least = MIN_USER_SIZE_BITS[kind]
            unit = f"slots of 2^{SLOT_BITS} bytes" if kind == ObjectType.CAP_TABLE else "bytes"
            most = f", at most 2^{MAX_UNTYPED_BITS}" if kind == ObjectType.UNTYPED else ""
            size = f"2^`size_bits` {unit}, at least 2^{least}{most}"
        rows.append((f"`{kind.name}`", int(kind), size, "yes" if kind in DEVICE_TYPES else "no"))
    yield _table(("object", "type", "size", "from device memory"), rows)


def _system_calls() -> Iterator[str]:
    yield "## System calls\n"
    yield "The number is in `a7`. Message registers are `a2` to `a5`; further words are in the IPC buffer.\n"
    rows = []
    for call, uses in SYSCALL_REGISTERS.items():
        named = {"destination": uses.destination, "source": uses.source, "reply": uses.reply, "info": uses.info}
        told = ", ".join(f"{what} `{register}`" for what, register in named.items() if register)
        does = " and ".join(word for word, is_so in (("sends", uses.sends), ("receives", uses.receives)) if is_so)
        waits = "" if uses.blocks or not does else ", never waits"
        rows.append((f"`{call.name}`", signed_number(call), f"{does}{waits}" or "gives up the rest of its time", told))
    tls = Syscall.SET_TLS_BASE
    rows.append((f"`{tls.name}`", signed_number(tls), "sets the caller's own register `tp`", "value `a0`"))
    yield _table(("system call", "number", "what it does", "registers"), rows)
    debug = ((f"`{call.name}`", signed_number(call)) for call in DEBUG_SYSCALLS)
    yield "A kernel built with `--config debug` answers these too; any other number is a fault.\n"
    yield _table(("system call", "number"), debug)


def _invocations() -> Iterator[str]:
    yield "## Invocations\n"
    yield (
        "A call on a capability to the object. The label is that of the message; *cap n* is the n-th capability sent\n"
        "with it, from 0, and *word n* the n-th word of the message.\n"
    )
    by_interface = itertools.groupby(sorted(INVOCATIONS, key=lambda one: one.interface), lambda one: one.interface)
    for interface, some in by_interface:
        yield f"### {TITLES[interface]}\n"
        for one in sorted(some, key=lambda item: item.label):
            yield from _invocation(one)


def _invocation(one: Invocation) -> Iterator[str]:
    arguments = ", ".join(f"{p.type.c_type} {p.name}" for p in one.parameters)
    yield f"#### `{one.c_name}({arguments})`\n"
    yield f"{one.purpose} Label {int(one.label)} (`{one.symbol}`).\n"
    rows = [(f"`{p.name}`", f"cap {number}", p.meaning) for number, p in enumerate(one.extra_caps)]
    rows += [(f"`{each.parameter.name}`", _where(each), each.parameter.meaning) for each in one.placements]
    rows += [
        (f"`{each.parameter.name}`", f"answer, {_where(each)}", each.parameter.meaning)
        for each in one.result_placements
    ]
    if rows:
        yield _table(("argument or result", "where", "meaning"), rows)
    yield _table(("error", "when"), ((f"`{cause.error.name}`", cause.when) for cause in one.errors()))


def _where(one: Placement) -> str:
    if one.parameter.type.by_reference:
        return f"words from {one.word} on"
    if one.width == 64:
        return f"word {one.word}"
    last = one.low + one.width - 1
    return f"word {one.word}, bit {one.low}" if last == one.low else f"word {one.word}, bits {one.low} to {last}"


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "The label of an invocation's answer. What the answer's words say, from word 0:\n"
    rows = [
        (f"`{error.name}`", int(error), ERROR_MEANING[error], "; ".join(ERROR_DETAILS.get(error, ())))
        for error in Error
    ]
    yield _table(("error", "label", "meaning", "words"), rows)
    yield "Why looking a capability up failed (in the words of `FAILED_LOOKUP`, and of a capability fault):\n"
    lookup = (
        (f"`{why.name}`", int(why), LOOKUP_FAILURE_MEANING[why], "; ".join(words))
        for why, words in LOOKUP_FAILURE_DETAILS.items()
    )
    yield _table(("failure", "number", "meaning", "words that follow"), lookup)


def _faults() -> Iterator[str]:
    yield "## Faults\n"
    yield "A fault reaches the thread's handler as a message with this label; an answer with label 0 lets it go on.\n"
    rows = [
        (f"`{fault.name}`", int(fault), FAULT_MEANING[fault], ", ".join(f"{int(w)} `{w.name}`" for w in words))
        for fault, words in FAULT_MESSAGE.items()
    ]
    yield _table(("fault", "label", "when", "words"), rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
