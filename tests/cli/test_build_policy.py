# SPDX-License-Identifier: BSD-2-Clause
"""`tessera build` and `run` with a policy beside the description: an image that breaks it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Command

REFUSED = """\
greeter.policy:2:1: error: the system breaks this line of its policy: deny flow secret -> client [policy-broken]
  why: information of 'secret' can come to 'client'
    greeter.system:36: 'server' maps 'secret' (rw)
    greeter.system:63: 'server' answers 'client', which calls 'server' (channel 0)
  fix: change the description or the policy; with --ignore-policy it is built all the same, and the report says so
"""


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    for path in (repository / "examples" / "greeter").iterdir():
        if path.is_file():
            shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "greeter.policy").write_text("deny reach intruder secret\ndeny flow secret -> client\n")
    return tmp_path


def test_an_image_that_breaks_the_policy_is_refused(tessera: Command, folder: Path, repository: Path) -> None:
    cache = str(repository / "build" / "cache")
    for command in ("build", "run"):
        result = tessera(command, "greeter.system", TESSERA_CACHE=cache)
        assert (result.returncode, result.stdout, result.stderr) == (2, "", REFUSED)
    assert not (folder / "build").exists()
    result = tessera("build", "greeter.system", "--json", TESSERA_CACHE=cache)
    (error,) = json.loads(result.stdout)["errors"]
    assert (error["rule"], error["file"], error["line"]) == ("policy-broken", "greeter.policy", 2)


def test_a_policy_that_is_ignored_is_in_the_report(tessera: Command, folder: Path, repository: Path) -> None:
    cache = str(repository / "build" / "cache")
    arguments = ("build", "greeter.system", "--ignore-policy", "-r", "r.txt")
    result = tessera(*arguments, TESSERA_CACHE=cache)
    assert result.returncode == 0
    assert result.stderr.startswith(REFUSED.replace(": error: ", ": warning: "))
    told = "Policy of greeter.policy, which the system breaks: it was built with --ignore-policy\n"
    assert told in (folder / "r.txt").read_text()
    facts = json.loads((folder / "r.json").read_text())
    assert facts["schema"] == "tessera-report-1"
    policy = facts["answers"]["policy"]
    assert (policy["ignored"], [line["holds"] for line in policy["lines"]]) == (True, [True, False])
    assert "unchanged" in tessera(*arguments, TESSERA_CACHE=cache).stderr

    # Who mends the policy gets another report, and needs the option no longer.
    (folder / "greeter.policy").write_text("deny reach intruder secret\n")
    result = tessera("build", "greeter.system", "-r", "r.txt", TESSERA_CACHE=cache)
    assert result.returncode == 0 and "unchanged" not in result.stderr and "warning" not in result.stderr
    assert "Policy of greeter.policy\n" in (folder / "r.txt").read_text()
    policy = json.loads((folder / "r.json").read_text())["answers"]["policy"]
    assert (policy["ignored"], [line["holds"] for line in policy["lines"]]) == (False, [True])


def test_a_mistake_in_the_policy_is_told(tessera: Command, folder: Path) -> None:
    (folder / "greeter.policy").write_text("deny raech intruder secret\n")
    result = tessera("build", "greeter.system")
    assert result.returncode == 2
    assert result.stderr.startswith("greeter.policy:1:6: error: 'raech'")
