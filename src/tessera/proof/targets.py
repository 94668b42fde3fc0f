# SPDX-License-Identifier: BSD-2-Clause
"""The functions under proof, and how the command line names functions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.proof.claims import PACKAGE, short
from tessera.smt.session import Session, World


@dataclass(frozen=True)
class Group:
    """Functions under proof that belong together. ``functions`` are named without the package's name.

    ``slow``: those of them that take the solvers long; a quick run leaves them out.
    """

    title: str
    functions: tuple[str, ...]
    slow: frozenset[str] = frozenset()


GROUPS: tuple[Group, ...] = (
    Group("Capability lookup with guards", ("kernel.cspace.lookup",)),
    Group(
        "Derivation tree",
        (
            "kernel.derivation.insert",
            "kernel.derivation.insert_original",
            "kernel.derivation.move",
            "kernel.derivation.remove",
        ),
    ),
)

LAWS = "laws"


def all_targets(quick: bool = False) -> list[str]:
    """The full names of all functions under proof, or of those that are proved quickly."""
    return [PACKAGE + name for group in GROUPS for name in group.functions if not (quick and name in group.slow)]


def group_of(name: str) -> str:
    """The title of a function's group; empty if it is not under proof."""
    return next((group.title for group in GROUPS if short(name) in group.functions), "")


def check_groups(world: World) -> None:
    """Raise Diagnostic if a function under proof does not exist any more: it would be left out in silence."""
    for name in all_targets():
        if name not in world.program.functions:
            raise _unknown(world, short(name), "src/tessera/proof/targets.py")


def resolve(world: World, names: Iterable[str]) -> list[str]:
    """The functions that a user means: ``kernel/cspace.py:lookup``, ``kernel/cspace.py``, ``kernel.cspace.lookup``.

    A file stands for its functions that are proved by themselves: those under proof, and those that callers know by
    their contract. Raises Diagnostic, with close matches, where there is no such function.
    """
    found: dict[str, None] = {}
    session = Session(world)
    for name in names:
        if name == LAWS:
            continue
        dotted = _dotted(name)
        if PACKAGE + dotted in world.program.functions:
            found[PACKAGE + dotted] = None
            continue
        inside = [
            each
            for each, function in sorted(world.program.functions.items())
            if function.info.kind == "compiled"
            and function.info.function.__module__ == PACKAGE + dotted
            and (group_of(each) or not session.is_inlined(function))
        ]
        if not inside:
            raise _unknown(world, name, name)
        found.update(dict.fromkeys(inside))
    return list(found)


def _dotted(name: str) -> str:
    path, _, function = name.replace("\\", "/").partition(":")
    path = path.removeprefix("./").removeprefix("src/").removeprefix("tessera/")
    if path.endswith(".py"):
        path = path.removesuffix(".py").replace("/", ".")
    dotted = f"{path}.{function}" if function else path
    return dotted.removeprefix(PACKAGE)


def _unknown(world: World, name: str, where: str) -> Diagnostic:
    known = [short(each) for each, function in world.program.functions.items() if function.info.kind == "compiled"]
    known += sorted({each.rpartition(".")[0] for each in known})
    wanted = _dotted(name)
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    last = wanted.rpartition(".")[2]
    close += [each for each in known if each.rpartition(".")[2] == last and each not in close][: 3 - len(close)]
    return Diagnostic(
        "unknown-function",
        Location(where),
        f"the kernel has no function or file {name}",
        why="only functions of the kernel can be proved",
        fix=f"did you mean {' or '.join(close)}?" if close else "name one as in kernel/cspace.py:lookup; see --list",
    )
