# SPDX-License-Identifier: BSD-2-Clause
"""`tessera conformance`: what the reference manual promises, tried on the kernel in QEMU."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import Config, ConfigOption, Json, Verbose, exit_codes
from tessera.lang.diagnostics import Diagnostic, Location

_JSON = """\b
The object that --json prints:
  ok            true
  profile, config  the kernel's
  kernel        SHA-256 of its file; that of bench is the same for --config release
  passed, failed   how many cases
  cases         one object for each case:
    name          a short name that stays the same
    chapter       the file of suites/conformance that it stands in
    rule          the promise that it checks, with the manual's chapter
    passed        true or false
    differences   what was expected, and what the kernel did

"""

EPILOG = _JSON + exit_codes((0, "every case has passed"), (1, "a case has failed"))


def conformance(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="The cases or chapters to run; all without any.")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="What user level sees: microkit, sel4test.")
    ] = "sel4test",
    config: ConfigOption = Config.debug,
    only_list: Annotated[bool, typer.Option("--list", help="Tell the cases and their rules, and run nothing.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Check the kernel against the rules of the reference manual, one case for each rule, in one boot in QEMU."""
    from tessera.suites.conformance import bootplan
    from tessera.suites.conformance.catalogue import CASES
    from tessera.suites.conformance.run import cases, run  # the import of cases fills the catalogue

    assert cases
    known = {name: (case.group, case.promise) for name, case in CASES.items()}
    known[bootplan.NAME] = ("bootstrapping", bootplan.PROMISE)
    chosen = _chosen(names or [], known)
    if only_list:
        _tell_list(chosen, known, as_json)
        return
    wanted = [CASES[name] for name in chosen if name in CASES]
    found = run(profile, config.value, chosen=wanted, progress=output.progress(verbose))
    results = [found.by_name[name] for name in chosen]
    failed = [one for one in results if not one.passed]
    if as_json:
        told = [{"name": one.name, **_row(one.name, known), **_verdict(one)} for one in results]
        facts = {"ok": True, "profile": profile, "config": config, "kernel": found.kernel}
        output.emit_json({**facts, "passed": len(results) - len(failed), "failed": len(failed), "cases": told})
    for one in failed:
        output.say(f"failed  {one.name}: {known[one.name][1]}")
        output.say_all(f"  {difference}" for difference in one.differences)
    output.say(f"{len(results) - len(failed)} of {len(results)} cases passed ({profile}, {config.value})")
    if failed:
        raise typer.Exit(1)


def _chosen(names: Sequence[str], known: dict[str, tuple[str, str]]) -> list[str]:
    """The cases that names of cases and chapters mean. Raises Diagnostic where there is none."""
    if not names:
        return list(known)
    chapters = {group for group, _ in known.values()}
    found: dict[str, None] = {}
    for name in names:
        some = [one for one, (group, _) in known.items() if name in (one, group)]
        if not some:
            close = difflib.get_close_matches(name, [*known, *chapters], 1)
            raise Diagnostic(
                "unknown-case",
                Location(name),
                "there is no conformance case or chapter of this name",
                why=f"the chapters are {', '.join(sorted(chapters))}",
                fix=f"did you mean {close[0]}?" if close else "tessera conformance --list tells all of them",
            )
        found.update(dict.fromkeys(some))
    return list(found)


def _row(name: str, known: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {"chapter": known[name][0], "rule": known[name][1]}


def _verdict(one: Any) -> dict[str, Any]:
    return {"passed": one.passed, "differences": list(one.differences)}


def _tell_list(chosen: Sequence[str], known: dict[str, tuple[str, str]], as_json: bool) -> None:
    if as_json:
        output.emit_json({"ok": True, "cases": [{"name": name, **_row(name, known)} for name in chosen]})
        return
    chapter = ""
    for name in sorted(chosen, key=lambda one: known[one][0]):
        if known[name][0] != chapter:
            chapter = known[name][0]
            print(f"{chapter}:")
        print(f"  {name:<52} {known[name][1]}")
