# SPDX-License-Identifier: BSD-2-Clause
"""`tessera bench`: instructions of kernel operations, beside the figures of reference."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tessera.cli import output
from tessera.cli.options import Config, Json, Verbose, exit_codes

_JSON = """\b
The object that --json prints:
  ok            true
  config        debug or release
  profile       the kernel's profile
  unit          instructions
  kernel        SHA-256 of the kernel's file; conformance tells it too
  text          bytes of the kernel's code and constants
  operations    one object for each operation:
    name          a short name that stays the same
    meaning       what is measured
    instructions  in the last round; those of the measurement itself are taken off
    rounds        in each round
    reference     seL4 16.0: {"fastpath": N, "slow_path": N}, null if unknown
    ratio         instructions / reference.fastpath, null if unknown

"""

EPILOG = _JSON + exit_codes((0, "everything was measured"))


def bench(
    config: Annotated[
        Config, typer.Option("--config", help="debug: assertions, thread names, console; release: none of them.")
    ] = Config.release,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Count the instructions of kernel operations in QEMU; two runs give the same numbers."""
    from tessera.suites.bench.run import run

    result = run(config.value, progress=output.progress(verbose))
    if as_json:
        output.emit_json(
            {
                "ok": True,
                "config": config,
                "profile": result.profile,
                "unit": "instructions",
                "kernel": result.kernel,
                "text": result.kernel_text,
                "operations": [
                    {
                        "name": item.operation.name,
                        "meaning": item.operation.meaning,
                        "instructions": item.instructions,
                        "rounds": item.rounds,
                        "reference": {"fastpath": item.operation.fast, "slow_path": item.operation.slow},
                        "ratio": item.ratio,
                    }
                    for item in result.measurements
                ],
            }
        )
        return
    output.say(f"kernel {config.value}, {output.size(result.kernel_text)} of code; instructions, seL4 16.0 beside them")
    output.say(f"{'operation':<24}{'Tessera':>8}{'fastpath':>10}{'slow path':>11}{'ratio':>8}")
    for item in result.measurements:
        ratio = "" if item.ratio is None else f"{item.ratio:.2f}"
        fast, slow = (_shown(value) for value in (item.operation.fast, item.operation.slow))
        output.say(f"{item.operation.name:<24}{item.instructions:>8}{fast:>10}{slow:>11}{ratio:>8}")


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
