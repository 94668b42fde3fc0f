# SPDX-License-Identifier: BSD-2-Clause
"""`tessera check`: who can reach whom in a system, and whether that is what its policy wants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import (
    DEFAULT_BOARD,
    Board,
    Json,
    SearchPath,
    SystemFile,
    check_search_path,
    check_system_file,
    exit_codes,
)
from tessera.lang.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from tessera.analysis.check import Answer
    from tessera.analysis.differences import Differences
    from tessera.analysis.graph import Authority, Grant, Step
    from tessera.analysis.policy import Policy
    from tessera.system.capdl import Distribution
    from tessera.system.model import System

_JSON = """\b
A line of a policy is one of
  deny flow A -> B           no information of A may come to B
  deny reach A B             A may not get at B, not even through what it controls
  only flow A -> B           nobody's information comes to B but through A; also: only reach A B
  require reach A B          this must be possible
  trust A                    A passes on nothing but what it is meant to
  assume dma REGION -> R     the device with these registers reaches R alone; or -> nothing
  group NAME = A, B          a name for several; * is every component
and instead of reach also read, write, call, notify, control.

\b
The object that --json prints:
  ok        whether all lines of the policy hold
  policy    one object for each line: line (its text), file and number (where it is), holds, reason,
            path (steps: from, to, text, file, line), rests_on (lines that it relies on), notes
  authority who may do what: holder, right, target, text, file, line
  differences  against the old description: components added and removed, gained, lost,
            flows_gained, flows_lost

"""

EPILOG = _JSON + exit_codes((0, "every line of the policy holds"), (1, "a line of the policy does not hold"))


def check(
    system: SystemFile,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="What must hold. [default: SYSTEM with the ending .policy]"),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OLD", help="An older description: tell who gained and who lost what."),
    ] = None,
    board: Board = DEFAULT_BOARD,
    search_path: SearchPath = None,
    as_json: Json = False,
) -> None:
    """Tell who can reach whom, and decide the policy beside the description. Nothing is built."""
    check_system_file(system)
    if against is not None:
        check_system_file(against)
    check_search_path(search_path or [])

    from tessera.abi.boards import board as board_of
    from tessera.analysis.authority import derive
    from tessera.analysis.differences import compare
    from tessera.analysis.policy import Policy
    from tessera.analysis.standin import distribution_of
    from tessera.system.locate import search_folders
    from tessera.system.sdf import parse

    known = board_of(board)
    folders = search_path or []
    described = parse(system, search_path=search_folders(folders, system), board=known)
    file = _policy_file(system, policy, has_other_work=against is not None)
    wanted = Policy()
    answers, assumed = decide_file(described, board, file, wanted)
    differences = None
    if against is not None:
        older = parse(against, search_path=search_folders(folders, against), board=known)
        old = derive(older, distribution_of(older, board=known), dma=wanted.dma(), board=known)
        differences = compare(old, assumed, wanted.trusted())

    ok = all(answer.holds for answer in answers)
    if as_json:
        facts = {"ok": ok, "policy": [answer_facts(answer) for answer in answers]}
        facts["authority"] = [grant_facts(grant) for grant in assumed.grants]
        if differences is not None:
            facts["differences"] = _difference_facts(differences)
        output.emit_json(facts)
    output.say_all(str(warning).replace(": error: ", ": warning: ", 1) for warning in described.warnings)
    if file is None and differences is None:
        _say_authority(assumed)
        output.say(f"no policy: {system.with_suffix('.policy')} is not there")
    for answer in answers:
        _say_answer(answer)
    if answers:
        output.say(f"{sum(answer.holds for answer in answers)} of {len(answers)} lines of the policy hold")
    if differences is not None:
        _say_differences(differences, against)
    if not ok:
        raise typer.Exit(1)


def decide_file(
    described: System,
    board: str,
    file: Path | None,
    read: Policy | None = None,
    distribution: Distribution | None = None,
) -> tuple[list[Answer], Authority]:
    """The answers to a policy, none without one, and the authority under what it assumes. ``read`` becomes what the
    policy says; ``distribution`` is that of the system, where it is known already.
    """
    from tessera.abi.boards import board as board_of
    from tessera.abi.profiles import MICROKIT
    from tessera.analysis.authority import derive
    from tessera.analysis.check import decide
    from tessera.analysis.lines import read_lines
    from tessera.analysis.policy import read_policy
    from tessera.analysis.standin import distribution_of

    known = board_of(board)
    made = distribution or distribution_of(described, board=known)

    def authority(dma: dict[str, tuple[str, ...]]) -> Authority:
        return derive(described, made, dma=dma, board=known, profile=MICROKIT)

    plain = authority({})
    if file is None:
        return [], plain
    wanted = read_policy(read_lines(file), described, plain.nodes, plain.dma_regions)
    if read is not None:
        vars(read).update(vars(wanted))
    return decide(wanted, authority), authority(wanted.dma())


def _policy_file(system: Path, policy: Path | None, *, has_other_work: bool) -> Path | None:
    """The policy to decide; None where there is none and none was named."""
    if policy is None:
        beside = system.with_suffix(".policy")
        return beside if beside.exists() and beside != system else None
    if not policy.is_file():
        raise Diagnostic(
            "policy-missing",
            Location(str(policy)),
            "there is no such file",
            why="the policy says what must hold in the system",
            fix="name an existing file" + (", or leave --policy out" if has_other_work else ""),
        )
    return policy


def _say_answer(answer: Answer) -> None:
    demand = answer.demand
    output.say(f"{_place(demand.location)}: {'yes' if answer.holds else 'no'}: {demand.text}")
    output.say(f"    {answer.reason}")
    for step in answer.path:
        output.say(f"    {_place(step.location)}: {step.text}")
    for assumption in answer.rests_on:
        output.say(f"    relies on {_place(assumption.location)}: {assumption.text}")
    for note in answer.notes:
        output.say(f"    note: {note}")


def _say_authority(authority: Authority) -> None:
    for name in authority.components:
        output.say(name)
        lines = (f"    {each.how} ({_place(each.location)})" for each in authority.grants if each.holder == name)
        output.say_all(dict.fromkeys(lines))
        if name in authority.everything:
            step = authority.everything[name]
            output.say(f"    {step.text.removeprefix(repr(name)).strip()} ({_place(step.location)})")


def _say_differences(differences: Differences, against: Path | None) -> None:
    if differences.is_empty:
        output.say(f"nobody can do anything else than in {against}")
        return
    for sign, names in (("+", differences.added), ("-", differences.removed)):
        output.say_all(f"{sign} component '{name}'" for name in names)
    for sign, grants in (("+", differences.gained), ("-", differences.lost)):
        for grant in grants:
            output.say(f"{sign} {_place(grant.location)}: '{grant.holder}' {grant.how} [{grant.right.value}]")
    for flow in differences.flows_gained:
        output.say(f"+ information of {flow.source} can now come to {flow.target}")
        output.say_all(f"    {_place(step.location)}: {step.text}" for step in flow.path)
    for flow in differences.flows_lost:
        output.say(f"- information of {flow.source} can no longer come to {flow.target}")


def _place(location: Location) -> str:
    return f"{location.file}:{location.line}" if location.line else location.file


def _step_facts(step: Step) -> dict[str, Any]:
    place = {"file": step.location.file, "line": step.location.line}
    return {"from": step.source.name, "to": step.target.name, "text": step.text, **place}


def answer_facts(answer: Answer) -> dict[str, Any]:
    """A line of a policy with its answer, as ``--json`` prints it."""
    demand = answer.demand
    return {
        "line": demand.text,
        "file": demand.location.file,
        "number": demand.location.line,
        "holds": answer.holds,
        "reason": answer.reason,
        "path": [_step_facts(step) for step in answer.path],
        "rests_on": [assumption.text for assumption in answer.rests_on],
        "notes": list(answer.notes),
    }


def grant_facts(grant: Grant) -> dict[str, Any]:
    """What a component may do, as ``--json`` prints it."""
    return {
        "holder": grant.holder,
        "right": grant.right.value,
        "target": grant.target.name,
        "text": grant.how,
        "file": grant.location.file,
        "line": grant.location.line,
    }


def _difference_facts(found: Differences) -> dict[str, Any]:
    flows = {"flows_gained": found.flows_gained, "flows_lost": found.flows_lost}
    return {
        "added": found.added,
        "removed": found.removed,
        "gained": [grant_facts(grant) for grant in found.gained],
        "lost": [grant_facts(grant) for grant in found.lost],
        **{
            name: [
                {"from": flow.source.name, "to": flow.target.name, "path": [_step_facts(step) for step in flow.path]}
                for flow in some
            ]
            for name, some in flows.items()
        },
    }
