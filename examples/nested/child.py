# SPDX-License-Identifier: BSD-2-Clause
"""Fails when it runs for the first time, and ends the run when it runs again."""

from __future__ import annotations

from tessera.lang import at, compiled, static, struct, u64
from tessera.runtime.console import put_line
from tessera.runtime.microkit import notify

END = 1
NOWHERE = 0x1000


@struct
class Life:
    """Memory that a restart does not change."""

    lives: u64


life: Life = static(Life)


@compiled
def init() -> None:
    life.lives += 1
    if life.lives == 1:
        put_line(b"child: I fail")
        at(Life, NOWHERE).lives = 1
    put_line(b"child: I live again")
    notify(END)
