# SPDX-License-Identifier: BSD-2-Clause
"""Mistakes in what components need are told with their places.

Each `X.timing` in tests/rejected/timing is about `test.system` there, and has its message in `X.err`. Setting
TESSERA_UPDATE_GOLDENS=1 writes the messages anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.analysis.lines import read_lines
from tessera.analysis.model import model_of
from tessera.analysis.schedulability import analyse
from tessera.analysis.standin import distribution_of
from tessera.analysis.timing_file import read_timing
from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.system.sdf import parse

FOLDER = Path(__file__).parent.parent / "rejected" / "timing"
CASES = sorted(FOLDER.glob("*.timing"))
SYSTEM = parse(FOLDER / "test.system", shown_as="test.system")
DISTRIBUTION = distribution_of(SYSTEM)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path) -> None:
    with pytest.raises((Diagnostic, Diagnostics)) as caught:
        read_timing(read_lines(case, case.name), SYSTEM)
    error = caught.value
    golden = case.with_suffix(".err")
    if os.environ.get("TESSERA_UPDATE_GOLDENS") == "1":
        golden.write_text(f"{error}\n")
    assert f"{error}\n" == golden.read_text()
    for each in error.errors if isinstance(error, Diagnostics) else [error]:
        assert each.location.file == case.name
        assert each.location.line > 0 and each.location.column > 0
        assert each.why and each.fix
        assert case.stem == "several" or case.stem.startswith(each.rule)


def test_every_message_has_its_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.err")} == {path.stem for path in CASES}
    assert len(CASES) >= 15


def test_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "test.timing"
    path.write_text(
        "kernel 0.5us\njob control wcet 1.5ms deadline 10ms calls server x2 # twice\nprocedure server wcet 7ns"
    )
    timing = read_timing(read_lines(path), SYSTEM)
    (job,) = timing.jobs["control"]
    assert (job.wcet, job.every, job.deadline, job.calls[0].count) == (1_500_000, 100_000_000, 10_000_000, 2)
    assert timing.kernel == 500 and timing.procedures["server"].wcet == 7


WORDS = [
    "job",
    "procedure",
    "interrupt",
    "kernel",
    "wcet",
    "every",
    "deadline",
    "calls",
    "x1",
    ",",
    "10",
    "1ms",
    "0.3us",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "driver", "server", "control", "\n"]) | st.text(max_size=3), max_size=16))
def test_whatever_is_written_is_analysed_or_told(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.timing"
        path.write_bytes(" ".join(words).encode("utf-8", "surrogatepass"))
        try:
            timing = read_timing(read_lines(path, path.name), SYSTEM)
        except (Diagnostic, Diagnostics) as error:
            told = [one.location.line for one in getattr(error, "errors", [error])]
        else:
            model = model_of(SYSTEM, DISTRIBUTION, timing, 20_000)
            told = [promise.location.line for promise in analyse(model).promises]
        assert all(line > 0 for line in told)
