# SPDX-License-Identifier: BSD-2-Clause
"""Every loop of the kernel with its bound, from the kernel's sources.

A counted loop with constant ends has its bound in its head. Above any other loop a comment says what bounds it:
``# Bounded by ...``, up to the line of the loop.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tessera
from tessera.lang.diagnostics import Diagnostic, Location

PACKAGE = Path(tessera.__file__).resolve().parent
# The kernel, and the hardware operations that have loops.
FOLDERS = (PACKAGE / "kernel", PACKAGE / "arch")
COMMENT = "Bounded by "
# Not compiled: for proofs and tests only.
_NOT_CODE = ("invariant", "specification")


@dataclass(frozen=True)
class Loop:
    """One loop. ``file`` is relative to the package, ``bound`` says how often it turns at most, if that is stated."""

    file: str
    line: int
    function: str
    bound: str | None


def all_loops(folders: tuple[Path, ...] = FOLDERS) -> list[Loop]:
    """All loops of compiled code, by file and line."""
    found: list[Loop] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        # Of these nothing is compiled: proofs and tests read them.
        if path.stem.endswith("_invariants"):
            continue
        file = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
        for function, loop, bound in loops_in(path.read_text(encoding="utf-8"), _names(path)):
            found.append(Loop(file, loop.lineno, function, bound))
    return found


def complaints(loops: Iterable[Loop]) -> list[Diagnostic]:
    """Loops that do not say what bounds them."""
    return [
        Diagnostic(
            "loop-bound",
            Location(loop.file, loop.line),
            f"the loop in {loop.function} does not say what bounds it",
            why="every kernel entry is bounded, and docs/kernel-time.md says by what",
            fix=f"write a comment right above it: # {COMMENT}...",
        )
        for loop in loops
        if loop.bound is None
    ]


def _names(path: Path) -> dict[str, Any]:
    """What a module of the package calls its constants."""
    if not path.is_relative_to(PACKAGE):
        return {}
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return vars(importlib.import_module(".".join(part for part in parts if part != "__init__")))


def loops_in(source: str, names: dict[str, Any]) -> Iterator[tuple[str, ast.For | ast.While, str | None]]:
    """The loops of a module: function, loop, and the bound if there is one. ``names`` are its constants."""
    lines = source.splitlines()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and _is_compiled(function):
            for loop in _loops(function.body):
                yield function.name, loop, _comment(lines, loop.lineno) or _constant(loop, names)


def _is_compiled(function: ast.FunctionDef) -> bool:
    """Whether a function is in the kernel. Methods of structs and capabilities are, without a decorator."""
    told = {ast.unparse(one).partition("(")[0] for one in function.decorator_list}
    return not told & {*_NOT_CODE, "extern", "intrinsic"}


def _loops(body: list[ast.stmt]) -> Iterator[ast.For | ast.While]:
    """Loops below statements; ghost code is not compiled."""
    for statement in body:
        if isinstance(statement, ast.With) and ast.unparse(statement.items[0].context_expr) == "ghost":
            continue
        if isinstance(statement, (ast.For, ast.While)):
            yield statement
        for part in ("body", "orelse"):
            yield from _loops(getattr(statement, part, []))
        for case in getattr(statement, "cases", []):
            yield from _loops(case.body)


def _comment(lines: list[str], number: int) -> str | None:
    """The bound that the comment above a line tells, without its full stop."""
    first = number - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    text = " ".join(line.strip().removeprefix("#").strip() for line in lines[first : number - 1])
    _, mark, bound = text.partition(COMMENT)
    return bound.rstrip(".") if mark else None


def _constant(loop: ast.For | ast.While, names: dict[str, Any]) -> str | None:
    """The bound of a loop over constants."""
    if isinstance(loop, ast.While):
        return None
    head = loop.iter
    if isinstance(head, ast.Call) and ast.unparse(head.func) == "range":
        ends = [_value(one, names) for one in head.args]
        if all(isinstance(one, int) for one in ends):
            return _turns(int(ends[-1]) - (int(ends[0]) if len(ends) == 2 else 0))
        return None
    table = _value(head, names)
    return _turns(len(table)) if isinstance(table, (tuple, list)) else None


def _turns(count: int) -> str:
    return f"{count} turns" if count != 1 else "1 turn"


def _value(expression: ast.expr, names: dict[str, Any]) -> Any:
    """What a constant expression of a module is; ``None`` for any other."""
    try:
        return eval(compile(ast.Expression(expression), "<loop>", "eval"), names)
    except (NameError, AttributeError, TypeError):
        return None
