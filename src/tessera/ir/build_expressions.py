# SPDX-License-Identifier: BSD-2-Clause
"""Expressions: names, attributes, indexing."""

from __future__ import annotations

import ast
import inspect
from abc import abstractmethod
from typing import Any, NoReturn

from tessera.ir.build_errors import close_match, describe
from tessera.ir.build_operators import Operators
from tessera.ir.build_scope import Live, Method, Parts, Value
from tessera.ir.build_types import U64, is_reference, target_of
from tessera.ir.nodes import Expression, GhostField
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.packed import BitField
from tessera.lang.structs import Inline
from tessera.lang.types import (
    TEXT,
    ArrayType,
    TupleType,
    UnknownType,
    is_packed,
    is_record,
    is_struct,
)
from tessera.lang.words import WORDS, Violation


class Expressions(Operators):
    """Read expressions without calls; see :mod:`tessera.ir.build_calls` for those."""

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """Read a call."""

    @abstractmethod
    def invoke(self, node: ast.AST, info: FunctionInfo, arguments: tuple[Expression, ...]) -> Expression:
        """A call with its arguments already read."""

    def value(self, node: ast.expr) -> Value:
        """Read an expression."""
        if isinstance(node, ast.Constant):
            return Live(node.value)
        if isinstance(node, ast.Name):
            return self.name(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.BinOp):
            return self.binary(node, node.op, self.value(node.left), self.value(node.right), node.left, node.right)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            return self._bool_operation(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.IfExp):
            return self._if_expression(node)
        if isinstance(node, ast.Tuple):
            return self._tuple(node)
        self.unsupported(node)

    # Attributes

    def _attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        if isinstance(base, Live):
            return self._live_attribute(node, base.value)
        if not isinstance(base, Expression):
            base = self.settle(base, node.value)
        type_ = base.type
        if is_reference(type_):
            cls = target_of(type_)
            place = self.ghost_load(node, base) or self.field_place(node, base)
            return self.read(place, node) if place is not None else self._member(node, cls, base)
        if is_packed(type_):
            field = self.bit_field(type_, node.attr, node)
            if field is not None:
                return self.make(node, "get_bits", field.type, (base,), field)
            return self._member(node, type_, base)
        if is_record(type_):
            fields = type_.__record__.fields()
            if node.attr in fields:
                return self.make(node, "item", fields[node.attr], (base,), list(fields).index(node.attr))
            self._unknown_field(node, type_, fields)
        if isinstance(type_, ArrayType):
            self.fail(node, "unknown-field", f"an array has no attribute {node.attr!r}", fix="index it: array[i]")
        self.fail(node, "unknown-field", f"{self.text(node.value)} is {describe(type_)} and has no attributes")

    def _live_attribute(self, node: ast.Attribute, value: Any) -> Value:
        if is_packed(type(value)) and self.bit_field(type(value), node.attr, node) is None:
            return self._member(node, type(value), self.settle(Live(value), node.value))
        try:
            found = getattr(value, node.attr)
        except (AttributeError, Violation):
            if isinstance(value, type):
                self._unknown_field(node, value, dir(value))
            self.fail(
                node,
                "unknown-name",
                f"{self.text(node.value)} has no attribute {node.attr!r}",
                fix=close_match(node.attr, dir(value)),
            )
        return self.live(node, found)

    def _member(self, node: ast.Attribute, cls: Any, base: Expression) -> Value:
        """A property, a method or a constant of a class."""
        found = inspect.getattr_static(cls, node.attr, None)
        if isinstance(found, property):
            info = info_of(found.fget)
            if info is not None:
                return self.invoke(node, info, (self.coerce(base, info.owner, node.value),))
        info = info_of(found)
        if info is not None:
            return Method(info, self.coerce(base, info.owner, node.value))
        if is_packed(cls) and node.attr == "replace":
            return Method(FunctionInfo(cls.replace, "replace", owner=cls), base)
        if found is not None and not node.attr.startswith("__") and node.attr not in self._field_names(cls):
            return self.live(node, found)
        self._unknown_field(node, cls, [*self._field_names(cls), *dir(cls)])

    def _field_names(self, cls: Any) -> list[str]:
        if is_packed(cls):
            return list(cls.__packed__.fields())
        if not is_struct(cls):
            return []
        layout = cls.__struct__.layout()
        return [*layout.fields, *layout.ghosts]

    def _unknown_field(self, node: ast.Attribute, cls: Any, names: Any) -> NoReturn:
        fix = close_match(node.attr, names)
        if is_packed(cls):
            kinds = [v for v in cls.__packed__.base.__packed__.variants.values() if node.attr in v.__packed__.fields()]
            if kinds:
                fix = f"{kinds[0].__name__} has it: test the name with isinstance or match first"
        self.fail(node, "unknown-field", f"{describe(cls)} has no field or method {node.attr!r}", fix=fix)

    def bit_field(self, cls: Any, name: str, node: ast.AST) -> BitField | None:
        """A field of a packed class, if it has one of this name."""
        try:
            fields: dict[str, BitField] = cls.__packed__.fields()
        except UnknownType as error:
            self.fail(node, "bad-layout", f"{cls.__name__} has no layout: {error}")
        return fields.get(name)

    def field_place(self, node: ast.Attribute, base: Expression) -> Expression | None:
        """The place of a field, or ``None`` when the struct has no field of that name."""
        cls = target_of(base.type)
        layout = self.layout(cls, node)
        if node.attr not in layout.fields:
            return None
        field = layout.fields[node.attr]
        return self.make(node, "field_place", field.type, (base,), field)

    def ghost_load(self, node: ast.Attribute, base: Expression) -> Expression | None:
        """What a ghost field holds, or ``None`` when the struct has no ghost field of that name."""
        cls = target_of(base.type)
        ghosts = self.layout(cls, node).ghosts
        if node.attr not in ghosts:
            return None
        if not self.proof:
            self.fail(
                node,
                "ghost",
                f"{cls.__name__}.{node.attr} is a ghost field",
                why="it exists for proofs only and has no place in memory",
                fix="use it in contracts and `with ghost:` blocks only",
            )
        try:
            type_ = ghosts[node.attr]
        except UnknownType as error:
            self.fail(node, "bad-layout", str(error))
        return self.make(node, "ghost_load", type_, (base,), GhostField(cls, node.attr, type_))

    def read(self, place: Expression, node: ast.AST) -> Expression:
        """What a place holds: a struct in place is given as a reference, an array as its place."""
        if place.operation == "ghost_load":
            return place
        if isinstance(place.type, Inline):
            return self.make(node, "reference_to", place.type.struct, (place,))
        if isinstance(place.type, ArrayType):
            return place
        return self.make(node, "load", place.type, (place,))

    # Indexing

    def _subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        if isinstance(base, Live):
            return self._live_item(node, base.value)
        type_ = self.own_type(base)
        if isinstance(base, Expression) and isinstance(type_, ArrayType):
            return self.read(self.element_place(node, base), node)
        if isinstance(base, Expression) and type_ is TEXT:
            return self.make(node, "text_item", WORDS[8], (base, self.expression(node.slice, U64)))
        if isinstance(base, Expression) and isinstance(type_, TupleType):
            index = self.value(node.slice)
            if isinstance(index, Live) and isinstance(index.value, int) and 0 <= index.value < len(type_.items):
                return self.make(node, "item", type_.items[index.value], (base,), index.value)
            self.fail(node, "index-range", f"a tuple is indexed by a constant from 0 to {len(type_.items) - 1}")
        self.fail(node, "not-indexable", f"{self.text(node.value)} is {describe(type_)} and cannot be indexed")

    def element_place(self, node: ast.Subscript, base: Expression) -> Expression:
        """The place of an element of an array."""
        if isinstance(node.slice, ast.Slice):
            self.unsupported(node.slice)
        index = self.value(node.slice)
        length = base.type.length
        if isinstance(index, Live) and isinstance(index.value, int) and not 0 <= int(index.value) < length:
            self.fail(node.slice, "index-range", f"the index {int(index.value)} is outside of {self.text(node.value)}",
                      why=f"the array has {length} elements, from 0 to {length - 1}")  # fmt: skip
        return self.make(node, "element_place", base.type.element, (base, self.coerce(index, U64, node.slice)))

    def _live_item(self, node: ast.Subscript, value: Any) -> Value:
        if isinstance(node.slice, ast.Slice):
            self.unsupported(node.slice)
        index = self.value(node.slice)
        if isinstance(index, Live):
            try:
                return self.live(node, value[index.value])
            except (IndexError, KeyError, TypeError, Violation):
                self.fail(node, "index-range", f"{self.text(node)} is not an element of the constant")
        self.fail(
            node,
            "not-indexable",
            f"{self.text(node.value)} is a constant of Python; only a constant can index it",
            why="a table that is indexed at run time must lie in memory",
            fix="pass text on as an argument of type bytes; keep a table in an Array field of a struct, or use match",
        )

    def _tuple(self, node: ast.Tuple) -> Value:
        values = [self.value(item) for item in node.elts]
        if all(isinstance(item, Live) for item in values):
            return Live(tuple(item.value for item in values if isinstance(item, Live)))
        if any(self.own_type(item) is None for item in values):
            return Parts(tuple(values), tuple(node.elts))
        items = tuple(self.settle(item, part) for item, part in zip(values, node.elts, strict=True))
        return self.make(node, "aggregate", TupleType(tuple(item.type for item in items)), items)
