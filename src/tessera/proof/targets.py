# SPDX-License-Identifier: BSD-2-Clause
"""How the command line names functions, and groups of those under proof."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.proof.claims import PACKAGE, short
from tessera.proof.groups import GROUPS, Group
from tessera.proof.refinement import steps
from tessera.smt.session import Session, World

__all__ = ["GROUPS", "Group", "all_targets", "check_groups", "group_of", "resolve"]

LAWS = "laws"

# What the rest stands on: how capabilities are found, copied, made and deleted; a mapping, a message, a queue.
CORE = "core"
# Those that are compared with the abstract kernel.
REFINEMENT = "refinement"
CORE_GROUPS = ("lookup", "tree", "ready-queues", "retype", "mint", "mapping", "send")


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
            raise _unknown(world, short(name), "src/tessera/proof/groups.py")


def resolve(world: World, names: Iterable[str]) -> list[str]:
    """The functions that a user means: ``kernel/cspace.py:lookup``, ``kernel/cspace.py``, ``kernel.cspace.lookup``.

    The name of a group stands for its functions, ``core`` for those of some groups. A file stands for its functions
    that are proved by themselves: those under proof, and those that callers know by their contract. Raises Diagnostic,
    with close matches, where there is no such function.
    """
    found: dict[str, None] = {}
    session = Session(world)
    for name in names:
        if name == LAWS:
            continue
        groups = [group for group in GROUPS if group.name == name or (name == CORE and group.name in CORE_GROUPS)]
        if name == REFINEMENT:
            found.update((PACKAGE + each, None) for each in steps())
        if groups or name == REFINEMENT:
            found.update((PACKAGE + each, None) for group in groups for each in group.functions)
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
    known += [CORE, REFINEMENT, LAWS, *(group.name for group in GROUPS)]
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
