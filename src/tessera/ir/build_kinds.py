# SPDX-License-Identifier: BSD-2-Clause
"""Telling cases apart: ``isinstance`` on packed values, what a condition says about names, and ``match``."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tessera.ir.build_errors import describe
from tessera.ir.build_operators import repeatable
from tessera.ir.build_proofs import Proofs
from tessera.ir.build_scope import Flow, Live, Value, means
from tessera.ir.build_types import base_of, is_reference
from tessera.ir.nodes import Assign, Expression, Statement, Switch, Unreachable
from tessera.lang.types import is_enum, is_packed, is_word
from tessera.lang.words import WORDS


class Kinds(Proofs):
    """Read tests of kinds, and ``match``."""

    ended_by_configuration = False

    @abstractmethod
    def block(self, statements: Sequence[ast.stmt]) -> list[Statement]:
        """Read statements that follow each other."""

    @abstractmethod
    def bind(self, node: ast.AST, name: str, value: Expression) -> Statement:
        """Give a local a value."""

    def is_instance(self, node: ast.Call) -> Value:
        """``isinstance(cap, Kind)``, also with a tuple of kinds."""
        if len(node.args) != 2 or node.keywords:
            self.fail(node, "arguments", "isinstance takes a value and a class")
        subject_node, kinds_node = node.args
        subject = self.settle(self.value(subject_node), subject_node)
        if not is_packed(subject.type):
            self.fail(
                node,
                "type-mismatch",
                f"{self.text(subject_node)} is {describe(subject.type)}, which has no kinds",
                why="isinstance tells kinds of packed values apart",
                fix=f"write {self.text(subject_node)} is not None" if is_reference(subject.type) else "",
            )
        kinds = self.kinds(kinds_node, subject.type)
        if base_of(subject.type) in kinds:
            return Live(True)
        wrappers: list[tuple[str, Expression]] = []
        if len(kinds) > 1 and not repeatable(subject):
            subject = self.keep(subject, subject_node, wrappers)
        tests = [self.make(node, "is_variant", bool, (subject,), kind) for kind in kinds]
        result = tests[0]
        for test in tests[1:]:
            result = self.make(node, "or_else", bool, (result, test))
        return self.wrap(node, wrappers, result)

    def kinds(self, node: ast.expr, type_: Any) -> list[Any]:
        """The kinds of a packed type that an expression or pattern names."""
        value = self.value(node)
        if not isinstance(value, Live):
            self.fail(node, "arguments", f"{self.text(node)} is not a class")
        found = list(self.union_of(node, value.value))
        for kind in found:
            if not is_packed(kind) or base_of(kind) is not base_of(type_):
                self.fail(
                    node,
                    "type-mismatch",
                    f"{getattr(kind, '__name__', kind)} is not a kind of {base_of(type_).__name__}",
                    fix="write a class decorated with @variant",
                )
        return found

    def facts(self, test: ast.expr) -> tuple[dict[str, Any], dict[str, Any]]:
        """Kinds of packed values that a condition tells, where it is true and where it is false."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            true, false = self.facts(test.operand)
            return false, true
        if isinstance(test, ast.BoolOp):
            sides = [self.facts(item) for item in test.values]
            decided = 0 if isinstance(test.op, ast.And) else 1
            every: dict[str, Any] = {}
            for side in sides:
                every |= side[decided]
            shared = {n: k for n, k in sides[0][1 - decided].items() if all(s[1 - decided].get(n) is k for s in sides)}
            return (every, shared) if decided == 0 else (shared, every)
        if not isinstance(test, ast.Call) or not isinstance(test.func, ast.Name) or len(test.args) != 2:
            return {}, {}
        subject = test.args[0]
        if not isinstance(subject, ast.Name) or subject.id not in self.flow.assigned:
            return {}, {}
        if not means(self.value(test.func), isinstance) or not is_packed(self.declared.get(subject.id)):
            return {}, {}
        kinds = self.kinds(test.args[1], self.declared[subject.id])
        return ({subject.id: kinds[0]}, {}) if len(kinds) == 1 else ({}, {})

    # match

    def match(self, node: ast.Match) -> list[Statement]:
        """Read a ``match`` statement as a switch."""
        for case in node.cases:
            if case.guard is not None:
                self.fail(
                    case.guard,
                    "unsupported",
                    "a guard in a case is not part of the language",
                    why="a match is one switch over constants",
                    fix="write an if statement in the case",
                )
        value = self.value(node.subject)
        if isinstance(value, Live):
            return self._constant_match(node, value.value)
        subject = self.settle(value, node.subject)
        before: list[Statement] = []
        if subject.operation == "local":
            name = subject.data
        else:
            name = self.fresh("subject", subject.type)
            before.append(Assign(node.lineno, name, subject))
            subject = self.make(node.subject, "local", subject.type, data=name)
        if is_packed(subject.type):
            return [*before, self._kind_switch(node, subject, name)]
        if is_word(subject.type) or is_enum(subject.type) or subject.type is bool:
            return [*before, self._value_switch(node, subject, name)]
        self.fail(
            node.subject,
            "type-mismatch",
            f"{self.text(node.subject)} is {describe(subject.type)}, which match cannot tell apart",
            fix="write if statements",
        )

    def _constant_match(self, node: ast.Match, subject: Any) -> list[Statement]:
        for case in node.cases:
            patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
            for pattern in patterns:
                default = isinstance(pattern, ast.MatchAs) and pattern.pattern is None and pattern.name is None
                if default or self._same_constant(pattern, subject):
                    body = self.block(case.body)
                    self.ended_by_configuration |= not self.flow.live
                    return body
        return []

    def _same_constant(self, pattern: ast.pattern, subject: Any) -> bool:
        constant = self._pattern_constant(pattern)
        try:
            return isinstance(constant, Live) and bool(constant.value == subject)
        except TypeError as error:
            self.fail(pattern, "constant", f"{self.text(pattern)} cannot be compared: {error}")

    def _pattern_constant(self, pattern: ast.pattern) -> Value:
        if isinstance(pattern, ast.MatchSingleton):
            return Live(pattern.value)
        if isinstance(pattern, ast.MatchValue):
            return self.value(pattern.value)
        self._bad_pattern(pattern)

    def _bad_pattern(self, pattern: ast.pattern) -> NoReturn:
        self.fail(
            pattern,
            "unsupported",
            f"the pattern {self.text(pattern)} is not part of the language",
            why="cases are constants, or kinds of a packed value written Kind()",
            fix="write the fields that matter as statements in the case",
        )

    def _cases(
        self, node: ast.Match, name: str, constants: Callable[[ast.pattern], list[int] | None]
    ) -> tuple[list[tuple[list[int], list[Statement]]], list[Statement] | None, list[Flow]]:
        """The cases with their constants, the default, and how each of them leaves; ``None`` matches everything."""
        entry = self.flow
        seen: set[int] = set()
        cases: list[tuple[list[int], list[Statement]]] = []
        default: list[Statement] | None = None
        leaving: list[Flow] = []
        for case in node.cases:
            pattern = case.pattern
            if default is not None:
                self.fail(pattern, "duplicate-case", "no value reaches this case", why="the one before takes all")
            self.flow = entry.with_facts({})
            capture = None
            if isinstance(pattern, ast.MatchAs) and pattern.name is not None:
                capture, pattern = pattern.name, pattern.pattern or ast.MatchAs()
            alternatives = pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]
            found: list[int] | None = []
            for alternative in alternatives:
                part = None
                if not (isinstance(alternative, ast.MatchAs) and alternative.pattern is None):
                    part = constants(alternative)
                found = None if part is None or found is None else [*found, *part]
            for constant in found or ():
                if constant in seen:
                    self.fail(
                        case.pattern, "duplicate-case", f"{self.text(pattern)} names a value that a case has taken"
                    )
                seen.add(constant)
            if len(alternatives) == 1 and isinstance(pattern, ast.MatchClass) and found is not None:
                self.flow.narrowed[name] = self.kinds(pattern.cls, self.declared[name])[0]
            statements: list[Statement] = []
            if capture is not None:
                kind = self.flow.narrowed.get(name, self.declared[name])
                statements.append(self.bind(case.pattern, capture, self.make(case.pattern, "local", kind, data=name)))
            statements += self.block(case.body)
            leaving.append(self.flow)
            if found is None:
                default = statements
            else:
                cases.append((found, statements))
        self.flow = entry
        return cases, default, leaving

    def _kind_switch(self, node: ast.Match, subject: Expression, name: str) -> Statement:
        base = base_of(subject.type)
        info = base.__packed__
        if info.tag is None:
            self.fail(node.subject, "type-mismatch", f"{base.__name__} has no kinds", why="it has no tag")

        def constants(pattern: ast.pattern) -> list[int] | None:
            if not isinstance(pattern, ast.MatchClass) or pattern.patterns or pattern.kwd_patterns:
                self._bad_pattern(pattern)
            (kind,) = self.kinds(pattern.cls, base)
            return None if kind is base else [int(kind.__packed__.tag_value)]

        cases, default, leaving = self._cases(node, name, constants)
        if default is None:
            leaving.append(self.flow)
        self.flow = Flow.join(leaving)
        tag = self.make(node.subject, "tag_of", WORDS[info.word.width], (subject,))
        return Switch(node.lineno, tag, cases, default or [])

    def _value_switch(self, node: ast.Match, subject: Expression, name: str) -> Statement:
        def constants(pattern: ast.pattern) -> list[int] | None:
            if isinstance(pattern, ast.MatchClass):
                self._bad_pattern(pattern)
            return [int(self.coerce(self._pattern_constant(pattern), subject.type, pattern).data)]

        cases, default, leaving = self._cases(node, name, constants)
        if default is None:
            members = (
                {0, 1} if subject.type is bool else {int(m) for m in subject.type} if is_enum(subject.type) else None
            )
            if members is not None and members == {constant for found, _ in cases for constant in found}:
                default = [Unreachable(node.lineno)]
            else:
                leaving.append(self.flow)
        self.flow = Flow.join(leaving)
        if subject.type is bool:
            subject = self.make(node.subject, "convert", WORDS[8], (subject,))
        return Switch(node.lineno, subject, cases, default or [])
