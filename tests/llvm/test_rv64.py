# SPDX-License-Identifier: BSD-2-Clause
"""The same operations on RV64: one program computes all of them at their edge values, called from C."""

from __future__ import annotations

from pathlib import Path

import pytest

from tessera.ir.build import build_program
from tessera.ir.nodes import Return, Switch, Unreachable
from tessera.lang import Memory, u64
from tessera.llvm.emit import emit_module
from tessera.llvm.host import HostMemory, HostModule
from tests.llvm import sample
from tests.llvm.bare_machine import build, run
from tests.llvm.hand_made import Case, cases, constant, edges, function, local, make, program

pytestmark = pytest.mark.qemu

PRIME = 0x100000001B3
MASK = (1 << 64) - 1


def expected_hash(case: Case, checked: bool) -> int:
    """What ``main`` prints for a case: a hash over all results. Checked code only gets inputs that break no rule."""
    total = 0
    for inputs in case.inputs():
        exact = case.exact(*inputs)
        result = case.release(*inputs) if not checked or not isinstance(exact, str) else 0
        for word in (result & MASK, result >> 64):
            total = (total ^ word) * PRIME & MASK
    return total


def c_main(all_cases: list[Case], checked: bool) -> str:
    """A C program that calls every function with all its inputs."""
    lines = ['#include "console.h"']
    for width in (8, 16, 32, 64, 128):
        values = ", ".join(f"(u128)0x{v >> 64:x}ul << 64 | 0x{v & MASK:x}ul" for v in edges(width))
        lines.append(f"static const u128 edges{width}[] = {{ {values} }};")
    lines.append("static u64 hash;")
    lines.append(
        f"static void add(u128 x) {{ hash = (hash ^ (u64)x) * {PRIME}; hash = (hash ^ (u64)(x >> 64)) * {PRIME}; }}"
    )
    calls = []
    for case in all_cases:
        word, count = f"u{case.width}", len(edges(case.width))
        result = "_Bool" if case.result is bool else f"u{case.result.width}"
        lines.append(f"{result} {case.name}({', '.join([word] * case.operands)});")
        bad = [int(checked and isinstance(case.exact(*inputs), str)) for inputs in case.inputs()]
        lines.append(f"static const u8 bad_{case.name}[] = {{ {', '.join(map(str, bad))} }};")
        second = count if case.operands == 2 else 1
        arguments = ", ".join(f"({word})edges{case.width}[{i}]" for i in "ij"[: case.operands])
        calls.append(
            f"hash = 0; for (int i = 0; i < {count}; i++) for (int j = 0; j < {second}; j++) "
            f"add(bad_{case.name}[i * {second} + j] ? 0 : {case.name}({arguments})); "
            f"print(\"{case.name} \"); print_hex(hash); put('\\n');"
        )
    return "\n".join([*lines, "int main(void) {", *calls, "return 0; }"])


@pytest.mark.parametrize("checked", [False, True], ids=["release", "checked"])
def test_a_program_with_state_gives_what_cpython_gives(tmp_path: Path, checked: bool) -> None:
    text = emit_module(build_program([sample.run]), target="riscv64", checked=checked)
    main = '#include "console.h"\nu64 sample_run(u64); int main(void) { print_hex(sample_run(40)); return 0; }'
    status, console = run(build(tmp_path, text, main))
    with Memory(1 << 20):
        expected = int(sample.run(40))
    assert (status, console) == (0, f"{expected:016x}")
    HostMemory.clear()
    assert HostModule(build_program([sample.run]), checked=checked).call(sample.run, 40) == expected


@pytest.mark.parametrize("checked", [False, True], ids=["release", "checked"])
def test_every_operation_at_its_edge_values(tmp_path: Path, checked: bool) -> None:
    all_cases = cases()
    code = program(*(case.function() for case in all_cases))
    exports = {f"made.{case.name}": case.name for case in all_cases}
    text = emit_module(code, target="riscv64", checked=checked, exports=exports)
    status, console = run(build(tmp_path, text, c_main(all_cases, checked)))
    assert status == 0, console[-500:]
    printed = dict(line.split(" ") for line in console.splitlines())
    assert printed == {case.name: f"{expected_hash(case, checked):016x}" for case in all_cases}


def test_a_violation_is_told_with_its_message(tmp_path: Path) -> None:
    code = program(function("twice", {"x": u64}, u64, make("mul", u64, local("x", u64), constant(u64, 2))))
    text = emit_module(code, target="riscv64", checked=True, exports={"made.twice": "twice"})
    main = (
        '#include "console.h"\nu64 twice(u64); int main(void) { return twice(21) == 42 && twice(1ul << 63) ? 1 : 2; }'
    )
    status, console = run(build(tmp_path, text, main))
    assert (status, console) == (3, "made.py:2: overflow: the result of + - * does not fit the word (told)\n")


def test_release_code_traps_where_nothing_may_be_reached(tmp_path: Path) -> None:
    """A default that a ``match`` never takes is not undefined: the machine stops at an illegal instruction."""
    cases_ = [([1], [Return(3, constant(u64, 10))]), ([2], [Return(4, constant(u64, 20))])]
    body = [Switch(2, local("x", u64), cases_, [Unreachable(5)])]
    code = program(function("pick", {"x": u64}, u64, body))
    text = emit_module(code, target="riscv64", checked=False, exports={"made.pick": "pick"})
    main = (
        '#include "console.h"\nu64 pick(u64); int main(void) { if (pick(1) + pick(2) != 30) return 1; return pick(3); }'
    )
    status, _ = run(build(tmp_path, text, main))
    assert status == 102  # 100 and the cause: illegal instruction
