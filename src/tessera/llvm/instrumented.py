# SPDX-License-Identifier: BSD-2-Clause
"""Native code that is watched: it runs its ghost code, notes what it writes, and counts which way branches went.

For the host only. Specification functions and invariants are compiled like other functions; ghost fields and what is
live lie beside memory (:mod:`tessera.llvm.shadow`). What ghost code asserts is a step of a proof and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tessera.ir import nodes
from tessera.ir.nodes import Expression, Function, Statement
from tessera.ir.values import width_of
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.types import INTEGER, RATIONAL, OptionalReference, is_mathematical, is_struct, is_word
from tessera.llvm.code import Code
from tessera.llvm.debug import source_path
from tessera.llvm.expressions import constant, stored
from tessera.llvm.module import ModuleContext
from tessera.llvm.shadow import UNIT_BITS, Region, Shadow
from tessera.llvm.statements import FunctionEmitter
from tessera.llvm.types import FRACTION_BITS, INTEGER_BITS, RATIONAL_BITS, llvm_type, quoted

_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
MOST_OUTCOMES = 1 << 20
# The longest list of objects that began to live in one event.
MOST_BEGUN = 1 << 14


@dataclass(frozen=True)
class Outcome:
    """One way that a branch of a function can go; ``what`` is true, false, case or default.

    ``number`` tells branches of one line apart.
    """

    function: str
    file: str
    line: int
    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.function.removeprefix('tessera.')}: branch {self.number}: {self.what}"


@dataclass
class Instruments:
    """What is watched, and where it is noted.

    ``counted``: functions whose branches are counted. ``steps``: for functions with a ``forall`` over words, how far
    apart the addresses of memory are that it is tried for. ``models``: names of intrinsics and extern functions that
    need not ask Python: they load or store a word at an address, ("load", a) or ("store", a), or do nothing ("", 0).
    """

    shadow: Shadow
    counted: Collection[str] = ()
    steps: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    # Structs whose objects begin to live somewhere, in the order of their numbers in the list of what began.
    begun: list[Any] = field(default_factory=list)
    emitted: set[Any] = field(default_factory=set)

    def __post_init__(self) -> None:
        size = self.shadow.memory_size
        self.marks = self.shadow.reserve("written", size >> UNIT_BITS)
        # A number, then so many units of memory.
        self.written = self.shadow.reserve("units written", 8 + 8 * (size >> UNIT_BITS))
        # A number, then so many triples: the number of a struct, the first address, a size.
        self.lives = self.shadow.reserve("lives", 8 + 24 * MOST_BEGUN)
        self.inexact = self.shadow.reserve("inexact", 8)
        self.taken = self.shadow.reserve("outcomes", MOST_OUTCOMES)

    def number(self, cls: Any) -> int:
        """The number of a struct in the list of what began to live."""
        if cls not in self.begun:
            self.begun.append(cls)
        return self.begun.index(cls)

    def life(self, what: str, cls: Any) -> str:
        """The name of the function that lets objects of a struct begin or end, in a range of so many bytes."""
        self.emitted.add((what, cls))
        return f"tessera {what} {cls.__name__}"

    def outcome(self, function: Function, line: int, what: str) -> int:
        """The address of the byte that says whether a branch ever went this way."""
        number = sum(1 for one in self.outcomes if one.line == line and one.function == function.name)
        self.outcomes.append(Outcome(function.name, source_path(function.file), line, what, number // 2 + 1))
        return self.taken + len(self.outcomes) - 1


def place_of(code: Code, region: Region, pointer: str) -> str:
    """The pointer to the entry of a region for an object, which lies in memory."""
    address = code.value(f"ptrtoint ptr {pointer} to i64")
    offset = code.value(f"sub i64 {address}, {MEMORY_BASE}")
    unit = code.value(f"lshr i64 {offset}, {region.shift}")
    if region.stride > 1:
        unit = code.value(f"mul i64 {unit}, {region.stride}")
    return code.value(f"inttoptr i64 {code.value(f'add i64 {unit}, {region.address}')} to ptr")


class InstrumentedEmitter(FunctionEmitter):
    """Writes one function that is watched."""

    def __init__(self, module: ModuleContext, function: Function, instruments: Instruments) -> None:
        super().__init__(module, function)
        self.instruments = instruments
        self.shadow = instruments.shadow
        self.counted = function.name in instruments.counted
        self.ghost = False

    # Statements

    def statement(self, statement: Statement) -> None:
        """One statement, ghost code included."""
        counted = self.counted
        if isinstance(statement, nodes.Ghost):
            self.ghost, self.counted = True, False
            self.statements(statement.body)
            self.ghost = False
        elif isinstance(statement, nodes.GhostStore):
            self._ghost_store(statement)
        elif isinstance(statement, nodes.Assert):
            self.counted = False
            if not self.ghost:
                super().statement(statement)
        else:
            super().statement(statement)
            return
        self.counted = counted

    def _ghost_store(self, statement: nodes.GhostStore) -> None:
        value = self.expression(statement.value)
        pointer = self.expression(statement.reference)
        self.at_line(statement.line)
        place = self._ghost_place(statement.field, pointer)
        type_ = statement.field.type
        if type_ is bool:
            value = self.value(f"zext i1 {value} to i8")
        self.do(f"store {_kept(type_)} {value}, ptr {place}, align 1")
        self._note(pointer)

    def store(self, place: str, type_: Any, value: str) -> None:
        """Write a scalar to a place, and note that."""
        super().store(place, type_, value)
        self._note(place)

    def _note(self, place: str) -> None:
        self.do(f"call void @tessera_written(i64 {self.value(f'ptrtoint ptr {place} to i64')})")

    # Branches

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Go to one of two blocks, and note which."""
        if self.counted and condition not in ("true", "false"):
            ways = [self.instruments.outcome(self.function, self.line, what) for what in ("true", "false")]
            self._take(self.value(f"select i1 {condition}, i64 {ways[0]}, i64 {ways[1]}"))
        super().branch(condition, yes, no)

    def case(self, label: str) -> None:
        """The start of a case of a switch, which is noted."""
        super().case(label)
        if self.counted:
            self._take(str(self.instruments.outcome(self.function, self.line, label.rstrip("0123456789"))))

    def _take(self, address: str) -> None:
        self.do(f"store i8 1, ptr {self.value(f'inttoptr i64 {address} to ptr')}, align 1")

    # Expressions

    def expression(self, node: Expression) -> str:
        """The operand that holds the value; empty for a call without result."""
        method = _METHODS.get(node.operation)
        if method is not None:
            self.at_line(node.line)
            return method(self, node)
        if node.operands and is_mathematical(node.operands[0].type) and node.operation not in ("let", "call"):
            return self._mathematical(node)
        if node.operation == "constant" and is_mathematical(node.type):
            return _number(node.type, node.data or 0)
        return super().expression(node)

    def _mathematical(self, node: Expression) -> str:
        type_ = llvm_type(node.operands[0].type)
        if node.operation in _COMPARE:
            left, right = self.operands(node)
            return self.value(f"icmp {_COMPARE[node.operation]} {type_} {left}, {right}")
        if node.operation in ("add", "sub"):
            left, right = self.operands(node)
            return self.value(f"{node.operation} {type_} {left}, {right}")
        if node.operation in ("min", "max"):
            left, right = self.operands(node)
            return self.llvm(f"llvm.s{node.operation}", type_, left, right)
        if node.operation == "mul":
            return self._product(node)
        return super().expression(node)

    def _product(self, node: Expression) -> str:
        left, right = node.operands
        if node.type is RATIONAL:
            factor = next((n for n in (right, left) if _whole(n) is not None), None)
            if factor is None:
                raise self._unknown(node, "a product of two fractions")
            other = left if factor is right else right
            return self.value(f"mul {llvm_type(RATIONAL)} {self.expression(other)}, {_whole(factor)}")
        return self.value(f"mul {llvm_type(INTEGER)} {self.expression(left)}, {self.expression(right)}")

    def _call(self, node: Expression) -> str:
        model = self.instruments.models.get(node.data.name)
        if model is None:
            return super()._call(node)
        values = self.operands(node)
        what, address = model
        if what == "store":
            self.do(f"store i64 {values[0]}, ptr inttoptr (i64 {address} to ptr)")
        result = node.data.signature()[1]
        if result is None:
            return ""
        if what == "load":
            return self.value(f"load {llvm_type(result)}, ptr inttoptr (i64 {address} to ptr)")
        return "0"

    def _divide(self, node: Expression) -> str:
        """By a power of two, which loses nothing as long as there are bits for it; it is noted where it does."""
        divisor = _whole(node.operands[1])
        if divisor is None or divisor <= 0 or divisor & (divisor - 1):
            raise self._unknown(node, "a quotient by anything but a power of two")
        type_, value = llvm_type(RATIONAL), self.expression(node.operands[0])
        lost = self.value(f"icmp ne {type_} {self.value(f'and {type_} {value}, {divisor - 1}')}, 0")
        place = f"inttoptr (i64 {self.instruments.inexact} to ptr)"
        before = self.value(f"load i8, ptr {place}")
        self.do(f"store i8 {self.value(f'or i8 {before}, ' + self.value(f'zext i1 {lost} to i8'))}, ptr {place}")
        return self.value(f"ashr {type_} {value}, {divisor.bit_length() - 1}")

    def _to_integer(self, node: Expression) -> str:
        operand = node.operands[0]
        return self.value(f"zext i{width_of(operand.type)} {self.expression(operand)} to i{INTEGER_BITS}")

    def _to_rational(self, node: Expression) -> str:
        wide = self.value(f"sext i{INTEGER_BITS} {self.expression(node.operands[0])} to i{RATIONAL_BITS}")
        return self.value(f"shl i{RATIONAL_BITS} {wide}, {FRACTION_BITS}")

    def _live(self, node: Expression) -> str:
        type_ = node.operands[0].type
        pointer = self.expression(node.operands[0])
        return self._is_live(type_.target if isinstance(type_, OptionalReference) else type_, pointer)

    def _is_live(self, cls: Any, pointer: str) -> str:
        region = self.shadow.lives(cls)
        address = self.value(f"ptrtoint ptr {pointer} to i64")
        offset = self.value(f"sub i64 {address}, {MEMORY_BASE}")
        inside = self.value(f"icmp ult i64 {offset}, {self.shadow.memory_size}")
        # Whatever lies outside, or between two places where objects can begin, is none.
        below = self.value(f"and i64 {offset}, {(1 << region.shift) - 1}")
        good = self.value(f"and i1 {inside}, {self.value(f'icmp eq i64 {below}, 0')}")
        unit = self.value(f"lshr i64 {self.value(f'select i1 {good}, i64 {offset}, i64 0')}, {region.shift}")
        place = self.value(f"inttoptr i64 {self.value(f'add i64 {unit}, {region.address}')} to ptr")
        byte = self.value(f"load i8, ptr {place}, align 1")
        return self.value(f"and i1 {good}, {self.value(f'icmp eq i8 {byte}, 1')}")

    def _ghost_place(self, ghost: nodes.GhostField, pointer: str) -> str:
        address = self.value(f"ptrtoint ptr {pointer} to i64")
        offset = self.value(f"sub i64 {address}, {MEMORY_BASE}")
        self.require(self.value(f"icmp ult i64 {offset}, {self.shadow.memory_size}"), "address")
        return place_of(self, self.shadow.ghost(ghost.struct, ghost.name), pointer)

    def _ghost_load(self, node: Expression) -> str:
        pointer = self.expression(node.operands[0])
        self.at_line(node.line)
        if isinstance(node.operands[0].type, OptionalReference):
            self.require_present(pointer)
        place = self._ghost_place(node.data, pointer)
        value = self.value(f"load {_kept(node.type)}, ptr {place}, align 1")
        return self.value(f"trunc i8 {value} to i1") if node.type is bool else value

    def _forall(self, node: Expression) -> str:
        """For all live objects of a struct; for words that stand for addresses, all of memory in steps."""
        name, type_ = node.data
        if is_struct(type_):
            step = 1 << self.shadow.lives(type_).shift
        elif is_word(type_) and self.function.name in self.instruments.steps:
            step = self.instruments.steps[self.function.name]
        else:
            raise self._unknown(node, f"forall over {getattr(type_, '__name__', type_)}")
        labels = [self.label(hint) for hint in ("all", "one", "tried", "next", "end")]
        head, one, tried, following, end = labels
        counter = self.slot("i64", self.fresh())
        self.do(f"store i64 {MEMORY_BASE}, ptr {counter}")
        self.jump(head)
        self.start(head)
        at = self.value(f"load i64, ptr {counter}")
        more = self.value(f"icmp ult i64 {at}, {MEMORY_BASE + self.shadow.memory_size}")
        self.do(f"br i1 {more}, label %{one}, label %{end}")
        self.start(one)
        self.values[name] = at
        if is_struct(type_):
            self.values[name] = self.value(f"inttoptr i64 {at} to ptr")
            self.do(f"br i1 {self._is_live(type_, self.values[name])}, label %{tried}, label %{following}")
        else:
            self.do(f"br label %{tried}")
        self.start(tried)
        holds, last = self.expression(node.operands[0]), self.block
        self.do(f"br i1 {holds}, label %{following}, label %{end}")
        self.start(following)
        self.do(f"store i64 {self.value(f'add i64 {at}, {step}')}, ptr {counter}")
        self.do(f"br label %{head}")
        self.start(end)
        return self.phi("i1", [("true", head), ("false", last)])

    def _lives(self, node: Expression) -> str:
        cls, source = node.data
        numbers = []
        for operand in node.operands:
            value = self.expression(operand)
            wide = operand.type is INTEGER
            numbers.append(self.value(f"trunc i{INTEGER_BITS} {value} to i64") if wide else value)
        arguments = f"i64 {numbers[0]}, i64 {numbers[1]}"
        if source is not None:
            self.do(f"call void @{quoted(self.instruments.life('end', source))}({arguments})")
        what = "begin" if node.operation == "begin_lives" else "end"
        self.do(f"call void @{quoted(self.instruments.life(what, cls))}({arguments})")
        return ""

    def _unknown(self, node: Expression, what: str) -> Exception:
        return self.refuse(node, f"{what} has no native form", "invariants are run on the state that there is", "")


_METHODS: dict[str, Callable[[InstrumentedEmitter, Expression], str]] = {
    "call": InstrumentedEmitter._call,
    "live": InstrumentedEmitter._live,
    "ghost_load": InstrumentedEmitter._ghost_load,
    "forall": InstrumentedEmitter._forall,
    "divide": InstrumentedEmitter._divide,
    "to_integer": InstrumentedEmitter._to_integer,
    "to_rational": InstrumentedEmitter._to_rational,
    "begin_lives": InstrumentedEmitter._lives,
    "end_lives": InstrumentedEmitter._lives,
}


def _kept(type_: Any) -> str:
    """The LLVM type that a ghost field is kept as."""
    return llvm_type(type_) if is_mathematical(type_) else stored(type_)[0]


def _number(type_: Any, value: int | Fraction) -> str:
    scaled = value * (1 << FRACTION_BITS) if type_ is RATIONAL else value
    return constant(type_, int(scaled))


def _whole(node: Expression) -> int | None:
    """The integer that a constant is."""
    if node.operation == "to_rational":
        return _whole(node.operands[0])
    if node.operation == "constant" and (number := Fraction(node.data or 0)).denominator == 1:
        return int(number)
    return None
