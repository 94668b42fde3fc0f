# SPDX-License-Identifier: BSD-2-Clause
"""The conformance suite: one test for each case, all from one boot of each kernel."""

from __future__ import annotations

import fcntl
import pickle
from pathlib import Path

import pytest

from tessera.suites.bench import run as bench
from tessera.suites.conformance.catalogue import CASES
from tessera.suites.conformance.run import Result, Results, names, read_verdicts, run
from tessera.suites.results import counts, read_results
from tests.suites import cases_that_fail

# Both profiles and both configurations, in three boots.
KERNELS = (("sel4test", "debug"), ("sel4test", "release"), ("microkit", "release"))

_results: dict[tuple[str, str], Results] = {}


def results_of(kernel: tuple[str, str], shared: Path) -> Results:
    """The results of one boot, for all test processes of this run: ``shared`` is a folder that they have in common."""
    if kernel not in _results:
        stored = shared / f"conformance-{'-'.join(kernel)}.pickle"
        with stored.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not stored.exists():
                stored.write_bytes(pickle.dumps(run(*kernel)))
        _results[kernel] = pickle.loads(stored.read_bytes())
    return _results[kernel]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run of the tests alone; with several processes each has its own below it."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.mark.qemu
@pytest.mark.parametrize("kernel", KERNELS, ids="-".join)
@pytest.mark.parametrize("name", names())
def test_case(kernel: tuple[str, str], name: str, shared: Path) -> None:
    results = results_of(kernel, shared)
    result = results.by_name[name]
    promise = CASES[name].promise if name in CASES else ""
    assert result.passed, "\n".join([promise, *result.differences, *results.console.splitlines()[-20:]])


@pytest.mark.qemu
@pytest.mark.parametrize("kernel", KERNELS, ids="-".join)
def test_the_readme_tells_what_passes(kernel: tuple[str, str], shared: Path) -> None:
    assert read_results().conformance[" ".join(kernel)] == counts(results_of(kernel, shared)), "call `make results`"


@pytest.mark.qemu
def test_the_release_kernel_is_the_one_that_is_measured(shared: Path) -> None:
    measured = bench.run("release")
    assert results_of(("sel4test", "release"), shared).kernel == measured.kernel != ""
    others = {results_of(kernel, shared).kernel for kernel in KERNELS}
    assert len(others) == len(KERNELS)


@pytest.mark.qemu
def test_what_fails_is_told() -> None:
    results = run(chosen=[*cases_that_fail.CASES, cases_that_fail.AFTERWARDS])
    assert not results.ok
    by_name = results.by_name
    assert by_name["good"] == Result("good", True)
    assert by_name["differs"] == Result("differs", False, ("one and two: expected 0x1, got 0x2",))
    assert by_name["leaves_rubbish"].differences == ("everything can be deleted: expected 0x1, got 0x0",)
    assert by_name["ends_the_run"] == Result("ends_the_run", False, ("the run ended in the middle of it",))
    assert by_name["never_reached"] == Result("never_reached", False, ("the run ended before it",))


def test_a_case_without_a_verdict_has_failed() -> None:
    cases = list(CASES.values())[:3]
    first, second, third = (case.name for case in cases)
    console = f"CASE|BEGIN|{first}\nCASE|PASS|{first}\r\nCASE|BEGIN|{second}\nDIFF|a|b|0x1|0x2\nKERNEL|TRAP\n"
    verdicts = read_verdicts(console, cases)
    assert verdicts[first] == Result(first, True)
    assert verdicts[second] == Result(
        second, False, ("the run ended in the middle of it", "a|b: expected 0x1, got 0x2")
    )
    assert verdicts[third] == Result(third, False, ("the run ended before it",))


def test_there_are_enough_cases_and_each_has_its_promise() -> None:
    assert len(CASES) >= 200
    for case in CASES.values():
        assert case.promise.endswith(")."), f"{case.name}: name the chapter of the manual in brackets"
        assert case.promise[0].isupper(), case.name
