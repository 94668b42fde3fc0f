# SPDX-License-Identifier: BSD-2-Clause
"""What the builder promises beside the meaning of the code: order, names, places, contracts, speed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tessera.ir.build import build_program
from tessera.ir.interpret import Interpreter, OutOfSteps
from tessera.ir.nodes import Assert, Expression, If, Return, Store, Switch, Unreachable, While
from tessera.lang import Memory
from tessera.lang.diagnostics import Diagnostics
from tessera.lang.functions import info_of
from tests.readers import functions_of, module_of

SOURCE = '''
@struct
class Box:
    value: u64

box = static(Box)
named = static(Box, name="the_box")
unused = static(Box)

@word(u8)
class Two(IntEnum):
    A = 0
    B = 1

@extern(symbol="stop")
def stop(code: u64) -> None:
    box.value = code

@compiled
def leaf(value: u64) -> u64:
    return value

@compiled
def middle(value: u64) -> u64:
    stop(value)
    return leaf(value) + leaf(box.value)

@compiled
def root(value: u64) -> u64:
    """Two statics."""
    requires(value > 0)
    ensures(lambda result: result > 0)
    named.value = value
    while value > 3:
        loop_invariant(value >= 0)
        value -= 1
    return middle(value)

@compiled
def switch(two: Two) -> u64:
    match two:
        case Two.A:
            return 0
        case Two.B:
            return 1

@compiled
def endless() -> None:
    while True:
        pass
'''


@pytest.fixture(scope="module")
def module() -> Any:
    return module_of("tests_build", SOURCE)


def expressions(thing: Any) -> list[Expression]:
    """All expressions below a node."""
    if isinstance(thing, Expression):
        return [thing, *(e for operand in thing.operands for e in expressions(operand))]
    if isinstance(thing, (list, tuple)):
        return [e for part in thing for e in expressions(part)]
    if hasattr(thing, "line"):
        return [e for part in vars(thing).values() for e in expressions(part)]
    return []


def test_program_holds_what_is_reached_in_a_stable_order(module: Any) -> None:
    program = build_program([module.root])
    assert list(program.functions) == ["tests_build.root", "tests_build.middle", "tests_build.leaf"]
    assert list(program.externals) == ["tests_build.stop"]
    assert [(static.name, static.size) for static in program.statics] == [("tests_build.box", 8), ("the_box", 8)]


def test_roots_may_be_functions_or_what_is_kept_about_them(module: Any) -> None:
    info = info_of(module.root)
    assert build_program([info]).functions.keys() == build_program([module.root, module.leaf]).functions.keys()
    with pytest.raises(TypeError, match="@compiled"):
        build_program([len])


def test_contracts_are_kept_beside_the_code(module: Any) -> None:
    function = build_program([module.root], specification=True).functions["tests_build.root"]
    assert [(one.kind, one.text, one.result) for one in function.contracts] == [
        ("requires", "value > 0", ""),
        ("ensures", "result > 0", "result"),
    ]
    assert [one.operation for contract in function.contracts for one in contract.expressions] == ["gt", "gt"]
    store, loop, result = function.body
    assert isinstance(store, Store) and isinstance(result, Return) and isinstance(loop, While)
    assert [(one.kind, one.text, one.line) for one in loop.contracts] == [
        ("loop_invariant", "value >= 0", loop.line + 1)
    ]


def test_a_program_that_runs_has_no_contracts(module: Any) -> None:
    function = build_program([module.root]).functions["tests_build.root"]
    loop = function.body[1]
    assert isinstance(loop, While)
    assert function.contracts == loop.contracts == []


def test_every_expression_has_its_place_in_the_file(module: Any) -> None:
    program = build_program(functions_of(module))
    for function in program.functions.values():
        lines = (module.__file__, function.line)
        assert lines[0] == function.file
        found = expressions(function.body)
        assert found or function.name.endswith("endless")
        assert all(e.line > function.line and e.column > 0 for e in found), function.name
    text = SOURCE.splitlines()
    header = program.functions["tests_build.middle"].line - 1 - text.index("def middle(value: u64) -> u64:")
    call = next(e for e in expressions(program.functions["tests_build.middle"].body) if e.operation == "call")
    assert text[call.line - 1 - header][call.column - 1 :] == "stop(value)"


def test_a_match_over_all_members_has_no_way_past_it(module: Any) -> None:
    (switch,) = build_program([module.switch]).functions["tests_build.switch"].body
    assert isinstance(switch, Switch) and [numbers for numbers, _ in switch.cases] == [[0], [1]]
    assert [type(statement) for statement in switch.default] == [Unreachable]


def test_configuration_leaves_one_branch() -> None:
    module = module_of(
        "tests_build_configured",
        """
DEBUG = True
@compiled
def f(value: u64) -> u64:
    if DEBUG:
        assert value != 0
    else:
        return missing
    return value if not DEBUG else value + 1
""",
    )
    check, result = build_program([module.f]).functions["tests_build_configured.f"].body
    assert isinstance(check, Assert) and isinstance(result, Return) and result.value is not None
    assert result.value.operation == "add"
    # Live: what the module says now counts, not what it said when it was imported.
    module.DEBUG = False
    module.missing = 7
    (result,) = build_program([module.f]).functions["tests_build_configured.f"].body
    assert isinstance(result, Return) and result.value is not None and result.value.data == 7
    assert not any(isinstance(statement, If) for statement in [result])


def test_a_method_may_choose_how_it_is_inlined() -> None:
    module = module_of(
        "tests_build_methods",
        """
@struct
class Box:
    value: u64
    @compiled(inline="always")
    def read(self) -> u64:
        return self.value
    @property
    @compiled(inline="never")
    def twice(self) -> u64:
        return self.read() * 2
@compiled
def both(box: Box) -> u64:
    return box.twice + box.read()
""",
    )
    program = build_program([module.both])
    chosen = {name.rpartition(".")[2]: function.info.inline for name, function in program.functions.items()}
    assert chosen == {"both": "", "twice": "never", "read": "always"}


def test_errors_of_several_functions_come_in_the_order_of_the_file() -> None:
    module = module_of(
        "tests_build_errors",
        """
@compiled
def second(value: u64) -> u64:
    return first(value) + nothing

@compiled
def first(value: u64) -> u64:
    return value + u8(1)
""",
    )
    with pytest.raises(Diagnostics) as caught:
        build_program([module.first, module.second])
    assert [error.rule for error in caught.value.errors] == ["unknown-name", "type-mismatch"]


def test_the_interpreter_takes_other_models_and_a_bound_of_steps(module: Any) -> None:
    program = build_program([module.root, module.endless])
    codes: list[int] = []
    run = Interpreter(program, Memory(1 << 20), externals={"stop": lambda code: codes.append(int(code))}, steps=1000)
    assert run.call(module.root, 5) == 3
    assert codes == [3]
    with pytest.raises(OutOfSteps):
        run.call(module.endless)


def test_thousands_of_lines_take_less_than_a_second() -> None:
    body = "\n".join(
        f"""
@compiled
def f{i}(box: Box, value: u64) -> u64:
    total = u64(0)
    for i in range(value):
        if i % 3 == 0 and value > 7:
            total += box.value + i * {i}
        elif total > 100:
            break
    box.value = total
    match total:
        case 1 | 2:
            return f{i - 1}(box, total) if {i} > 1 else total
        case _:
            pass
    return total
"""
        for i in range(1, 300)
    )
    module = module_of(
        "tests_build_speed", "@struct\nclass Box:\n    value: u64\n" + body.replace("f0(box, total)", "0")
    )
    start = time.perf_counter()
    program = build_program(functions_of(module))
    assert len(program.functions) == 299
    assert time.perf_counter() - start < 3  # Under 0.2 s on an idle machine; the bound allows for a busy one.
