# SPDX-License-Identifier: BSD-2-Clause
"""The unknowns of a finite query: cells of the initial state and constants, each in the range of its type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import z3

from tessera.ir.values import width_of
from tessera.lang.types import INTEGER, NAMED, RATIONAL, OptionalReference, is_enum, is_struct
from tessera.proof.choices import Choice, Scalar, unknown_choice
from tessera.proof.small_state import Universe
from tessera.smt import terms, values
from tessera.smt.heap import Key
from tessera.smt.objects import target_of
from tessera.smt.values import Component

# Sums and differences of words are exact in the narrow width, products and shifted words in the wide one.
NARROW, WIDE = 72, 136
# Bits of a word where only words near zero and near the largest one are considered.
SMALL = 9


@dataclass(frozen=True)
class Cell:
    """One place of the initial state: a map and an index."""

    key: Key
    index: tuple[int, ...]


class Unknowns:
    """Keeps the cells and constants that occur, and what their types say of them."""

    def __init__(self, universe: Universe, wide: bool, small: bool) -> None:
        self.universe = universe
        # Only words near zero and near the largest one.
        self.small = small
        # The structs that constants refer to.
        self.refers: dict[str, set[str]] = {}
        self.width = WIDE if wide else NARROW
        self.cells: dict[Cell, Scalar] = {}
        self.constants: dict[str, Scalar] = {}
        self.constraints: list[Any] = []
        # The constants that are known to be words.
        self.known_words: set[str] = set()
        self._others: dict[tuple[str, tuple[int, ...]], Scalar] = {}

    def vector(self, value: Scalar) -> Any:
        """A number as a bit-vector of the table's width."""
        if isinstance(value, Choice):
            return value.vector(self.width)
        return z3.BitVecVal(value, self.width) if isinstance(value, int) else value

    def expression(self, value: Scalar) -> Any:
        """A value as an expression of the solver."""
        return z3.BoolVal(value) if isinstance(value, bool) else self.vector(value)

    def cell(self, name: str, key: Key, index: tuple[int, ...]) -> Scalar:
        """The contents of one place; those of the initial state are kept in :attr:`cells`."""
        if name == key.label:
            cell = Cell(key, index)
            if cell not in self.cells:
                self.cells[cell] = self._first(key, index)
            return self.cells[cell]
        if (name, index) not in self._others:
            self._others[name, index] = self.unknown(f"{name}{list(index)}", key.type, key.z3_sort)
        return self._others[name, index]

    def _first(self, key: Key, index: tuple[int, ...]) -> Scalar:
        if key.name == "live" and self.universe.active[key.struct][index[0]].static:
            return True
        return self.unknown(f"{key.label}{list(index)}", key.type, key.z3_sort)

    def constant(self, name: str, sort: Any) -> Scalar:
        """An unknown of the query."""
        if name not in self.constants:
            if name in self.refers:
                self.constants[name] = self._reference(name, [NAMED[one] for one in self.refers[name]])
            else:
                self.constants[name] = self._free(name, sort, 64 if name in self.known_words else 0)
        return self.constants[name]

    def typed(self, name: str, type_: Any, sort: Any) -> Scalar:
        """An unknown of the query whose type is known: ask for it before formulas are read."""
        if name not in self.constants:
            self.constants[name] = self.unknown(name, type_, sort)
        return self.constants[name]

    def _free(self, name: str, sort: Any, width: int) -> Scalar:
        if sort == terms.BOOL:
            return z3.Bool(name)
        if sort == terms.REAL:
            # Whole numbers and halves, quarters of which are exact.
            free = 11 if self.small else 17
            return z3.SignExt(self.width - 7 - free, z3.Concat(z3.BitVec(name, free), z3.BitVecVal(0, 7)))
        if width:
            return z3.ZeroExt(self.width - width, self._stored(name, width))
        return z3.SignExt(self.width - 67, self._stored(name, 67))

    def _stored(self, name: str, width: int) -> Any:
        """Unknown bits."""
        if self.small and width > SMALL:
            return z3.SignExt(width - SMALL, z3.BitVec(name, SMALL))
        return z3.BitVec(name, width)

    def unknown(self, name: str, type_: Any, sort: Any) -> Scalar:
        """An unknown of a type; its bounds become constraints."""
        if isinstance(type_, tuple):
            return self._component(name, *type_)
        if type_ is INTEGER:
            return z3.SignExt(self.width - 16, self._stored(name, 16))
        if type_ is bool or type_ is RATIONAL or type_ is None:
            return self._free(name, sort, 0)
        if isinstance(type_, OptionalReference) or is_struct(type_):
            return self._reference(name, [target_of(type_)])
        if is_enum(type_):
            return self._one_of(name, (int(member) for member in type_))
        return self._free(name, sort, width_of(type_))

    def _component(self, name: str, base: Any, component: Component) -> Scalar:
        if component.is_bool:
            return z3.Bool(name)
        classes = [base, *base.__packed__.variants.values()]
        fields = [
            one
            for cls in classes
            for one in cls.__packed__.fields().values()
            if values.component_of(one, base) == component
        ]
        if base.__packed__.tag is not None and values.tag_component(base) == component:
            return self._one_of(name, base.__packed__.variants)
        if all(isinstance(one.type, OptionalReference) or is_struct(one.type) for one in fields):
            return self._reference(name, [target_of(one.type) for one in fields])
        if is_enum(fields[0].type):
            return self._one_of(name, (int(member) for member in fields[0].type))
        return self.number_of(component, self._stored(name, component.width))

    def _reference(self, name: str, structs: list[Any]) -> Scalar:
        options = {0}
        for struct in structs:
            options.update(self.universe.active.get(struct.__name__, {}))
        return self._one_of(name, options)

    def _one_of(self, name: str, numbers: Iterable[int]) -> Scalar:
        found, constraint = unknown_choice(name, numbers)
        if constraint is not True:
            self.constraints.append(constraint)
        return found

    def number_of(self, component: Component, stored: Any) -> Any:
        """The number that stored bits stand for."""
        if component.is_bool:
            return stored == 1
        wide = z3.SignExt(64 - component.width, stored) if component.signed else stored
        wide = z3.ZeroExt(self.width - wide.size(), wide)
        if component.shift:
            wide = wide << component.shift
        return wide & self.vector((1 << 64) - 1) if component.shift and component.signed else wide

    def bits(self, name: str, arguments: tuple[Scalar, ...]) -> Scalar:
        """A function of the bridge."""
        x = self.vector(arguments[0])
        y = self.vector(arguments[1]) if len(arguments) > 1 else None
        one = self.vector(1)
        if name == "pow2":
            return z3.simplify(one << x)
        if name == "scale":
            return x << y
        if name == "shr":
            return z3.LShR(x, y)
        if name == "low":
            return x & ((one << y) - 1)
        if name == "cut":
            return z3.LShR((x << y) & self.vector((1 << 64) - 1), y)
        if name in ("band", "bor", "bxor"):
            return x & y if name == "band" else x | y if name == "bor" else x ^ y
        if name == "bnot":
            return self.vector((1 << 64) - 1) - x
        if name == "bit":
            return z3.LShR(x, y) & 1 == one
        found = self.vector(0)
        for number in range(1, 64):
            found = z3.If(z3.Extract(number, number, x) == 1, self.vector(number), found)
        return found

    def part(self, component: Component, word: Scalar) -> Scalar:
        """A component of the packed value that a word is."""
        if isinstance(word, int):
            known = component.read(word)
            return z3.is_true(known) if component.is_bool else int(known.as_long())
        whole = self.vector(word)
        return self.number_of(component, z3.Extract(component.low + component.width - 1, component.low, whole))
