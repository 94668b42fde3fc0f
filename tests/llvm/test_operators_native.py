# SPDX-License-Identifier: BSD-2-Clause
"""Every operation at its edge values in native code, checked and release."""

from __future__ import annotations

import re

import pytest

from tessera.ir.interpret import Interpreter
from tessera.lang import Memory, Violation
from tessera.llvm.emit import emit_module
from tessera.llvm.host import HostModule
from tests.llvm.hand_made import Case, cases, program

CASES = cases()
PROGRAM = program(*(case.function() for case in CASES))


@pytest.fixture(scope="module")
def checked() -> HostModule:
    return HostModule(PROGRAM, checked=True)


@pytest.fixture(scope="module")
def release() -> HostModule:
    return HostModule(PROGRAM, checked=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_checked_code_gives_the_number_or_names_the_rule(checked: HostModule, case: Case) -> None:
    native = checked.function(f"made.{case.name}")
    for inputs in case.inputs():
        expected = case.exact(*inputs)
        if isinstance(expected, str):
            with pytest.raises(Violation) as caught:
                native.raw(*inputs)
            assert caught.value.rule == expected, inputs
            assert str(caught.value).startswith(f"{expected}: made.py:2: "), inputs
        else:
            assert native.raw(*inputs) == expected, inputs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_release_code_gives_the_defined_number(release: HostModule, case: Case) -> None:
    native = release.function(f"made.{case.name}")
    for inputs in case.inputs():
        assert native.raw(*inputs) == case.release(*inputs), inputs


@pytest.mark.parametrize("is_checked", [True, False], ids=["checked", "release"])
def test_the_table_is_what_the_interpreter_says(is_checked: bool) -> None:
    """So that native code here, and RV64 code in test_rv64, equal the IR's definition."""
    interpreter = Interpreter(PROGRAM, Memory(4096), checked=is_checked)
    for case in CASES:
        for inputs in case.inputs():
            try:
                found: str | int = interpreter.call_raw(f"made.{case.name}", *inputs)
            except Violation as error:
                found = error.rule
            assert found == (case.exact if is_checked else case.release)(*inputs), (case.name, inputs)


def test_the_inputs_break_every_rule_of_arithmetic() -> None:
    broken = {case.exact(*inputs) for case in CASES for inputs in case.inputs()}
    assert {"overflow", "shift", "divide", "narrow"} <= broken


@pytest.mark.parametrize("target", ["host", "riscv64"])
@pytest.mark.parametrize("is_checked", [True, False])
def test_no_instruction_has_a_result_that_llvm_leaves_undefined(target: str, is_checked: bool) -> None:
    exports = {f.name: f.name for f in PROGRAM.functions.values()}
    text = emit_module(PROGRAM, target=target, checked=is_checked, exports=exports)
    assert not re.search(r"\b(nsw|nuw|inbounds|exact|undef|poison|nneg|disjoint)\b", text)
