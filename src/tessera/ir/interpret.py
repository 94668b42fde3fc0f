# SPDX-License-Identifier: BSD-2-Clause
"""What a program of the IR means: an interpreter that is meant to be read.

Values are raw (see :mod:`tessera.ir.values`): a number for every scalar, a tuple for a record or tuple, ``bytes`` for
text. Checked, a broken rule raises :class:`Violation`; unchecked, the operation has the result that release code has.
Every other reader of the IR is tested against this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tessera.ir import nodes
from tessera.ir.nodes import Expression, Function, Program, Statement
from tessera.ir.values import field_number, from_raw, mask_of, signed, tag_of, to_raw, width_of
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.memory import MEMORY_BASE, Memory
from tessera.lang.structs import size_of_stored
from tessera.lang.types import OptionalReference, is_enum, is_struct
from tessera.lang.words import RULES, Violation

Raw = Any


class OutOfSteps(Exception):
    """The program took more steps than the interpreter was given."""


@dataclass
class Frame:
    """One running function: its file, for messages, and its locals."""

    file: str
    names: dict[str, Raw] = field(default_factory=dict)


@dataclass(frozen=True)
class _Returned:
    value: Raw


_BREAK, _CONTINUE = object(), object()


class Interpreter:
    """Runs functions of a program over a memory.

    ``externals`` replaces the Python models of intrinsics and extern functions, by name or symbol; both are called with
    CPython values. ``steps`` bounds the number of statements of one call.
    """

    def __init__(
        self,
        program: Program,
        memory: Memory,
        *,
        checked: bool = True,
        externals: Mapping[str, Callable[..., Any]] | None = None,
        steps: int | None = None,
    ) -> None:
        self.program = program
        self.memory = memory
        self.checked = checked
        self.externals = dict(externals or {})
        self.steps = steps
        self._left = 0

    def call(self, function: Any, *values: Any) -> Any:
        """Call a function (itself, or by name) with CPython values; its CPython result. Raises :class:`Violation`."""
        found = self._find(function)
        raws = [to_raw(type_, value) for (_, type_), value in zip(found.parameters, values, strict=True)]
        return from_raw(found.result, self.call_raw(found.name, *raws))

    def call_raw(self, function: Any, *values: Raw) -> Raw:
        """The same with raw values."""
        found = self._find(function)
        self._left = -1 if self.steps is None else self.steps
        with self.memory:
            return self._run(found, values)

    def _find(self, function: Any) -> Function:
        if isinstance(function, property):
            function = function.fget
        info = function if isinstance(function, FunctionInfo) else info_of(function)
        return self.program.functions[info.name if info is not None else function]

    def _run(self, function: Function, values: tuple[Raw, ...]) -> Raw:
        names = [name for name, _ in function.parameters]
        frame = Frame(function.file, dict(zip(names, values, strict=True)))
        left = self.block(function.body, frame)
        return left.value if isinstance(left, _Returned) else None

    def _model(self, info: FunctionInfo, values: tuple[Raw, ...]) -> Raw:
        """A function that is not in the program: a Python function stands for it."""
        parameters, result = info.signature()
        model = self.externals.get(info.name) or self.externals.get(info.symbol) or info.function
        arguments = [from_raw(type_, raw) for type_, raw in zip(parameters.values(), values, strict=True)]
        value = model(*arguments)
        if result is NoReturn:
            raise Violation("unreachable", f"{info.name} returned")
        return to_raw(result, value)

    def broken(self, rule: str, line: int, frame: Frame) -> NoReturn:
        """A broken rule, with its place in the source."""
        raise Violation(rule, f"{frame.file}:{line}: {RULES[rule]}")

    # Statements. A block gives None when it runs to its end, or how it was left.

    def block(self, statements: list[Statement], frame: Frame) -> Any:
        """Run statements in order."""
        for statement in statements:
            if self._left == 0:
                raise OutOfSteps(f"{frame.file}:{statement.line}")
            self._left -= 1
            left = _STATEMENTS[type(statement)](self, statement, frame)
            if left is not None:
                return left
        return None

    def _assign(self, node: nodes.Assign, frame: Frame) -> None:
        frame.names[node.name] = self.evaluate(node.value, frame)

    def _store(self, node: nodes.Store, frame: Frame) -> None:
        value = self.evaluate(node.value, frame)
        address = self.evaluate(node.place, frame)
        try:
            self.memory.store(address, size_of_stored(node.place.type), value)
        except Violation:
            self.broken("address", node.line, frame)

    def _evaluate(self, node: nodes.Evaluate, frame: Frame) -> None:
        self.evaluate(node.value, frame)

    def _if(self, node: nodes.If, frame: Frame) -> Any:
        return self.block(node.then if self.evaluate(node.condition, frame) else node.otherwise, frame)

    def _while(self, node: nodes.While, frame: Frame) -> Any:
        while self.evaluate(node.condition, frame):
            left = self._turn(node.body, frame)
            if left is _BREAK:
                break
            if left is not None:
                return left
        return None

    def _for(self, node: nodes.For, frame: Frame) -> Any:
        start, stop = self.evaluate(node.start, frame), self.evaluate(node.stop, frame)
        for number in range(start, stop):
            frame.names[node.name] = number
            left = self._turn(node.body, frame)
            if left is _BREAK:
                break
            if left is not None:
                return left
        return None

    def _turn(self, body: list[Statement], frame: Frame) -> Any:
        """One turn of a loop; an empty body takes a step too, so that no loop escapes the bound."""
        if self._left == 0:
            raise OutOfSteps(frame.file)
        self._left -= 1
        left = self.block(body, frame)
        return None if left is _CONTINUE else left

    def _switch(self, node: nodes.Switch, frame: Frame) -> Any:
        value = self.evaluate(node.value, frame)
        for constants, body in node.cases:
            if value in constants:
                return self.block(body, frame)
        return self.block(node.default, frame)

    def _assert(self, node: nodes.Assert, frame: Frame) -> None:
        if self.checked and not self.evaluate(node.condition, frame):
            self.broken("assert", node.line, frame)

    def _return(self, node: nodes.Return, frame: Frame) -> _Returned:
        return _Returned(None if node.value is None else self.evaluate(node.value, frame))

    # Expressions

    def evaluate(self, node: Expression, frame: Frame) -> Raw:
        """The raw value of an expression; of a place, its address."""
        lazy = _LAZY.get(node.operation)
        if lazy is not None:
            return lazy(self, node, frame)
        strict = _STRICT.get(node.operation)
        if strict is None:
            raise RuntimeError(f"{frame.file}:{node.line}: {node.operation} has no meaning when a program runs")
        values = [self.evaluate(operand, frame) for operand in node.operands]
        return strict(_Here(self, node, frame), *values)

    def _let(self, node: Expression, frame: Frame) -> Raw:
        frame.names[node.data] = self.evaluate(node.operands[0], frame)
        return self.evaluate(node.operands[1], frame)

    def _select(self, node: Expression, frame: Frame) -> Raw:
        chosen = node.operands[1 if self.evaluate(node.operands[0], frame) else 2]
        return self.evaluate(chosen, frame)

    def _and_then(self, node: Expression, frame: Frame) -> Raw:
        return self.evaluate(node.operands[0], frame) and self.evaluate(node.operands[1], frame)

    def _or_else(self, node: Expression, frame: Frame) -> Raw:
        return self.evaluate(node.operands[0], frame) or self.evaluate(node.operands[1], frame)


class _Here:
    """An operation with its operands evaluated; its methods are the operations that need more than a formula."""

    def __init__(self, run: Interpreter, node: Expression, frame: Frame) -> None:
        self.run = run
        self.node = node
        self.frame = frame

    @property
    def mask(self) -> int:
        return mask_of(self.node.type)

    @property
    def width(self) -> int:
        return width_of(self.node.type)

    def need(self, holds: bool, rule: str) -> bool:
        """Checked, ``holds`` must be true. Unchecked, the caller goes on with the defined result."""
        if not holds and self.run.checked:
            self.run.broken(rule, self.node.line, self.frame)
        return holds

    def fit(self, number: int, rule: str) -> int:
        """A number cut to the width of the result, which must not change it."""
        self.need(0 <= number <= self.mask, rule)
        return number & self.mask

    def floordiv(self, left: int, right: int) -> int:
        return left // right if self.need(right != 0, "divide") else self.mask

    def mod(self, left: int, right: int) -> int:
        return left % right if self.need(right != 0, "divide") else left

    def amount(self, number: int) -> int:
        self.need(number < self.width, "shift")
        return number % self.width

    def member(self, number: int) -> int:
        enumeration = self.node.type
        self.need(any(number == int(one) for one in enumeration), "enum")
        return number & self.mask

    def meaning(self, type_: Any, raw: int) -> int:
        """Bits from memory or a packed field as a value of the type."""
        if type_ is bool:
            return int(raw != 0)
        if is_enum(type_):
            self.need(any(raw == int(one) for one in type_), "enum")
        elif is_struct(type_):
            self.need(raw != 0, "null")
        return raw

    def present(self, address: int) -> int:
        self.need(address != 0, "null")
        return address

    def field_place(self, address: int) -> int:
        if isinstance(self.node.operands[0].type, OptionalReference):
            self.present(address)
        return int(address + self.node.data.offset & mask_of(int))

    def element_place(self, address: int, index: int) -> int:
        array = self.node.operands[0].type
        self.need(index < array.length, "index")
        return address + index * size_of_stored(array.element) & mask_of(int)

    def load(self, address: int) -> int:
        try:
            raw = self.run.memory.load(address, size_of_stored(self.node.type))
        except Violation:
            self.run.broken("address", self.node.line, self.frame)
        return self.meaning(self.node.type, raw)

    def get_bits(self, raw: int) -> int:
        bits = self.node.data
        stored = int(raw >> bits.low & (1 << bits.width) - 1)
        return self.meaning(bits.type, field_number(bits, stored))

    def set_bits(self, raw: int, value: int) -> int:
        bits = self.node.data
        mask = (1 << bits.width) - 1
        stored = value >> bits.shift & mask
        self.need(field_number(bits, stored) == value, "field")
        return int(raw & ~(mask << bits.low) | stored << bits.low)

    def from_word(self, raw: int) -> int:
        kind = self.node.type.__packed__.tag_value
        self.need(kind is None or tag_of(self.node.type, raw) == kind, "variant")
        return raw

    def text_item(self, text: bytes, index: int) -> int:
        if not self.need(index < len(text), "index"):
            raise Violation("address", f"{self.frame.file}:{self.node.line}: read outside of constant text")
        return text[index]

    def call(self, *values: Raw) -> Raw:
        info = self.node.data
        function = self.run.program.functions.get(info.name)
        return self.run._model(info, values) if function is None else self.run._run(function, values)


_LAZY: dict[str, Callable[[Interpreter, Expression, Frame], Raw]] = {
    "constant": lambda run, node, frame: int(node.data or 0),
    "local": lambda run, node, frame: frame.names[node.data],
    "static": lambda run, node, frame: MEMORY_BASE + node.data.offset,
    "text": lambda run, node, frame: bytes(node.data),
    "and_then": Interpreter._and_then,
    "or_else": Interpreter._or_else,
    "select": Interpreter._select,
    "let": Interpreter._let,
}

_STRICT: dict[str, Callable[..., Raw]] = {
    "add": lambda here, a, b: here.fit(a + b, "overflow"),
    "sub": lambda here, a, b: here.fit(a - b, "overflow"),
    "mul": lambda here, a, b: here.fit(a * b, "overflow"),
    "wrapping_add": lambda here, a, b: a + b & here.mask,
    "wrapping_sub": lambda here, a, b: a - b & here.mask,
    "wrapping_mul": lambda here, a, b: a * b & here.mask,
    "floordiv": _Here.floordiv,
    "mod": _Here.mod,
    "and": lambda here, a, b: a & b,
    "or": lambda here, a, b: a | b,
    "xor": lambda here, a, b: a ^ b,
    "invert": lambda here, a: a ^ here.mask,
    "shl": lambda here, a, n: a << here.amount(n) & here.mask,
    "shr": lambda here, a, n: a >> here.amount(n),
    "arithmetic_shift_right": lambda here, a, n: signed(a, 64) >> here.amount(n) & here.mask,
    "count_leading_zeros": lambda here, a: 64 - a.bit_length(),
    "count_trailing_zeros": lambda here, a: (a & -a).bit_length() - 1 if a else 64,
    "min": lambda here, a, b: min(a, b),
    "max": lambda here, a, b: max(a, b),
    "eq": lambda here, a, b: int(a == b),
    "ne": lambda here, a, b: int(a != b),
    "lt": lambda here, a, b: int(a < b),
    "le": lambda here, a, b: int(a <= b),
    "gt": lambda here, a, b: int(a > b),
    "ge": lambda here, a, b: int(a >= b),
    "signed_less": lambda here, a, b: int(signed(a, 64) < signed(b, 64)),
    "not": lambda here, a: 1 - a,
    "convert": lambda here, a: here.fit(a, "narrow"),
    "truncate": lambda here, a: a & here.mask,
    "to_enum": _Here.member,
    "field_place": _Here.field_place,
    "element_place": _Here.element_place,
    "load": _Here.load,
    "reference_to": lambda here, a: a,
    "address_of": lambda here, a: a,
    "at": _Here.present,
    "at_or_none": lambda here, a: a,
    "present": _Here.present,
    "get_bits": _Here.get_bits,
    "set_bits": _Here.set_bits,
    "tag_of": lambda here, a: tag_of(here.node.operands[0].type, a),
    "is_variant": lambda here, a: int(tag_of(here.node.data, a) == here.node.data.__packed__.tag_value),
    "to_word": lambda here, a: a,
    "from_word": _Here.from_word,
    "as_variant": lambda here, a: a,
    "aggregate": lambda here, *values: values,
    "item": lambda here, values: values[here.node.data],
    "text_length": lambda here, text: len(text),
    "text_item": _Here.text_item,
    "call": _Here.call,
}

_STATEMENTS: dict[type[Statement], Callable[[Interpreter, Any, Frame], Any]] = {
    nodes.Assign: Interpreter._assign,
    nodes.Store: Interpreter._store,
    nodes.Evaluate: Interpreter._evaluate,
    nodes.If: Interpreter._if,
    nodes.While: Interpreter._while,
    nodes.For: Interpreter._for,
    nodes.Switch: Interpreter._switch,
    nodes.Break: lambda run, node, frame: _BREAK,
    nodes.Continue: lambda run, node, frame: _CONTINUE,
    nodes.Return: Interpreter._return,
    nodes.Assert: Interpreter._assert,
    # Also in release code: the processor stops there.
    nodes.Ghost: lambda run, node, frame: None,
    nodes.Unreachable: lambda run, node, frame: run.broken("unreachable", node.line, frame),
}
