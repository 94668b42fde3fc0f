# SPDX-License-Identifier: BSD-2-Clause
"""Formulas of the prover over a small universe: without quantifiers, words as bit-vectors, memory as a finite table.

The prover's own queries speak of all addresses and of mathematical integers, for which solvers give no usable models.
Here every map is a table with one cell for each object of the universe, quantifiers are written out, and operations on
bits are the machine's own, so that a solver decides the query and gives a whole state. What is found may use less than
the invariants say (words are tried for a few values only); it is a counterexample only once it has been run.
"""

from __future__ import annotations

import itertools
import operator
import time
from collections.abc import Callable
from typing import Any

import z3

from tessera.lang.types import NAMED
from tessera.proof.choices import Choice, Scalar, chosen, is_symbolic, joined, key_of, negated
from tessera.proof.forms import NUMBER, PARTS_OF_ONE, QUANTIFIER, VARIABLE, Form, form_of
from tessera.proof.small_state import WORDS, Universe, chosen_elements
from tessera.proof.unknowns import Unknowns
from tessera.smt import terms, values
from tessera.smt.algebra import PREFIX
from tessera.smt.heap import SYMBOLS, Key

# More instances than this of one formula are not written out.
MAX_INSTANCES = 20_000


_COMPARISONS: dict[int, Callable[[Any, Any], Any]] = {
    z3.Z3_OP_LE: operator.le,
    z3.Z3_OP_LT: operator.lt,
    z3.Z3_OP_GE: operator.ge,
    z3.Z3_OP_GT: operator.gt,
}
_ON_NUMBERS: dict[int, Callable[[Any, Any], Any]] = {
    **_COMPARISONS,
    z3.Z3_OP_ADD: operator.add,
    z3.Z3_OP_SUB: operator.sub,
    z3.Z3_OP_MUL: operator.mul,
}


class TooLarge(Exception):
    """The formula would be written out too often."""


class Table(Unknowns):
    """Translates formulas."""

    def __init__(self, universe: Universe, wide: bool, small: bool, end: float) -> None:
        super().__init__(universe, wide, small)
        self.words: list[Scalar] = []
        # Terms that arrays are read at, by map: what formulas about all words are tried for.
        self.index_terms: dict[tuple[str, int], list[Scalar]] = {}
        # When to give up, on the monotonic clock.
        self.end = end
        self._macros: dict[str, Form] = {}
        self._memo: dict[Any, Scalar] = {}
        self._kept: list[Any] = []

    # Input

    def define(self, formula: Any) -> bool:
        """Take a formula as the definition of a named map, if it is one."""
        node = form_of(formula)
        if node.kind != QUANTIFIER or not node.universal or node.children[0].kind != z3.Z3_OP_EQ:
            return False
        left, right = node.children[0].children
        order = [child.number if child.kind == VARIABLE else -1 for child in left.children]
        if "@" not in left.name or order != list(reversed(range(len(node.sorts)))):
            return False
        self._macros[left.name] = right
        return True

    def truth(self, formula: Any) -> Any:
        """A formula, as one that a solver gets."""
        value = self.value(form_of(formula), ())
        return z3.BoolVal(value) if isinstance(value, bool) else value

    def term(self, term: Any) -> Scalar:
        """The value of a term without variables."""
        return self.value(form_of(term), ())

    # Terms

    def value(self, node: Form, env: tuple[Scalar, ...]) -> Scalar:
        """The value of a term; ``env`` holds the values of bound variables, the innermost first."""
        if node.kind == VARIABLE:
            return env[node.number]
        if node.kind == NUMBER:
            return node.number
        used = env if env and node.open else ()
        key = node, tuple(key_of(one) for one in used)
        if key not in self._memo:
            if time.monotonic() > self.end:
                raise TooLarge("no time is left")
            self._memo[key] = self._compute(node, used)
            self._kept.append(used)
        return self._memo[key]

    def _compute(self, node: Form, env: tuple[Scalar, ...]) -> Scalar:
        kind = node.kind
        if kind == QUANTIFIER:
            return self._quantified(node, env)
        if kind == z3.Z3_OP_UNINTERPRETED:
            return self._applied(node, env)
        if kind in (z3.Z3_OP_TRUE, z3.Z3_OP_FALSE):
            return bool(kind == z3.Z3_OP_TRUE)
        children = node.children
        if kind in (z3.Z3_OP_AND, z3.Z3_OP_OR):
            return joined(kind == z3.Z3_OP_AND, (self.value(child, env) for child in children))
        if kind == z3.Z3_OP_IMPLIES:
            premise = self.value(children[0], env)
            return joined(False, (negated(premise) if i == 0 else self.value(children[1], env) for i in (0, 1)))
        if kind == z3.Z3_OP_ITE:
            condition = self.value(children[0], env)
            if isinstance(condition, bool):
                return self.value(children[1 if condition else 2], env)
            return self.choice(condition, self.value(children[1], env), self.value(children[2], env))
        arguments = [self.value(child, env) for child in children]
        if kind == z3.Z3_OP_NOT:
            return negated(arguments[0])
        if kind in (z3.Z3_OP_EQ, z3.Z3_OP_IFF):
            return self.equal(*arguments)
        if kind == z3.Z3_OP_DISTINCT:
            pairs = itertools.combinations(arguments, 2)
            return joined(True, (negated(self.equal(a, b)) for a, b in pairs))
        if node.real and kind in (z3.Z3_OP_MUL, z3.Z3_OP_DIV):
            return self._rational(kind, *arguments)
        return self._arithmetic(kind, arguments)

    def choice(self, condition: Scalar, then: Scalar, otherwise: Scalar) -> Scalar:
        """One of two values."""
        if isinstance(condition, bool):
            return then if condition else otherwise
        if key_of(then) == key_of(otherwise) and type(then) is type(otherwise):
            return then
        if all(isinstance(one, (Choice, int)) and not isinstance(one, bool) for one in (then, otherwise)):
            found = chosen(condition, then, otherwise)
            if found is not None:
                self._kept.append(found)
                return found
        return z3.If(condition, self.expression(then), self.expression(otherwise))

    def equal(self, a: Scalar, b: Scalar) -> Scalar:
        """Equality."""
        if not is_symbolic(a) and not is_symbolic(b):
            return bool(a == b)
        if key_of(a) == key_of(b):
            return True
        if isinstance(b, Choice):
            a, b = b, a
        if isinstance(a, Choice):
            if isinstance(b, int):
                return a.options.get(b, False)
            if isinstance(b, Choice):
                return joined(False, (joined(True, [a.options[n], b.options[n]]) for n in a.options if n in b.options))
        return self.expression(a) == self.expression(b)

    def _arithmetic(self, kind: int, arguments: list[Scalar]) -> Scalar:
        if kind == z3.Z3_OP_TO_REAL:
            return self._arithmetic(z3.Z3_OP_MUL, [arguments[0], PARTS_OF_ONE])
        known = not any(is_symbolic(one) for one in arguments)
        if len(arguments) == 2 and kind in _ON_NUMBERS:
            a, b = arguments
            operation = _ON_NUMBERS[kind]
            if isinstance(a, Choice) and isinstance(b, int):
                return self._on_choice(kind, a, lambda number: operation(number, b))
            if isinstance(b, Choice) and isinstance(a, int):
                return self._on_choice(kind, b, lambda number: operation(a, number))
        if kind == z3.Z3_OP_UMINUS:
            return self._arithmetic(z3.Z3_OP_SUB, [0, arguments[0]])
        if kind in (z3.Z3_OP_ADD, z3.Z3_OP_SUB, z3.Z3_OP_MUL):
            result = arguments[0]
            for one in arguments[1:]:
                left, right = (result, one) if known else (self.expression(result), self.expression(one))
                result = (
                    left + right if kind == z3.Z3_OP_ADD else left - right if kind == z3.Z3_OP_SUB else left * right
                )
            return result
        a, b = arguments
        if kind in (z3.Z3_OP_IDIV, z3.Z3_OP_MOD):
            return self._divided(kind == z3.Z3_OP_IDIV, a, b)
        if not known:
            a, b = self.expression(a), self.expression(b)
        if kind not in _ON_NUMBERS:
            raise NotImplementedError(f"no finite form of the operation {kind}")
        return _ON_NUMBERS[kind](a, b)

    def _on_choice(self, kind: int, value: Choice, function: Callable[[int], Any]) -> Scalar:
        if kind in _COMPARISONS:
            return value.test(function)
        found = value.mapped(function)
        self._kept.append(found)
        return found

    def _rational(self, kind: int, a: Scalar, b: Scalar) -> Scalar:
        """A product or quotient of rationals, which are numbers of parts."""
        product = [a, b] if kind == z3.Z3_OP_MUL else [a, PARTS_OF_ONE]
        by = PARTS_OF_ONE if kind == z3.Z3_OP_MUL else b
        whole = self._arithmetic(z3.Z3_OP_MUL, product)
        if isinstance(whole, int) and isinstance(by, int):
            return whole // by if by else 0
        if isinstance(by, int) and by > 0 and by & by - 1 == 0:
            return self.vector(whole) >> by.bit_length() - 1
        return self.vector(whole) / self.vector(by)

    def _divided(self, quotient: bool, a: Scalar, b: Scalar) -> Scalar:
        if isinstance(b, int) and b > 0:
            if isinstance(a, int):
                return a // b if quotient else a % b
            if isinstance(a, Choice):
                return self._on_choice(0, a, lambda number: number // b if quotient else number % b)
            if b & b - 1 == 0:
                return a >> b.bit_length() - 1 if quotient else a & (b - 1)
        if b == 0 and isinstance(b, int):
            return 0
        # Operands are words.
        left, right = self.vector(a), self.vector(b)
        return z3.UDiv(left, right) if quotient else z3.URem(left, right)

    # Functions

    def _applied(self, node: Form, env: tuple[Scalar, ...]) -> Scalar:
        name = node.name
        arguments = tuple(self.value(child, env) for child in node.children)
        if name in self._macros:
            return self.value(self._macros[name], tuple(reversed(arguments)))
        if name in SYMBOLS:
            return self.read(name, SYMBOLS[name], arguments)
        if name.startswith(PREFIX) and arguments:
            return self.bits(name[len(PREFIX) :], arguments)
        if name in values.PARTS and arguments:
            return self.part(values.PARTS[name][1], arguments[0])
        if name.startswith("place."):
            return self._place(name, arguments)
        if name in self.universe.statics:
            return self.universe.statics[name]
        if arguments:
            raise NotImplementedError(f"no finite form of the function {name}")
        return self.constant(name, node.sort)

    def _place(self, name: str, arguments: tuple[Scalar, ...]) -> Scalar:
        """The address of what lies in a single or placed object."""
        struct, field_name = name.split(".")[1:]
        layout = NAMED[struct].__struct__.layout()
        one = layout.fields[field_name]
        things = self.universe.things(struct)
        from_address = hasattr(one.type, "element") + 1 == len(arguments)
        base = arguments[0] if from_address else things[0].address
        place = self._arithmetic(z3.Z3_OP_ADD, [base, one.offset])
        if hasattr(one.type, "element"):
            index = arguments[-1]
            self._note_index(f"{struct}.{field_name}", len(arguments) - 1, index)
            size = int(one.type.element.struct.__struct__.layout().size)
            place = self._arithmetic(z3.Z3_OP_ADD, [place, self._arithmetic(z3.Z3_OP_MUL, [index, size])])
        return place

    def read(self, name: str, key: Key, index: tuple[Scalar, ...]) -> Scalar:
        """What a map holds."""
        if key.arity and self.universe.elements(key) is not None:
            self._note_index(f"{key.struct}.{key.name.partition('.')[0]}", key.arity - 1, index[-1])
        for position, one in enumerate(index):
            if isinstance(one, Choice):
                return self._read_at_choice(name, key, index, position)
        options = self.universe.cells(key)
        if not any(is_symbolic(one) for one in index):
            return self.cell(name, key, index) if index in options else self._elsewhere(name, key, index)
        result = self._elsewhere(name, key, index)
        for option in options:
            here = joined(True, (self.equal(a, b) for a, b in zip(index, option, strict=True)))
            if here is not False:
                result = self.choice(here, self.cell(name, key, option), result)
        return result

    def _read_at_choice(self, name: str, key: Key, index: tuple[Scalar, ...], position: int) -> Scalar:
        assert isinstance(index[position], Choice)
        result: Scalar = None
        for number, condition in index[position].options.items():
            one = self.read(name, key, (*index[:position], number, *index[position + 1 :]))
            result = one if result is None else self.choice(condition, one, result)
        return result

    def _note_index(self, label: str, position: int, index: Scalar) -> None:
        found = self.index_terms.setdefault((label, position), [])
        if is_symbolic(index) and not any(key_of(index) == key_of(one) for one in found):
            found.append(index)

    def _elsewhere(self, name: str, key: Key, index: tuple[Scalar, ...]) -> Scalar:
        if key.name == "live":
            return self._background_lives(name, key, index[0])
        if name == key.label:
            # The initial state: zeros, wherever nothing else is said.
            return False if key.sort == "bool" else 0
        if (name, ()) not in self._others:
            self._others[name, ()] = self.unknown(f"{name}[elsewhere]", key.type, key.z3_sort)
        return self._others[name, ()]

    def _background_lives(self, name: str, key: Key, address: Scalar) -> Scalar:
        alive: list[Scalar] = []
        for span in self.universe.background.get(key.struct, []):
            end = span.start + span.count * span.stride
            if isinstance(address, int):
                inside: Scalar = span.start <= address < end and (address - span.start) % span.stride == 0
            elif span.count == 1:
                inside = self.equal(address, span.start)
            else:
                offset = address - span.start
                inside = z3.And(address >= span.start, address < end, self._divided(False, offset, span.stride) == 0)
            if inside is not False:
                owner = True
                if span.owner is not None:
                    owner_key = Key(span.owner[0], "live", "bool", 1, bool)
                    owner = self.read(f"{owner_key.label}{name[len(key.label) :]}", owner_key, (span.owner[1],))
                alive.append(joined(True, [inside, owner]))
        return joined(False, alive)

    # Quantifiers

    def _quantified(self, node: Form, env: tuple[Scalar, ...]) -> Scalar:
        count = len(node.sorts)
        choices = [self._candidates(node, count - 1 - place, node.sorts[place]) for place in range(count)]
        total = 1
        for one in choices:
            total *= len(one)
        if total > MAX_INSTANCES:
            raise TooLarge(f"{total} instances")
        body = node.children[0]
        instances = (
            self.value(body, tuple(reversed(combination)) + env) for combination in itertools.product(*choices)
        )
        return joined(node.universal, instances)

    def _candidates(self, node: Form, variable: int, sort: Any) -> list[Scalar]:
        if sort == terms.BOOL:
            return [False, True]
        if sort == terms.REAL:
            return [0, PARTS_OF_ONE]
        addresses: dict[int, None] = {}
        indexes: dict[Any, Scalar] = {}
        used = False
        for name, position in node.uses(variable):
            found = self._use(name, position)
            if found is not None:
                used = True
                addresses.update(dict.fromkeys(found[0]))
                indexes.update((key_of(index), index) for index in found[1])
        chosen: dict[Any, Scalar] = {address: address for address in addresses}
        chosen.update(indexes)
        if not addresses:
            words: list[Scalar] = [*WORDS, *([] if used else self.words)]
            chosen.update((key_of(word), word) for word in words)
        return list(chosen.values())

    def _use(self, name: str, position: int) -> tuple[list[int], list[Scalar]] | None:
        """What a function's argument ranges over: addresses, or elements of an array."""
        key = SYMBOLS.get(name)
        if key is not None:
            elements = self.universe.elements(key)
            if key.name == "live":
                # Any address at all may be asked for.
                return self.universe.places(), []
            if elements is None or position < key.arity - 1:
                return list(self.universe.active.get(key.struct, {})), []
            label = f"{key.struct}.{key.name.partition('.')[0]}"
            return [], [*elements, *self.index_terms.get((label, position), [])]
        if name.startswith("place."):
            struct, field_name = name.split(".")[1:]
            one = NAMED[struct].__struct__.layout().fields[field_name]
            if hasattr(one.type, "element"):
                known = self.index_terms.get((f"{struct}.{field_name}", position), [])
                return [], [*chosen_elements(one.type.length), *known]
        return None
