# SPDX-License-Identifier: BSD-2-Clause
"""What is answered about a system when it is built: its policy is decided first, and the report tells the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tessera
from tessera.lang.diagnostics import Diagnostic, Diagnostics

if TYPE_CHECKING:
    from tessera.analysis.check import Answer
    from tessera.system.model import System

FIX = "change the description or the policy; with --ignore-policy it is built all the same, and the report says so"


class Answers:
    """The answers for a build. ``inputs`` are the files beside the description that they depend on; ``said`` is what
    else the report depends on; ``warnings`` are lines of the policy that do not hold, if that is to be ignored.
    """

    def __init__(
        self,
        system: Path,
        board: str,
        search_path: Sequence[Path],
        *,
        ignore_policy: bool,
    ) -> None:
        """Raises :class:`Diagnostics` with every line of the policy that does not hold, unless they are ignored."""
        self._system = system
        self._board = board
        self._search_path = list(search_path)
        self._ignored = ignore_policy
        self._described: System | None = None
        self.policy = beside(system, ".policy")
        self.timing = beside(system, ".timing")
        self.inputs = [path for path in (self.policy, self.timing) if path is not None]
        self.warnings: list[str] = []
        self._answers: list[Answer] = []
        if self.policy is not None:
            self._decide(self.policy)
        self.said = f"ignored {ignore_policy}" if self.warnings else ""

    def _system_described(self) -> System:
        from tessera.abi.boards import board as board_of
        from tessera.abi.profiles import MICROKIT
        from tessera.system.locate import search_folders
        from tessera.system.sdf import parse

        if self._described is None:
            folders = search_folders(self._search_path, self._system)
            self._described = parse(self._system, search_path=folders, board=board_of(self._board), profile=MICROKIT)
        return self._described

    def _decide(self, file: Path) -> None:
        from tessera.cli.check import decide_file

        self._answers = decide_file(self._system_described(), self._board, file)[0]
        broken = [_broken(answer) for answer in self._answers if not answer.holds]
        if broken and not self._ignored:
            raise Diagnostics(broken)
        self.warnings = [str(each).replace(": error: ", ": warning: ", 1) for each in broken]

    def facts(self) -> dict[str, Any]:
        """For the report: the policy, who may do what, and times, each as the JSON form of its command has it."""
        from tessera.abi.boards import board as board_of
        from tessera.analysis.standin import distribution_of
        from tessera.cli.check import answer_facts, decide_file, grant_facts
        from tessera.cli.time import report_facts

        described = self._system_described()
        made = distribution_of(described, board=board_of(self._board))
        _, authority = decide_file(described, self._board, None, distribution=made)
        try:
            times: dict[str, Any] = report_facts(described, self._board, self.timing, made)
        except (Diagnostic, Diagnostics) as error:
            first = error.errors[0] if isinstance(error, Diagnostics) else error
            times = {"problem": f"{first.location}: {first.what}"}
        policy = None
        if self.policy is not None:
            lines = [answer_facts(answer) for answer in self._answers]
            policy = {"file": self.policy.name, "ignored": bool(self.warnings), "lines": lines}
        grants = [grant_facts(each) for each in authority.grants]
        return {"policy": policy, "authority": grants, "time": times, "proofs": proof_facts()}


def proof_facts() -> dict[str, Any] | None:
    """The ledger of proofs, and the files of this kernel that say something else than when it was written; None where
    there is no ledger.
    """
    from tessera.ir.fingerprint import fingerprints

    package = Path(tessera.__file__).parent
    try:
        told = json.loads((package.parents[1] / "docs" / "proofs-ledger.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    now = fingerprints(package / "kernel")
    then = told.get("sources", {})
    changed = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    return {"functions": told["functions"], "laws": told["laws"], "changed": changed}


def beside(system: Path, suffix: str) -> Path | None:
    """The file of the same name with another ending, if it is there."""
    found = system.with_suffix(suffix)
    return found if found != system and found.is_file() else None


def _broken(answer: Answer) -> Diagnostic:
    demand = answer.demand
    steps = (f"\n    {step.location.file}:{step.location.line}: {step.text}" for step in answer.path)
    return Diagnostic(
        "policy-broken",
        demand.location,
        f"the system breaks this line of its policy: {demand.text}",
        why=answer.reason + "".join(steps),
        fix=FIX,
    )
