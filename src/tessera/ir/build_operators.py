# SPDX-License-Identifier: BSD-2-Clause
"""Operators: arithmetic, comparisons, conditions. Between constants they are computed while building."""

from __future__ import annotations

import ast
import operator
from abc import abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from tessera.ir.build_errors import conversion_advice, describe
from tessera.ir.build_scope import Choice, Length, Live, Value
from tessera.ir.build_types import U64, Conversions, is_reference, join_types, target_of
from tessera.ir.nodes import Expression
from tessera.lang.types import RATIONAL, OptionalReference, is_enum, is_mathematical, is_packed, is_word
from tessera.lang.words import Violation, Word

BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("sub", operator.sub),
    ast.Mult: ("mul", operator.mul),
    ast.FloorDiv: ("floordiv", operator.floordiv),
    ast.Mod: ("mod", operator.mod),
    ast.BitAnd: ("and", operator.and_),
    ast.BitOr: ("or", operator.or_),
    ast.BitXor: ("xor", operator.xor),
    ast.LShift: ("shl", operator.lshift),
    ast.RShift: ("shr", operator.rshift),
    ast.Pow: ("", operator.pow),
    ast.Div: ("", operator.truediv),
}

COMPARE: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
    ast.Is: ("eq", operator.is_),
    ast.IsNot: ("ne", operator.is_not),
}


# Expressions that give the same value whenever they are evaluated, and break no rule.
LEAVES = ("local", "constant", "static")


def repeatable(expression: Expression) -> bool:
    """Whether evaluating it twice in a row is the same as once."""
    return expression.operation not in ("call", "let") and all(map(repeatable, expression.operands))


class Operators(Conversions):
    """Read operators."""

    @abstractmethod
    def facts(self, test: ast.expr) -> tuple[dict[str, Any], dict[str, Any]]:
        """Kinds of packed values that a condition tells, where it is true and where it is false."""

    def expression(self, node: ast.expr, type_: Any) -> Expression:
        """Read an expression that must have the type."""
        return self.coerce(self.value(node), type_, node)

    def condition(self, node: ast.expr, value: Value) -> Expression:
        """A value that must be a condition."""
        own = self.own_type(value)
        if isinstance(value, Expression) and own is not bool:
            text = self.text(node)
            fix = f"write {text} is not None" if is_reference(own) else conversion_advice(own, bool, text)
            self.fail(
                node, "condition", f"{text} is {describe(own)}, not a condition", why="conditions are bool", fix=fix
            )
        return self.coerce(value, bool, node)

    def truth(self, node: ast.AST, value: Any) -> bool:
        """The truth of a live constant."""
        try:
            return bool(value)
        except TypeError:
            self.fail(node, "condition", f"{self.text(node)} is {describe(type(value))}, not a condition",
                      why="conditions are bool", fix=f"write {self.text(node)} != 0")  # fmt: skip

    # Arithmetic

    def binary(
        self, node: ast.AST, op: ast.operator, left: Value, right: Value, left_node: ast.AST, right_node: ast.AST
    ) -> Value:
        """An arithmetic operation; between constants it is computed here."""
        if type(op) not in BINARY:
            self.fail(node, "unsupported", "the operator @ is not part of the language")
        name, function = BINARY[type(op)]
        if isinstance(left, Live) and isinstance(right, Live):
            try:
                return Live(function(left.value, right.value))
            except Violation:
                pass  # The program breaks the rule when it gets here, as it does under CPython.
            except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
                self.fail(node, "constant", f"{self.text(node)} cannot be computed: {error}")
        if isinstance(op, ast.Div) and RATIONAL in (self.own_type(left), self.own_type(right)):
            name = "divide"
        if not name:
            sign, fix = ("**", "multiply, or shift") if isinstance(op, ast.Pow) else ("/", "write // to divide words")
            self.fail(
                node, "unsupported", f"{sign} works on constants only", why="it is no operation on words", fix=fix
            )
        if isinstance(left, Live) and isinstance(left.value, IntEnum) and not isinstance(right, Live):
            word = describe(self.own_type(right) or U64)
            self.fail(
                left_node,
                "enum-operand",
                f"the enumeration member {self.text(left_node)} stands left of an operator",
                why="under CPython the result would be a plain number without width",
                fix=f"write {word}({self.text(left_node)})",
            )
        first, second = self.unify(left, right, left_node, right_node)
        if not is_word(first.type) and not (is_mathematical(first.type) and name in ("add", "sub", "mul", "divide")):
            self._no_arithmetic(node, first.type, left_node)
        if name in ("shl", "shr", "floordiv", "mod") and isinstance(right, Live):
            self._check_operand(node, name, second)
        return self.make(node, name, first.type, (first, second))

    def _no_arithmetic(self, node: ast.AST, type_: Any, operand: ast.AST) -> None:
        if type_ is bool:
            fix = "write and, or, not, == or != between conditions"
        elif is_mathematical(type_):
            fix = "integers and rationals have + - *, and rationals also /"
        else:
            fix = conversion_advice(type_, U64, self.text(operand))
        self.fail(node, "type-mismatch", f"{self.text(operand)} is {describe(type_)}; arithmetic is on words", fix=fix)

    def _check_operand(self, node: ast.AST, name: str, amount: Expression) -> None:
        if name in ("shl", "shr") and amount.data >= amount.type.width:
            self.fail(node, "shift-range", f"a shift of {describe(amount.type)} by {amount.data}",
                      why=f"the amount must be below {amount.type.width}")  # fmt: skip
        if name in ("floordiv", "mod") and amount.data == 0:
            self.fail(node, "divide-zero", "a division by the constant 0")

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            if isinstance(value, Live):
                return Live(not self.truth(node.operand, value.value))
            return self.make(node, "not", bool, (self.condition(node.operand, value),))
        if isinstance(value, Live) and not isinstance(value.value, Word):
            try:
                return Live(operator.invert(value.value) if isinstance(node.op, ast.Invert) else -value.value)
            except TypeError as error:
                self.fail(node, "constant", f"{self.text(node)} cannot be computed: {error}")
        operand = self.settle(value, node.operand)
        if isinstance(node.op, ast.USub) and is_mathematical(operand.type):
            return self.make(node, "sub", operand.type, (self.coerce(Live(0), operand.type, node), operand))
        if not isinstance(node.op, ast.Invert):
            self.fail(node, "unsupported", "words have no sign", why="they are unsigned",
                      fix=f"write wrapping_sub(0, {self.text(node.operand)})")  # fmt: skip
        if not is_word(operand.type):
            self._no_arithmetic(node, operand.type, node.operand)
        if isinstance(value, Live):
            return Live(~value.value)
        return self.make(node, "invert", operand.type, (operand,))

    # Comparisons

    def _compare(self, node: ast.Compare) -> Value:
        left, left_node = self.value(node.left), node.left
        result: Value | None = None
        wrappers: list[tuple[str, Expression]] = []
        for position, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if isinstance(op, (ast.In, ast.NotIn)):
                if len(node.ops) > 1:
                    self.fail(node, "unsupported", "`in` cannot be part of a chain", fix="join the tests with `and`")
                return self._membership(node, left, left_node, right_node, negated=isinstance(op, ast.NotIn))
            right = self.value(right_node)
            if position + 1 < len(node.ops) and isinstance(right, Expression) and not repeatable(right):
                if result is not None:
                    self.fail(
                        right_node,
                        "unsupported",
                        "a call in a longer chain of comparisons",
                        why="the chain may end before the call",
                        fix="bind its result to a name first",
                    )
                if isinstance(left, Expression) and left.operation not in LEAVES:
                    left = self.keep(left, left_node, wrappers)
                right = self.keep(right, right_node, wrappers)
            part = self._comparison(node, op, left, right, left_node, right_node)
            if result is None:
                result = part
            else:
                result = self._both(node, result, part)
            left, left_node = right, right_node
        assert result is not None
        return self.wrap(node, wrappers, self.coerce(result, bool, node)) if wrappers else result

    def _both(self, node: ast.AST, first: Value, second: Value) -> Value:
        if isinstance(first, Live):
            return second if first.value else first
        return self.make(node, "and_then", bool, (self.coerce(first, bool, node), self.coerce(second, bool, node)))

    def keep(self, value: Expression, node: ast.AST, wrappers: list[tuple[str, Expression]]) -> Expression:
        """A fresh local that holds the value from then on."""
        value = self.settle(value, node)
        name = self.fresh("kept", value.type)
        wrappers.append((name, value))
        return self.make(node, "local", value.type, data=name)

    def wrap(self, node: ast.AST, wrappers: list[tuple[str, Expression]], result: Expression) -> Expression:
        """The result, evaluated after the values that were kept for it."""
        for name, kept in reversed(wrappers):
            result = self.make(node, "let", result.type, (kept, result), name)
        return result

    def _comparison(
        self, node: ast.AST, op: ast.cmpop, left: Value, right: Value, left_node: ast.AST, right_node: ast.AST
    ) -> Value:
        name, function = COMPARE[type(op)]
        if isinstance(left, Live) and isinstance(right, Live):
            try:
                return Live(function(left.value, right.value))
            except TypeError as error:
                self.fail(node, "constant", f"{self.text(node)} cannot be computed: {error}")
        first, second = self._same_type(left, right, left_node, right_node)
        type_ = join_types(first.type, second.type)
        if isinstance(op, (ast.Is, ast.IsNot)) and not is_reference(type_):
            self.fail(
                node,
                "type-mismatch",
                f"`is` compares references, and {self.text(left_node)} is {describe(type_)}",
                fix="write == or !=",
            )
        if name in ("eq", "ne"):
            number = is_word(type_) or is_enum(type_) or is_mathematical(type_)
            if not (number or type_ is bool or is_packed(type_) or is_reference(type_)):
                self.fail(node, "type-mismatch", f"{describe(type_)} cannot be compared", fix="compare its parts")
        elif is_enum(type_):
            word = type_.__word__
            first, second = (self.make(node, "convert", word, (side,)) for side in (first, second))
        elif not is_word(type_) and not is_mathematical(type_):
            self.fail(node, "type-mismatch", f"{describe(type_)} has no order", why="only words are ordered")
        return self.make(node, name, bool, (first, second))

    def _same_type(
        self, left: Value, right: Value, left_node: ast.AST, right_node: ast.AST
    ) -> tuple[Expression, Expression]:
        """Operands of a comparison. Plain numbers compare like words, so a side without width takes one here."""
        if self.own_type(left) is None and self.own_type(right) is None:
            word = self._leaf_type(left) or self._leaf_type(right)
            if word is not None:
                return self.coerce(left, word, left_node), self.coerce(right, word, right_node)
        return self.unify(left, right, left_node, right_node)

    def _leaf_type(self, value: Value) -> Any:
        if isinstance(value, Choice):
            return self._leaf_type(value.then) or self._leaf_type(value.otherwise)
        return value.expression.type if isinstance(value, Length) else self.own_type(value)

    def _membership(
        self, node: ast.Compare, left: Value, left_node: ast.AST, right_node: ast.expr, *, negated: bool
    ) -> Value:
        nodes: list[ast.expr] | list[ast.AST]
        if isinstance(right_node, (ast.Tuple, ast.List, ast.Set)):
            nodes, values = list(right_node.elts), [self.value(item) for item in right_node.elts]
        else:
            container = self.value(right_node)
            if not isinstance(container, Live) or not isinstance(container.value, (tuple, list, set, frozenset)):
                self.fail(right_node, "unsupported", "`in` needs a tuple of constants", fix="write x in (A, B)")
            values = [Live(item) for item in container.value]
            nodes = [right_node] * len(values)
        if isinstance(left, Live) and all(isinstance(item, Live) for item in values):
            return Live((left.value in [item.value for item in values if isinstance(item, Live)]) is not negated)
        # Python makes the whole tuple before it compares: a rule that an alternative breaks is broken in any case.
        wrappers: list[tuple[str, Expression]] = []
        if any(isinstance(item, Expression) and item.operation not in LEAVES for item in values):
            if isinstance(left, Expression) and left.operation not in LEAVES:
                left = self.keep(left, left_node, wrappers)
            values = [
                self.keep(item, item_node, wrappers)
                if isinstance(item, Expression) and item.operation not in LEAVES
                else item
                for item, item_node in zip(values, nodes, strict=True)
            ]
        elif isinstance(left, Expression) and not repeatable(left):
            left = self.keep(left, left_node, wrappers)
        if not all(isinstance(item, (Live, Expression)) for item in values):
            self.fail(right_node, "unsupported", "an alternative of `in` without a width", fix="write == and `or`")
        result: Expression | None = None
        for item, item_node in zip(values, nodes, strict=True):
            equal = self.coerce(self._comparison(item_node, ast.Eq(), left, item, left_node, item_node), bool, node)
            result = equal if result is None else self.make(node, "or_else", bool, (result, equal))
        if result is None:
            return Live(negated)
        if negated:
            result = self.make(node, "not", bool, (result,))
        return self.wrap(node, wrappers, result)

    # Conditions

    def _bool_operation(self, node: ast.BoolOp) -> Value:
        conjunction = isinstance(node.op, ast.And)
        result: Expression | None = None
        last = Live(conjunction)
        outer = self.flow
        for item in node.values:
            value = self.value(item)
            decides = isinstance(value, Live) and self.truth(item, value.value) is not conjunction
            if isinstance(value, Live) and result is None:
                last = value
                if decides:
                    break
                continue
            test = self.condition(item, value)
            name = "and_then" if conjunction else "or_else"
            result = test if result is None else self.make(node, name, bool, (result, test))
            if decides:
                break  # What follows is never evaluated, in any run.
            self.flow = self.flow.with_facts(self.facts(item)[0 if conjunction else 1])
        self.flow = outer
        return last if result is None else result

    def _if_expression(self, node: ast.IfExp) -> Value:
        test = self.value(node.test)
        if isinstance(test, Live):
            return self.value(node.body if self.truth(node.test, test.value) else node.orelse)
        condition = self.condition(node.test, test)
        true, false = self.facts(node.test)
        outer = self.flow
        self.flow = outer.with_facts(true)
        then = self.value(node.body)
        self.flow = outer.with_facts(false)
        otherwise = self.value(node.orelse)
        self.flow = outer
        own_then, own_otherwise = self.own_type(then), self.own_type(otherwise)
        for none, own, part in ((then, own_otherwise, node.body), (otherwise, own_then, node.orelse)):
            if isinstance(none, Live) and none.value is None and own is not None:
                if not is_reference(own):
                    self.fail(part, "type-mismatch", f"the other side is {describe(own)}, which is never None")
                own_then = own_otherwise = OptionalReference(target_of(own))
        if own_then is not None and own_otherwise is not None:
            joined = join_types(own_then, own_otherwise)
            if joined is not None:
                operands = (
                    condition,
                    self.coerce(then, joined, node.body),
                    self.coerce(otherwise, joined, node.orelse),
                )
                return self.make(node, "select", joined, operands)
            if not isinstance(then, Live) and not isinstance(otherwise, Live):
                self.mismatch(own_otherwise, own_then, node.orelse)
        return Choice(condition, then, otherwise)
