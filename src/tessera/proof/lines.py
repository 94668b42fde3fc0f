# SPDX-License-Identifier: BSD-2-Clause
"""How much is written for proofs: lines of contracts, invariants and ghost code beside lines of kernel code.

Counted are lines that hold code; docstrings, comments and blank lines are not, on either side.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tessera.lang.functions import FUNCTIONS, FunctionInfo
from tessera.proof.invariants import proof_invariants
from tessera.proof.kernel import kernel_modules

_CONTRACTS = frozenset(
    "requires ensures modifies loop_invariant decreases trigger without_invariants".split(),
)


@dataclass(frozen=True)
class Lines:
    """``code``: lines of functions under proof; ``proof``: their contracts and ghosts, all invariants and helpers."""

    code: int
    proof: int

    @property
    def ratio(self) -> float:
        """Proof lines for each line of code."""
        return self.proof / self.code if self.code else 0.0


def measure(functions: Iterable[str]) -> Lines:
    """Count for the functions with these names; invariants, specification functions and ghost fields count once."""
    names = set(functions)
    # Those that only run on concrete states are tests, not proofs.
    used = {info.name for info in proof_invariants()}
    code = proof = 0
    for module in kernel_modules():
        path = Path(str(sys.modules[module].__file__))
        source = path.read_text()
        infos = _by_line(module)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                info = infos.get(node.name)
                if info is None:
                    continue
                lines = _code_lines(node, source)
                if info.kind == "specification" or info.name in used:
                    proof += len(lines)
                elif info.name in names:
                    ghost = _proof_lines(node) & lines
                    proof += len(ghost)
                    code += len(lines - ghost)
            elif isinstance(node, ast.ClassDef):
                proof += sum(_is_ghost_field(one) for one in node.body)
    return Lines(code, proof)


def _by_line(module: str) -> dict[str, FunctionInfo]:
    return {info.function.__name__: info for info in FUNCTIONS.values() if info.function.__module__ == module}


def _code_lines(node: ast.FunctionDef, source: str) -> set[int]:
    """The lines of a function that hold code, its head and decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    kept = set(range(first, (node.end_lineno or node.lineno) + 1))
    if ast.get_docstring(node) is not None:
        text = node.body[0]
        kept -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    rows = source.splitlines()
    return {line for line in kept if rows[line - 1].strip() and not rows[line - 1].strip().startswith("#")}


def _proof_lines(node: ast.FunctionDef) -> set[int]:
    """The lines of contracts and ghost blocks in a function."""
    found: set[int] = set()
    for one in ast.walk(node):
        is_contract = (
            isinstance(one, ast.Expr)
            and isinstance(one.value, ast.Call)
            and isinstance(one.value.func, ast.Name)
            and one.value.func.id in _CONTRACTS
        )
        is_ghost = isinstance(one, ast.With) and any(
            isinstance(item.context_expr, ast.Name) and item.context_expr.id == "ghost" for item in one.items
        )
        if isinstance(one, ast.stmt) and (is_contract or is_ghost):
            found |= set(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return found


def _is_ghost_field(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "ghost_field"
    )
