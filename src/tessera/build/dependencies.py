# SPDX-License-Identifier: BSD-2-Clause
"""Which other files of the user a component's source needs: included headers, imported modules.

They are found by reading the sources, not by compiling them, so that what is up to date is known without a compiler.
An include or import that is conditional counts too; what is not found in the user's folders is not the user's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)


def files_needed(source: Path, folders: Sequence[Path]) -> list[Path]:
    """``source`` and every file that it needs from its own folder or from ``folders``, in a stable order."""
    found: list[Path] = []
    waiting = [source.resolve()]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.append(path)
        waiting += sorted(_named_in(path, [path.parent, *folders]), reverse=True)
    return found


def _named_in(path: Path, folders: Sequence[Path]) -> Iterator[Path]:
    names = _imports(path) if path.suffix == ".py" else _includes(path)
    for name in names:
        for folder in folders:
            candidate = folder / name
            if candidate.is_file():
                yield candidate.resolve()
                break


def _includes(path: Path) -> list[str]:
    return [name.decode(errors="replace") for name in _INCLUDE.findall(path.read_bytes())]


def _imports(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return []  # Told with its place when the module is imported.
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = []
    for name in names:
        parts = name.split(".")
        files += ["/".join(parts) + ".py", "/".join([*parts, "__init__.py"])]
    return files
