# SPDX-License-Identifier: BSD-2-Clause
"""Types in the builder: which conversions are implicit, and how two operands agree on one type.

Implicit are: a constant to the word that is wanted, a struct to a reference that may be absent and back (checked), and
a kind of a packed value to its base. A value of a kind stands for its base as it is: the bits are the same.
"""

from __future__ import annotations

import ast
from enum import IntEnum
from fractions import Fraction
from typing import Any, NoReturn

from tessera.ir.build_errors import conversion_advice, describe
from tessera.ir.build_scope import Choice, Length, Live, Method, Parts, Scope, Value
from tessera.ir.nodes import Expression
from tessera.lang.types import (
    INTEGER,
    RATIONAL,
    TEXT,
    ArrayType,
    OptionalReference,
    TupleType,
    is_enum,
    is_mathematical,
    is_packed,
    is_record,
    is_struct,
    is_word,
)
from tessera.lang.words import WORDS, Word

U64: Any = WORDS[64]


def base_of(type_: Any) -> Any:
    """The base of a packed type."""
    return type_.__packed__.base


def is_reference(type_: Any) -> bool:
    """Whether values of the type are references."""
    return is_struct(type_) or isinstance(type_, OptionalReference)


def target_of(type_: Any) -> Any:
    """The struct that a reference type refers to."""
    return type_.target if isinstance(type_, OptionalReference) else type_


def constant_type(value: Any) -> Any:
    """The type that a live constant has by itself; ``None`` where only the context can give it one."""
    kind = type(value)
    if kind is bool or is_word(kind) or is_enum(kind) or is_packed(kind) or is_record(kind):
        return kind
    return RATIONAL if kind is Fraction else None


def join_types(first: Any, second: Any) -> Any:
    """The type that both types convert to implicitly; ``None`` when there is none."""
    if first == second:
        return first
    if is_packed(first) and is_packed(second) and base_of(first) is base_of(second):
        return base_of(first)
    if is_reference(first) and is_reference(second) and target_of(first) is target_of(second):
        return OptionalReference(target_of(first))
    return None


class Conversions(Scope):
    """Give values the types that their contexts want."""

    def coerce(self, value: Value, type_: Any, node: ast.AST) -> Expression:
        """The value as an expression of the type. Raises :class:`Diagnostic` naming both types."""
        if isinstance(value, Live):
            return self._constant(value.value, type_, node)
        if isinstance(value, Choice):
            then, otherwise = self.coerce(value.then, type_, node), self.coerce(value.otherwise, type_, node)
            return self.make(node, "select", type_, (value.condition, then, otherwise))
        if isinstance(value, Length):
            value = value.expression
        if isinstance(value, Parts):
            if not isinstance(type_, TupleType) or len(type_.items) != len(value.values):
                self.fail(node, "type-mismatch", f"{self.text(node)} is a tuple, but {describe(type_)} is wanted here")
            parts = zip(value.values, type_.items, value.nodes, strict=True)
            return self.make(node, "aggregate", type_, tuple(self.coerce(*part) for part in parts))
        if isinstance(value, Method):
            self.fail(node, "not-a-value", f"{self.text(node)} is a method", fix=f"call it: {self.text(node)}()")
        have = value.type
        if have == type_:
            return value
        if isinstance(type_, OptionalReference) and have is type_.target:
            return value
        if isinstance(have, OptionalReference) and have.target is type_:
            return self.make(node, "present", type_, (value,))
        if is_packed(type_) and is_packed(have) and type_ is base_of(have):
            return value
        if isinstance(type_, TupleType) and isinstance(have, TupleType) and value.operation == "aggregate":
            if len(have.items) == len(type_.items):
                items = zip(value.operands, type_.items, strict=True)
                return self.make(node, "aggregate", type_, tuple(self.coerce(v, t, node) for v, t in items))
        self.mismatch(have, type_, node)

    def mismatch(self, have: Any, want: Any, node: ast.AST) -> NoReturn:
        """Two types that do not agree."""
        text = self.text(node)
        if isinstance(have, ArrayType):
            self._array_value(node)
        if have is None or describe(have) == "NoReturn":
            self.fail(node, "type-mismatch", f"{text} gives no value, but {describe(want)} is wanted here")
        why = ""
        if is_word(have) and is_word(want):
            why = "words of different widths are never converted silently"
        elif is_packed(have) and is_packed(want) and base_of(have) is base_of(want):
            why = "which kind the value is, is not known here"
        self.fail(
            node,
            "type-mismatch",
            f"{text} is {describe(have)}, but {describe(want)} is wanted here",
            why=why,
            fix=conversion_advice(have, want, text),
        )

    def _array_value(self, node: ast.AST) -> NoReturn:
        self.fail(
            node,
            "array-value",
            f"{self.text(node)} is an array",
            why="an array lies in its object and is not a value of its own",
            fix="index it here, or pass the object that holds it",
        )

    def _constant(self, value: Any, type_: Any, node: ast.AST) -> Expression:
        """A live constant as an expression of the type, by the same rules as ``tessera.lang.types.coerce``."""
        if is_word(type_) and isinstance(value, int) and not isinstance(value, (bool, Word)):
            self.check_range(int(value), type_, node)
            return self.make(node, "constant", type_, data=int(value))
        if is_mathematical(type_) and isinstance(value, (int, Fraction)) and not isinstance(value, (bool, Word)):
            if type_ is RATIONAL or (isinstance(value, int) and constant_type(value) is None):
                self.only_in_proofs(node, f"a number of type {describe(type_)}")
                return self.make(node, "constant", type_, data=int(value) if type_ is INTEGER else Fraction(value))
        if value is None and isinstance(type_, OptionalReference):
            return self.make(node, "constant", type_, data=0)
        if value is None and is_struct(type_):
            self.fail(
                node,
                "type-mismatch",
                f"None is not a {describe(type_)}",
                why=f"a {describe(type_)} always refers to an object",
                fix=f"declare it as `{describe(type_)} | None`",
            )
        if type_ is TEXT and isinstance(value, bytes):
            return self.make(node, "text", TEXT, data=bytes(value))
        if isinstance(type_, TupleType) and isinstance(value, tuple) and len(value) == len(type_.items):
            items = tuple(self._constant(v, t, node) for v, t in zip(value, type_.items, strict=True))
            return self.make(node, "aggregate", type_, items)
        own = constant_type(value)
        if own is not None and is_packed(own) and (own is type_ or base_of(own) is type_):
            return self.make(node, "constant", own, data=int(value._raw))
        if own is type_ and own is not None:
            if is_record(own):
                fields = own.__record__.fields()
                items = tuple(self._constant(getattr(value, n), t, node) for n, t in fields.items())
                return self.make(node, "aggregate", own, items)
            return self.make(node, "constant", own, data=int(value))
        if own is not None:
            self.mismatch(own, type_, node)
        self._not_constant(value, type_, node)

    def _not_constant(self, value: Any, type_: Any, node: ast.AST) -> NoReturn:
        wanted = describe(type_)
        fix = ""
        if isinstance(value, int) and is_enum(type_):
            members = [m.name for m in type_ if int(m) == int(value)]
            fix = f"write {wanted}.{members[0]}" if members else f"write a member of {wanted}"
        elif isinstance(value, str) and type_ is TEXT:
            fix = f"write b{value!r}"
        elif isinstance(value, int) and type_ is bool:
            fix = "write True or False"
        self.fail(
            node, "type-mismatch", f"{self.text(node)} is {self._kind(value)}, but {wanted} is wanted here", fix=fix
        )

    @staticmethod
    def _kind(value: Any) -> str:
        if value is None:
            return "no object"
        if isinstance(value, IntEnum):
            return f"a member of {type(value).__name__}"
        if isinstance(value, (int, float)):
            return "a plain number"
        if isinstance(value, str):
            return "a string"
        if isinstance(value, type):
            return f"the class {value.__name__}"
        if callable(value):
            return "a function"
        return f"a Python object of type {type(value).__name__}"

    def check_range(self, value: int, word: Any, node: ast.AST) -> None:
        """Refuse a constant that does not fit the word."""
        if not 0 <= value <= word.maximum:
            self.fail(
                node,
                "constant-range",
                f"the constant {value if abs(value) < 1 << 16 else hex(value)} does not fit {describe(word)}",
                why=f"{describe(word)} holds 0 to {int(word.maximum):#x}",
                fix=f"write ~{describe(word)}(...) for a mask" if value < 0 else "",
            )

    def settle(self, value: Value, node: ast.AST) -> Expression:
        """The value as an expression of the type that it has by itself; a constant without width is refused."""
        if isinstance(value, Expression):
            if isinstance(value.type, ArrayType):
                self._array_value(node)
            if value.type is None or describe(value.type) == "NoReturn":
                self.fail(node, "type-mismatch", f"{self.text(node)} gives no value, but one is needed here")
            return value
        if isinstance(value, Live) and (type_ := constant_type(value.value)) is not None:
            return self._constant(value.value, type_, node)
        if isinstance(value, Method):
            return self.coerce(value, None, node)
        if isinstance(value, Parts):
            for part, part_node in zip(value.values, value.nodes, strict=True):
                self.settle(part, part_node)
        if isinstance(value, Live) and not isinstance(value.value, int):
            constant = value.value
            if constant is None:
                fix = "declare the name with its type: name: Struct | None = None"
            elif isinstance(constant, bytes):
                fix = "pass the text directly as an argument of type bytes"
            else:
                fix = ""
            kind = "constant text" if isinstance(constant, (bytes, str)) else self._kind(constant)
            self.fail(node, "bare-constant", f"{self.text(node)} is {kind} and cannot stand here by itself", fix=fix)
        text = self.text(node)
        self.fail(
            node,
            "bare-constant",
            f"{text} has no width",
            why="a plain Python number would lose the checks of a word, so it cannot stand here by itself",
            fix=f"say the width: u64({text})",
        )

    def unify(
        self, left: Value, right: Value, left_node: ast.AST, right_node: ast.AST
    ) -> tuple[Expression, Expression]:
        """Two operands as expressions of one type: a constant takes the type of the other."""
        own_left, own_right = self.own_type(left), self.own_type(right)
        if own_left is None and own_right is None:
            self.settle(left, left_node)
        if own_left is None or (isinstance(left, Live) and is_word(own_right) and isinstance(left.value, IntEnum)):
            return self._for(left, own_right, left_node), self.coerce(right, own_right, right_node)
        if own_right is None or (isinstance(right, Live) and is_word(own_left) and isinstance(right.value, IntEnum)):
            return self.coerce(left, own_left, left_node), self._for(right, own_left, right_node)
        joined = join_types(own_left, own_right)
        if joined is None:
            self.mismatch(own_right, own_left, right_node)
        return self.coerce(left, joined, left_node), self.coerce(right, joined, right_node)

    def _for(self, value: Value, type_: Any, node: ast.AST) -> Expression:
        if isinstance(value, Live) and value.value is None and is_struct(type_):
            type_ = OptionalReference(type_)
        return self.coerce(value, type_, node)

    def own_type(self, value: Value) -> Any:
        """The type that a value has without its context, or ``None``."""
        if isinstance(value, Expression):
            return value.type
        return constant_type(value.value) if isinstance(value, Live) else None
