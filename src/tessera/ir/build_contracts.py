# SPDX-License-Identifier: BSD-2-Clause
"""Contracts at the heads of functions and loops, and ``with ghost:`` blocks.

They are read only where proofs want them; a program that is run or compiled is built without looking into them.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NoReturn

from tessera.ir.build_assign import Assignments, assigned_names
from tessera.ir.build_errors import describe
from tessera.ir.build_proofs import CONTRACTS
from tessera.ir.build_scope import Flow, Live, means
from tessera.ir.build_types import is_reference
from tessera.ir.nodes import Contract, Expression, Ghost, Promise, Statement
from tessera.lang import contracts
from tessera.lang.ghosts import GhostAccess
from tessera.lang.structs import FieldAccess
from tessera.lang.types import INTEGER, ArrayType, is_struct, is_word

_HEAD = (contracts.requires, contracts.ensures)
_CODE_HEAD = (*_HEAD, contracts.modifies, contracts.without_invariants)
_PROOF_HEAD = (*_HEAD, contracts.trigger)
LOOP_HEAD = (contracts.loop_invariant, contracts.decreases, contracts.modifies)


class Contracts(Assignments):
    """Read contracts and ghost code."""

    result: Any = None
    # How each enclosing loop is left by `break`; None for a loop over constants.
    loops: list[list[Flow] | None]

    @abstractmethod
    def statement(self, node: ast.stmt) -> list[Statement]:
        """Read one statement."""

    def head(self) -> tuple[list[Contract], Sequence[ast.stmt]]:
        """The contracts of the function, and its statements."""
        allowed = _PROOF_HEAD if self.info.kind in ("invariant", "specification") else _CODE_HEAD
        found, body = self.split_contracts(self.node.body, allowed)
        return [*self.contracts(found), *(self._promised(one) for one in self.promises)], body

    def split_contracts(
        self, body: Sequence[ast.stmt], allowed: Sequence[Any]
    ) -> tuple[list[ast.Call], Sequence[ast.stmt]]:
        """The calls at the head of a body that are contracts, and what follows them."""
        found: list[ast.Call] = []
        for position, node in enumerate(body):
            if not isinstance(node, ast.Expr):
                return found, body[position:]
            if isinstance(node.value, ast.Constant) and position == 0:
                continue
            target = self._contract_function(node.value)
            if not any(target is one for one in allowed):
                return found, body[position:]
            assert isinstance(node.value, ast.Call)
            found.append(node.value)
        return found, []

    def _contract_function(self, node: ast.expr) -> Any:
        """The contract function that a call names, if it is one."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
            return None
        root: ast.expr = node.func
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self.local_names:
            return None
        value = self.value(node.func)
        return next((c for c in CONTRACTS if isinstance(value, Live) and value.value is c), None)

    def contracts(self, found: list[ast.Call]) -> list[Contract]:
        """Contracts as typed expressions; none in a program that is not for proofs."""
        return [self._contract(node) for node in found] if self.specification else []

    def _contract(self, node: ast.Call) -> Contract:
        kind = str(self._contract_function(node).__name__)
        if node.keywords:
            self.fail(node, "arguments", f"{kind} takes no named arguments")
        readers: dict[str, Callable[[ast.Call], Contract]] = {
            "ensures": self._ensures,
            "modifies": self._modifies,
            "decreases": self._decreases,
            "trigger": self._trigger,
        }
        outer = self.proof, self.flow
        self.proof, self.entry_state = True, kind in ("ensures", "loop_invariant")
        self.flow = self.flow.with_facts({})
        contract = readers.get(kind, self._condition)(node)
        self.entry_state = False
        self.proof, self.flow = outer
        return contract

    def _made(
        self, node: ast.Call, parts: Sequence[ast.expr], expressions: list[Expression], result: str = ""
    ) -> Contract:
        kind = str(self._contract_function(node).__name__)
        text = " ".join(", ".join(map(ast.unparse, parts)).split())
        return Contract(kind, node.lineno, text, expressions, result)

    def _condition(self, node: ast.Call) -> Contract:
        parts = self.arguments(node, 0 if means(self.value(node.func), contracts.without_invariants) else 1)
        return self._made(node, parts, [self.condition(part, self.value(part)) for part in parts])

    def _ensures(self, node: ast.Call) -> Contract:
        (argument,) = self.arguments(node, 1)
        promise = self.lambda_of(argument, 1, "ensures")
        self._check_entry_values(promise)
        if not promise.args.args:
            return self._made(node, [promise.body], [self.condition(promise.body, self.value(promise.body))])
        if self.result is None or self.result is NoReturn:
            self.fail(promise, "arguments", f"{self.node.name} has no result that the lambda could be given",
                      fix=f"write lambda: {self.text(promise.body)}")  # fmt: skip
        with self.bound(promise, self.result) as (name, body):
            return self._made(node, [promise.body], [self.condition(body, self.value(body))], name)

    def _promised(self, promise: Promise) -> Contract:
        """A promise that stands elsewhere, as if it stood in an ``ensures``."""
        has_result = self.result is not None and self.result is not NoReturn
        node = ast.parse(f"lambda {'result' if has_result else ''}: {promise.text}", mode="eval").body
        assert isinstance(node, ast.Lambda)
        for part in ast.walk(node):
            if isinstance(part, (ast.expr, ast.arg)):
                part.lineno, part.col_offset = self.node.lineno, self.node.col_offset
        self._check_entry_values(node)
        outer = self.proof, self.flow
        self.proof = self.entry_state = True
        self.names, self.flow = promise.names, self.flow.with_facts({})
        name = ""
        if has_result:
            with self.bound(node, self.result) as (name, body):
                read = self.condition(body, self.value(body))
        else:
            read = self.condition(node.body, self.value(node.body))
        self.names, self.entry_state = {}, False
        self.proof, self.flow = outer
        return Contract("refines", self.node.lineno, promise.title, [read], name, promise.text)

    @cached_property
    def _assigned_here(self) -> set[str]:
        """The names that the function's body assigns."""
        return assigned_names(self.node.body)

    def _check_entry_values(self, promise: ast.Lambda) -> None:
        """Parameters in a promise mean their values at entry, so they must not change under its feet in CPython."""
        changed = self._assigned_here.intersection(self.declared)
        own = {argument.arg for argument in promise.args.args}
        for part in ast.walk(promise.body):
            if isinstance(part, ast.Name) and part.id in changed - own:
                self.fail(
                    part,
                    "entry-value",
                    f"the parameter {part.id!r} stands in ensures, and the function assigns it",
                    why="in ensures a parameter means its value at entry, which is lost when it is assigned",
                    fix="assign another name",
                )

    def _unwrapped(self, node: ast.Call) -> list[ast.expr]:
        """Places or terms; a lambda without parameters keeps CPython from reading them."""
        if len(node.args) == 1 and isinstance(node.args[0], ast.Lambda):
            body = self.lambda_of(node.args[0], 0, self.text(node.func)).body
            return list(body.elts) if isinstance(body, ast.Tuple) else [body]
        return node.args

    def _modifies(self, node: ast.Call) -> Contract:
        parts = self._unwrapped(node)
        return self._made(node, parts, [self._modified(part) for part in parts])

    def _modified(self, node: ast.expr) -> Expression:
        if isinstance(node, ast.Call) and means(self.value(node.func), contracts.everything_in):
            return self.make(node, "everything_in", None, self.address_range(self.arguments(node, 2)))
        value = self.value(node)
        if isinstance(value, Live):
            live = value.value
            if live is contracts.everything:
                return self.make(node, "everything", None)
            if is_struct(live):
                return self.make(node, "every", None, data=(live, ""))
            if isinstance(live, (FieldAccess, GhostAccess)):
                self.layout(live.cls, node)
                return self.make(node, "every", None, data=(live.cls, live.name))
        elif isinstance(value, Expression):
            stored = value.operation in ("load", "ghost_load") or isinstance(value.type, ArrayType)
            if stored or is_reference(value.type):
                return value
        self.fail(
            node,
            "not-a-place",
            f"{self.text(node)} is nothing that a function could modify",
            fix="name a field x.f, an object x, a field of all objects Struct.f, all objects Struct, "
            "everything_in(a, n), or everything",
        )

    def _decreases(self, node: ast.Call) -> Contract:
        (argument,) = self.arguments(node, 1)
        measure = self.settle(self.value(argument), argument)
        if not is_word(measure.type) and measure.type is not INTEGER:
            self.fail(
                argument, "type-mismatch", f"{self.text(argument)} is {describe(measure.type)}, not a word or integer"
            )
        return self._made(node, [argument], [measure])

    def _trigger(self, node: ast.Call) -> Contract:
        terms = self._unwrapped(node)
        if not terms:
            self.fail(node, "arguments", "trigger takes the terms of a pattern")
        return self._made(node, terms, [self.settle(self.value(term), term) for term in terms])

    # Ghost code

    def ghost(self, node: ast.With) -> list[Statement]:
        """Read ``with ghost:``. Its names are its own, and what it finds out about kinds stays in it."""
        if not self._is_ghost(node):
            self.unsupported(node)
        names = assigned_names(node.body)
        if clash := names & self._code_names:
            self.fail(
                node,
                "ghost",
                f"ghost code assigns {min(clash)!r}, which is also assigned in code that runs",
                why="the program does the same without its ghost code",
                fix="use another name in the ghost block",
            )
        if self.proof:
            self.fail(node, "ghost", "all of this is ghost code already", fix="leave `with ghost:` out here")
        self.ghosts |= names
        if not self.specification:
            return []
        outer = self.flow, self.loops, self.ended_by_configuration
        self.flow, self.loops = self.flow.with_facts({}), []
        self.proof = self.ghost_block = True
        body = [read for part in node.body for read in self.statement(part)]
        self.proof = self.ghost_block = False
        if not self.flow.live:
            self.fail(node, "ghost", "this ghost code does not come to its end", why="code that runs goes on behind it")
        kinds = {name: kind for name, kind in self.flow.narrowed.items() if name in names}
        after = outer[0].with_facts(kinds)
        after.assigned |= self.flow.assigned
        self.flow, self.loops, self.ended_by_configuration = after, outer[1], outer[2]
        return [Ghost(node.lineno, body)]

    @cached_property
    def _code_names(self) -> set[str]:
        """The names that code outside of ghost blocks assigns, and the parameters."""
        arguments = self.node.args
        names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        waiting: list[ast.AST] = [*self.node.body]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.With) and self._is_ghost(node):
                continue
            if isinstance(node, (ast.expr, ast.pattern)):
                names |= assigned_names([node])
            else:
                waiting.extend(ast.iter_child_nodes(node))
        return names - {"_"}

    def _is_ghost(self, node: ast.With) -> bool:
        item = node.items[0].context_expr
        named = len(node.items) == 1 and isinstance(item, (ast.Name, ast.Attribute))
        return named and means(self.value(item), contracts.ghost)
