# SPDX-License-Identifier: BSD-2-Clause
"""What contracts and ghost code call must change nothing: a check over a whole program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tessera.ir.nodes import Evaluate, For, Function, Ghost, GhostStore, If, Statement, Store, Switch, While
from tessera.lang.diagnostics import Diagnostic, Location


def statements_of(body: list[Statement]) -> Iterator[Statement]:
    """All statements of a body, inner ones included."""
    for statement in body:
        yield statement
        match statement:
            case If(then=then, otherwise=otherwise):
                yield from statements_of([*then, *otherwise])
            case While(body=inner) | For(body=inner) | Ghost(body=inner):
                yield from statements_of(inner)
            case Switch(cases=cases, default=default):
                yield from statements_of([s for _, part in cases for s in part] + default)


def _changes(function: Function) -> bool:
    return any(
        isinstance(statement, (Store, GhostStore))
        or (isinstance(statement, Evaluate) and statement.value.operation in ("begin_lives", "end_lives"))
        for statement in statements_of(function.body)
    )


def check_effects(
    functions: dict[str, Function],
    externals: dict[str, Any],
    calls: dict[str, list[tuple[str, Location]]],
    proof_calls: list[tuple[str, Location]],
) -> Iterator[Diagnostic]:
    """A diagnostic for each call in a contract or in ghost code of a function that changes memory or ghost fields."""
    changing = {name for name, function in functions.items() if _changes(function)}
    changing |= {name for name, info in externals.items() if info.kind == "extern"}
    callers: dict[str, list[str]] = {}
    for name, callees in calls.items():
        for callee, _ in callees:
            callers.setdefault(callee, []).append(name)
    waiting = list(changing)
    while waiting:
        for caller in callers.get(waiting.pop(), ()):
            if caller not in changing:
                changing.add(caller)
                waiting.append(caller)
    for name, location in proof_calls:
        if name in changing:
            yield Diagnostic(
                "ghost",
                location,
                f"{name.rpartition('.')[2]} may change memory, and is called where nothing changes",
                why="the program does the same without contracts and ghost code",
                fix="call a function that only reads",
            )
