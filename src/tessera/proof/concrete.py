# SPDX-License-Identifier: BSD-2-Clause
"""Invariants and contracts on a concrete state: what the prover assumes, computed.

CPython runs predicates too, but takes every ``forall`` for true and every reference for live. Here objects are live
that the state says are, and quantifiers range over them; over words, they range over chosen ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tessera.ir import nodes
from tessera.ir.interpret import Frame, Interpreter, Raw
from tessera.ir.nodes import Expression, Function, Program
from tessera.lang.ghosts import unwritten
from tessera.lang.memory import Memory
from tessera.lang.types import RATIONAL, OptionalReference, is_struct, is_word
from tessera.lang.words import Violation

# Words that every quantifier over words is tried for.
USUAL_WORDS = (0, 1, 2, 3, 4, 31, 32, 63, 64, 127, 128, 254, 255, 256, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@dataclass(frozen=True)
class Span:
    """``count`` live objects side by side, ``stride`` bytes from one to the next."""

    start: int
    stride: int
    count: int

    def __contains__(self, address: int) -> bool:
        distance = address - self.start
        return 0 <= distance < self.stride * self.count and distance % self.stride == 0

    def some(self, most: int) -> list[int]:
        """Their addresses; of many, some at both ends and in between."""
        if self.count <= most:
            return [self.start + number * self.stride for number in range(self.count)]
        numbers = {*range(most // 4), *range(self.count - most // 4, self.count)}
        numbers |= set(range(0, self.count, max(1, 2 * self.count // most)))
        return [self.start + number * self.stride for number in sorted(numbers)]


@dataclass
class LiveObjects:
    """Which addresses are those of live objects, by the struct's name: single ones and spans of many."""

    single: dict[str, set[int]] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    def add(self, struct: Any, address: int) -> None:
        """One more."""
        self.single.setdefault(struct.__name__, set()).add(int(address))

    def add_span(self, struct: Any, span: Span) -> None:
        """Many more."""
        if span.count > 0:
            self.spans.setdefault(struct.__name__, []).append(span)

    def is_live(self, struct: Any, address: int) -> bool:
        """Whether an object is live."""
        name = struct.__name__
        return address in self.single.get(name, ()) or any(address in span for span in self.spans.get(name, ()))

    def of(self, struct: Any, most: int = 64) -> list[int]:
        """Live objects of a struct: all single ones, some of each span."""
        name = struct.__name__
        found = set(self.single.get(name, ()))
        for span in self.spans.get(name, ()):
            found.update(span.some(most))
        return sorted(found)


class Predicates(Interpreter):
    """Computes predicates of proofs. Nothing is a broken rule in them but to read through a reference to nothing."""

    def __init__(
        self,
        program: Program,
        memory: Memory,
        ghosts: Mapping[tuple[Any, str, int], Any],
        live: LiveObjects,
        words: Sequence[int],
        free: frozenset[Any],
    ) -> None:
        super().__init__(program, memory, checked=False)
        self.ghosts = ghosts
        self.live = live
        self.words = words
        # Structs whose objects never end: every reference to them is good.
        self.free = free
        # Whether the last operand of the last returned value was computed: what comes before are premises.
        self.met = False
        self._depth = 0
        self._ends_early = False
        self._left = -1

    def holds(self, function: Function, values: tuple[Raw, ...]) -> bool:
        """A predicate of raw values; ``met`` says afterwards whether its premises were true."""
        self.met = False
        # What holds wherever the predicate does not end early is its conclusion; else the last part of a disjunction.
        self._ends_early = any(isinstance(one, nodes.If) for one in function.body)
        with self.memory:
            return bool(self._run(function, values))

    def condition(self, function: Function, expression: Expression, names: Mapping[str, Raw]) -> bool:
        """A condition of a contract, with the values of the parameters."""
        with self.memory:
            return bool(self.evaluate(expression, Frame(function.file, dict(names))))

    def _run(self, function: Function, values: tuple[Raw, ...]) -> Raw:
        self._depth += 1
        try:
            return super()._run(function, values)
        finally:
            self._depth -= 1

    def block(self, statements: list[nodes.Statement], frame: Frame) -> Any:
        """As in code; a result of the outermost predicate tells whether its premises were true."""
        for statement in statements:
            if self._depth == 1 and isinstance(statement, nodes.Return) and statement.value is not None:
                self.met = self.met or self._is_conclusion(statement.value, frame)
            left = super().block([statement], frame)
            if left is not None:
                return left
        return None

    def _is_conclusion(self, node: Expression, frame: Frame) -> bool:
        """Whether all that stands before the last part of a disjunction is false, so that the last part matters."""
        while node.operation == "let":
            frame.names[node.data] = self.evaluate(node.operands[0], frame)
            node = node.operands[1]
        if node.operation == "constant":
            return not node.data
        if self._ends_early:
            return True
        if node.operation == "or_else":
            return not self.evaluate(node.operands[0], frame) and self._is_conclusion(node.operands[1], frame)
        return True

    def evaluate(self, node: Expression, frame: Frame) -> Raw:
        """The value of an expression."""
        own = _OWN.get(node.operation)
        if own is not None:
            return own(self, node, frame)
        exact = _EXACT.get(node.operation)
        if exact is not None:
            return exact(*(self.evaluate(operand, frame) for operand in node.operands))
        return super().evaluate(node, frame)

    def _constant(self, node: Expression, frame: Frame) -> Raw:
        return Fraction(node.data or 0) if node.type is RATIONAL else int(node.data or 0)

    def _live(self, node: Expression, frame: Frame) -> Raw:
        operand = node.operands[0]
        address = self.evaluate(operand, frame)
        struct = operand.type.target if isinstance(operand.type, OptionalReference) else operand.type
        return int(address != 0 and (struct in self.free or self.live.is_live(struct, address)))

    def _load(self, node: Expression, frame: Frame) -> Raw:
        # Memory is total in predicates: both sides of `implies` are computed. Elsewhere there are zeros.
        try:
            return super().evaluate(node, frame)
        except Violation as violation:
            if violation.rule != "address":
                raise
            return 0

    def _forall(self, node: Expression, frame: Frame) -> Raw:
        name, type_ = node.data
        values: Iterable[int] = self.live.of(type_) if is_struct(type_) else self.words
        if is_word(type_):
            values = [value for value in values if value < 1 << type_.width]
        for value in values:
            frame.names[name] = value
            if not self.evaluate(node.operands[0], frame):
                return 0
        return 1

    def _ghost_load(self, node: Expression, frame: Frame) -> Raw:
        address = self.evaluate(node.operands[0], frame)
        ghost = node.data
        value = self.ghosts.get((ghost.struct, ghost.name, address))
        if value is None:
            value = unwritten(ghost.type)
        if isinstance(ghost.type, OptionalReference):
            return 0 if value is None else int(value._address)
        return Fraction(value) if ghost.type is RATIONAL else int(value)


_OWN: dict[str, Callable[[Predicates, Expression, Frame], Raw]] = {
    "constant": Predicates._constant,
    "live": Predicates._live,
    "load": Predicates._load,
    "forall": Predicates._forall,
    "ghost_load": Predicates._ghost_load,
    "old": lambda run, node, frame: run.evaluate(node.operands[0], frame),
}
# Arithmetic in contracts is that of numbers.
_EXACT: dict[str, Callable[..., Raw]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "divide": lambda a, b: Fraction(a) / Fraction(b),
    "to_integer": int,
    "to_rational": Fraction,
    "convert": lambda a: a,
}
