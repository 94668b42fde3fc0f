# SPDX-License-Identifier: BSD-2-Clause
"""Arguments in the order in which Python evaluates them, and packed values and records that are built from them."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from tessera.ir.build_errors import close_match, count_of
from tessera.ir.build_expressions import Expressions
from tessera.ir.build_scope import Live, Value
from tessera.ir.nodes import OPERATIONS, Expression
from tessera.lang.packed import BitField
from tessera.lang.types import is_enum, is_word
from tessera.lang.words import Violation

_PLAIN = frozenset({"local", "constant", "static", "text"})


def may_fail(expression: Expression) -> bool:
    """Whether evaluating it may break a rule, or have an effect."""
    if expression.operation in ("call", "load") or OPERATIONS[expression.operation].rule:
        return True
    return any(map(may_fail, expression.operands))


def always_fits(field: BitField) -> bool:
    """Whether every value of the field's type fits the field."""
    if field.shift or field.signed:
        return False
    if is_enum(field.type):
        return all(int(member) < 1 << field.width for member in field.type)
    return field.type is bool or field.width >= (field.type.width if is_word(field.type) else 64)


class Construction(Expressions):
    """Match arguments with parameters, and build packed values and records."""

    @abstractmethod
    def is_instance(self, node: ast.Call) -> Value:
        """Read ``isinstance(name, Kind)``."""

    def match_arguments(self, node: ast.Call, names: Sequence[str], what: str) -> list[tuple[str, ast.expr]]:
        """Arguments in the order they are written, with the parameters that they are for."""
        if len(node.args) > len(names):
            self.fail(node, "arguments", f"{what} takes {count_of(len(names))}, not {len(node.args)}")
        found = list(zip(names, node.args, strict=False))
        for keyword in node.keywords:
            name = str(keyword.arg)
            if name not in names:
                self.fail(keyword, "arguments", f"{what} has no parameter {name!r}", fix=close_match(name, names))
            if name in (used for used, _ in found):
                self.fail(keyword, "arguments", f"{name!r} is given twice")
            found.append((name, keyword.value))
        missing = [name for name in names if name not in (used for used, _ in found)]
        if missing:
            self.fail(
                node,
                "arguments",
                f"{what} needs {', '.join(map(repr, missing))}",
                why="there are no default arguments",
                fix=f"write {what.rpartition('.')[2]}({', '.join(names)})",
            )
        return found

    def in_order(
        self,
        node: ast.AST,
        written: list[tuple[str, Expression]],
        names: Sequence[str],
        build: Callable[[tuple[Expression, ...]], Expression],
    ) -> Expression:
        """Build from arguments in the order of ``names``, evaluated in the order in which they are written."""
        wrappers: list[tuple[str, Expression]] = []
        if [name for name, _ in written] != list(names) and any(may_fail(value) for _, value in written):
            written = [(name, self.keep(value, node, wrappers)) for name, value in written]
        by_name = dict(written)
        return self.wrap(node, wrappers, build(tuple(by_name[name] for name in names)))

    def keep(self, value: Expression, node: ast.AST, wrappers: list[tuple[str, Expression]]) -> Expression:
        """A value that is evaluated once, before what is built from it; constants and names stay as they are."""
        return value if value.operation in _PLAIN else super().keep(value, node, wrappers)

    # Packed values

    def packed(self, node: ast.Call, cls: Any) -> Expression:
        """``Kind(field=value)``: fields that are not named are zero."""
        info = cls.__packed__
        if info.tag is not None and info.tag_value is None:
            kinds = sorted(kind.__name__ for kind in info.variants.values())
            self.fail(
                node,
                "no-kind",
                f"{cls.__name__} has kinds, and this names none of them",
                why="the tag tells kinds apart, so a value is always built as a kind",
                fix=f"build one of {', '.join(kinds[:4])}, or use from_word({cls.__name__}, bits)",
            )
        if node.args:
            self.fail(node.args[0], "arguments", f"{cls.__name__} takes its fields by name", fix="write field=value")
        start = 0
        if info.tag is not None:
            start = info.tag_value << info.fields()[info.tag].low
        return self._change(node, self.make(node, "constant", cls, data=start), cls)

    def replace(self, node: ast.Call, receiver: Expression) -> Expression:
        """``value.replace(field=value)``: a changed copy."""
        if node.args:
            self.fail(node.args[0], "arguments", "replace takes fields by name", fix="write field=value")
        return self._change(node, receiver, receiver.type)

    def _change(self, node: ast.Call, base: Expression, cls: Any) -> Expression:
        changes: list[tuple[BitField, Expression, ast.AST]] = []
        for keyword in node.keywords:
            name = str(keyword.arg)
            field = self.bit_field(cls, name, node)
            if field is None:
                fix = close_match(name, cls.__packed__.fields())
                self.fail(keyword, "unknown-field", f"{cls.__name__} has no field {name!r}", fix=fix)
            if name == cls.__packed__.tag:
                self.fail(
                    keyword,
                    "no-kind",
                    f"{name!r} is the tag of {cls.__name__}",
                    why="changing it would make the value another kind",
                    fix="build a value of the other kind",
                )
            changes.append((field, self._field_value(keyword, field, cls), keyword))
        wrappers: list[tuple[str, Expression]] = []
        checked = [not always_fits(field) for field, _, _ in changes]
        failing = [may_fail(value) for _, value, _ in changes]
        if any(fails and any(checked[:position]) for position, fails in enumerate(failing)):
            # Python evaluates every argument before it checks that the first one fits.
            base = self.keep(base, node, wrappers)
            changes = [(field, self.keep(value, at, wrappers), at) for field, value, at in changes]
        for field, value, at in changes:
            base = self.make(at, "set_bits", cls, (base, value), field)
        return self.wrap(node, wrappers, base)

    def _field_value(self, keyword: ast.keyword, field: BitField, cls: Any) -> Expression:
        value = self.value(keyword.value)
        expression = self.coerce(value, field.type, keyword.value)
        if isinstance(value, Live) and value.value is not None:
            try:
                cls.__packed__.write(field, 0, value.value)
            except Violation:
                self.fail(
                    keyword.value,
                    "constant-range",
                    f"{self.text(keyword.value)} does not fit the field {cls.__name__}.{field.name}",
                    why=f"the field keeps {field.width} bits"
                    + (f" above the lowest {field.shift}" if field.shift else ""),
                )
        return expression

    # Records

    def record(self, node: ast.Call, cls: Any) -> Expression:
        """``Found(status, slot)``."""
        fields = cls.__record__.fields()
        names = list(fields)
        written = [
            (name, self.expression(argument, fields[name]))
            for name, argument in self.match_arguments(node, names, cls.__name__)
        ]
        return self.in_order(node, written, names, lambda values: self.make(node, "aggregate", cls, values))
