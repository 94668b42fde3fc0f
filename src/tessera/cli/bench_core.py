# SPDX-License-Identifier: BSD-2-Clause
"""`tessera bench --core`: cycles of a round trip on the hardware description of a real core."""

from __future__ import annotations

from enum import StrEnum

from tessera.cli import output

JSON = """\b
With --core it is:
  ok                true
  core              the core
  unit              cycles
  kernel            SHA-256 of the kernel's file
  simulated_cycles  from reset to the end
  results           one object for each operation and latency of memory:
    name                  as above
    latency               cycles from a request until memory answers
    cycles                {"min": N, "median": N, "max": N}, from one reading of a counter to the other
    samples               how many there are, all warm
    instructions          that retired in between, in the sample of the median
    machine_cycles        of its cycles, those of machine mode: there the clock is read
    machine_instructions  of its instructions, those of machine mode

"""


class Core(StrEnum):
    """The cores that can be simulated."""

    cva6 = "cva6"


def measure_core(verbose: bool, as_json: bool) -> None:
    """Build the simulator if it is not there, measure, and tell."""
    from tessera.suites.core.run import run

    result = run(_told, output.progress(verbose))
    if as_json:
        output.emit_json(
            {
                "ok": True,
                "core": result.core,
                "unit": "cycles",
                "kernel": result.kernel,
                "simulated_cycles": result.simulated_cycles,
                "results": [
                    {
                        "name": item.name,
                        "latency": item.latency,
                        "cycles": {
                            "min": min(item.cycles),
                            "median": item.middle.cycles,
                            "max": max(item.cycles),
                        },
                        "samples": len(item.counts),
                        "instructions": item.middle.instructions,
                        "machine_cycles": item.middle.machine_cycles,
                        "machine_instructions": item.middle.machine_instructions,
                    }
                    for item in result.measurements
                ],
            }
        )
        return
    output.say(f"{result.core}, {result.simulated_cycles:,} cycles simulated; cycles at a latency of memory:")
    output.say(f"{'operation':<26}{'latency':>9}{'min':>7}{'median':>8}{'max':>7}{'instructions':>14}{'clock':>7}")
    for item in result.measurements:
        middle, cycles = item.middle, item.cycles
        output.say(
            f"{item.name:<26}{item.latency:>9}{min(cycles):>7}{middle.cycles:>8}{max(cycles):>7}"
            f"{middle.instructions:>14}{middle.machine_cycles:>7}"
        )
    output.say("clock: of the cycles, those in machine mode, where the clock is read for the kernel")


def _told(what: str, done: int, of: int) -> None:
    output.say(f"  {what}, {done} of {of}")
