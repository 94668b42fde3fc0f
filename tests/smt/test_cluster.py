# SPDX-License-Identifier: BSD-2-Clause
"""Solvers on a Ray cluster: with Ray itself where it is installed (`make test-cluster`), and with a stand-in for it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tessera.lang.diagnostics import Diagnostic
from tessera.smt import cluster
from tessera.smt.cluster import LOCAL, Cluster
from tessera.smt.solve import Portfolio, Query
from tests.proof.example import SOURCE, run

QUERIES = [
    Query("true", "(assert false)", "quantified"),
    Query("false", "(declare-const x Int)(assert (> x 3))", "ground"),
    Query("bits", "(declare-const x (_ BitVec 8))(assert (distinct (bvadd x #x00) x))", "bits"),
]
STATUSES = ["proved", "refuted", "proved"]


class StandIn(types.ModuleType):
    """As much of Ray as is used: actors are objects of this process, asked by threads."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.killed: list[Any] = []
        self.made: list[Any] = []
        self.is_up = False
        self.pool = ThreadPoolExecutor(4)

    def init(self, address: str, **_: Any) -> None:
        if address == "auto":
            raise ConnectionError("nobody\nlistens")
        self.is_up = True

    def shutdown(self) -> None:
        self.is_up = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def remote(self, **_: Any) -> Callable[[type], Any]:
        return lambda cls: types.SimpleNamespace(remote=lambda: self._actor(cls))

    def _actor(self, cls: type) -> Any:
        inside = cls()
        self.made.append(inside)

        def method(name: str) -> Any:
            def call(*arguments: Any) -> Any:
                answer: Future[Any] = self.pool.submit(getattr(inside, name), *arguments)
                return types.SimpleNamespace(future=lambda: answer, answer=answer)

            return types.SimpleNamespace(remote=call)

        return types.SimpleNamespace(ask=method("ask"), versions=method("versions"), inside=inside)

    def get(self, ref: Any, timeout: float) -> Any:
        return ref.answer.result(timeout)

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.inside)
        if hasattr(actor.inside, "process"):
            actor.inside.process.stop()


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    return stand_in


def test_answers_come_from_the_cluster(ray: StandIn) -> None:
    with Cluster(LOCAL) as there:
        assert there.size == 3 and ray.is_up
        with Portfolio(2, start=there.start()) as portfolio:
            assert [one.status for one in portfolio.run(QUERIES)] == STATUSES
    assert not ray.is_up and len(ray.made) == 3 and ray.killed == ray.made


class Dying(cluster.Solver):
    """The first of them dies."""

    count = 0

    def ask(self, request: Any) -> Any:
        Dying.count += 1
        if Dying.count == 1:
            raise RuntimeError("The actor died unexpectedly")
        return super().ask(request)


def test_an_actor_that_dies_is_replaced(ray: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "Solver", Dying)
    with Cluster(LOCAL) as there, Portfolio(1, start=there.start()) as portfolio:
        (told,) = portfolio.run(QUERIES[:1])
    assert told.status == "proved" and "crash" in told.detail and Dying.count == 2


def test_a_cluster_that_does_not_answer_is_told(ray: StandIn) -> None:
    for address, why in (("auto", "nobody listens"), ("ray://127.0.0.1:1", "refused")):
        with pytest.raises(Diagnostic) as caught, Cluster(address):
            pass
        assert caught.value.rule == "cluster" and why in str(caught.value)


def test_other_solvers_are_not_used(ray: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.Solver, "versions", lambda _: "cvc5 0.1")
    with Cluster(LOCAL) as there, pytest.raises(Diagnostic) as caught:
        there.start()
    assert "the cluster has other solvers: cvc5 0.1" in str(caught.value)


def test_what_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Diagnostic) as caught:
        Cluster(LOCAL)
    assert "pip install 'tessera[cluster]'" in str(caught.value)


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="RAY IS NOT INSTALLED: `make test-cluster` installs it and tests this",
)


@needs_ray
def test_proofs_on_a_cluster_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(SOURCE)
    here = run(file, "double", "store", "wrong")
    there = run(file, "double", "store", "wrong", cluster=LOCAL)
    for key in ("ok", "obligations", "proved", "unknown", "failed"):
        assert there[key] == here[key]
    assert there["asked"] == here["asked"] > 0


@needs_ray
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:x"])
def test_an_address_where_no_cluster_is(address: str) -> None:
    with pytest.raises(Diagnostic) as caught, Cluster(address):
        pass
    assert caught.value.rule == "cluster" and caught.value.location.file == address
