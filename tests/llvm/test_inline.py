# SPDX-License-Identifier: BSD-2-Clause
"""What is compiled in place: the calls of one function, without a word about the same functions elsewhere."""

from __future__ import annotations

import re

from tessera.ir.build import build_program
from tessera.lang import compiled, u64
from tessera.llvm.emit import emit_module


@compiled
def double(x: u64) -> u64:
    return x + x


@compiled(inline="never")
def apart(x: u64) -> u64:
    return x + 1


@compiled(symbol="in_place", inline="calls")
def in_place(x: u64) -> u64:
    return apart(double(x))


@compiled(symbol="as_usual")
def as_usual(x: u64) -> u64:
    return double(x)


def calls_of(text: str, symbol: str) -> dict[str, str]:
    """By the function called: the attributes of the call."""
    body = text[text.index(f'@"{symbol}"(') :].split("\n}")[0]
    groups = dict(re.findall(r"attributes (#\d+) = \{ (.*) \}", text))
    found = re.findall(r"call i64 @\"?[\w.]*\.(\w+)\"?\([^)]*\)(?: (#\d+))?", body)
    return {name: groups.get(group, "") for name, group in found}


def test_the_calls_of_a_function_are_compiled_in_place() -> None:
    text = emit_module(build_program([in_place, as_usual]), target="riscv64", checked=False, debug_info=False)
    assert calls_of(text, "in_place") == {"double": "alwaysinline", "apart": ""}
    assert calls_of(text, "as_usual") == {"double": ""}
