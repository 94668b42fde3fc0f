# SPDX-License-Identifier: BSD-2-Clause
"""The encoding of memory, references and packed values against the interpreter: the same results and memory."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tessera.ir.interpret import Interpreter
from tessera.ir.values import mask_of, width_of
from tessera.lang import Memory
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.structs import Inline, size_of_stored, static_entry
from tessera.lang.types import ArrayType, OptionalReference, is_enum, is_packed, is_struct
from tessera.lang.words import Violation
from tessera.smt.objects import parts_of
from tests.readers import functions_of, info, memory_size, module_of
from tests.smt.evaluate import Concrete, Evaluation
from tests.smt.exact import encoding_of, result_agrees
from tests.smt.test_encoder import outcome_of, world

_numbers = itertools.count()

TYPES = """
@word(u8)
class Colour(IntEnum):
    RED = 0
    BLUE = 1
    GREEN = 5

@word(u8)
class Kind(IntEnum):
    NONE = 0
    OPEN = 1
    SHUT = 2

@packed(u128, tag="kind")
class Cap(Packed):
    kind: Kind = bits(59, 5)
    flag: bool = bits(127, 1)

@variant(Kind.NONE)
class NoneCap(Cap):
    pass

@variant(Kind.OPEN)
class OpenCap(Cap):
    badge: u64 = bits(64, 63)
    node: Node | None = bits(0, 39, signed=True)
    colour: Colour = bits(40, 3)

@variant(Kind.SHUT)
class ShutCap(Cap):
    address: u64 = bits(4, 37, shift=2, signed=True)
    size: u8 = bits(64, 6)

@packed(u64)
class Entry(Packed):
    valid: bool = bits(0, 1)
    number: u64 = bits(10, 44, shift=3)

@struct
class Inner:
    count: u64
    small: u8

@struct
class Node:
    value: u64
    byte: u8
    wide: u128
    flag: bool
    colour: Colour
    next: Node | None
    owner: Node
    cap: Cap
    entry: Entry
    inner: Inner = inline()
    words: Array[u64] = array(3)
    caps: Array[Cap] = array(2)
    inners: Array[Inner] = array(2)

@struct
class Cell:
    mark: u64
    node: Node | None

@struct
class Single:
    total: u64
    nodes: Array[Node | None] = array(2)
    cells: Array[Cell] = array(2)
    cell: Cell = inline()
    numbers: Array[u8] = array(2)

first = static(Node)
second = static(Node)
single = static(Single)

@record
class Found:
    node: Node | None
    number: u64

@compiled
def bump(x: Node, n: u64) -> u64:
    before = x.value
    x.value = n
    return before

@compiled
def search(x: Node, n: u64) -> Found:
    if x.value == n:
        return Found(x, 1)
    following = x.next
    if following is not None and following.value == n:
        return Found(following, 2)
    return Found(None, 0)
"""
# Bits of an entry that mean nothing are lost in the encoding: they are zero here.
ENTRY_BITS = ((1 << 44) - 1) << 10 | 1
MODULE = module_of("tests_encoder_types", TYPES)

NUMBERS = [
    "a",
    "b",
    "(b | 3)",
    "x.value",
    "u64(x.byte)",
    "x.words[a]",
    "x.words[b % 3]",
    "x.inner.count",
    "single.total",
]
NUMBERS += ["x.inners[b].count", "single.cells[a].mark", "single.cell.mark", "x.owner.value", "address_of(y)"]
NUMBERS += ["bump(x, a)", "search(x, a).number", "u64(x.colour)", "u64(x.flag)", "u64(x.wide >> 3)", "x.entry.number"]
NUMBERS += ["y.value", "u64(single.numbers[b])", "u64(cap.kind)", "u64(to_word(x.entry))", "from_word(Entry, a).number"]
REFERENCES = ["first", "second", "x", "x.owner", "y", "x.next", "(y if y is not None else second)"]
OPTIONAL = [*REFERENCES, "None", "single.nodes[a]", "single.cells[b].node", "search(x, b).node"]
CAPS = [
    "cap",
    "x.cap",
    "x.caps[a]",
    "NoneCap()",
    "OpenCap(badge=a, node=y, colour=x.colour)",
    "x.cap.replace(flag=False)",
]
CAPS += ["ShutCap(address=b, size=u8(a), flag=x.flag)", "ShutCap(address=(b % 4096) * 4, size=3)", "OpenCap(node=x)"]
CONDITIONS = [
    "x.flag",
    "a < b",
    "x is y",
    "y is None",
    "x.colour == Colour.BLUE",
    "isinstance(cap, OpenCap)",
    "cap.flag",
]
CONDITIONS += [
    "x.next is x",
    "x.entry.valid",
    "x is not first and a > 3",
    "y is None or y.value == a",
    "x.cap.kind == Kind.SHUT",
]
PLACES = ["x.value", "x.words[b]", "x.inner.count", "x.inners[a % 2].count", "single.total", "single.cell.mark"]
PLACES += ["single.cells[b].mark", "x.owner.value", "y.value", "a", "b"]


def statements(depth: int) -> st.SearchStrategy[str]:
    """Statements over two words, two references and a packed value."""
    number, reference = st.sampled_from(NUMBERS), st.sampled_from(REFERENCES)
    optional, cap, place = st.sampled_from(OPTIONAL), st.sampled_from(CAPS), st.sampled_from(PLACES)
    one_of = [
        st.tuples(place, number).map(lambda t: f"{t[0]} = {t[1]}"),
        st.tuples(place, st.sampled_from(["+", "-", "^", "&"]), number).map(lambda t: f"{t[0]} {t[1]}= {t[2]}"),
        number.map(lambda t: f"x.byte = u8(u64({t}))"),
        number.map(lambda t: f"x.wide = u128(u64({t})) << 64"),
        number.map(lambda t: f"x.colour = Colour(truncate(u8, u64({t})) % 8)"),
        number.map(lambda t: f"x.entry = Entry(number=u64({t}), valid=x.flag)"),
        st.just(f"x.entry = from_word(Entry, b & {ENTRY_BITS})"),
        st.just("x.inners[b].small = x.byte"),
        st.just("single.numbers[a] = x.byte"),
        st.sampled_from(CONDITIONS).map(lambda t: f"x.flag = {t}"),
        optional.map(lambda t: f"y = {t}"),
        optional.map(lambda t: f"x.next = {t}"),
        reference.map(lambda t: f"x.owner = {t}"),
        optional.map(lambda t: f"single.nodes[b] = {t}"),
        optional.map(lambda t: f"single.cells[a].node = {t}"),
        reference.map(lambda t: f"x = {t}"),
        cap.map(lambda t: f"cap = {t}"),
        cap.map(lambda t: f"x.cap = {t}"),
        cap.map(lambda t: f"x.caps[b] = {t}"),
        st.just("a, b = b, a"),
        st.just("cell = single.cells[a]\ncell.mark = b"),
        st.just("with_badge = x.cap\nif isinstance(with_badge, OpenCap):\n    x.cap = with_badge.replace(badge=a)"),
    ]
    if depth:
        block = st.lists(statements(depth - 1), min_size=1, max_size=3).map("\n".join)
        one_of += [
            st.tuples(st.sampled_from(CONDITIONS), block, block).map(
                lambda t: f"if {t[0]}:\n{_in(t[1])}\nelse:\n{_in(t[2])}"
            ),
            st.tuples(cap, block).map(
                lambda t: (
                    f"found = {t[0]}\nmatch found:\n    case OpenCap() as open_:\n        a = open_.badge\n"
                    f"        y = open_.node\n        x.colour = open_.colour\n    case ShutCap() as shut:\n"
                    f"        b = shut.address + u64(shut.size)\n    case _:\n{_in(_in(t[1]))}"
                )
            ),
            block.map(lambda t: f"for i in range(u64(2)):\n{_in(t)}\n    if x.flag:\n        break\n    b = b ^ i"),
        ]
    return st.one_of(*one_of)


def _in(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A function over the module's objects."""
    body = "\n".join(draw(st.lists(statements(2), min_size=1, max_size=8)))
    result = draw(st.sampled_from(["a", "b", "x.value", "address_of(y)", "u64(x.byte)", "u64(cap.flag)"]))
    head = "@compiled\ndef f(a: u64, b: u64, x: Node, y: Node | None, cap: Cap) -> u64:\n"
    return f"{head}{_in(body)}\n    return {result}\n"


class Objects:
    """The objects of the test's module, and what may lie in their fields."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.roots = [(type(one), MEMORY_BASE + entry_of(one)) for one in (MODULE.first, MODULE.second, MODULE.single)]
        self.nodes = [address for struct, address in self.roots if struct is MODULE.Node]

    def all_objects(self) -> Iterator[tuple[Any, int]]:
        """Every object, also those in others, with its address."""
        for struct, address in self.roots:
            yield struct, address
            for part in parts_of(struct):
                for number in range(part.count):
                    yield part.struct, address + part.offset + number * part.size

    def live(self) -> dict[str, frozenset[int]]:
        """Addresses by struct."""
        found: dict[str, set[int]] = {}
        for struct, address in self.all_objects():
            found.setdefault(struct.__name__, set()).add(address)
        return {name: frozenset(addresses) for name, addresses in found.items()}

    def number(self, type_: Any) -> int:
        """A raw value that may be stored as this type."""
        pick = self.random
        if isinstance(type_, OptionalReference):
            return pick.choice([0, *self.nodes])
        if is_struct(type_):
            return pick.choice([0, *self.nodes, *self.nodes])
        if is_enum(type_):
            return int(pick.choice(list(type_)))
        if type_ is bool:
            return pick.randrange(2)
        if is_packed(type_) and type_.__packed__.tag:
            return self.cap()
        width = width_of(type_)
        if is_packed(type_):
            return pick.getrandbits(width) & ENTRY_BITS
        return pick.choice([0, 0, 0, 1, 1, 1, 2, 3, pick.getrandbits(width), pick.getrandbits(3), mask_of(type_)])

    def cap(self) -> int:
        """The bits of a capability of any kind; those that mean nothing in it are anything."""
        kind = self.random.randrange(3)
        raw = self.random.getrandbits(128) & ~(31 << 59) | kind << 59
        if kind == 1:
            node = self.random.choice([0, *self.nodes])
            colour = self.random.choice([0, 1, 5])
            raw = raw & ~((1 << 39) - 1) & ~(7 << 40) | node & (1 << 39) - 1 | colour << 40
        return raw

    def fill(self, memory: Memory) -> None:
        """Something in every field."""
        for struct, address in self.all_objects():
            for field in struct.__struct__.layout().fields.values():
                array = isinstance(field.type, ArrayType)
                type_ = field.type.element if array else field.type
                if isinstance(type_, Inline):
                    continue
                for index in range(field.type.length if array else 1):
                    size = size_of_stored(type_)
                    memory.store(address + field.offset + index * size, size, self.number(type_))


def entry_of(reference: Any) -> int:
    """The offset of a static object."""
    entry = static_entry(reference)
    assert entry is not None
    return entry.offset


def check(text: str, seeds: list[int]) -> set[str]:
    """Compare on some states; how the runs ended."""
    names = {name: value for name, value in vars(MODULE).items() if not name.startswith("__")}
    module = module_of(f"tests_encoder_memory_{next(_numbers)}", "")
    vars(module).update(names)
    module = module_of(module.__name__, f"from {MODULE.__name__} import *\n{text}")
    functions = functions_of(module)
    read = world(functions)
    encoding = encoding_of(read, read.program.functions[info(functions[0]).name])
    size = memory_size()
    met = set()
    for seed in seeds:
        objects = Objects(seed)
        before, interpreter = Memory(size), Interpreter(read.program, Memory(size))
        objects.fill(before)
        interpreter.memory.data[:] = before.data
        raws = tuple(objects.number(type_) for _, type_ in encoding.function.parameters[:2])
        raws += (objects.nodes[seed % 2], objects.random.choice([0, *objects.nodes]), objects.cap())
        evaluation = Evaluation(encoding.state(raws, before, objects.live()))
        broken, taken = encoding.broken(evaluation), encoding.taken(evaluation)
        result, violation = outcome_of(interpreter, encoding, raws)
        if violation is not None:
            assert [(one.rule, one.line) for one in broken] == [(violation.rule, _line(violation))], (seed, violation)
            assert not taken
            met.add(violation.rule)
            continue
        assert not broken, (seed, broken[0].rule, broken[0].line)
        ((end, value),) = taken
        assert result_agrees(evaluation, encoding.function.result, value, result), seed
        after = Concrete(memory=interpreter.memory)
        for key in end.maps:
            for index in _indexes(key, objects):
                if not after.is_meaningful(key, index):
                    continue
                assert evaluation.value(end.read(key, *map(_term, index))) == after.field(key, index), (seed, key.label)
        met.add("gives")
    return met


def _line(violation: Violation) -> int:
    return int(str(violation).split(".py:")[1].partition(":")[0])


def _term(number: int) -> Any:
    from tessera.smt import terms

    return terms.number(number)


def _indexes(key: Any, objects: Objects) -> Iterator[tuple[int, ...]]:
    """All places of a map. Only the first two elements of arrays are looked at."""
    if key.arity == 0:
        yield ()
        return
    single = key.struct == "Single"
    addresses = [address for struct, address in objects.all_objects() if struct.__name__ == key.struct]
    for address in [0] if single else addresses:
        outer = () if single else (address,)
        for element in (0, 1) if key.arity > len(outer) else (None,):
            yield outer if element is None else (*outer, element)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.lists(st.integers(0, 10_000), min_size=6, max_size=6))
def test_random_programs(text: str, seeds: list[int]) -> None:
    check(text, seeds)
