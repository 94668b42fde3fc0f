# SPDX-License-Identifier: BSD-2-Clause
"""The release kernel on the hardware description of CVA6. `make test-rtl` runs this, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tessera.suites.bench.run import run as run_bench
from tessera.suites.core.guest import LATENCIES

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tessera.cli", "bench", "--core", "cva6", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_it_is_the_kernel_that_is_measured_in_qemu(told: dict[str, Any]) -> None:
    counted = run_bench("release", sstc=(False,))
    assert told["kernel"] == counted.kernel
    medians = {item.operation.name.removesuffix(".nosstc"): item.median for item in counted.measurements}
    medians["round_trip.0.same_space"] = medians["call.0.same_space"] + medians["reply_recv.0.same_space"]
    for item in told["results"]:
        # Reading the clock is one instruction in QEMU, and none that retires here: the shim does it.
        clocks = 2 if item["name"].startswith("round_trip") else 1
        assert item["instructions"] - item["machine_instructions"] + clocks == medians[item["name"]], item


def test_cycles_are_plausible(told: dict[str, Any]) -> None:
    found = {(item["name"], item["latency"]): item for item in told["results"]}
    assert {latency for _, latency in found} == set(LATENCIES)
    for (name, latency), item in found.items():
        cycles = item["cycles"]
        assert item["samples"] >= 10 and cycles["min"] <= cycles["median"] <= cycles["max"]
        # It retires two instructions in a cycle at most, and usually less than one.
        assert item["instructions"] / 2 < cycles["min"], (name, latency)
        assert 0 < item["machine_cycles"] < cycles["median"]
    for name in {name for name, _ in found}:
        medians = [found[name, latency]["cycles"]["median"] for latency in sorted(LATENCIES)]
        # Stores go through to memory, so a slower one costs.
        assert medians == sorted(medians) and medians[0] < medians[-1]
    for latency in LATENCIES:
        parts = [found[name, latency]["cycles"]["min"] for name in ("call.0", "reply_recv.0")]
        assert sum(parts) <= found["round_trip.0", latency]["cycles"]["min"]
