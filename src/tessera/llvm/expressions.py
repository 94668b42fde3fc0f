# SPDX-License-Identifier: BSD-2-Clause
"""Expressions of the IR as LLVM instructions.

Every result is defined. Release code masks shift amounts and guards divisors; nothing carries a flag that would make
the result of an overflow or of an address outside an object undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from tessera.ir.nodes import Expression
from tessera.ir.values import width_of
from tessera.lang.functions import FunctionInfo
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.structs import alignment_of_stored, size_of_stored
from tessera.lang.types import OptionalReference, is_enum, is_packed, is_struct
from tessera.llvm.arithmetic import divide, is_constant, overflowing, shift
from tessera.llvm.code import Code
from tessera.llvm.fields import get_bits, require_member, set_bits, tag_of
from tessera.llvm.intrinsics import call_intrinsic
from tessera.llvm.types import TEXT_TYPE, is_reference, llvm_type, quoted

_WRAPPING = {
    "wrapping_add": "add",
    "wrapping_sub": "sub",
    "wrapping_mul": "mul",
    "and": "and",
    "or": "or",
    "xor": "xor",
}
_ARITHMETIC = dict.fromkeys(("add", "sub", "mul"), overflowing) | dict.fromkeys(("floordiv", "mod"), divide)
_ARITHMETIC |= dict.fromkeys(("shl", "shr", "arithmetic_shift_right"), shift)
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "signed_less": "slt"}
_SAME_BITS = ("to_word", "as_variant", "reference_to")


class ExpressionEmitter(Code):
    """Evaluates expressions; a result is the text of an LLVM operand."""

    variables: dict[str, str]  # mutable names, by their place on the stack
    values: dict[str, str]  # names that are bound once: parameters, and what `let` binds
    returned_never = False

    def expression(self, node: Expression) -> str:
        """The operand that holds the value; empty for a call without result."""
        self.at_line(node.line)
        operation = node.operation
        if operation in _COMPARE:
            left, right = self.operands(node)
            self.at_line(node.line)
            return self.value(f"icmp {_COMPARE[operation]} {llvm_type(node.operands[0].type)} {left}, {right}")
        if operation in _WRAPPING:
            left, right = self.operands(node)
            self.at_line(node.line)
            return self.value(f"{_WRAPPING[operation]} {llvm_type(node.type)} {left}, {right}")
        if operation in _SAME_BITS:
            return self.expression(node.operands[0])
        method = _METHODS.get(operation)
        if method is None:
            raise RuntimeError(f"line {node.line}: {operation} has no meaning in machine code")
        return method(self, node)

    def operands(self, node: Expression) -> list[str]:
        """All operands, left to right."""
        return [self.expression(operand) for operand in node.operands]

    # Leaves

    def _constant(self, node: Expression) -> str:
        return constant(node.type, int(node.data or 0))

    def _local(self, node: Expression) -> str:
        if node.data in self.values:
            return self.values[node.data]
        return self.value(f"load {llvm_type(node.type)}, ptr {self.variables[node.data]}")

    def _let(self, node: Expression) -> str:
        self.values[node.data] = self.expression(node.operands[0])
        return self.expression(node.operands[1])

    def _static(self, node: Expression) -> str:
        return self.module.static(node.data)

    def _text(self, node: Expression) -> str:
        first = self.value(f"insertvalue {TEXT_TYPE} zeroinitializer, ptr {self.module.text(bytes(node.data))}, 0")
        return self.value(f"insertvalue {TEXT_TYPE} {first}, i64 {len(node.data)}, 1")

    # Arithmetic

    def _arithmetic(self, node: Expression) -> str:
        left, right = self.operands(node)
        self.at_line(node.line)
        return _ARITHMETIC[node.operation](self, node.operation, width_of(node.type), left, right)

    def _invert(self, node: Expression) -> str:
        operand = self.expression(node.operands[0])
        return self.value(f"xor {llvm_type(node.type)} {operand}, -1")

    def _count_zeros(self, node: Expression) -> str:
        operand = self.expression(node.operands[0])
        name = "llvm.ctlz" if node.operation == "count_leading_zeros" else "llvm.cttz"
        return self.llvm(name, "i64", operand, flags="false")  # false: zero is a defined operand

    def _choose(self, node: Expression) -> str:
        left, right = self.operands(node)
        return self.llvm(f"llvm.u{node.operation}", llvm_type(node.type), left, right)

    # Conditions

    def _not(self, node: Expression) -> str:
        return self.value(f"xor i1 {self.expression(node.operands[0])}, true")

    def _short_circuit(self, node: Expression) -> str:
        both = node.operation == "and_then"
        second, end = self.label("second"), self.label("end")
        first = self.expression(node.operands[0])
        origin = self.block
        self.branch(first, second if both else end, end if both else second)
        self.start(second)
        value = self.expression(node.operands[1])
        second_origin = self.block
        self.jump(end)
        self.start(end)
        return self.phi("i1", [("false" if both else "true", origin), (value, second_origin)])

    def condition(self, node: Expression, yes: str, no: str) -> None:
        """Branch on a condition without computing its value first."""
        self.at_line(node.line)
        if node.operation == "not":
            self.condition(node.operands[0], no, yes)
        elif node.operation in ("and_then", "or_else"):
            second = self.label("second")
            both = node.operation == "and_then"
            self.condition(node.operands[0], second if both else yes, no if both else second)
            self.start(second)
            self.condition(node.operands[1], yes, no)
        else:
            self.branch(self.expression(node), yes, no)

    def _select(self, node: Expression) -> str:
        yes, no, end = self.label("yes"), self.label("no"), self.label("end")
        self.condition(node.operands[0], yes, no)
        incoming = []
        for label, operand in ((yes, node.operands[1]), (no, node.operands[2])):
            self.start(label)
            value = self.expression(operand)
            incoming.append((value, self.block))
            self.jump(end)
        self.start(end)
        return self.phi(llvm_type(node.type), incoming)

    # Conversions

    def _convert(self, node: Expression) -> str:
        operand = self.expression(node.operands[0])
        source, target = width_of(node.operands[0].type), width_of(node.type)
        if target < source and self.checked:
            if is_constant(operand):
                fits = "true" if int(operand) < 1 << target else "false"
            else:
                fits = self.value(f"icmp ule i{source} {operand}, {(1 << target) - 1}")
            self.require(fits, "narrow")
        return self.resize(operand, source, target)

    def resize(self, operand: str, source: int, target: int) -> str:
        """Zero-extend or cut a word; widths in bits."""
        if source == target:
            return operand
        return self.value(f"{'zext' if source < target else 'trunc'} i{source} {operand} to i{target}")

    def _truncate(self, node: Expression) -> str:
        operand = self.expression(node.operands[0])
        return self.resize(operand, width_of(node.operands[0].type), width_of(node.type))

    def _to_enum(self, node: Expression) -> str:
        operand = self.expression(node.operands[0])
        source = width_of(node.operands[0].type)
        if self.checked:
            require_member(self, operand, source, node.type)
        return self.resize(operand, source, width_of(node.type))

    # Places and references

    def _field_place(self, node: Expression) -> str:
        base = self.expression(node.operands[0])
        self.at_line(node.line)
        if self.checked and isinstance(node.operands[0].type, OptionalReference):
            self.require_present(base)
        if node.data.offset == 0:
            return base
        return self.value(f"getelementptr i8, ptr {base}, i64 {node.data.offset}")

    def _element_place(self, node: Expression) -> str:
        base, index = self.operands(node)
        self.at_line(node.line)
        array = node.operands[0].type
        if self.checked:
            self.require_index(index, str(array.length))
        return self.value(f"getelementptr [{size_of_stored(array.element)} x i8], ptr {base}, i64 {index}")

    def require_index(self, index: str, length: str) -> None:
        """Tell a violation unless the index is below the length."""
        if is_constant(index) and is_constant(length) and int(index) < int(length):
            return
        self.require(self.value(f"icmp ult i64 {index}, {length}"), "index")

    def require_present(self, pointer: str) -> None:
        """Tell a violation if the reference is ``None``."""
        self.require(self.value(f"icmp ne ptr {pointer}, null"), "null")

    def _load(self, node: Expression) -> str:
        place = self.expression(node.operands[0])
        self.at_line(node.line)
        self.require_address(place, node.type)
        memory_type, alignment = stored(node.type)
        value = self.value(f"load {memory_type}, ptr {place}, align {alignment}")
        if node.type is bool:
            return self.value(f"icmp ne i8 {value}, 0")
        if self.checked:
            self.require_meaning(value, node.type)
        return value

    def require_meaning(self, value: str, type_: Any) -> None:
        """Tell a violation if bits from memory or from a packed field mean nothing in their type."""
        if is_enum(type_):
            require_member(self, value, width_of(type_), type_)
        elif is_struct(type_):
            self.require_present(value)

    def store(self, place: str, type_: Any, value: str) -> None:
        """Write a scalar to a place."""
        self.require_address(place, type_)
        memory_type, alignment = stored(type_)
        if type_ is bool:
            value = self.value(f"zext i1 {value} to i8")
        self.do(f"store {memory_type} {value}, ptr {place}, align {alignment}")

    def require_address(self, place: str, type_: Any) -> None:
        """On the host, checked: tell a violation unless the place is in memory and aligned."""
        size = self.module.options.memory_size
        if not size or not self.checked:
            return
        bytes_, (_, alignment) = size_of_stored(type_), stored(type_)
        address = self.value(f"ptrtoint ptr {place} to i64")
        offset = self.value(f"sub i64 {address}, {MEMORY_BASE}")
        good = self.value(f"icmp ule i64 {offset}, {size - bytes_}")
        if alignment > 1:
            aligned = self.value(f"icmp eq i64 {self.value(f'and i64 {address}, {alignment - 1}')}, 0")
            good = self.value(f"and i1 {good}, {aligned}")
        self.require(good, "address")

    def _address_of(self, node: Expression) -> str:
        return self.value(f"ptrtoint ptr {self.expression(node.operands[0])} to i64")

    def _at(self, node: Expression) -> str:
        address = self.expression(node.operands[0])
        self.at_line(node.line)
        if self.checked and node.operation == "at":
            self.require(self.value(f"icmp ne i64 {address}, 0"), "null")
        return self.value(f"inttoptr i64 {address} to ptr")

    def _present(self, node: Expression) -> str:
        pointer = self.expression(node.operands[0])
        self.at_line(node.line)
        if self.checked:
            self.require_present(pointer)
        return pointer

    # Packed values, aggregates, text

    def _get_bits(self, node: Expression) -> str:
        raw = self.expression(node.operands[0])
        self.at_line(node.line)
        value = get_bits(self, raw, width_of(node.operands[0].type), node.data)
        if self.checked:
            self.require_meaning(value, node.data.type)
        return value

    def _set_bits(self, node: Expression) -> str:
        raw, value = self.operands(node)
        self.at_line(node.line)
        return set_bits(self, raw, width_of(node.operands[0].type), node.data, value)

    def _tag_of(self, node: Expression) -> str:
        return tag_of(self, self.expression(node.operands[0]), node.operands[0].type)

    def is_kind(self, raw: str, variant: Any) -> str:
        """Whether the tag of some bits names this kind."""
        tag = tag_of(self, raw, variant)
        return self.value(f"icmp eq {llvm_type(variant)} {tag}, {variant.__packed__.tag_value}")

    def _is_variant(self, node: Expression) -> str:
        return self.is_kind(self.expression(node.operands[0]), node.data)

    def _from_word(self, node: Expression) -> str:
        raw = self.expression(node.operands[0])
        self.at_line(node.line)
        if self.checked and is_packed(node.type) and node.type.__packed__.tag_value is not None:
            self.require(self.is_kind(raw, node.type), "variant")
        return raw

    def _aggregate(self, node: Expression) -> str:
        type_ = llvm_type(node.type)
        values = self.operands(node)
        result = "zeroinitializer"
        for index, (operand, value) in enumerate(zip(node.operands, values, strict=True)):
            result = self.value(f"insertvalue {type_} {result}, {llvm_type(operand.type)} {value}, {index}")
        return result

    def _item(self, node: Expression) -> str:
        aggregate = self.expression(node.operands[0])
        return self.value(f"extractvalue {llvm_type(node.operands[0].type)} {aggregate}, {int(node.data)}")

    def _text_length(self, node: Expression) -> str:
        return self.value(f"extractvalue {TEXT_TYPE} {self.expression(node.operands[0])}, 1")

    def _text_item(self, node: Expression) -> str:
        text, index = self.operands(node)
        self.at_line(node.line)
        if self.checked:
            self.require_index(index, self.value(f"extractvalue {TEXT_TYPE} {text}, 1"))
        base = self.value(f"extractvalue {TEXT_TYPE} {text}, 0")
        return self.value(f"load i8, ptr {self.value(f'getelementptr i8, ptr {base}, i64 {index}')}, align 1")

    # Calls

    def _call(self, node: Expression) -> str:
        info: FunctionInfo = node.data
        values = self.operands(node)
        self.at_line(node.line)
        self.returned_never = info.signature()[1] is NoReturn
        if info.kind == "intrinsic" and not self.module.is_callback(info):
            return call_intrinsic(self, node, info, values)
        if info.kind == "extern" and not self.module.is_callback(info):
            self.module.declare(info)
        result, types = self.module.call_parts(info)
        arguments = ", ".join(f"{type_} {value}" for type_, value in zip(types, values, strict=True))
        text = f"call {result} @{quoted(self.module.symbol(info))}({arguments})"
        if self.function.info.inline == "calls" and info.kind == "compiled" and info.inline != "never":
            text += f" {self.module.attributes('alwaysinline')}"
        if result == "void":
            self.do(text)
            return ""
        return self.value(text)


def constant(type_: Any, number: int) -> str:
    """A scalar constant as an operand."""
    if type_ is bool:
        return "true" if number else "false"
    if is_reference(type_):
        return f"inttoptr (i64 {number} to ptr)" if number else "null"
    return str(number)


def stored(type_: Any) -> tuple[str, int]:
    """The LLVM type of a stored scalar, and its alignment in bytes."""
    return ("i8" if type_ is bool else llvm_type(type_)), alignment_of_stored(type_)


_METHODS: dict[str, Callable[[ExpressionEmitter, Expression], str]] = {
    "count_leading_zeros": ExpressionEmitter._count_zeros,
    "count_trailing_zeros": ExpressionEmitter._count_zeros,
    "min": ExpressionEmitter._choose,
    "max": ExpressionEmitter._choose,
    "and_then": ExpressionEmitter._short_circuit,
    "or_else": ExpressionEmitter._short_circuit,
    "at_or_none": ExpressionEmitter._at,
}
_METHODS |= dict.fromkeys(_ARITHMETIC, ExpressionEmitter._arithmetic)
_METHODS |= {
    name: getattr(ExpressionEmitter, f"_{name}")
    for name in (
        "constant local let static text invert not select convert truncate to_enum field_place element_place load "
        "address_of at present get_bits set_bits tag_of is_variant from_word aggregate item text_length text_item call"
    ).split()
}
