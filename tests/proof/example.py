# SPDX-License-Identifier: BSD-2-Clause
"""A module of its own that is proved in tests: as a file, so that it can be edited between two runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.conftest import environment

SOURCE = """
from __future__ import annotations

from tessera.lang import (
    compiled, ensures, intrinsic, invariant, live, modifies, requires, specification, static, struct, trigger, u64
)


@struct
class ExampleNode:
    value: u64
    next: ExampleNode | None


@struct
class ExampleCounter:
    number: u64


counter = static(ExampleCounter)


@invariant
def values_are_small(x: ExampleNode) -> bool:
    trigger(x.value)
    return x.value < 1000


@invariant
def next_is_live(x: ExampleNode) -> bool:
    trigger(x.next)
    return x.next is None or live(x.next)


@specification
def limit() -> u64:
    return u64(1000)


@compiled
def twice(value: u64) -> u64:
    return value + value


@compiled
def bounded(x: ExampleNode, bound: u64) -> u64:
    ensures(lambda result: result < bound or result == 0)
    return x.value if x.value < bound else u64(0)


@compiled
def double(x: ExampleNode) -> u64:
    ensures(lambda result: result < 2 * limit())
    return twice(x.value)


@compiled
def store(x: ExampleNode, value: u64) -> None:
    requires(value < 1000)
    modifies(x.value)
    x.value = value


@compiled
def halve(x: ExampleNode) -> None:
    store(x, x.value // 2)
    counter.number = bounded(x, u64(7))


@compiled
def wrong(x: ExampleNode, value: u64) -> u64:
    ensures(lambda result: result > value)
    x.value = value
    return value + 1
"""

SCRIPT = """
import importlib.util, json, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("example_of_proofs", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["example_of_proofs"] = module
spec.loader.exec_module(module)
from tests.smt.proving import world_of_module
from tessera.proof.fingerprints import Fingerprints
from tessera.proof import run
asked = []
class Counting(run.Portfolio):
    def stream(self, source, *rest):
        def counted():
            for item in source:
                asked.append(1 if item else 0)
                yield item
        super().stream(counted(), *rest)
run.Portfolio = Counting
world = world_of_module(module)
names = [f"example_of_proofs.{name}" for name in sys.argv[5:]]
cache = Path(sys.argv[2]) if sys.argv[2] else None
settings = {"cache": cache, "workers": int(sys.argv[3]), "cluster": sys.argv[4] or None, "with_laws": False}
report = run.prove(names, world=world, **settings)
prints = Fingerprints(world)
digests = {name: prints.of(name) for name in world.program.functions}
print(json.dumps({**report.as_json(), "asked": sum(asked), "digests": digests}))
"""

ROOT = Path(__file__).resolve().parents[2]


def run(file: Path, *functions: str, cache: Path | None = None, workers: int = 2, cluster: str = "") -> dict[str, Any]:
    """Prove functions of a copy of the module in a fresh process: the report as JSON, how many queries were asked
    (kept answers included), and the digests of functions."""
    arguments = [str(file), str(cache or ""), str(workers), cluster, *functions]
    command = [sys.executable, "-c", SCRIPT, *arguments]
    env = environment()
    env["PYTHONPATH"] += f":{ROOT}"
    done = subprocess.run(command, env=env, cwd=file.parent, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Three invariants, of which a sum of the first two fields needs all.
PAIR = """
@struct
class Pair:
    first: u64
    second: u64
    third: u64

@invariant
def first_is_below_second(x: Pair) -> bool:
    trigger(x.first)
    return x.first < x.second

@invariant
def second_is_below_third(x: Pair) -> bool:
    trigger(x.second)
    return x.second < x.third

@invariant
def third_is_small(x: Pair) -> bool:
    trigger(x.third)
    return x.third < 100

"""
