# SPDX-License-Identifier: BSD-2-Clause
"""Source text of live functions: each file is read and parsed once in a build, with its true line numbers."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from types import FunctionType

from tessera.lang.diagnostics import Diagnostic, Location


@dataclass(frozen=True)
class Source:
    """The definition of one function in its file."""

    file: str
    node: ast.FunctionDef


class SourceFiles:
    """Parsed files of one build; nothing outlives the build, so an edited file is never mistaken for its old text."""

    def __init__(self) -> None:
        self._functions: dict[str, dict[tuple[int, str], ast.AST]] = {}

    def find(self, function: FunctionType) -> Source:
        """The definition of a function. Raises :class:`Diagnostic` when its source is missing or has changed."""
        code = function.__code__
        file = code.co_filename
        if file not in self._functions:
            self._functions[file] = _read(file)
        node = self._functions[file].get((code.co_firstlineno, code.co_name))
        if isinstance(node, ast.AsyncFunctionDef):
            raise Diagnostic(
                "unsupported",
                Location(file, node.lineno, node.col_offset + 1),
                "an asynchronous function is not part of the language",
                why="nothing waits for its result: a function runs to its end",
                fix="write def without async",
            )
        if not isinstance(node, ast.FunctionDef):
            raise Diagnostic(
                "no-source",
                Location(file, code.co_firstlineno),
                f"the source of {function.__qualname__} is not where it was when the module was imported",
                why="function bodies are read from the file that the live module came from",
                fix="import the module again after editing it; define functions with def",
            )
        return Source(file, node)


def _read(file: str) -> dict[tuple[int, str], ast.AST]:
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if not lines:
        return {}
    found: dict[tuple[int, str], ast.AST] = {}
    # Only statements are searched: expressions hold no function that could be compiled.
    waiting: list[ast.AST] = [ast.parse("".join(lines), file)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[first, node.name] = node
        for block in ("body", "orelse", "finalbody", "handlers"):
            part = getattr(node, block, ())
            waiting.extend(part if isinstance(part, list) else ())
    return found
