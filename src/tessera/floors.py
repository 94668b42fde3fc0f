# SPDX-License-Identifier: BSD-2-Clause
"""The order of the house: which part of Tessera may import which, and the checks that hold it.

``PARTS`` is the only place where the order is declared. ``tests/test_floors.py`` checks the tree against it, and
``python -m tessera.floors docs/floors.md`` draws it.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_LINES = 400
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
SOURCE_SUFFIXES = frozenset({".py", ".S", ".s", ".c", ".h", ".ld"})


@dataclass(frozen=True)
class Part:
    """One folder of ``src/tessera``: its floor, and the parts below (or one module of a part) that it may import."""

    name: str
    floor: int
    purpose: str
    may_import: tuple[str, ...] = ()
    stdlib_only: bool = False


_CORE = ("lang", "abi", "arch")
_BUILDING = (*_CORE, "ir", "llvm", "system", "runtime", "kernel")

PARTS: tuple[Part, ...] = (
    Part("lang", 0, "the language: words, structs, capability layouts, contracts, diagnostics", (), True),
    Part("abi", 1, "the seL4 binary interface as data; boards; profiles", ("lang",), True),
    Part(
        "arch", 2, "registers, machine, paging, assembly, compilation target of one architecture", ("lang", "abi"), True
    ),
    Part("ir", 2, "typed intermediate representation: nodes, front end, interpreter", ("lang",), True),
    Part("spec", 2, "the abstract kernel", ("lang", "abi"), True),
    Part("runtime", 2, "user level in the kernel's language: stubs, initialiser, drivers", ("lang", "abi"), True),
    Part("kernel", 3, "the kernel, one file for each chapter of the manual", _CORE, True),
    Part("llvm", 3, "reader of the IR: machine code", ("lang", "ir", "arch")),
    Part("smt", 3, "reader of the IR: proof obligations", ("lang", "ir")),
    Part("timing", 3, "reader of the IR: execution times", ("lang", "ir", "arch")),
    Part("system", 3, "system descriptions, capability distribution", _CORE),
    Part("build", 4, "kernel, components and image from sources and model; running an image", _BUILDING),
    Part("proof", 4, "contracts, invariants, refinement", (*_CORE, "ir", "spec", "kernel", "smt", "llvm")),
    Part("analysis", 4, "authority, flow, schedulability, worst-case times", (*_CORE, "ir", "timing", "system")),
    Part("sim", 4, "hart, board and devices; the kernel on the host", _BUILDING),
    Part(
        "suites",
        5,
        "conformance, fuzzing, benchmarks, scheduling examples, the kernel's own time",
        (*_BUILDING, "spec", "smt", "timing", "build", "proof", "analysis", "sim"),
    ),
    Part(
        "cli",
        6,
        "the command `tessera`",
        (*_CORE, "ir", "llvm", "smt", "timing", "system", "build", "proof", "analysis", "sim", "suites"),
    ),
)

BY_NAME = {part.name: part for part in PARTS}


@dataclass(frozen=True)
class Import:
    """One imported module of one file; ``at_run_time`` is false if it is for the type checker alone."""

    module: str
    line: int
    at_run_time: bool = True


def declared_order_errors(parts: tuple[Part, ...] = PARTS) -> list[str]:
    """What is wrong with the declaration itself: a part may only name parts on floors below its own."""
    floors = {part.name: part.floor for part in parts}
    errors = []
    for part in parts:
        for name in part.may_import:
            below = name.split(".")[0]
            if below not in floors:
                errors.append(f"{part.name} may import {below}, which is not declared")
            elif floors[below] >= part.floor:
                errors.append(f"{part.name} (floor {part.floor}) may import {below}, which is not below it")
        if {"kernel", "spec"} <= {part.name, *part.may_import} and part.name not in ("proof", "suites"):
            errors.append(f"{part.name} sees both kernel and spec; only proof and suites may")
    return errors


def imports_of(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """Every import in ``source``, wherever it stands, with relative names made absolute.

    ``from a import b`` is reported as ``a.b``: whether ``b`` is a module is for the caller to find out.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    tree = ast.parse(source)
    deferred = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node.lineno not in deferred)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{prefix}.{alias.name}", node.lineno, node.lineno not in deferred)


def module_name(path: Path, root: Path) -> tuple[str, bool]:
    """The dotted name of ``path`` below ``root`` (the folder ``tessera``), and whether it is a package."""
    parts = ["tessera", *path.relative_to(root).with_suffix("").parts]
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), True
    return ".".join(parts), False


def import_errors(root: Path) -> list[str]:
    """Every import below ``root`` (the folder ``tessera``) that the order does not allow, as ``file:line: why``."""
    errors = []
    for path in sorted(root.rglob("*.py")):
        module, is_package = module_name(path, root)
        for item in imports_of(path.read_text(encoding="utf-8"), module, is_package):
            why = _why_forbidden(module, item.module)
            if why:
                errors.append(f"{path.relative_to(root.parent)}:{item.line}: {why}")
    return errors


def _why_forbidden(importer: str, imported: str) -> str:
    """The reason why module ``importer`` must not import ``imported``, or nothing."""
    here = importer.split(".")
    if len(here) < 2:
        own = None
    elif here[1] in BY_NAME:
        own = BY_NAME[here[1]]
    elif here[1] == "floors":
        own = None
    else:
        return f"{here[1]} is not a part of the house; declare it in tessera.floors"
    there = imported.split(".")
    if there[0] != "tessera":
        if (own is None or own.stdlib_only) and there[0] not in sys.stdlib_module_names:
            return f"{importer} may use the standard library alone, not {there[0]}"
        return ""
    if len(there) < 2 or there[1] == "__version__":
        return ""
    target = there[1]
    if target not in BY_NAME:
        return "" if own is None else f"{importer} imports tessera.{target}, which is not a part of the house"
    if own is None:
        return f"{importer} must not import tessera.{target}: importing tessera must cost nothing"
    if own.name == target or any(_covers(name, ".".join(there[1:])) for name in own.may_import):
        return ""
    allowed = ", ".join(own.may_import) or "nothing of Tessera"
    return f"{own.name} (floor {own.floor}) imports {target} (floor {BY_NAME[target].floor}); it may import {allowed}"


def _covers(allowed: str, imported: str) -> bool:
    return imported == allowed or imported.startswith(allowed + ".")


def cycle_errors(root: Path) -> list[str]:
    """Import cycles between files below ``root``; an import inside a function counts as any other."""
    files = {module_name(path, root)[0]: path for path in sorted(root.rglob("*.py"))}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        needed = graph.setdefault(module, set())
        for item in imports_of(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"):
            named = item.module if item.module in files else item.module.rpartition(".")[0]
            if named in files and named != module and item.at_run_time:
                needed.add(named)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["import cycle: " + " <- ".join(error.args[1])]
    return []


def file_errors(paths: list[Path]) -> list[str]:
    """Source files that are too long or do not say their licence first (a ``#!`` line may stand above it)."""
    errors = []
    for path in paths:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > MAX_LINES:
            errors.append(f"{path}: {len(lines)} lines; at most {MAX_LINES}, so that it is read in one sitting")
        first = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
        if lines and SPDX not in "".join(first):
            errors.append(f"{path}:1: the first line must hold {SPDX}")
    return errors


def source_files(*folders: Path) -> list[Path]:
    """The source files below ``folders``, in order; what builds leave behind does not count."""
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in SOURCE_SUFFIXES and path.is_file() and "__pycache__" not in path.parts
    )


def diagram(parts: tuple[Part, ...] = PARTS) -> str:
    """The house as a Markdown page: floors from top to bottom, then one row for each part."""
    lines = [
        "<!-- Drawn by `make floors` from src/tessera/floors.py; edit that file, not this one. -->",
        "# The floors",
        "",
        "A file imports only from its own part and from the parts listed for it, all of which are on floors below.",
        "`tests/test_floors.py` checks every import. A part without a folder under `src/tessera/` is planned.",
        "",
        "```text",
    ]
    for floor in sorted({part.floor for part in parts}, reverse=True):
        names = [part.name for part in parts if part.floor == floor]
        rule = "     +" + "+".join("-" * (len(name) + 2) for name in names) + "+"
        lines += [rule, f"F{floor}   |" + "|".join(f" {name} " for name in names) + "|", rule]
    lines += ["```", "", "| floor | part | what it does | may import |", "| --- | --- | --- | --- |"]
    for part in sorted(parts, key=lambda part: -part.floor):
        allowed = ", ".join(f"`{name}`" for name in part.may_import) or "nothing"
        if part.stdlib_only:
            allowed += " (standard library alone besides)"
        lines.append(f"| F{part.floor} | `{part.name}` | {part.purpose} | {allowed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(diagram(), encoding="utf-8")
