# SPDX-License-Identifier: BSD-2-Clause
"""The functions under proof, in groups."""

from __future__ import annotations

from tessera.proof.group import QUICK, Group
from tessera.proof.groups_structures import STRUCTURES
from tessera.proof.groups_ways import WAYS

__all__ = ["GROUPS", "QUICK", "Group"]

GROUPS: tuple[Group, ...] = (*STRUCTURES, *WAYS)
