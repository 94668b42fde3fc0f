# SPDX-License-Identifier: BSD-2-Clause
"""``in``: Python makes the whole tuple before it compares, so every alternative is evaluated, once and in order."""

from __future__ import annotations

import itertools

from tessera.lang import compiled, static, struct, u8, u64
from tests.readers import everywhere


@struct
class Log:
    """What was called, the last digit last."""

    calls: u64


log: Log = static(Log)


@compiled
def one_of(a: u8, b: u8, c: u8) -> bool:
    return a in (a, 3, a + c) or b not in (c - a, b)


@compiled
def called(digit: u64) -> u64:
    log.calls = log.calls * 10 + digit
    return digit


@compiled
def among_calls(x: u64) -> u64:
    log.calls = 0
    found = called(x) in (called(7), 2, called(8))
    return log.calls * 10 + u64(found)


def test_an_alternative_that_breaks_a_rule_breaks_it_in_any_case() -> None:
    readers = everywhere([one_of])
    for values in itertools.product((0, 1, 254, 255), repeat=3):
        readers.agree(one_of, *values, memory=None)


def test_calls_happen_once_and_in_order() -> None:
    readers = everywhere([among_calls, called])
    for value, expected in ((7, 7781), (2, 2781), (8, 8781), (5, 5780)):
        assert readers.agree(among_calls, value)[True] == ("gives", expected)
