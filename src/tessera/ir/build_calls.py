# SPDX-License-Identifier: BSD-2-Clause
"""Calls: functions and methods of the language, conversions, and operations that are functions of ``tessera.lang``."""

from __future__ import annotations

import ast
import builtins
from abc import abstractmethod
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NoReturn

from tessera.ir.build_construct import Construction
from tessera.ir.build_errors import BUILTINS, close_match, conversion_advice, count_of, describe
from tessera.ir.build_operators import repeatable
from tessera.ir.build_scope import Choice, Length, Live, Method, Value, means
from tessera.ir.build_types import U64, base_of, is_reference
from tessera.ir.nodes import Expression
from tessera.lang import contracts, functions, memory, records, structs, words
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.packed import PackedInfo, from_word, to_word
from tessera.lang.types import (
    TEXT,
    ArrayType,
    OptionalReference,
    UnknownType,
    is_enum,
    is_mathematical,
    is_packed,
    is_record,
    is_struct,
    is_word,
)
from tessera.lang.words import WORDS, Violation, Word

# Functions whose result is computed while building when all arguments are constants.
_FOLDED: tuple[Any, ...] = (
    words.wrapping_add,
    words.wrapping_sub,
    words.wrapping_mul,
    words.min,
    words.max,
    words.signed_less,
    words.arithmetic_shift_right,
    words.count_leading_zeros,
    words.count_trailing_zeros,
    words.truncate,
    structs.size_of,
    structs.offset_of,
    builtins.len,
)

# Operations on two words of one type, and on words of 64 bits.
_SAME_WORD: dict[Any, str] = {
    words.wrapping_add: "wrapping_add",
    words.wrapping_sub: "wrapping_sub",
    words.wrapping_mul: "wrapping_mul",
    words.min: "min",
    words.max: "max",
}
_ON_U64: dict[Any, tuple[str, Any]] = {
    words.signed_less: ("signed_less", bool),
    words.arithmetic_shift_right: ("arithmetic_shift_right", U64),
    words.count_leading_zeros: ("count_leading_zeros", U64),
    words.count_trailing_zeros: ("count_trailing_zeros", U64),
}
_ARITY = {"signed_less": 2, "arithmetic_shift_right": 2, "count_leading_zeros": 1, "count_trailing_zeros": 1}

_LANGUAGE_MODULES = {module.__name__ for module in (contracts, functions, memory, records, structs, words)}
_LANGUAGE_MODULES.add(PackedInfo.__module__)


class Calls(Construction):
    """Read calls."""

    @abstractmethod
    def number(self, node: ast.Call, cls: Any) -> Value:
        """Read ``integer(x)`` or ``rational(x)``."""

    @abstractmethod
    def proof_function(self, node: ast.Call, target: Any) -> Value | None:
        """Read a call of what only proofs have; ``None`` for any other function."""

    def call(self, node: ast.Call) -> Value:
        """Read a call."""
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                self.unsupported(argument)
        if any(keyword.arg is None for keyword in node.keywords):
            self.unsupported(ast.copy_location(ast.Starred(value=node.func), node))
        callee = self.value(node.func)
        if isinstance(callee, Method):
            if callee.info.kind == "replace":
                return self.replace(node, callee.receiver)
            return self._function(node, callee.info, callee.receiver)
        if not isinstance(callee, Live):
            self.fail(node, "not-callable", f"{self.text(node.func)} is not a function")
        target = callee.value
        info = info_of(target)
        if info is not None:
            return self._function(node, info, None)
        if isinstance(target, type):
            return self._class(node, target)
        return self._language(node, target)

    def _function(self, node: ast.Call, info: FunctionInfo, receiver: Expression | None) -> Expression:
        parameters, _ = self.signature(info)
        written: list[tuple[str, Expression]] = []
        names = list(parameters)
        if receiver is not None:
            written.append((names[0], receiver))
        for name, argument in self.match_arguments(node, names[len(written) :], info.function.__qualname__):
            written.append((name, self.expression(argument, parameters[name])))
        return self.in_order(node, written, names, lambda arguments: self.invoke(node, info, arguments))

    def invoke(self, node: ast.AST, info: FunctionInfo, arguments: tuple[Expression, ...]) -> Expression:
        """A call with its arguments already read."""
        if info.kind == "specification":
            self.only_in_proofs(node, f"the specification function {info.function.__qualname__}")
        if self.proof:
            self.proof_calls.append((info, node))
        self.calls.append((info, node))
        return self.make(node, "call", self.signature(info)[1], arguments, info)

    # Classes

    def _class(self, node: ast.Call, cls: Any) -> Value:
        if is_word(cls):
            return self._convert(node, cls)
        if is_enum(cls):
            return self._to_enum(node, cls)
        if is_packed(cls):
            return self.packed(node, cls)
        if is_record(cls):
            return self.record(node, cls)
        if is_mathematical(cls):
            return self.number(node, cls)
        name = cls.__name__
        if is_struct(cls):
            self.fail(
                node,
                "no-allocation",
                f"a {name} cannot be made in a function",
                why="a struct lives in memory, and nothing is allocated while the program runs",
                fix=f"declare one with static({name}) in the module, or find it with at({name}, address)",
            )
        if issubclass(cls, IntEnum):
            self.fail(
                node,
                "type-mismatch",
                f"{name} is a set of constants, not a type",
                why="it has no storage word",
                fix=f"decorate {name} with @word(u64)",
            )
        self._no_builtin(node, name)

    def _no_builtin(self, node: ast.Call, name: str) -> NoReturn:
        fix = BUILTINS.get(name, "see docs/language.md for what there is")
        why = "it is Python's own, and has no meaning in machine code"
        self.fail(node, "not-compiled", f"{name} is not part of the language", why=why, fix=fix)

    def one_argument(self, node: ast.Call) -> ast.expr:
        if len(node.args) != 1 or node.keywords:
            self.fail(node, "arguments", f"{self.text(node.func)} takes one argument")
        return node.args[0]

    def _convert(self, node: ast.Call, word: Any) -> Value:
        if not node.args and not node.keywords:
            return Live(word(0))
        argument = self.one_argument(node)
        return self._converted(node, self.value(argument), word, argument)

    def _converted(self, node: ast.AST, value: Value, word: Any, argument: ast.AST) -> Value:
        if isinstance(value, Live) and isinstance(value.value, int):
            number = int(value.value)
            if 0 <= number <= word.maximum:
                return Live(word(number))
            if not isinstance(value.value, Word):
                self.check_range(number, word, argument)
        if isinstance(value, Choice):
            sides = (self._converted(node, side, word, argument) for side in (value.then, value.otherwise))
            then, otherwise = (self.coerce(side, word, argument) for side in sides)
            return self.make(node, "select", word, (value.condition, then, otherwise))
        operand = value.expression if isinstance(value, Length) else self.settle(value, argument)
        have = operand.type
        if have is word:
            return operand
        if not (is_word(have) or have is bool or is_enum(have)):
            self.fail(
                argument,
                "type-mismatch",
                f"{self.text(argument)} is {describe(have)}, which {describe(word)}(...) cannot convert",
                fix=conversion_advice(have, word, self.text(argument)),
            )
        return self.make(node, "convert", word, (operand,))

    def _to_enum(self, node: ast.Call, cls: Any) -> Value:
        argument = self.one_argument(node)
        value = self.value(argument)
        if isinstance(value, Live) and isinstance(value.value, int) and not isinstance(value.value, bool):
            if any(int(member) == int(value.value) for member in cls):
                return Live(next(member for member in cls if int(member) == int(value.value)))
            if not isinstance(value.value, Word):
                self.fail(argument, "constant-range", f"{int(value.value)} is no member of {cls.__name__}")
        operand = value.expression if isinstance(value, Length) else self.settle(value, argument)
        if operand.type is cls:
            return operand
        if not is_word(operand.type):
            self.fail(argument, "type-mismatch", f"{self.text(argument)} is {describe(operand.type)}, not a word")
        return self.make(node, "to_enum", cls, (operand,))

    # Functions of tessera.lang, and Python's own

    def _language(self, node: ast.Call, target: Any) -> Value:
        if (proof := self.proof_function(node, target)) is not None:
            return proof
        special: dict[int, Callable[[ast.Call], Value]] = {
            id(words.truncate): self._truncate,
            id(structs.at): self._at,
            id(structs.at_or_none): self._at,
            id(structs.address_of): self._address_of,
            id(to_word): self._to_word,
            id(from_word): self._from_word,
            id(contracts.implies): self._implies,
            id(builtins.isinstance): self.is_instance,
            id(builtins.len): self._length,
        }
        if any(target is function for function in _FOLDED):
            folded = self._fold(node, target)
            if folded is not None:
                return folded
        for table in (_SAME_WORD, _ON_U64):
            for function, entry in table.items():
                if target is function:
                    return self._operation(node, entry)
        if id(target) in special:
            return special[id(target)](node)
        name = getattr(target, "__name__", self.text(node.func))
        if target is words.range:
            self.fail(node, "unsupported", "range is only for the head of a for loop", fix="write for i in range(n):")
        if getattr(target, "__module__", "") == "builtins":
            self._no_builtin(node, name)
        if getattr(target, "__module__", "") in _LANGUAGE_MODULES:
            self.fail(node, "unsupported", f"{name} is not for function bodies", why="it declares or checks something")
        if not callable(target):
            self.fail(node, "not-callable", f"{self.text(node.func)} is not a function")
        self.fail(
            node,
            "not-compiled",
            f"{name} is not a function of the language",
            why="only functions that are marked can be read and compiled",
            fix=f"decorate {name} with @compiled, or compute the value in a module constant",
        )

    def _fold(self, node: ast.Call, target: Any) -> Value | None:
        if node.keywords:
            self.fail(node, "arguments", f"{self.text(node.func)} takes no named arguments")
        flow = self.flow
        if not all(self._is_static_argument(argument) for argument in node.args):
            return None
        values = [self.value(argument) for argument in node.args]
        self.flow = flow
        constants = [value.value for value in values if isinstance(value, Live)]
        if len(constants) != len(values):
            return None
        if target in (structs.size_of, structs.offset_of) and not is_struct(constants[0]):
            self.fail(node, "arguments", f"{self.text(node.args[0])} is not a struct class")
        try:
            return Live(target(*constants))
        except Violation:
            return None
        except UnknownType as error:
            self.fail(node, "bad-layout", str(error))
        except KeyError:
            names = constants[0].__struct__.layout().fields
            fix = close_match(str(constants[1]), names)
            self.fail(node, "unknown-field", f"{constants[0].__name__} has no field {constants[1]!r}", fix=fix)
        except (TypeError, AttributeError, ValueError) as error:
            if target in _SAME_WORD and all(isinstance(constant, int) for constant in constants):
                self.settle(Live(constants[0]), node.args[0])
            self.fail(node, "constant", f"{self.text(node)} cannot be computed: {error}")

    def _is_static_argument(self, node: ast.expr) -> bool:
        """Whether an argument can be a constant: it reads no local and calls nothing that must not be read twice."""
        return not any(isinstance(part, ast.Name) and part.id in self.local_names for part in ast.walk(node))

    def arguments(self, node: ast.Call, count: int) -> list[ast.expr]:
        if len(node.args) != count or node.keywords:
            given = len(node.args) + len(node.keywords)
            self.fail(node, "arguments", f"{self.text(node.func)} takes {count_of(count)}, not {given}")
        return node.args

    def _operation(self, node: ast.Call, entry: Any) -> Value:
        if isinstance(entry, str):
            left, right = self.arguments(node, 2)
            first, second = self.unify(self.value(left), self.value(right), left, right)
            if not is_word(first.type):
                self.fail(
                    node, "type-mismatch", f"{entry} is for words, and {self.text(left)} is {describe(first.type)}"
                )
            return self.make(node, entry, first.type, (first, second))
        name, result = entry
        operands = tuple(self.expression(argument, U64) for argument in self.arguments(node, _ARITY[name]))
        return self.make(node, name, result, operands)

    def class_argument(self, node: ast.expr, wanted: Callable[[Any], bool], what: str) -> Any:
        """An argument that names a class."""
        value = self.value(node)
        if not isinstance(value, Live) or not wanted(value.value):
            self.fail(node, "arguments", f"{self.text(node)} is not {what}")
        return value.value

    def _truncate(self, node: ast.Call) -> Value:
        target, argument = self.arguments(node, 2)
        word = self.class_argument(target, is_word, "a word type")
        operand = self.settle(self.value(argument), argument)
        have = operand.type
        if not is_word(have):
            fix = conversion_advice(have, U64, self.text(argument))
            self.fail(argument, "type-mismatch", f"{self.text(argument)} is {describe(have)}, not a word", fix=fix)
        if have.width < word.width:
            fix = f"write {describe(word)}({self.text(argument)})"
            self.fail(node, "type-mismatch", f"{self.text(argument)} is {describe(have)}: nothing to cut", fix=fix)
        return operand if have is word else self.make(node, "truncate", word, (operand,))

    def _at(self, node: ast.Call) -> Value:
        target, address = self.arguments(node, 2)
        cls = self.class_argument(target, is_struct, "a struct class")
        optional = means(self.value(node.func), structs.at_or_none)
        operand = self.expression(address, U64)
        type_ = OptionalReference(cls) if optional else cls
        return self.make(node, "at_or_none" if optional else "at", type_, (operand,))

    def _address_of(self, node: ast.Call) -> Value:
        (argument,) = self.arguments(node, 1)
        operand = self.settle(self.value(argument), argument)
        if not is_reference(operand.type):
            self.fail(argument, "type-mismatch", f"{self.text(argument)} is {describe(operand.type)}, not a reference")
        return self.make(node, "address_of", U64, (operand,))

    def _to_word(self, node: ast.Call) -> Value:
        (argument,) = self.arguments(node, 1)
        operand = self.settle(self.value(argument), argument)
        if not is_packed(operand.type):
            self.fail(
                argument, "type-mismatch", f"{self.text(argument)} is {describe(operand.type)}, not a packed value"
            )
        return self.make(node, "to_word", WORDS[operand.type.__packed__.word.width], (operand,))

    def _from_word(self, node: ast.Call) -> Value:
        target, argument = self.arguments(node, 2)
        cls = self.class_argument(target, is_packed, "a packed class")
        operand = self.expression(argument, WORDS[base_of(cls).__packed__.word.width])
        return self.make(node, "from_word", cls, (operand,))

    def _implies(self, node: ast.Call) -> Value:
        # Under CPython both sides are evaluated always, so they are here.
        first_node, second_node = self.arguments(node, 2)
        first, second = self.expression(first_node, bool), self.expression(second_node, bool)
        wrappers: list[tuple[str, Expression]] = []
        first = self.keep(first, first_node, wrappers)
        second = self.keep(second, second_node, wrappers)
        result = self.make(node, "or_else", bool, (self.make(node, "not", bool, (first,)), second))
        return self.wrap(node, wrappers, result)

    def _length(self, node: ast.Call) -> Value:
        (argument,) = self.arguments(node, 1)
        value = self.value(argument)
        type_ = self.own_type(value)
        if isinstance(value, Live) and isinstance(value.value, (bytes, tuple)):
            return Live(len(value.value))
        if isinstance(value, Expression) and isinstance(type_, ArrayType):
            if not repeatable(value):
                fix = "bind the object that holds it to a name first"
                self.fail(argument, "unsupported", "len of an array that is found by a call", fix=fix)
            return Live(type_.length)
        if isinstance(value, Expression) and type_ is TEXT:
            return Length(self.make(node, "text_length", U64, (value,)))
        self.fail(node, "type-mismatch", f"{self.text(argument)} has no length", why="only arrays and text have one")

    def union_of(self, node: ast.expr, value: Any) -> Iterable[Any]:
        """The classes that the second argument of ``isinstance`` names."""
        if isinstance(value, tuple):
            return value
        return getattr(value, "__args__", (value,))
