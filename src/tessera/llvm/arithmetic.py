# SPDX-License-Identifier: BSD-2-Clause
"""Arithmetic that can break a rule: told in checked code, a defined result in release code."""

from __future__ import annotations

from tessera.llvm.code import Code

_OVERFLOW = {"add": "uadd", "sub": "usub", "mul": "umul"}
_SHIFT = {"shl": "shl", "shr": "lshr", "arithmetic_shift_right": "ashr"}


def is_constant(operand: str) -> bool:
    """Whether an operand of a word type is a number."""
    return operand[0] != "%"


def overflowing(code: Code, operation: str, width: int, left: str, right: str) -> str:
    """``add``, ``sub`` or ``mul``; release code wraps."""
    type_ = f"i{width}"
    if not code.checked:
        return code.value(f"{operation} {type_} {left}, {right}")
    pair = f"{{ {type_}, i1 }}"
    callee = code.module.llvm_intrinsic(f"llvm.{_OVERFLOW[operation]}.with.overflow.{type_}", pair, [type_, type_])
    both = code.value(f"call {pair} {callee}({type_} {left}, {type_} {right})")
    fits = code.value(f"xor i1 {code.value(f'extractvalue {pair} {both}, 1')}, true")
    code.require(fits, "overflow")
    return code.value(f"extractvalue {pair} {both}, 0")


def divide(code: Code, operation: str, width: int, left: str, right: str) -> str:
    """``floordiv`` or ``mod``; for a zero divisor release code gives all ones, or the dividend."""
    type_, quotient = f"i{width}", operation == "floordiv"
    if is_constant(right) and int(right) == 0:
        if code.checked:
            code.require("false", "divide")
        return "-1" if quotient else left
    zero = ""
    if not is_constant(right):
        if code.checked:
            code.require(code.value(f"icmp ne {type_} {right}, 0"), "divide")
        else:
            zero = code.value(f"icmp eq {type_} {right}, 0")
            right = code.value(f"select i1 {zero}, {type_} 1, {type_} {right}")
    if width > 64:
        # There is no instruction and no library: the module brings its own loop.
        code.module.needs_division = True
        pair = code.value(f"call {{ i128, i128 }} @tessera_divide_128(i128 {left}, i128 {right})")
        result = code.value(f"extractvalue {{ i128, i128 }} {pair}, {0 if quotient else 1}")
    else:
        result = code.value(f"{'udiv' if quotient else 'urem'} {type_} {left}, {right}")
    if zero:
        result = code.value(f"select i1 {zero}, {type_} {'-1' if quotient else left}, {type_} {result}")
    return result


def shift(code: Code, operation: str, width: int, left: str, right: str) -> str:
    """A shift; release code takes the amount modulo the width, which is a power of two."""
    if is_constant(right):
        if code.checked and int(right) >= width:
            code.require("false", "shift")
        right = str(int(right) % width)
    elif code.checked:
        code.require(code.value(f"icmp ult i{width} {right}, {width}"), "shift")
    else:
        right = code.value(f"and i{width} {right}, {width - 1}")
    return code.value(f"{_SHIFT[operation]} i{width} {left}, {right}")
