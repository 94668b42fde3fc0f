# SPDX-License-Identifier: BSD-2-Clause
"""A broken rule of the language at user level: the program tells it and stops, and its fault handler is told."""

from __future__ import annotations

from typing import NoReturn

from tessera.lang import compiled
from tessera.runtime.console import put, put_line
from tessera.runtime.machine import stop


@compiled(symbol="tessera_violation")
def violation(message: bytes) -> NoReturn:
    """Called by checked code with the file, the line and the rule."""
    put(b"VIOLATION|")
    put_line(message)
    while True:
        stop()
