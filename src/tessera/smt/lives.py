# SPDX-License-Identifier: BSD-2-Clause
"""Where objects come into being and end: the only changes of the maps that say which addresses are live.

Fields of different structs never meet because live objects are disjoint, or lie inside of each other as their layouts
say. Whoever makes an object therefore shows that nothing live lies where it will be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3

from tessera.ir.nodes import Expression
from tessera.lang.structs import Inline, size_of_stored
from tessera.lang.types import ArrayType, is_word
from tessera.smt import terms, values
from tessera.smt.heap import Fixed, Key, State, Symbol, Within
from tessera.smt.objects import Part, live_key, parts_of, stride_of
from tessera.smt.terms import Term

# Addresses are canonical: between this and its negative nothing can be live.
HALF = 1 << 38
TOP = 1 << 64


def places(struct: Any, part: Part, start: Term, size: Term) -> Callable[[Term], Term]:
    """Which addresses are those of a part of the objects that fit in a range."""
    layout = struct.__struct__.layout()
    stride = stride_of(struct)
    length = terms.constant_of(size)
    one = length is not None and layout.size and layout.size <= length < 2 * layout.size

    def inside(address: Term) -> Term:
        base = terms.add(start, terms.number(part.offset))
        if one and part.count == 1:
            return terms.equal(address, base)
        distance = terms.sub(address, base)
        if one:
            last = terms.number(part.count * part.size)
            return z3.And(distance >= 0, distance < last, distance % part.size == 0)
        fits = [address >= base, address + (layout.size - part.offset) <= start + size]
        if not layout.size:
            fits[-1] = address < start + size
        if part.count == 1:
            # The start is aligned, so where objects are no larger than their alignment the address alone tells.
            aligned = address if stride == layout.alignment and not part.offset else distance
            return z3.And(*fits, aligned % stride == 0)
        rest = distance % stride
        fits[-1] = distance - rest + layout.size <= size
        return z3.And(*fits, rest < part.count * part.size, rest % part.size == 0)

    return inside


def range_facts(struct: Any, start: Term, size: Term) -> Term:
    """What makes every object in a range one that may be live (:func:`tessera.smt.text.life_facts`)."""
    end = terms.add(start, size)
    return z3.And(
        start > 0,
        start % struct.__struct__.layout().alignment == 0,
        end <= TOP,
        z3.Or(end <= HALF, start >= TOP - HALF),
    )


def begin(run: Any, node: Expression, state: State) -> None:
    """Objects come into being: of zeros that some struct's objects hold, which end, or of memory of any contents."""
    struct, source = node.data
    start, size = (run.in_contract(operand, state) for operand in node.operands)
    _oblige(run, state, node, range_facts(struct, start, size), "addresses")
    _check_types(run, node, state)
    if source is not None:
        _take(run, node, state, source, start, size)
    else:
        _nothing_there(run, node, state, start, size)
    changed = set()
    for part in (Part(struct, 0, 1), *parts_of(struct)):
        inside = places(struct, part, start, size)
        for key in run.session.objects.own_keys(part.struct):
            zero = _zero(key) if source is not None else None
            contents = Fixed(zero) if zero is not None else Symbol(key, values.fresh_name("~"))
            state.replace(key, Within(state.map(key), inside, contents))
            changed.add(key)
        alive = live_key(part.struct)
        state.replace(alive, Within(state.map(alive), inside, Fixed(terms.TRUE)))
        changed.add(alive)
    # Names, so that what is said of the new contents does not repeat which addresses they are at.
    state.name_maps(changed)


def end(run: Any, node: Expression, state: State) -> None:
    """Objects that begin in a range end."""
    start, size = (run.in_contract(operand, state) for operand in node.operands)
    _end(state, node.data[0], start, size)


def _end(state: State, struct: Any, start: Term, size: Term) -> None:
    def inside(address: Term) -> Term:
        return z3.And(start <= address, address < start + size)

    key = live_key(struct)
    state.replace(key, Within(state.map(key), inside, Fixed(terms.FALSE)))


def _take(run: Any, node: Expression, state: State, source: Any, start: Term, size: Term) -> None:
    """The range consists of live objects of another struct, which hold zeros, and end."""
    stride = stride_of(source)
    _oblige(run, state, node, range_facts(source, start, size), f"begins with a {source.__name__}")
    _oblige(run, state, node, size % stride == 0, f"whole {source.__name__} objects")
    one = z3.Int(values.fresh_name(f"any.{source.__name__}"))
    run.session.know_address(one)
    inside = places(source, Part(source, 0, 1), start, size)(one)
    _oblige(run, state, node, terms.implication(inside, run.is_live(state, source, one)), f"live {source.__name__}")
    for key in run.session.objects.own_keys(source):
        # Where its fields are not words alone, an obligation that cannot be proved says so.
        if not key.name.endswith("°") and key.arity == 1 and is_word(key.type):
            empty = terms.equal(state.read(key, one), _zero(key))
            _oblige(run, state, node, terms.implication(inside, empty), f"{key.label} is zero")
    _end(state, source, start, size)


def _check_types(run: Any, node: Expression, state: State) -> None:
    """What lies there is a value of each field's type; and a source's fields are all of its memory."""
    struct, source = node.data
    for one in dict.fromkeys((struct, *(part.struct for part in parts_of(struct)))):
        for field in one.__struct__.layout().fields.values():
            type_ = field.type.element if isinstance(field.type, ArrayType) else field.type
            if isinstance(type_, Inline) or values.takes_any_bits(type_):
                continue
            if source is None or not all(_zero(key) is not None for key in run.session.objects.field_keys(one, field)):
                what = "zero" if source is not None else "whatever lies there"
                _oblige(run, state, node, terms.FALSE, f"{one.__name__}.{field.name} may not be {what}", assume=False)
    if source is not None:
        fields = source.__struct__.layout().fields.values()
        words = all(is_word(field.type) for field in fields)
        if not words or sum(size_of_stored(field.type) for field in fields) != source.__struct__.layout().size:
            _oblige(run, state, node, terms.FALSE, f"{source.__name__} does not consist of words", assume=False)


def _nothing_there(run: Any, node: Expression, state: State, start: Term, size: Term) -> None:
    """No live object overlaps the range; of structs without size, none of the same struct begins there."""
    struct = node.data[0]
    inner = {part.struct for part in parts_of(struct)}
    for other in run.session.objects.mortal:
        layout = other.__struct__.layout()
        if other is not struct and not (layout.size and struct.__struct__.layout().size):
            continue
        one = z3.Int(values.fresh_name(f"any.{other.__name__}"))
        run.session.know_address(one)
        outside = z3.Or(one + max(layout.size, 1) <= start, one >= start + size)
        goal = terms.implication(run.is_live(state, other, one), outside)
        _oblige(run, state, node, goal, f"no {other.__name__} is there", assume=other is struct or other in inner)


def _oblige(run: Any, state: State, node: Expression, goal: Term, text: str, assume: bool = True) -> None:
    run.session.oblige(run.function, state, node.operation, goal, node.line, f"{node.data[0].__name__}: {text}")
    if assume:
        state.assume(goal)


def _zero(key: Key) -> Term | None:
    """What cleared memory holds; ``None`` where zero is no value of the type. Ghost fields are as never written."""
    zero = terms.FALSE if key.sort == "bool" else z3.RealVal(0) if key.sort == "real" else terms.ZERO
    return zero if values.may_hold(key.type, zero) else None
