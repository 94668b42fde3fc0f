# SPDX-License-Identifier: BSD-2-Clause
# ruff: noqa
"""Rejected: a constant fits its packed field."""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import Packed, bits, compiled, packed, u8, u64, variant


class Kind(IntEnum):
    EMPTY = 0
    ENDPOINT = 1


@packed(u64, tag="kind")
class Capability(Packed):
    kind: u8 = bits(0, 4)
    rights: u8 = bits(4, 2)


@variant(Kind.EMPTY)
class EmptyCap(Capability):
    pass


@variant(Kind.ENDPOINT)
class EndpointCap(Capability):
    badge: u64 = bits(8, 28)


@compiled
def full() -> Capability:
    return EndpointCap(badge=0, rights=4)
