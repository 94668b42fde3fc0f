# SPDX-License-Identifier: BSD-2-Clause
"""Solvers on the machines of a Ray cluster, in place of processes of this one (``pip install 'tessera[cluster]'``).

Each worker is an actor that has one processor. It is sent this package's source, so only the solvers have to be
installed on the machines, in the same versions: an answer is kept under them. In an actor a process asks the solvers,
as it does here, so that a solver that crashes or takes too much memory takes nothing else with it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.smt.worker import Reply, versions
from tessera.smt.workers import CRASH, Process, Request, Start

# How long the first actor may take to start: the source is sent, and a process begins (seconds).
PATIENCE = 120.0
LOCAL = "local"


class Solver:
    """What runs on the cluster."""

    def __init__(self) -> None:
        self.process = Process()

    def versions(self) -> str:
        """Of the solvers that are installed there."""
        return versions()

    def ask(self, request: Request) -> Reply:
        """Answer one request; a crash is an answer too."""
        self.process.send(request)
        while (reply := self.process.receive()) is None:
            pass
        return reply


class Actor:
    """The end of an actor that is here: its answer is written into a pipe, for which the portfolio can wait."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.ray = ray
        self.actor = actor
        self.reading, self.writing = os.pipe()
        self.received = b""

    def fileno(self) -> int:
        """To wait for."""
        return self.reading

    def send(self, request: Request) -> None:
        """Hand over a request."""
        # A copy of the end, since the answer may come when this one is closed.
        end = os.dup(self.writing)
        self.actor.ask.remote(request).future().add_done_callback(lambda done: _hand_over(done, end))

    def receive(self) -> Reply | None:
        """A whole answer if it has arrived; an actor that died is an answer too."""
        self.received += os.read(self.reading, 1 << 16)
        if not self.received.endswith(b"\n"):
            return None
        reply: Reply = json.loads(self.received)
        self.received = b""
        return reply

    def stop(self) -> None:
        """End the actor, whatever it does."""
        self.ray.kill(self.actor)
        os.close(self.reading)
        os.close(self.writing)


def _hand_over(done: Future[Reply], end: int) -> None:
    reply = CRASH
    with contextlib.suppress(Exception):  # of the cluster's many classes; each means that there is no answer
        reply = done.result()
    # Nobody listens any more if the actor was stopped.
    with contextlib.suppress(BrokenPipeError):
        os.write(end, json.dumps(reply).encode() + b"\n")
    os.close(end)


class Cluster:
    """A connection to a cluster, for as long as the ``with`` lasts.

    ``address``: ``local`` starts a cluster of this machine alone, ``auto`` takes the one that runs here, and
    ``ray://HOST:PORT`` one elsewhere. Raises Diagnostic where Ray is not installed, the cluster cannot be reached, or
    its solvers are not those of this machine.
    """

    def __init__(self, address: str) -> None:
        try:
            self.ray = importlib.import_module("ray")
        except ImportError as error:
            raise Diagnostic(
                "package-missing",
                Location("--cluster"),
                "the Python package ray is not installed",
                why="it is needed to reach the machines of a cluster",
                fix="pip install 'tessera[cluster]'; without --cluster solvers run on this machine",
            ) from error
        self.address = address

    def __enter__(self) -> Cluster:
        package = Path(__file__).resolve().parents[1]
        settings: dict[str, Any] = {
            "runtime_env": {"py_modules": [str(package)]},
            "logging_level": "error",
            "log_to_driver": False,
            "include_dashboard": False if self.address == LOCAL else None,
        }
        try:
            _knock(self.address)
            self.ray.init(address=self.address, **settings)
        except Exception as error:  # ConnectionError, RuntimeError, ValueError, gRPC's own: all mean the same
            raise _unreachable(self.address, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.ray.shutdown()

    @property
    def size(self) -> int:
        """How many processors the cluster has."""
        return int(self.ray.cluster_resources().get("CPU", 1))

    def start(self) -> Start:
        """What makes workers there; one has been made, to see that the cluster answers."""
        remote = self.ray.remote(num_cpus=1, max_restarts=0)(Solver)
        first = remote.remote()
        try:
            found = self.ray.get(first.versions.remote(), timeout=PATIENCE)
        except Exception as error:  # as above
            raise _unreachable(self.address, error) from error
        finally:
            self.ray.kill(first)
        if found != versions():
            raise Diagnostic(
                "cluster",
                Location(self.address),
                f"the cluster has other solvers: {found}",
                why=f"this machine has {versions()}, and answers are kept under these versions",
                fix="install the same versions on the machines of the cluster",
            )
        return lambda: Actor(self.ray, remote.remote())


def _knock(address: str) -> None:
    """See that somebody listens, which Ray itself tries for minutes. Raises OSError, or ValueError for what is none."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname or "localhost", place.port), timeout=10).close()


def _unreachable(address: str, error: Exception) -> Diagnostic:
    told = " ".join(str(error).split())[:300] or type(error).__name__
    return Diagnostic(
        "cluster",
        Location(address),
        "the cluster does not answer",
        why=told,
        fix="start it (ray start --head), or give its address; --cluster local needs none",
    )
