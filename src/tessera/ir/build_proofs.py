# SPDX-License-Identifier: BSD-2-Clause
"""Expressions that only contracts and ghost code have: unbounded numbers, quantifiers, liveness, the state at entry."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from tessera.ir.build_calls import Calls
from tessera.ir.build_errors import describe
from tessera.ir.build_scope import Choice, Length, Live, Value
from tessera.ir.build_types import U64, is_reference
from tessera.ir.nodes import Expression
from tessera.lang import contracts
from tessera.lang.types import INTEGER, RATIONAL, is_enum, is_struct, is_word

CONTRACTS = (
    contracts.requires,
    contracts.ensures,
    contracts.modifies,
    contracts.loop_invariant,
    contracts.decreases,
    contracts.trigger,
    contracts.without_invariants,
    contracts.old,
)

_USUAL_PLACE = "put requires, ensures, modifies first in a function; loop_invariant, decreases first in a loop"
_PLACES = {
    "trigger": "put trigger first in a function marked @invariant or @specification",
    "without_invariants": "put without_invariants first in a function",
    "old": "write old in ensures or loop_invariant",
}


class _Renamed(ast.NodeTransformer):
    """A lambda's body with another name for its parameter."""

    def __init__(self, old: str, new: str) -> None:
        self.old = old
        self.new = new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """The name itself."""
        if node.id == self.old:
            node.id = self.new
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """An inner lambda may use the name for its own parameter."""
        if any(argument.arg == self.old for argument in node.args.args):
            return node
        node.body = self.visit(node.body)
        return node


class Proofs(Calls):
    """Read what only proofs have."""

    def lambda_of(self, node: ast.expr, most: int, what: str) -> ast.Lambda:
        """An argument that must be a lambda, with no more plain parameters than ``most``."""
        if not isinstance(node, ast.Lambda):
            self.fail(node, "arguments", f"{what} takes a lambda", fix=f"write lambda: {self.text(node)}")
        given = node.args
        if given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg or given.defaults:
            self.fail(node, "arguments", f"the parameters of the lambda in {what} are plain names")
        if len(given.args) > most:
            self.fail(node, "arguments", f"the lambda in {what} has {len(given.args)} parameters, and takes {most}")
        return node

    @contextmanager
    def bound(self, node: ast.Lambda, type_: Any) -> Iterator[tuple[str, ast.expr]]:
        """The local that stands for a lambda's parameter, and the body that uses it; the name is known inside only."""
        parameter = name = node.args.args[0].arg
        body = node.body
        if parameter in self.local_names or self.declared.setdefault(parameter, type_) != type_:
            name = self.fresh(parameter, type_)
            body = _Renamed(parameter, name).visit(copy.deepcopy(body))
        outer = self.flow
        self.flow = outer.without_facts({name})
        self.flow.assigned.add(name)
        self.local_names.add(name)
        yield name, body
        self.local_names.discard(name)
        self.flow = outer

    def number(self, node: ast.Call, cls: Any) -> Value:
        """Read ``integer(x)`` or ``rational(x)``."""
        argument = self.one_argument(node) if node.args or node.keywords else ast.copy_location(ast.Constant(0), node)
        self.only_in_proofs(node, f"a number of type {describe(cls)}")
        return self._number(node, self.value(argument), cls, argument)

    def _number(self, node: ast.AST, value: Value, cls: Any, argument: ast.expr) -> Expression:
        if isinstance(value, Live) and isinstance(value.value, int):
            return self.make(
                node, "constant", cls, data=Fraction(int(value.value)) if cls is RATIONAL else int(value.value)
            )
        if isinstance(value, Choice):
            sides = (self._number(node, side, cls, argument) for side in (value.then, value.otherwise))
            return self.make(node, "select", cls, (value.condition, *sides))
        operand = value.expression if isinstance(value, Length) else self.settle(value, argument)
        if operand.type is cls:
            return operand
        if is_enum(operand.type):
            operand = self.make(node, "convert", operand.type.__word__, (operand,))
        if is_word(operand.type) or operand.type is bool:
            operand = self.make(node, "to_integer", INTEGER, (operand,))
        if operand.type is not INTEGER:
            text = f"{self.text(argument)} is {describe(operand.type)}, which {describe(cls)}(...) cannot convert"
            self.fail(argument, "type-mismatch", text)
        return operand if cls is INTEGER else self.make(node, "to_rational", RATIONAL, (operand,))

    def proof_function(self, node: ast.Call, target: Any) -> Value | None:
        """Read a call of ``forall``, ``live`` or ``old``; refuse other contracts, which are not expressions."""
        if target is contracts.begin_lives or target is contracts.end_lives:
            return self._lives(node, target.__name__)
        readable = target is contracts.forall or target is contracts.live
        if not readable and not (self.entry_state and target is contracts.old):
            if any(target is contract for contract in CONTRACTS):
                self.fail(
                    node,
                    "contract-place",
                    f"{self.text(node.func)}(...) does not stand where contracts stand",
                    why="a contract describes a whole function or loop; compiled code does not contain it",
                    fix=_PLACES.get(target.__name__, _USUAL_PLACE),
                )
            return None
        self.only_in_proofs(node, f"{target.__name__}(...)")
        if target is contracts.forall:
            return self._forall(node)
        (argument,) = self.arguments(node, 1)
        if target is contracts.old:
            return self._old(node, argument)
        reference = self.settle(self.value(argument), argument)
        if not is_reference(reference.type):
            self.fail(
                argument, "type-mismatch", f"{self.text(argument)} is {describe(reference.type)}, not a reference"
            )
        return self.make(node, "live", bool, (reference,))

    def _forall(self, node: ast.Call) -> Value:
        domain, predicate = self.arguments(node, 2)
        type_ = self.class_argument(
            domain, lambda t: is_struct(t) or is_word(t) or t is INTEGER, "a struct, a word type or integer"
        )
        function = self.lambda_of(predicate, 1, "forall")
        if not function.args.args:
            self.fail(function, "arguments", "the lambda in forall has no parameter", fix="write lambda x: ...")
        with self.bound(function, type_) as (name, body):
            condition = self.condition(body, self.value(body))
        return self.make(node, "forall", bool, (condition,), (name, type_))

    def _lives(self, node: ast.Call, name: str) -> Value:
        """Read ``begin_lives``, also with the struct that objects are made of, or ``end_lives``."""
        if not self.ghost_block:
            self.fail(
                node,
                "ghost",
                f"{name}(...) stands outside of ghost code",
                why="it changes which objects are live, which is nothing but a matter of proofs",
                fix="write it in a `with ghost:` block",
            )
        given = self.arguments(node, 4 if name == "begin_lives" and len(node.args) == 4 else 3)
        types = [self.class_argument(one, is_struct, "a struct class") for one in (given[0], *given[3:])]
        operands = self.address_range(given[1:3])
        return self.make(node, name, None, operands, (types[0], types[1] if types[1:] else None))

    def address_range(self, given: list[ast.expr]) -> tuple[Expression, ...]:
        """An address and a size in bytes."""
        operands = []
        for argument in given:
            value = self.value(argument)
            constant = isinstance(value, Live) and isinstance(value.value, int)
            operand = self._number(argument, value, INTEGER, argument) if constant else self.settle(value, argument)
            if operand.type is not U64 and operand.type is not INTEGER:
                what = f"{self.text(argument)} is {describe(operand.type)}, not a u64 or an integer"
                self.fail(argument, "type-mismatch", what)
            operands.append(operand)
        return tuple(operands)

    def _old(self, node: ast.Call, argument: ast.expr) -> Value:
        self.entry_state = False
        value = self.value(argument)
        self.entry_state = True
        if isinstance(value, Live):
            return value
        operand = self.settle(value, argument)
        return self.make(node, "old", operand.type, (operand,))
