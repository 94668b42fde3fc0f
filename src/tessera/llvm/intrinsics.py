# SPDX-License-Identifier: BSD-2-Clause
"""What the machine has: inline assembly and LLVM's own functions."""

from __future__ import annotations

from typing import Any

from tessera.ir.nodes import Expression
from tessera.ir.values import width_of
from tessera.lang.functions import FunctionInfo
from tessera.llvm.code import Code
from tessera.llvm.types import is_reference, llvm_type, scalars_of


def call_intrinsic(code: Code, node: Expression, info: FunctionInfo, values: list[str]) -> str:
    """Emit the instruction for one call; the operand that holds its result."""
    parameters, result = info.signature()
    if info.operation:
        return _llvm_function(code, node, info, values)
    if not info.assembly and not info.constraints:
        raise code.refuse(
            node,
            f"{info.name} has no instruction",
            "an intrinsic is compiled to its assembly or operation, and it names neither",
            'write @intrinsic(assembly="...", constraints="...")',
        )
    arguments = [_in_register(code, node, type_, v) for type_, v in zip(parameters.values(), values, strict=True)]
    results = scalars_of(result)
    if any(scalar == "i128" for scalar in results):
        raise _too_wide(code, node)
    narrow = len(results) == 1 and results[0] not in ("i64", "ptr")
    type_ = "i64" if narrow else llvm_type(result)
    attributes = ["nounwind"]
    if "~{memory}" not in info.constraints.split(","):
        # GCC's rule: assembly that does not name memory as clobbered neither reads nor writes objects.
        attributes.append("memory(inaccessiblemem: readwrite)")
    if type_ != "void" and not info.constraints.startswith("="):
        raise code.refuse(
            node,
            f"{info.name} has a result but its constraints have no output",
            "the result is taken from the outputs, which come first",
            'begin the constraints with "=r"',
        )
    text = (
        f'call {type_} asm sideeffect "{_escaped(info.assembly)}", "{_escaped(info.constraints)}"'
        f"({', '.join(arguments)}) {code.module.attributes(*attributes)}"
    )
    if type_ == "void":
        code.do(text)
        return ""
    value = code.value(text)
    return code.value(f"trunc i64 {value} to {results[0]}") if narrow else value


def _in_register(code: Code, node: Expression, type_: Any, value: str) -> str:
    """An argument of inline assembly: the bits above a narrow word must be zero, not whatever the register had."""
    if is_reference(type_):
        return f"ptr {value}"
    width = width_of(type_)
    if width > 64:
        raise _too_wide(code, node)
    return f"i64 {value if width == 64 else code.value(f'zext i{width} {value} to i64')}"


def _too_wide(code: Code, node: Expression) -> Exception:
    return code.refuse(
        node, "a u128 does not fit a register", "assembly works on registers of 64 bits", "pass two u64 instead"
    )


def _llvm_function(code: Code, node: Expression, info: FunctionInfo, values: list[str]) -> str:
    parameters, result = info.signature()
    if not info.operation.startswith("llvm."):
        raise code.refuse(
            node,
            f"{info.name}: there is no operation {info.operation!r}",
            "an operation is a function that LLVM itself defines",
            'name one, such as "llvm.bswap.i64"',
        )
    types = [llvm_type(type_) for type_ in parameters.values()]
    callee = code.module.llvm_intrinsic(info.operation, llvm_type(result), types)
    arguments = ", ".join(f"{type_} {value}" for type_, value in zip(types, values, strict=True))
    text = f"call {llvm_type(result)} {callee}({arguments})"
    if result is None:
        code.do(text)
        return ""
    return code.value(text)


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() and c.isascii() and c not in '"\\' else f"\\{ord(c):02X}" for c in text)
