# SPDX-License-Identifier: BSD-2-Clause
"""What asks solvers for the portfolio: processes of this machine. Of a cluster's, see :mod:`tessera.smt.cluster`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, TypedDict

from tessera.smt.worker import Reply

COMMAND = (sys.executable, "-m", "tessera.smt.worker")
CRASH: Reply = {"outcome": "unknown", "detail": "crash", "seconds": 0.0, "core": []}


class Request(TypedDict):
    """What a worker is asked: a query's text, by a strategy of a kind, with its limits scaled by ``limit``."""

    kind: str
    strategy: str
    text: str
    limit: float


class Worker(Protocol):
    """Something that answers one request at a time. ``fileno`` can be read when there may be an answer."""

    def fileno(self) -> int:
        """To wait for."""

    def send(self, request: Request) -> None:
        """Hand over a request; a worker that is dead already is noticed when its answer is read."""

    def receive(self) -> Reply | None:
        """A whole answer if it has arrived; a crash is an answer too."""

    def stop(self) -> None:
        """End it, whatever it does."""


Start = Callable[[], Worker]


class Process:
    """One process of this machine."""

    def __init__(self) -> None:
        self.received = b""
        places = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            # Control-C goes to the process at the terminal, which then stops its workers.
            start_new_session=True,
        )

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # both ends were asked for
        return pipe

    def fileno(self) -> int:
        """To wait for."""
        return self._pipe(self.process.stdout).fileno()

    def send(self, request: Request) -> None:
        """Hand over a request; a worker that is dead already is noticed when its output ends."""
        pipe = self._pipe(self.process.stdin)
        with contextlib.suppress(BrokenPipeError):
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()

    def receive(self) -> Reply | None:
        """A whole answer if it has arrived; a crash is an answer too."""
        data = os.read(self.fileno(), 1 << 16)
        self.received += data
        if not data:
            return CRASH
        if not self.received.endswith(b"\n"):
            return None
        reply: Reply = json.loads(self.received)
        self.received = b""
        return reply

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                self._pipe(pipe).close()
        self.process.wait()
