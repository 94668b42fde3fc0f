# SPDX-License-Identifier: BSD-2-Clause
"""Statements: assignment, branches, loops, and the contracts that compiled code does not contain."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, NoReturn

from tessera.ir.build_assign import assigned_names
from tessera.ir.build_contracts import LOOP_HEAD, Contracts
from tessera.ir.build_errors import describe
from tessera.ir.build_scope import Flow, Length, Live, Value, means
from tessera.ir.build_types import U64
from tessera.ir.nodes import (
    Assert,
    Break,
    Continue,
    Contract,
    Evaluate,
    Expression,
    For,
    If,
    Return,
    Statement,
    Unreachable,
    While,
)
from tessera.lang import words
from tessera.lang.types import is_word


class Statements(Contracts):
    """Read statements."""

    def block(self, statements: Sequence[ast.stmt]) -> list[Statement]:
        """Read statements that follow each other."""
        found: list[Statement] = []
        for node in statements:
            if not self.flow.live:
                if self.ended_by_configuration:
                    break
                self.fail(
                    node,
                    "unreachable",
                    "this statement is never reached",
                    why="every path before it returns, leaves the loop or does not come back",
                    fix="remove it, or correct the condition before it",
                )
            found += self.statement(node)
        return found

    def statement(self, node: ast.stmt) -> list[Statement]:
        """Read one statement; several may come of it."""
        if isinstance(node, ast.Assign):
            return self._assign(node)
        if isinstance(node, ast.AnnAssign):
            return self._annotated(node)
        if isinstance(node, ast.AugAssign):
            return self._augmented(node)
        if isinstance(node, ast.If):
            return self._if(node)
        if isinstance(node, ast.Expr):
            return self._expression_statement(node)
        if isinstance(node, ast.Return):
            return self._return(node)
        if isinstance(node, ast.While):
            return self._while(node)
        if isinstance(node, ast.For):
            return self._for_loop(node)
        if isinstance(node, ast.Match):
            return self.match(node)
        if isinstance(node, ast.Assert):
            return self._assert(node)
        if isinstance(node, ast.With):
            return self.ghost(node)
        if isinstance(node, (ast.Break, ast.Continue)):
            if not self.loops:
                self._leaves_ghost_code(node)
            leaving = self.loops[-1]
            if leaving is None:
                self.fail(
                    node,
                    "unsupported",
                    "break and continue do not work in a loop over constants",
                    why="such a loop is written out once for each constant",
                    fix="put the statements that are skipped under an if, or loop over range(n)",
                )
            if isinstance(node, ast.Break):
                leaving.append(self.flow)
            self.flow = Flow(set(), {}, False)
            return [Break(node.lineno) if isinstance(node, ast.Break) else Continue(node.lineno)]
        if isinstance(node, ast.Pass):
            return []
        self.unsupported(node)

    # Branches and loops

    def _if(self, node: ast.If) -> list[Statement]:
        test = self.value(node.test)
        if isinstance(test, Live):
            body = self.block(node.body if self.truth(node.test, test.value) else node.orelse)
            self.ended_by_configuration |= not self.flow.live
            return body
        condition = self.condition(node.test, test)
        true, false = self.facts(node.test)
        entry = self.flow
        self.flow = entry.with_facts(true)
        then = self.block(node.body)
        after_then = self.flow
        self.flow = entry.with_facts(false)
        otherwise = self.block(node.orelse)
        self.flow = Flow.join([after_then, self.flow])
        return [If(node.lineno, condition, then, otherwise)]

    def _loop_body(self, node: ast.For | ast.While, head: Flow) -> tuple[list[Contract], list[Statement]]:
        """The contracts of a loop, which hold also where its condition is not yet known to, and its body."""
        if node.orelse:
            self.fail(node.orelse[0], "unsupported", "else after a loop is not part of the language", fix="use a flag")
        found, statements = self.split_contracts(node.body, LOOP_HEAD)
        entry, self.flow = self.flow, head
        kept = self.contracts(found)
        self.flow = entry
        if found and self.loops[-1] is None:
            self.fail(found[0], "contract-place", "a loop over constants has no contracts",
                      why="such a loop is written out once for each constant", fix="write assert")  # fmt: skip
        return kept, self.block(statements)

    def _while(self, node: ast.While) -> list[Statement]:
        head = self.flow.without_facts(assigned_names([node]))
        self.flow = head.with_facts({})
        test = self.value(node.test)
        endless = isinstance(test, Live) and self.truth(node.test, test.value)
        if isinstance(test, Live) and not endless:
            return []
        condition = self.condition(node.test, Live(True) if endless else test)
        true, false = self.facts(node.test)
        self.loops.append([])
        self.flow = head.with_facts(true)
        kept, body = self._loop_body(node, head)
        self.flow = Flow.join((self.loops.pop() or []) + ([] if endless else [head.with_facts(false)]))
        if endless and not isinstance(node.test, ast.Constant):
            self.ended_by_configuration |= not self.flow.live
        return [While(node.lineno, condition, body, kept)]

    def _for_loop(self, node: ast.For) -> list[Statement]:
        if not isinstance(node.iter, ast.Call):
            over = self.value(node.iter)
            if isinstance(over, Live) and isinstance(over.value, (tuple, list)):
                return self._over_constants(node, over.value)
        if not isinstance(node.target, ast.Name):
            self.fail(node.target, "unsupported", "the index of a loop is a name", fix="write for i in range(n):")
        call = node.iter
        target = self.value(call.func) if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or not means(target, words.range):
            builtin = means(target, range)
            self.fail(
                node.iter,
                "unsupported",
                "this is Python's own range" if builtin else f"a loop cannot go over {self.text(node.iter)}",
                why="its numbers have no width" if builtin else "for goes over words only",
                fix="import range from tessera.lang" if builtin else "write for i in range(n): and index with i",
            )
        if not 1 <= len(call.args) <= 2 or call.keywords:
            self.fail(call, "arguments", "range takes one or two bounds", fix="write range(n) or range(a, b)")
        nodes = call.args if len(call.args) == 2 else [call.args[0], call.args[0]]
        values: list[Value] = [self.value(argument) for argument in call.args]
        start, stop = self._bounds(values if len(values) == 2 else [Live(0), values[0]], nodes)
        name = node.target.id if node.target.id != "_" else self.fresh("turn", stop.type)
        self._declare_index(node, name, stop.type)
        head = self.flow.without_facts(assigned_names([node]))
        self.flow = head.with_facts({})
        self.flow.assigned.add(name)
        self.loops.append([])
        kept, body = self._loop_body(node, self.flow)
        self.flow = Flow.join([*(self.loops.pop() or []), head])
        return [For(node.lineno, name, stop.type, start, stop, body, kept)]

    def _over_constants(self, node: ast.For, constants: Sequence[Any]) -> list[Statement]:
        """A loop over a constant tuple: its body once for each element, with the names as constants."""
        targets = list(node.target.elts) if isinstance(node.target, ast.Tuple) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if len(names) != len(targets):
            self.unsupported(node.target)
        if clash := assigned_names(node.body).union(self.flow.assigned).intersection(names):
            self.fail(node, "global-assignment", f"{min(clash)!r} is a constant in this loop, and assigned elsewhere")
        found: list[Statement] = []
        for constant in constants:
            parts = constant if isinstance(node.target, ast.Tuple) else (constant,)
            if not isinstance(parts, (tuple, list)) or len(parts) != len(names):
                self.fail(node.target, "arguments", f"{constant!r} does not have {len(names)} parts")
            if not self.flow.live:
                break
            self.unrolled |= {name: Live(part) for name, part in zip(names, parts, strict=True)}
            self.loops.append(None)
            found += self._loop_body(node, self.flow)[1]
            self.loops.pop()
        for name in names:
            self.unrolled.pop(name, None)
        self.ended_by_configuration |= not self.flow.live
        return found

    def _bounds(self, values: list[Value], nodes: list[ast.expr]) -> tuple[Expression, Expression]:
        if all(self.own_type(value) is None for value in values):
            # Under CPython bounds without width count as u64; a choice may hold a word, so it must say which.
            for value, node in zip(values, nodes, strict=True):
                if not isinstance(value, (Live, Length)):
                    self.settle(value, node)
            return self.coerce(values[0], U64, nodes[0]), self.coerce(values[1], U64, nodes[1])
        first, second = self.unify(values[0], values[1], nodes[0], nodes[1])
        if not is_word(first.type):
            self.fail(nodes[1], "type-mismatch", f"range counts words, not {describe(first.type)}")
        return first, second

    def _declare_index(self, node: ast.For, name: str, type_: Any) -> None:
        if self.declared.setdefault(name, type_) != type_:
            have = describe(self.declared[name])
            self.fail(node.target, "type-mismatch", f"{name!r} holds {have}, and the loop gives it {describe(type_)}")

    # Other statements

    def _expression_statement(self, node: ast.Expr) -> list[Statement]:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return []
        value = self.value(node.value)
        called = value
        while isinstance(called, Expression) and called.operation == "let":
            called = called.operands[1]
        if isinstance(value, Expression) and value.operation in ("begin_lives", "end_lives"):
            return [Evaluate(node.lineno, value)]
        if not isinstance(value, Expression) or not isinstance(called, Expression) or called.operation != "call":
            self.fail(node, "no-effect", f"{self.text(node.value)} has no effect")
        if self.ghost_block and called.data.kind != "specification":
            text = f"{self.text(node.value)} is called for its effect in ghost code"
            self.fail(node, "ghost", text, fix="call a function marked @specification, or use the result")
        found: list[Statement] = [Evaluate(node.lineno, value)]
        if value.type is NoReturn:
            self.flow = Flow(set(), {}, False)
            found.append(Unreachable(node.lineno))
        return found

    def _return(self, node: ast.Return) -> list[Statement]:
        if self.ghost_block:
            self._leaves_ghost_code(node)
        none = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        expression: Expression | None = None
        if self.result is NoReturn:
            self.fail(node, "missing-return", "a function marked NoReturn does not return", fix="loop or call one")
        if self.result is None and not none:
            self.fail(node, "type-mismatch", "the function returns None, and a value is returned here",
                      fix="declare the result type, or write return")  # fmt: skip
        if self.result is not None:
            if node.value is None:
                self.fail(node, "missing-return", f"a value of type {describe(self.result)} is missing here")
            expression = self.expression(node.value, self.result)
        self.flow = Flow(set(), {}, False)
        return [Return(node.lineno, expression)]

    def _leaves_ghost_code(self, node: ast.stmt) -> NoReturn:
        self.fail(node, "ghost", f"{self.text(node)} leaves ghost code",
                  why="the program does the same without its ghost code", fix="write an if statement")  # fmt: skip

    def _assert(self, node: ast.Assert) -> list[Statement]:
        test = self.value(node.test)
        if isinstance(test, Live) and self.truth(node.test, test.value):
            return []
        condition = self.condition(node.test, Live(False) if isinstance(test, Live) else test)
        message = self.value(node.msg) if node.msg is not None else None
        text = self.text(node.test)
        if isinstance(message, Live) and isinstance(message.value, str):
            text = message.value
        self.flow = self.flow.with_facts(self.facts(node.test)[0])
        return [Assert(node.lineno, condition, text)]
