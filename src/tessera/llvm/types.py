# SPDX-License-Identifier: BSD-2-Clause
"""How types of the language are written in LLVM: in registers, in memory, and at the boundary to C and assembly."""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn

from tessera.ir.values import component_types, width_of
from tessera.lang.types import INTEGER, RATIONAL, TEXT, OptionalReference, is_enum, is_packed, is_struct, is_word

POINTER = "ptr"
TEXT_TYPE = "{ ptr, i64 }"
# The numbers of ghost code where native code has it: integers, and fractions in units of 2**-FRACTION_BITS.
INTEGER_BITS = 128
RATIONAL_BITS, FRACTION_BITS = 256, 224


def is_reference(type_: Any) -> bool:
    """Whether this is a reference to a struct, optional or not."""
    return isinstance(type_, OptionalReference) or is_struct(type_)


@cache
def llvm_type(type_: Any) -> str:
    """The type of a value in registers."""
    if type_ is None or type_ is NoReturn:
        return "void"
    if is_reference(type_):
        return POINTER
    if type_ is TEXT:
        return TEXT_TYPE
    if type_ is INTEGER or type_ is RATIONAL:
        return f"i{INTEGER_BITS if type_ is INTEGER else RATIONAL_BITS}"
    parts = component_types(type_)
    if parts is not None:
        return "{ " + ", ".join(llvm_type(part) for part in parts) + " }" if parts else "{}"
    return f"i{width_of(type_)}"


@cache
def scalars_of(type_: Any) -> tuple[str, ...]:
    """The scalars that a value consists of, in order, as LLVM types: records and tuples taken apart."""
    if type_ is None or type_ is NoReturn:
        return ()
    if type_ is TEXT:
        return (POINTER, "i64")
    parts = component_types(type_)
    if parts is not None:
        return tuple(scalar for part in parts for scalar in scalars_of(part))
    return (llvm_type(type_),)


@cache
def extension_of(type_: Any) -> str:
    """How the C convention of RV64 widens a narrow word to a register; empty where there is nothing to widen.

    A 32-bit word is sign-extended even if it is unsigned (RISC-V psABI, integer calling convention).
    """
    if type_ is bool or is_word(type_) or is_enum(type_) or is_packed(type_):
        width = width_of(type_)
        if width < 32:
            return "zeroext "
        if width == 32:
            return "signext "
    return ""


def quoted(name: str) -> str:
    """A name as LLVM's quoted identifier."""
    return '"' + "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else _escaped(c) for c in name) + '"'


def variable(prefix: str, name: str) -> str:
    """A name of the source as an LLVM value; Python allows letters that LLVM wants quoted."""
    return f"%{prefix}.{name}" if name.isascii() and name.isidentifier() else f"%{quoted(f'{prefix}.{name}')}"


def _escaped(text: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in text.encode())


def bytes_constant(data: bytes) -> str:
    """The initialiser of a byte array."""
    return 'c"' + "".join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:02X}" for b in data) + '"'
