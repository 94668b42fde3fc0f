# SPDX-License-Identifier: BSD-2-Clause
"""Assignment: to names, whose first value decides their type, and to places in memory."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tessera.ir.build_errors import describe
from tessera.ir.build_kinds import Kinds
from tessera.ir.build_scope import Live, Value
from tessera.ir.build_types import base_of, is_reference, join_types
from tessera.ir.nodes import Assign, Evaluate, Expression, GhostStore, Statement, Store
from tessera.lang.structs import Inline
from tessera.lang.types import ArrayType, TupleType, UnknownType, is_mathematical, is_packed, is_record, resolve


def assigned_names(statements: Sequence[ast.AST]) -> set[str]:
    """The names that statements assign."""
    names: set[str] = set()
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.MatchAs) and node.name:
                names.add(node.name)
    return names


class Assignments(Kinds):
    """Read assignments."""

    def bind(self, node: ast.AST, name: str, value: Expression) -> Statement:
        """Give a local a value; the first one decides the local's type."""
        if name == "_":
            return Evaluate(getattr(node, "lineno", 0), value)
        declared = self.declared.get(name)
        if declared is None:
            declared = base_of(value.type) if is_packed(value.type) else value.type
            self.declared[name] = declared
        elif join_types(declared, value.type) is None and not is_reference(declared):
            self.fail(
                node,
                "type-mismatch",
                f"{name!r} holds {describe(declared)}, and {describe(value.type)} is assigned here",
                why="a name keeps the type of its first assignment",
                fix="use another name, or convert the value",
            )
        value = self.coerce(value, declared, node)
        if is_packed(declared) and value.type is not declared:
            self.flow.narrowed[name] = value.type
        else:
            self.flow.narrowed.pop(name, None)
        self.flow.assigned.add(name)
        return Assign(getattr(node, "lineno", 0), name, value)

    def _assign(self, node: ast.Assign) -> list[Statement]:
        if len(node.targets) > 1:
            self.fail(node, "unsupported", "one statement assigns to several targets", fix="write one statement each")
        target = node.targets[0]
        if isinstance(target, (ast.Tuple, ast.List)):
            return self._unpack(node, target)
        return [self._assign_to(target, self.value(node.value), node.value)]

    def _assign_to(self, target: ast.expr, value: Value, node: ast.AST) -> Statement:
        if isinstance(target, ast.Name):
            none = isinstance(value, Live) and value.value is None
            if none and is_reference(declared := self.declared.get(target.id)):
                return self.bind(target, target.id, self.coerce(value, declared, node))
            return self.bind(target, target.id, self.settle(value, node))
        place = self._place(target)
        return self._store(target.lineno, place, self.coerce(value, place.type, node))

    def _store(self, line: int, place: Expression, value: Expression) -> Statement:
        if place.operation == "ghost_load":
            return GhostStore(line, place.operands[0], place.data, value)
        return Store(line, place, value)

    def _unpack(self, node: ast.Assign, target: ast.Tuple | ast.List) -> list[Statement]:
        for part in target.elts:
            if not isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)):
                self.fail(
                    part, "unsupported", f"{self.text(part)} is unpacked into", fix="unpack into names, one level deep"
                )
        found: list[Statement] = []
        parts: list[Expression] = []
        if isinstance(node.value, ast.Tuple):
            # All values are computed before the first name changes: `a, b = b, a` swaps.
            for item in node.value.elts:
                value = self.settle(self.value(item), item)
                parts.append(self._hold(node, "part", value, found))
        else:
            whole = self.settle(self.value(node.value), node.value)
            if not isinstance(whole.type, TupleType):
                fix = "name its fields: found.status" if is_record(whole.type) else ""
                text = f"{self.text(node.value)} is {describe(whole.type)}, not a tuple"
                self.fail(node.value, "type-mismatch", text, fix=fix)
            local = self._hold(node, "tuple", whole, found)
            parts = [self.make(node, "item", type_, (local,), i) for i, type_ in enumerate(whole.type.items)]
        if len(parts) != len(target.elts):
            self.fail(node, "arguments", f"{len(parts)} values are unpacked into {len(target.elts)} names")
        for one, part_value in zip(target.elts, parts, strict=True):
            if not (isinstance(one, ast.Name) and one.id == "_"):
                found.append(self._assign_to(one, part_value, one))
        return found

    def _hold(self, node: ast.AST, purpose: str, value: Expression, before: list[Statement]) -> Expression:
        """A fresh local that a statement before gives the value."""
        name = self.fresh(purpose, value.type)
        before.append(Assign(getattr(node, "lineno", 0), name, value))
        return self.make(node, "local", value.type, data=name)

    def _annotated(self, node: ast.AnnAssign) -> list[Statement]:
        if not isinstance(node.target, ast.Name):
            self.fail(node, "unsupported", "only names are declared in a function", fix="leave the type out")
        try:
            type_ = resolve(ast.unparse(node.annotation), self.module)
        except UnknownType as error:
            self.fail(node.annotation, "unknown-type", str(error), why="a name needs a type of the language")
        name = node.target.id
        if is_mathematical(type_):
            self.only_in_proofs(node, f"a name of type {describe(type_)}")
        if self.declared.setdefault(name, type_) != type_:
            self.fail(
                node,
                "type-mismatch",
                f"{name!r} is {describe(self.declared[name])} already, and {describe(type_)} here",
                fix="use another name",
            )
        return [] if node.value is None else [self._assign_to(node.target, self.value(node.value), node.value)]

    def _place(self, target: ast.expr) -> Expression:
        """The place in memory that a target stands for."""
        place: Expression | None = None
        if isinstance(target, ast.Attribute):
            base = self.value(target.value)
            if isinstance(base, Live):
                self.fail(
                    target,
                    "global-assignment",
                    f"{self.text(target)} is assigned, but a module's names are constants",
                    why="the compiled program has no memory for a name",
                    fix="keep the value in a field of a static(...) struct",
                )
            owner = self.own_type(base)
            if isinstance(base, Expression) and is_reference(owner):
                place = self.ghost_load(target, base) or self.field_place(target, base)
            elif is_packed(owner):
                fix = f"write {self.text(target.value)} = {self.text(target.value)}.replace({target.attr}=...)"
                self.fail(target, "immutable", f"a {describe(owner)} does not change", why="it is a value", fix=fix)
            elif is_record(owner):
                self.fail(target, "immutable", f"a {describe(owner)} does not change", fix="build a new one")
            if place is None:
                self.value(target)
                self.fail(target, "not-a-place", f"{self.text(target)} cannot be assigned to")
        elif isinstance(target, ast.Subscript):
            base = self.value(target.value)
            if not isinstance(base, Expression) or not isinstance(base.type, ArrayType):
                self.fail(target, "not-a-place", f"{self.text(target.value)} is not an array in memory")
            place = self.element_place(target, base)
        else:
            self.unsupported(target)
        if self.proof and not (self.ghost_block and place.operation == "ghost_load"):
            self._changes_state(target)
        if isinstance(place.type, (ArrayType, Inline)):
            self.fail(
                target,
                "not-a-place",
                f"{self.text(target)} lies in its object and cannot be assigned as a whole",
                fix="assign its fields or elements one by one",
            )
        return place

    def _changes_state(self, target: ast.expr) -> None:
        if self.ghost_block:
            why = "the program does the same without its ghost code"
            self.fail(target, "ghost", f"ghost code changes {self.text(target)}, which is no ghost field", why=why)
        kind = "an invariant" if self.info.kind == "invariant" else "a specification function"
        self.fail(
            target, "ghost", f"{kind} changes {self.text(target)}", why="it describes a state, and leaves it as it is"
        )

    def _augmented(self, node: ast.AugAssign) -> list[Statement]:
        if isinstance(node.target, ast.Name):
            left = self.value(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
            value = self.binary(node, node.op, left, self.value(node.value), node.target, node.value)
            return [self._assign_to(node.target, value, node)]
        before: list[Statement] = []
        place = self._once(self._place(node.target), node, before)
        value = self.binary(
            node, node.op, self.read(place, node.target), self.value(node.value), node.target, node.value
        )
        return [*before, self._store(node.lineno, place, self.coerce(value, place.type, node))]

    def _once(self, place: Expression, node: ast.AST, before: list[Statement]) -> Expression:
        """The same place, with the reference and the indexes that lead to it evaluated once."""
        operands = []
        for operand in place.operands:
            if operand.operation in ("field_place", "element_place"):
                operand = self._once(operand, node, before)
            elif operand.operation not in ("local", "constant", "static"):
                operand = self._hold(node, "once", operand, before)
            operands.append(operand)
        return self.make(node, place.operation, place.type, tuple(operands), place.data)
