# SPDX-License-Identifier: BSD-2-Clause
"""Notifies on a channel that the system description does not have."""

from __future__ import annotations

from tessera.lang import compiled
from tessera.runtime.microkit import notify

CHANNEL = 7


@compiled
def init() -> None:
    notify(CHANNEL)
