# SPDX-License-Identifier: BSD-2-Clause
"""Counterexamples that a person can use: what failed, in which small state, and a test that shows it.

A solver proposes small states (:mod:`tessera.proof.search`); each is written as a pytest file and run. Only a state in
which the function breaks the rule at the line in question is called a counterexample.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tessera.abi.configuration import configuration
from tessera.lang.contracts import ContractError
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.lang.types import is_packed
from tessera.lang.words import RULES, Violation
from tessera.proof.claims import relative
from tessera.proof.replay import Broken, SmallState
from tessera.proof.script import Script, hardware_results
from tessera.proof.search import Model, search
from tessera.proof.witness import Words, contents, is_default, lives, owner, short
from tessera.smt.reading import has_loop
from tessera.smt.session import Obligation, World
from tessera.smt.text import maps_in
from tessera.smt.verify import Reading, read_function

MEANINGS = {
    **RULES,
    "live": "the object is live whenever it is read or written",
    "requires": "a caller establishes what the function requires",
    "ensures": "the function keeps its promise",
    "modifies": "the function changes only what `modifies` names",
    "invariant": "the invariant holds again",
    "loop invariant": "the loop invariant holds at each start of the body",
    "decreases": "the measure of the loop gets smaller and stays at least 0",
    "argument": "an argument refers to live objects, and a packed one is valid",
    "result": "a result refers to live objects, and a packed one is valid",
}
# Seconds for one obligation, and calls that a function may make when it is run.
TIME_LIMIT = 60.0
STEP_LIMIT = 300_000


class TooManySteps(Exception):
    """The function did not return."""


@dataclass
class Run:
    """What a written test did: ``rule`` is what broke, empty if nothing did; ``lines`` those of the function."""

    rule: str
    message: str
    places: list[tuple[str, int]]
    lines: list[int]
    refused: list[str]


@dataclass
class Explanation:
    """A failing obligation as it is told to a person. ``validated``: the test fails as the obligation says."""

    name: str
    file: str
    line: int
    source: str
    rule: str
    meaning: str
    validated: bool = False
    objects: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    outcome: str = ""
    test_file: Path | None = None
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The explanation, as lines."""
        lines = [f"{relative(self.file)}:{self.line}: {self.rule}: {self.meaning}", f"    {self.source}"]
        if self.objects or self.arguments:
            lines.append("  counterexample:" if self.validated else "  a state that the solver proposes:")
            lines += [f"    {line}" for line in (*self.objects, *self.arguments)]
        if self.path:
            lines.append("  path:")
            lines += [f"    {line}" for line in self.path]
        if self.outcome:
            lines.append(f"  when run: {self.outcome}")
        lines += [f"  {note}" for note in self.notes]
        if self.test_file is not None:
            lines.append(f"  test: {self.test_file}")
        return "\n".join(lines)


def explain(build_world: Callable[[], World], function: str, obligation: str, directory: Path) -> Explanation:
    """Explain one failing obligation, and write a test for it into a directory.

    ``build_world`` reads the program; it is called where physical memory is mapped at address 0, as in the test.
    ``function`` and ``obligation`` are the names that the verifier gives. Raises :class:`Diagnostic` for unknown names.
    """
    before, configuration.physical_window = configuration.physical_window, 0
    try:
        world = _world(build_world)
        if function not in world.program.functions:
            raise Diagnostic("unknown-function", Location(function), "this function is not a part of the program")
        reading = _reading(build_world, function)
    finally:
        configuration.physical_window = before
    for one in reading.obligations:
        if one.name == obligation:
            return explain_obligation(reading, one, directory)
    for one in reading.obligations:
        if _without_path(one.name) == _without_path(obligation):
            return explain_obligation(reading, one, directory)
    where = Location(reading.function.file, reading.function.line)
    raise Diagnostic("unknown-obligation", where, f"{function} has no obligation {obligation!r}")


def explain_obligation(
    reading: Reading, obligation: Obligation, directory: Path, seconds: float = TIME_LIMIT
) -> Explanation:
    """Explain an obligation of a function that was read where physical memory is mapped at address 0."""
    source = linecache.getline(obligation.file, obligation.line).strip()
    meaning = MEANINGS.get(obligation.rule, MEANINGS.get(obligation.rule.partition(" at ")[0], ""))
    meaning = meaning or MEANINGS["loop invariant"]
    if obligation.text:
        meaning += f": {obligation.text}"
    found = Explanation(obligation.name, obligation.file, obligation.line, source, obligation.rule, meaning)
    end = time.monotonic() + seconds
    best: tuple[Model, Run, str] | None = None
    # Invariants that are a part of the question; others join when a state breaks them.
    extra = {obligation.text.partition(" ")[0]} if obligation.rule == "invariant" else set()
    for model in search(reading, obligation, extra, end):
        text = Script(reading, obligation, model).text()
        run = run_test(text, reading)
        if run.refused:
            # An invariant that was left out, or is tried here for more values, excludes the state.
            extra.update(one.partition("(")[0] for one in run.refused)
        elif _is_claimed(run, obligation):
            return _told(found, reading, obligation, model, run, text, directory, True)
        elif best is None or (run.rule and not best[1].rule):
            best = model, run, text
    if best is not None:
        _told(found, reading, obligation, *best, directory, False)
    _say_why(found, reading, obligation, best)
    return found


def run_test(text: str, reading: Reading) -> Run:
    """Run a written test here and now, and tell what broke."""
    name = "<counterexample>"
    scope: dict[str, Any] = {"__name__": "counterexample"}
    lines: list[int] = []
    steps, inside = 0, 0
    code = reading.function.info.function.__code__

    def on_line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal inside
        if event == "line":
            lines.append(frame.f_lineno)
        elif event == "return":
            inside -= 1
        return on_line

    def on_call(frame: Any, event: str, argument: Any) -> Any:
        nonlocal steps, inside
        inside += frame.f_code is code
        steps += inside > 0
        if steps > STEP_LIMIT:
            steps = 0
            raise TooManySteps(f"more than {STEP_LIMIT} calls")
        return on_line if frame.f_code is code else None

    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), scope)
    test = next(value for key, value in scope.items() if key.startswith("test_"))
    outer = sys.gettrace()
    rule, message, places = "", "", []
    try:
        sys.settrace(on_call)
        test()
    except Exception as error:
        rule, message = _rule_of(error), f"{type(error).__name__}: {error}"
        places = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    finally:
        sys.settrace(outer)
    state = SmallState.latest
    return Run(rule, message, places, lines, list(state.refused) if state is not None else [])


def _rule_of(error: Exception) -> str:
    """The rule that an exception means is broken."""
    if isinstance(error, (Broken, Violation)):
        return error.rule
    text = str(error)
    if isinstance(error, ContractError):
        return next((rule for rule in ("loop invariant", "ensures", "requires") if rule in text), "requires")
    if isinstance(error, AssertionError):
        return "assert"
    if isinstance(error, AttributeError) and "NoneType" in text:
        return "null"
    return "decreases" if isinstance(error, TooManySteps) else type(error).__name__


def _is_claimed(run: Run, obligation: Obligation) -> bool:
    """Whether a run broke the rule of the obligation at its line."""
    if not run.rule or not obligation.rule.startswith(run.rule):
        return False
    if run.rule in ("ensures", "invariant", "result", "modifies", "argument", "decreases"):
        return True
    first, last = _statement(obligation.file, obligation.line)
    ours = Path(obligation.file).name
    if not any(Path(file).name == ours for file, _ in run.places) and run.lines:
        # The result itself is what breaks the rule: the function is left already.
        return first <= run.lines[-1] <= last
    return any(Path(file).name == ours and first <= line <= last for file, line in run.places)


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse("".join(linecache.getlines(file)))


def _statement(file: str, line: int) -> tuple[int, int]:
    """The first and last line of the statement, or of the head of the compound statement, at a line."""
    best = line, line
    for node in ast.walk(_tree(file)):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (node.end_lineno or line):
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or line
        if node.lineno <= line <= last:
            best = node.lineno, last
    return best


def _told(
    found: Explanation,
    reading: Reading,
    obligation: Obligation,
    model: Model,
    run: Run,
    text: str,
    directory: Path,
    validated: bool,
) -> Explanation:
    found.validated = validated
    words = Words(model)
    for name, type_ in reading.function.parameters:
        found.arguments.append(f"{name} = {short(words.value(type_, model.arguments[name]))}")
    for called, results in hardware_results(reading, model, words):
        found.arguments.append(f"{called.function.__name__}() gives {', then '.join(results)}")
    if not validated and has_loop(reading.function):
        found.arguments += _loop_values(reading, model, words)
    found.objects = _objects(obligation, model, words)
    found.path = _path(reading, run.lines)
    found.outcome = run.message.splitlines()[0] if run.message else "nothing breaks"
    if validated:
        directory.mkdir(parents=True, exist_ok=True)
        place = re.sub(r"\W+", "_", obligation.name)[:100].strip("_")
        found.test_file = directory / f"test_{place}.py"
        found.test_file.write_text(text, encoding="utf-8")
    return found


def _loop_values(reading: Reading, model: Model, words: Words) -> list[str]:
    """What the names of the function hold where the proof enters a loop."""
    found: dict[str, str] = {}
    parameters = {name for name, _ in reading.function.parameters}
    for constant, value in model.constants.items():
        name = constant.partition("!")[0]
        type_ = reading.function.locals.get(name)
        if type_ is not None and name not in parameters and not is_packed(type_):
            found[name] = f"{name} = {short(words.value(type_, value))} (in a loop)"
    return list(found.values())


def _objects(obligation: Obligation, model: Model, words: Words) -> list[str]:
    """The live objects, with the fields that the obligation and its path speak of and that are not zero.

    Objects without such a field are left out unless something refers to them.
    """
    labels = maps_in(obligation.goal).union(*(maps_in(fact.term) for fact in obligation.facts if not fact.invariant))
    about = maps_in(obligation.goal)
    shown: dict[str, list[str]] = {}
    for thing in model.universe.everything():
        if not thing.inner and not thing.static and lives(model, thing):
            shown[f"{thing.text}: {thing.struct.__name__}"] = []
    for (struct, address), fields in contents(model).items():
        thing = owner(model, struct, address)
        if not lives(model, thing):
            continue
        head = f"{thing.text}: {struct}"
        for name, (type_, value) in fields.items():
            label = f"{struct}.{name.partition('[')[0]}"
            ghost = f"{label}°" in labels or f"{label}°" in about
            read = ghost or any(one == label or one.startswith(f"{label}.") for one in labels)
            if read and not is_default(type_, value):
                shown.setdefault(head, []).append(f"{name}={short(words.value(type_, value))}")
    dead = [thing for thing in words.referred if not thing.static and not lives(model, thing)]
    named = {f"{thing.text}: {thing.struct.__name__}" for thing in words.referred}
    shown = {head: values for head, values in shown.items() if values or head in named}
    lines = [f"{head.replace(': ', ' = ')}({', '.join(values)})" for head, values in shown.items()]
    return [*lines, *(f"{thing.text}: no live {thing.struct.__name__}" for thing in sorted(dead, key=lambda x: x.text))]


def _path(reading: Reading, lines: list[int]) -> list[str]:
    """The branches that a run took, in order."""
    function = reading.function
    heads: dict[int, Any] = {}
    for one in ast.walk(_tree(function.file)):
        if isinstance(one, (ast.If, ast.While, ast.For, ast.Match)):
            heads[one.lineno] = one
    found = []
    for position, line in enumerate(lines[:-1]):
        node: Any = heads.get(line)
        if node is None:
            continue
        source = linecache.getline(function.file, line).strip()
        following = [number for number in lines[position + 1 :] if number != line]
        if isinstance(node, ast.Match):
            cases = {case.body[0].lineno: case for case in node.cases}
            chosen = next((cases[number] for number in following if number in cases), None)
            if chosen is not None:
                found.append(f"line {line}: {source} case {ast.unparse(chosen.pattern)}")
        elif following:
            inside = node.body[0].lineno <= following[0] <= (node.body[-1].end_lineno or 0)
            found.append(f"line {line}: {source} {'yes' if inside else 'no'}")
    return found[-40:]


def _say_why(found: Explanation, reading: Reading, obligation: Obligation, best: tuple[Model, Run, str] | None) -> None:
    """What can be said where no state was found that fails."""
    if best is not None and best[1].rule:
        found.notes.append(f"run from here, something else breaks first ({best[1].rule})")
    elif best is not None:
        called = sorted(
            name.removeprefix("tessera.")
            for name in reading.session.relies_on
            if name in reading.session.program.functions
        )
        if has_loop(reading.function):
            found.notes.append(
                "the proof of a loop begins in any state that its invariants allow: they may be too weak"
            )
        elif called:
            found.notes.append(f"contracts may allow what the bodies never do: {', '.join(called)}")
    else:
        found.notes.append("no concrete state was found: the invariants may be too weak, or the solvers too slow")
    about = maps_in(obligation.goal)
    near = sorted({fact.invariant for fact in obligation.facts if fact.invariant and maps_in(fact.term) & about})
    if near:
        found.notes.append(f"invariants that speak of the same fields: {', '.join(near)}")


def _without_path(name: str) -> str:
    return re.sub(r" on return \d+| #\d+", "", name)


@cache
def _world(build: Callable[[], World]) -> World:
    return build()


@cache
def _reading(build: Callable[[], World], function: str) -> Reading:
    world = _world(build)
    return read_function(world, world.program.functions[function])
