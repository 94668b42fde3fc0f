# SPDX-License-Identifier: BSD-2-Clause
"""Contracts and ghost code as a prover reads them, and that nothing else does."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tessera.ir.build import build_program
from tessera.ir.build_effects import statements_of
from tessera.ir.interpret import Interpreter
from tessera.ir.nodes import (
    Assert,
    Assign,
    Contract,
    Evaluate,
    Expression,
    Function,
    Ghost,
    GhostField,
    GhostStore,
    If,
    Program,
    Store,
    While,
)
from tessera.ir.nodes import For as Loop
from tessera.lang import Memory, u64
from tessera.lang.diagnostics import Diagnostics
from tessera.lang.functions import FUNCTIONS
from tessera.lang.types import INTEGER, RATIONAL, OptionalReference
from tessera.llvm.host import HostModule
from tests.readers import memory_size, module_of

SOURCE = '''
@word(u8)
class Colour(IntEnum):
    RED = 0
    BLUE = 1

@word(u8)
class Kind(IntEnum):
    NONE = 0
    OPEN = 1

@packed(u64, tag="kind")
class Cap(Packed):
    kind: Kind = bits(60, 4)

@variant(Kind.NONE)
class NoneCap(Cap):
    pass

@variant(Kind.OPEN)
class OpenCap(Cap):
    badge: u64 = bits(0, 32)

@struct
class Inner:
    count: u64

@struct
class Node:
    value: u64
    next: Node | None
    colour: Colour
    inner: Inner = inline()
    slots: Array[u64] = array(4)
    rank: integer = ghost_field()
    weight: rational = ghost_field()
    owner: Node | None = ghost_field()
    seen: bool = ghost_field()

node = static(Node)
other = static(Node)

@specification
def doubled(x: Node) -> integer:
    trigger(x.rank)
    trigger(x.next, x.value)
    return x.rank * 2

@specification
def lemma(x: Node) -> None:
    requires(live(x))
    ensures(lambda: x.rank == x.rank)

@invariant
def ranks_fall(x: Node) -> bool:
    trigger(x.next)
    following = x.next
    if following is None:
        return True
    return following.rank < x.rank and live(following)

@compiled
def pure(x: Node) -> u64:
    return x.value + 1

@compiled
def contracts_of_all_sorts(x: Node, y: Node | None, n: u64) -> u64:
    """Head."""
    without_invariants()
    requires(live(x) and integer(n) + 1 < 100 - x.rank)
    requires(forall(Node, lambda z: implies(z is not x, forall(u64, lambda w: z.value <= w))))
    modifies(x.value, x.slots, x.slots[1], x.inner.count, x.inner, x.rank, y, x.next)
    modifies(Node.value, Node.rank, Node, everything)
    ensures(lambda result: result == pure(x) and old(x.value) == n)
    ensures(lambda result: implies(y is None, rational(x.rank) / 3 == x.weight))
    x.value = n
    return n

@compiled
def loops(n: u64) -> u64:
    total = u64(0)
    for i in range(n):
        loop_invariant(total <= i * n)
        modifies(node.value)
        node.value = i
        total += 1
    while total > 0:
        loop_invariant(integer(total) <= old(integer(node.value)))
        decreases(total)
        total -= 1
    return total

@compiled
def haunted(x: Node, n: u64) -> u64:
    modifies(x)
    with ghost:
        before = x.rank
        x.rank = before + integer(n)
        x.weight += rational(x.rank)
        if n > 3:
            x.owner = x
        for i in range(n):
            loop_invariant(x.seen or i == 0)
            x.seen = True
        lemma(x)
    x.value = n
    with ghost:
        assert x.rank == before + integer(n), "moved"
    return n + 1

@compiled
def kinds(cap: Cap) -> u64:
    requires(not isinstance(cap, OpenCap) or cap.badge < 7)
    ensures(lambda result: result == (cap.badge if isinstance(cap, OpenCap) else 0))
    if isinstance(cap, OpenCap):
        return cap.badge
    return 0

@compiled
def same_names(n: u64) -> Cap:
    requires(forall(u64, lambda n: n >= 0))
    ensures(lambda result: isinstance(result, OpenCap) and result.badge == n)
    ensures(lambda cap: forall(Node, lambda cap: live(cap)))
    cap = OpenCap(badge=n)
    return cap

@compiled
def spared(x: Node) -> None:
    modifies(lambda: (x.next.next, x.value))
    x.value = 1
'''


@pytest.fixture(scope="module")
def module() -> Any:
    return module_of("tests_contracts", SOURCE)


@pytest.fixture(scope="module")
def program(module: Any) -> Program:
    return build_program([i for i in FUNCTIONS.values() if i.function.__module__ == "tests_contracts"], True)


def function(program: Program, name: str) -> Function:
    return program.functions[f"tests_contracts.{name}"]


def contracts(program: Program, name: str, kind: str) -> list[Contract]:
    return [one for one in function(program, name).contracts if one.kind == kind]


def shape(thing: Any) -> Any:
    """An expression as nested tuples of operations and what they are about."""
    own: Any = thing.data
    if isinstance(own, GhostField):
        own = own.name
    elif thing.operation == "field_place":
        own = own.name
    elif thing.operation == "static":
        own = "static"
    return (thing.operation, own, *map(shape, thing.operands))


def operations(thing: Expression) -> list[str]:
    return [thing.operation] + [name for operand in thing.operands for name in operations(operand)]


def test_conditions_are_typed(program: Program) -> None:
    first, second = contracts(program, "contracts_of_all_sorts", "requires")
    x = ("local", "x")
    left = ("add", None, ("to_integer", None, ("local", "n")), ("constant", 1))
    right = ("sub", None, ("constant", 100), ("ghost_load", "rank", x))
    assert shape(first.expressions[0]) == ("and_then", None, ("live", None, x), ("lt", None, left, right))
    assert first.text == "live(x) and integer(n) + 1 < 100 - x.rank"
    assert first.expressions[0].operands[1].operands[0].type is INTEGER
    (outer,) = second.expressions
    assert outer.operation == "forall" and outer.type is bool
    name, struct = outer.data
    assert (name, struct.__name__) == ("z", "Node")
    assert "forall" in operations(outer.operands[0])


def test_places_that_are_modified(program: Program, module: Any) -> None:
    first, second = contracts(program, "contracts_of_all_sorts", "modifies")
    assert [one.operation for one in first.expressions] == [
        "load",
        "field_place",
        "load",
        "load",
        "reference_to",
        "ghost_load",
        "local",
        "load",
    ]
    node = module.Node
    assert [(one.operation, one.data) for one in second.expressions] == [
        ("every", (node, "value")),
        ("every", (node, "rank")),
        ("every", (node, "")),
        ("everything", None),
    ]
    (lazy,) = contracts(program, "spared", "modifies")
    assert [one.operation for one in lazy.expressions] == ["load", "load"]
    assert lazy.text == "x.next.next, x.value"


def test_promises_name_their_result(program: Program) -> None:
    first, second = contracts(program, "contracts_of_all_sorts", "ensures")
    assert first.result and function(program, "contracts_of_all_sorts").locals[first.result] == u64
    assert ("local", first.result) == shape(first.expressions[0])[2][2]
    assert operations(first.expressions[0]).count("old") == 1
    assert "divide" in operations(second.expressions[0])
    quotient = next(e for e in walk(second.expressions[0]) if e.operation == "divide")
    assert quotient.type is RATIONAL and quotient.operands[1].data == Fraction(3)
    assert contracts(program, "contracts_of_all_sorts", "without_invariants")[0].expressions == []


def walk(expression: Expression) -> list[Expression]:
    return [expression, *(inner for operand in expression.operands for inner in walk(operand))]


def test_parameters_of_lambdas_do_not_clash_with_names(program: Program, module: Any) -> None:
    (needs,) = contracts(program, "same_names", "requires")
    name, type_ = needs.expressions[0].data
    assert name != "n" and type_ == u64
    assert shape(needs.expressions[0].operands[0])[2] == ("local", name)
    first, second = contracts(program, "same_names", "ensures")
    assert first.result == "result" and second.result != "cap"
    body = second.expressions[0]
    assert body.data[0] not in ("cap", second.result) and body.data[1] is module.Node
    assert [e.type for e in walk(first.expressions[0]) if e.operation == "local"][1] is module.OpenCap


def test_isinstance_narrows_in_contracts(program: Program) -> None:
    for kind in ("requires", "ensures"):
        (one,) = contracts(program, "kinds", kind)
        assert "get_bits" in operations(one.expressions[0])


def test_loops_keep_their_contracts(program: Program) -> None:
    assign, counted, loop, _ = function(program, "loops").body
    assert isinstance(assign, Assign) and isinstance(counted, Loop) and isinstance(loop, While)
    assert [one.kind for one in counted.contracts] == ["loop_invariant", "modifies"]
    assert [one.kind for one in loop.contracts] == ["loop_invariant", "decreases"]
    assert shape(loop.contracts[1].expressions[0]) == ("local", "total")
    assert "old" in operations(loop.contracts[0].expressions[0])


def test_ghost_code_is_kept(program: Program, module: Any) -> None:
    haunted = function(program, "haunted")
    assert [type(s) for s in haunted.body][:3] == [Ghost, Store, Ghost]
    before, rank, weight, branch, loop, call = haunted.body[0].body  # type: ignore[attr-defined]
    assert isinstance(before, Assign) and haunted.locals["before"] is INTEGER
    assert isinstance(rank, GhostStore) and rank.field == GhostField(module.Node, "rank", INTEGER)
    assert isinstance(weight, GhostStore) and weight.value.operation == "add" and weight.value.type is RATIONAL
    assert isinstance(branch, If) and isinstance(branch.then[0], GhostStore)
    assert branch.then[0].field.type == OptionalReference(module.Node)
    assert isinstance(loop, Loop) and [one.kind for one in loop.contracts] == ["loop_invariant"]
    assert isinstance(call, Evaluate)
    (check,) = haunted.body[2].body  # type: ignore[attr-defined]
    assert isinstance(check, Assert) and check.text == "moved"


def test_triggers(program: Program) -> None:
    assert [len(one.expressions) for one in contracts(program, "doubled", "trigger")] == [1, 2]
    assert function(program, "ranks_fall").contracts[0].kind == "trigger"


def test_what_contracts_call_is_part_of_the_program(module: Any) -> None:
    roots = [module.contracts_of_all_sorts, module.haunted]
    named = {name.rpartition(".")[2] for name in build_program(roots, specification=True).functions}
    assert named == {"contracts_of_all_sorts", "haunted", "pure", "lemma"}
    without = build_program(roots)
    assert {name.rpartition(".")[2] for name in without.functions} == {"contracts_of_all_sorts", "haunted"}
    for found in without.functions.values():
        assert found.contracts == []
        assert not any(isinstance(s, (Ghost, GhostStore)) for s in statements_of(found.body))


def test_one_program_is_run_and_proved(program: Program, module: Any) -> None:
    with Memory(memory_size()) as memory:
        assert Interpreter(program, memory).call(module.haunted, module.node, 5) == 6
        assert (module.node.value, module.node.rank) == (5, 0)
        assert module.haunted(module.node, 2) == 3
        assert (module.node.rank, module.node.weight, module.node.seen, module.node.owner) == (
            2,
            Fraction(2),
            True,
            None,
        )
    running = build_program([module.haunted, module.loops, module.kinds], specification=True)
    native = HostModule(running, checked=True, memory_size=memory_size(), optimise=1)
    with native.memory:
        assert native.call(module.haunted, module.node, 7) == 8
        assert native.call(module.loops, 3) == 0


def test_a_running_program_has_no_operation_of_proofs(program: Program, module: Any) -> None:
    with Memory(memory_size()) as memory, pytest.raises(RuntimeError, match="ghost_load has no meaning"):
        Interpreter(program, memory).call(module.doubled, module.node)


def test_specification_functions_need_a_program_for_proofs(module: Any) -> None:
    for root in (module.doubled, module.ranks_fall):
        with pytest.raises(Diagnostics, match=r"\[ghost\]"):
            build_program([root])


def test_the_kernel_is_read_with_its_contracts() -> None:
    from tessera.kernel import deletion, ipc, syscall, untyped

    names = {module.__name__ for module in (deletion, ipc, syscall, untyped)}
    roots = [i for i in FUNCTIONS.values() if i.function.__module__ in names]
    found = build_program(roots, specification=True)
    assert len(found.functions) > 100
    assert any(one.contracts for one in found.functions.values())
