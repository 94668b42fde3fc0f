# SPDX-License-Identifier: BSD-2-Clause
"""The laws that let the prover read a packed value as a record of its fields.

Obligations never mix integers and bit-vectors, so in them a capability is a record. That is right if fields do not
disturb each other, hold what fits, and are all that a value consists of. Here each of these is a question about
bit-vectors, made from the layout that all readers share; :func:`laws` gives them for a packed class and its kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import z3

from tessera.ir.values import width_of
from tessera.lang.packed import BitField, PackedInfo
from tessera.smt.solve import Query


def read_bits(field: BitField, word: z3.BitVecRef) -> z3.BitVecRef:
    """What the operation ``get_bits`` gives: the field of a word, as wide as the field's type."""
    stored = z3.Extract(field.low + field.width - 1, field.low, word)
    return _number(field, stored)


def write_bits(field: BitField, word: z3.BitVecRef, value: z3.BitVecRef) -> z3.BitVecRef:
    """What ``set_bits`` gives: the word with the field changed. A value that does not fit is cut."""
    pieces = []
    if field.low + field.width < word.size():
        pieces.append(z3.Extract(word.size() - 1, field.low + field.width, word))
    pieces.append(_stored(field, value))
    if field.low > 0:
        pieces.append(z3.Extract(field.low - 1, 0, word))
    return z3.Concat(*pieces) if len(pieces) > 1 else pieces[0]


def fits(field: BitField, value: z3.BitVecRef) -> z3.BoolRef:
    """Whether the field can hold a value: the rule ``field`` of ``set_bits``."""
    return _number(field, _stored(field, value)) == value


def in_range(field: BitField, value: z3.BitVecRef) -> z3.BoolRef:
    """The same told in numbers: a multiple of ``2**shift``, and below ``2**(width + shift)`` or canonical."""
    top = field.width + field.shift
    parts = []
    if field.shift:
        parts.append(z3.Extract(field.shift - 1, 0, value) == 0)
    if top < value.size():
        above = z3.Extract(value.size() - 1, top, value)
        if field.signed:
            negative = z3.Extract(top - 1, top - 1, value) == 1
            parts.append(above == z3.If(negative, z3.BitVecVal(-1, above.size()), z3.BitVecVal(0, above.size())))
        else:
            parts.append(above == 0)
    return _every(parts)


def laws(packed_base: Any) -> list[Query]:
    """All laws of a packed class and of its kinds, as queries of kind ``bits``: proved when unsatisfiable."""
    info: PackedInfo = packed_base.__packed__.base.__packed__
    kinds = [info, *(info.variants[tag].__packed__ for tag in sorted(info.variants))]
    queries = [query for kind in kinds for query in _laws_of_kind(kind)]
    return queries + list(_laws_between_kinds(kinds))


def _every(parts: list[z3.BoolRef]) -> z3.BoolRef:
    """Conjunction. With one part or none, z3 writes what other solvers do not read."""
    if len(parts) < 2:
        return parts[0] if parts else z3.BoolVal(True)
    return z3.And(*parts)


def _stored(field: BitField, value: z3.BitVecRef) -> z3.BitVecRef:
    """The bits of a value that a field keeps: those from ``shift`` on, and zeros beyond the type's width."""
    missing = field.shift + field.width - value.size()
    wide = z3.ZeroExt(missing, value) if missing > 0 else value
    return z3.Extract(field.shift + field.width - 1, field.shift, wide)


def _number(field: BitField, stored: z3.BitVecRef) -> z3.BitVecRef:
    width = width_of(field.type)
    room = max(width, field.width + field.shift)
    extend = z3.SignExt if field.signed else z3.ZeroExt
    return z3.Extract(width - 1, 0, extend(room - field.width, stored) << field.shift)


def _query(name: str, claim: z3.BoolRef) -> Query:
    solver = z3.Solver()
    solver.add(z3.Not(claim))
    lines = solver.to_smt2().splitlines()
    text = "\n".join(line for line in lines if not line.startswith((";", "(set-info", "(check-sat")))
    return Query(f"law: {name}", text, "bits")


def _value(field: BitField, mark: str = "") -> z3.BitVecRef:
    return z3.BitVec(f"value.{field.name}{mark}", width_of(field.type))


def _start(info: PackedInfo) -> z3.BitVecRef:
    """What a constructor begins with: all zero but the tag."""
    raw = 0
    if info.tag is not None and info.tag_value is not None:
        raw = info.tag_value << info.fields()[info.tag].low
    return z3.BitVecVal(raw, info.word.width)


def _unused(info: PackedInfo) -> int:
    """The bits of the word that no field has."""
    used = 0
    for field in info.fields().values():
        used |= (1 << field.width) - 1 << field.low
    return int((1 << info.word.width) - 1) & ~used


def _laws_of_kind(info: PackedInfo) -> Iterator[Query]:
    name = info.cls.__name__
    word = z3.BitVec("word", info.word.width)
    fields = list(info.fields().values())
    settable = [field for field in fields if field.name != info.tag]
    for field in fields:
        read = read_bits(field, word)
        yield _query(f"{name}.{field.name} range", in_range(field, read))
        yield _query(f"{name}.{field.name} fits", fits(field, _value(field)) == in_range(field, _value(field)))
    for field in settable:
        yield from _laws_of_field(info, field, word)
    yield from _laws_of_whole(info, word, settable)


def _laws_of_field(info: PackedInfo, field: BitField, word: z3.BitVecRef) -> Iterator[Query]:
    name = f"{info.cls.__name__}.{field.name}"
    value, other = _value(field), _value(field, ".other")
    changed = write_bits(field, word, value)
    yield _query(f"{name} set/get", z3.Implies(fits(field, value), read_bits(field, changed) == value))
    kept = [read_bits(each, changed) == read_bits(each, word) for each in info.fields().values() if each is not field]
    kept.append((changed ^ word) & _unused(info) == 0)
    yield _query(f"{name} set keeps the rest", _every(kept))
    yield _query(f"{name} set twice", write_bits(field, changed, other) == write_bits(field, word, other))
    yield _query(f"{name} get/set", write_bits(field, word, read_bits(field, word)) == word)


def _laws_of_whole(info: PackedInfo, word: z3.BitVecRef, settable: list[BitField]) -> Iterator[Query]:
    """A value that was built is its fields; and the tag of a kind's values is the kind's."""
    name = info.cls.__name__
    other = z3.BitVec("other", info.word.width)
    clean = z3.And(word & _unused(info) == 0, other & _unused(info) == 0)
    same = [read_bits(field, word) == read_bits(field, other) for field in info.fields().values()]
    yield _query(f"{name} is its fields", z3.Implies(_every([clean, *same]), word == other))
    if info.tag is not None and info.tag_value is None:
        return  # the common part is never built as such
    start = built = rebuilt = _start(info)
    for field in settable:
        built = write_bits(field, built, _value(field))
        rebuilt = write_bits(field, rebuilt, read_bits(field, word))
    holds = _every([fits(field, _value(field)) for field in settable])
    # Fields are read from the whole value, so the last one written may not disturb the first.
    given = [read_bits(field, built) == _value(field) for field in settable]
    of_kind = z3.BoolVal(True)
    if info.tag is not None and info.tag_value is not None:
        tag = info.fields()[info.tag]
        given.append(read_bits(tag, built) == info.tag_value)
        of_kind = read_bits(tag, word) == info.tag_value
    given.append(built & _unused(info) == 0)
    yield _query(f"{name} construct", z3.Implies(holds, _every(given)))
    yield _query(f"{name} not given is zero", _every([read_bits(field, start) == 0 for field in settable]))
    yield _query(f"{name} from its fields", z3.Implies(z3.And(of_kind, word & _unused(info) == 0), rebuilt == word))


def _laws_between_kinds(kinds: list[PackedInfo]) -> Iterator[Query]:
    """Fields of different kinds at the same place read the same bits: code may look at one through the other."""
    first: dict[tuple[int, int, int, bool], tuple[str, BitField]] = {}
    for info in kinds[1:]:
        word = z3.BitVec("word", info.word.width)
        for field in info.fields().values():
            if field.name == info.tag:
                continue
            name = f"{info.cls.__name__}.{field.name}"
            place = (field.low, field.width, field.shift, field.signed)
            if place not in first:
                first[place] = (name, field)
                continue
            earlier_name, earlier = first[place]
            one, two = read_bits(earlier, word), read_bits(field, word)
            room = max(one.size(), two.size())
            claim = z3.ZeroExt(room - one.size(), one) == z3.ZeroExt(room - two.size(), two)
            yield _query(f"{name} reads as {earlier_name}", claim)
