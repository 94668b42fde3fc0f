# SPDX-License-Identifier: BSD-2-Clause
"""`tessera time`: what it prints, and how it ends.

Each `X.system` in tests/analysis/systems has what the command says of it in `X.txt`; setting TESSERA_UPDATE_GOLDENS=1
writes it anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Command

SYSTEMS = Path(__file__).parents[1] / "analysis" / "systems"


@pytest.mark.parametrize(
    "name, options", [("slow-loop", []), ("fast-loop", []), ("literal", ["--kernel-time", "0us"]), ("vehicle", [])]
)
def test_what_the_command_says(tessera: Command, repository: Path, name: str, options: list[str]) -> None:
    path = SYSTEMS / f"{name}.system"
    result = tessera("time", path, "--json", *options)
    assert result.returncode == 0
    told = result.stderr.replace(f"{path.parent}/", "")
    golden = path.with_suffix(".txt")
    if os.environ.get("TESSERA_UPDATE_GOLDENS") == "1":
        golden.write_text(told)
    assert told == golden.read_text()
    facts = json.loads(result.stdout)
    assert facts["ok"] is True and facts["margins"][0]["breaks"]
    if name != "vehicle":
        expected = 4500 if name == "fast-loop" else 75_000
        assert facts["promises"][1]["response_without_kernel"] == expected
        assert facts["promises"][1]["response"] == (expected if options else pytest.approx(expected, rel=0.03))


def test_the_command_tells_mistakes_and_misses(tessera: Command, tmp_path: Path) -> None:
    text = (SYSTEMS / "slow-loop.system").read_text()
    (tmp_path / "a.system").write_text(text)
    (tmp_path / "a.timing").write_text("job control wcet 24ms\nkernel 1us\n")
    result = tessera("time", "a.system", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False and told["kernel"] == {"time": 1, "source": "a.timing:2:1"} and told["margins"] == []
    (late,) = [promise for promise in told["promises"] if not promise["holds"]]
    assert (late["component"], late["what"], late["line"]) == ("control", "job", 1)
    assert "1 of 2 deadlines may be missed" in result.stderr
    (tmp_path / "a.timing").write_text("jop control wcet 24ms\n")
    assert "did you mean 'job'?" in tessera("time", "a.system").stderr
    assert tessera("time", "a.system", "--timing", "absent").returncode == 2
    assert tessera("time", "a.system", "--kernel-time", "1 minute").returncode == 2
    (tmp_path / "b.system").write_text(text.replace('budget="2000" period="3000"', 'budget="2" period="3"'))
    refused = tessera("time", "b.system")
    assert refused.returncode == 2 and "b.system:5:" in refused.stderr and "budget-least" in refused.stderr
