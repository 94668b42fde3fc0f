# SPDX-License-Identifier: BSD-2-Clause
"""A process that asks solvers: it reads requests as lines of JSON and answers each with one line.

Solvers live in processes of their own because they may crash, run out of memory or ignore their limits; they stay
alive from query to query because importing them takes longer than most queries. ``python -m tessera.smt.worker`` ends
when its input does, so none is left behind when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

# Raised whenever an option below changes: earlier answers in a cache are then not used.
STRATEGIES_VERSION = 4
SEED = 0
MEMORY = 6 << 30  # bytes of address space; beyond, a solver is stopped as if by its limit

# "unsat", "sat" or "unknown"; why; and the numbers of the assertions that a proof used, where the solver tells.
Outcome = tuple[str, str, list[int]]


class Reply(TypedDict):
    """What a worker says of one request: the outcome ("error" too), why, how much processor time it took, and the core:
    the numbers of the assertions that a proof used, in their order in the text; empty where they are not known."""

    outcome: str
    detail: str
    seconds: float
    core: list[int]


@dataclass(frozen=True)
class Strategy:
    """One way to ask one solver.

    ``steps`` is the solver's own count of work, which gives the same answer on every machine; ``wall`` seconds are the
    safety net behind it, far above what the steps take on a slow machine. bitwuzla counts no steps (0).
    """

    name: str
    solver: str
    options: tuple[tuple[str, str], ...]
    steps: int
    wall: float


# E-matching only: a model of quantified invariants is never found anyway, and the search for one has no end.
_CVC5: tuple[tuple[str, str], ...] = ()
_CVC5_ENUMERATE = (("enum-inst", "true"),)
_Z3: tuple[tuple[str, str], ...] = (("auto_config", "false"), ("mbqi", "false"), ("smt.random_seed", str(SEED)))

# Tried in this order. Most proofs take cvc5 some hundredths of a second (about 400,000 steps are a second; 3,000,000 of
# z3's). Before long searches come short ones of every kind: what one solver does not find, another often finds at once.
_BRIEF = (
    Strategy("cvc5, briefly", "cvc5", _CVC5, 40_000, 30.0),
    Strategy("z3, briefly", "z3", _Z3, 200_000, 30.0),
)
_QUICK = (
    Strategy("cvc5", "cvc5", _CVC5, 200_000, 30.0),
    Strategy("z3", "z3", _Z3, 1_000_000, 30.0),
)
_LONG = (
    Strategy("cvc5, enumerating", "cvc5", _CVC5_ENUMERATE, 400_000, 30.0),
    Strategy("cvc5, longer", "cvc5", _CVC5, 1_500_000, 60.0),
    Strategy("z3, longer", "z3", _Z3, 6_000_000, 60.0),
)
STRATEGIES: dict[str, tuple[Strategy, ...]] = {
    "quantified": (*_QUICK, *_LONG),
    "brief": _BRIEF,
    "hinted": (*_BRIEF, *_QUICK),
    "quick": _QUICK,
    "long": _LONG,
    "bits": (
        Strategy("bitwuzla", "bitwuzla", (), 0, 60.0),
        Strategy("z3", "z3", (), 200_000_000, 60.0),
    ),
    "ground": (
        Strategy("z3", "z3", _Z3, 5_000_000, 30.0),
        Strategy("cvc5", "cvc5", _CVC5, 1_000_000, 30.0),
    ),
}


# What z3 calls assertions when it is asked which ones a proof used.
_TRACK = "assertion!"


def versions() -> str:
    """The solvers' versions, as part of what an answer depends on."""
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in ("cvc5", "z3-solver", "bitwuzla"))


def ask(strategy: Strategy, text: str, limit: float) -> Outcome:
    """One query to one solver. ``limit`` scales the strategy's limits. Errors of a solver are raised."""
    return _SOLVERS[strategy.solver](strategy, text, limit)


def _ask_cvc5(strategy: Strategy, text: str, limit: float) -> Outcome:
    import cvc5

    solver = cvc5.Solver()
    solver.setOption("seed", str(SEED))
    solver.setOption("sat-random-seed", str(SEED))
    solver.setOption("rlimit-per", str(int(strategy.steps * limit)))
    solver.setOption("tlimit-per", str(int(strategy.wall * limit * 1000)))
    solver.setOption("produce-unsat-cores", "true")  # a tenth of the time more
    for name, value in strategy.options:
        solver.setOption(name, value)
    solver.setLogic("ALL")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "query")
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        said = str(command.invoke(solver, symbols)).strip()
        if said.startswith("(error"):
            raise ValueError(said)
    result = solver.checkSat()
    if result.isUnsat():
        core = set(solver.getUnsatCore())
        return "unsat", "", [number for number, one in enumerate(solver.getAssertions()) if one in core]
    if result.isSat():
        return "sat", "", []
    reason = str(result.getUnknownExplanation()).rpartition(".")[2].lower().replace("_", " ")
    return "unknown", {"timeout": "wall limit", "resourceout": "step limit"}.get(reason, reason), []


def _ask_z3(strategy: Strategy, text: str, limit: float) -> Outcome:
    import z3

    result, detail, _ = _check_z3(strategy, text, limit, tracked=False)
    if result != "unsat" or not strategy.options:
        return result, detail, []
    # That it tells what a proof used may keep it from finding the proof: so it is asked once more for that alone.
    with contextlib.suppress(z3.Z3Exception):
        return result, detail, _check_z3(strategy, text, limit, tracked=True)[2]
    return result, detail, []


def _check_z3(strategy: Strategy, text: str, limit: float, tracked: bool) -> Outcome:
    import z3

    # A context of its own, so that an answer does not depend on the queries before it.
    context = z3.Context()
    solver = z3.SimpleSolver(ctx=context) if strategy.options else z3.SolverFor("QF_BV", ctx=context)
    for name, value in strategy.options:
        solver.set(name, int(value) if value.isdigit() else value == "true")
    solver.set("rlimit", int(strategy.steps * limit))
    solver.set("timeout", int(strategy.wall * limit * 1000))
    if tracked:
        solver.set("unsat_core", True)
        for number, one in enumerate(z3.parse_smt2_string(text, ctx=context)):
            solver.assert_and_track(one, z3.Bool(f"{_TRACK}{number}", context))
    else:
        try:
            solver.from_string(text)
        except z3.Z3Exception as error:
            raise ValueError(str(error)) from None
    result = str(solver.check())
    if result != "unknown":
        used = [int(str(one)[len(_TRACK) :]) for one in solver.unsat_core()] if tracked and result == "unsat" else []
        return result, "", sorted(used)
    reason = str(solver.reason_unknown())
    if "timeout" in reason:
        return "unknown", "wall limit", []
    return "unknown", "step limit" if "canceled" in reason or "resource" in reason else reason.strip("()"), []


def _ask_bitwuzla(strategy: Strategy, text: str, limit: float) -> Outcome:
    import bitwuzla

    options = bitwuzla.Options()
    options.set(bitwuzla.Option.SEED, SEED)
    options.set(bitwuzla.Option.TIME_LIMIT_PER, int(strategy.wall * limit * 1000))
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    try:
        parser.parse("(set-logic QF_BV)\n" + text, True, False)
    except bitwuzla.BitwuzlaException as error:
        raise ValueError(str(error)) from None
    result = str(parser.bitwuzla().check_sat()).lower()
    return (result, "", []) if result in ("sat", "unsat") else ("unknown", "wall limit", [])


_SOLVERS: dict[str, Callable[[Strategy, str, float], Outcome]] = {
    "cvc5": _ask_cvc5,
    "z3": _ask_z3,
    "bitwuzla": _ask_bitwuzla,
}


def answer(kind: str, name: str, text: str, limit: float) -> Reply:
    """Ask by the strategy with this name; a solver's complaint becomes the outcome ``error``."""
    strategy = next(each for each in STRATEGIES[kind] if each.name == name)
    start = time.process_time()
    try:
        outcome, detail, core = ask(strategy, text, limit)
    except MemoryError:
        outcome, detail, core = "unknown", "memory limit", []
    except Exception as error:  # of whatever class: solvers have many, and the worker goes on
        outcome, detail, core = "error", " ".join(str(error).split())[:500] or type(error).__name__, []
    return {"outcome": outcome, "detail": detail, "seconds": time.process_time() - start, "core": core}


def main() -> None:
    """Answer requests until the input ends."""
    # Solvers print warnings to the standard output: keep the protocol on a copy, and send the rest to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        request = json.loads(line)
        reply = answer(request["kind"], request["strategy"], request["text"], request["limit"])
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
