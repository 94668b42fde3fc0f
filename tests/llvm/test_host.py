# SPDX-License-Identifier: BSD-2-Clause
"""Native code in this process against CPython: results, violations, and every byte of memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.ir.build import build_program
from tessera.ir.nodes import Assign, Program, Return, Statement
from tessera.ir.values import from_raw, to_raw
from tessera.lang import MEMORY_BASE, Memory, Violation, at, to_word, u64
from tessera.lang.functions import FUNCTIONS, info_of
from tessera.lang.types import OptionalReference
from tessera.llvm.host import HostMemory, HostModule
from tests.llvm import hand_made, sample
from tests.llvm.hand_made import function, local, make

SIZE = 1 << 20
TOP = (1 << 64) - 1


@pytest.fixture(scope="module")
def program() -> Program:
    own = [i for i in FUNCTIONS.values() if i.function.__module__ == sample.__name__ and i.kind == "compiled"]
    return build_program(own)


@pytest.fixture(scope="module")
def checked(program: Program) -> HostModule:
    return HostModule(program, checked=True, memory_size=SIZE)


@pytest.fixture(scope="module")
def release(program: Program) -> HostModule:
    return HostModule(program, checked=False, memory_size=SIZE)


@pytest.fixture(autouse=True)
def clean_memory() -> None:
    HostMemory.clear()
    sample.calls.clear()


def outcome(call: Any, *values: Any) -> Any:
    """The result of a call, or the rule that it broke."""
    try:
        return call(*values)
    except Violation as error:
        return f"broken: {error.rule}"
    except AssertionError:  # what CPython makes of `assert`
        return "broken: assert"


class Pair:
    """CPython and native code on memories of their own."""

    def __init__(self, native: HostModule) -> None:
        HostMemory.clear()
        self.native = native
        self.memory = Memory(SIZE)

    def call(self, function: Any, *values: Any) -> Any:
        """Call both; they must agree on the result and on all of memory."""
        with self.memory:
            expected = outcome(function, *values)
        native = self.native.function(function)
        raws = [to_raw(type_, value) for type_, value in zip(native.parameters, values, strict=True)]
        found = outcome(native.raw, *raws)
        if not isinstance(found, str):
            found = from_raw(native.result, found)
        assert found == expected and type(found) is type(expected)
        assert bytes(self.native.memory.data) == bytes(self.memory.data)
        return found


STORE = sample.store._address  # type: ignore[attr-defined]
FIELDS = sample.Store.__struct__.layout().fields  # type: ignore[attr-defined]
NODE = STORE + FIELDS["nodes"].offset


def calls() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Calls that together reach every line of the sample, and every rule that it can break."""
    for index, count in ((0, 5), (3, 6), (7, 77), (8, 5), (TOP, 5), (1, 1 << 63)):
        yield sample.push, (index, count)
        yield sample.total, ()
        yield sample.find, (5,)
        yield sample.find, (77,)
        yield sample.lazy, (index,)
        yield sample.lazy, (100,)
        yield sample.chosen, (index,)
    for _ in range(10):
        yield sample.pop, ()
    for raw in (
        0,
        5,
        9,
        31,
        9 | 7 << 5,
        9 | 1 << 5,
        9 | 3 << 5,
        TOP << 64 | 9 | 2 << 5,
        5 | 1 << 43,
        5 | (1 << 43) - 32,
    ):
        yield sample.colour_of, (raw,)
        yield sample.node_of, (raw,)
        for amount in (0, 5, (1 << 20) - 1, 1 << 20, (1 << 32) - 1):
            yield sample.set_amount, (raw, amount)
    for high in (0, 4, 5, (1 << 52) - 4, 1 << 52):
        yield sample.make_box, (sample.Colour.BLUE, True, 17, high)
    for address in (0, NODE, NODE + 1, NODE + 8, NODE + 32, MEMORY_BASE - 32, MEMORY_BASE + SIZE - 16, TOP - 7):
        yield sample.through, (address,)
        yield sample.maybe, (address,)
    yield sample.follow, (None,)
    yield sample.follow, (at(sample.Node, MEMORY_BASE + SIZE - 8),)
    for number in (0, 1, 2, 3, 6, 7, 8, 255, 257, TOP):
        yield sample.to_colour, (number,)
        yield sample.to_status, (number,)
        yield sample.switch, (number,)
        yield sample.set_byte, (number, number)
    yield sample.set_byte, (3, 256)
    yield sample.switch, (1000000,)
    for count in (0, 1, 5, 20):
        yield sample.loops, (count,)
    for text in (b"", b"a", bytes(range(256))):
        yield sample.text_sum, (text,)
        for index in (0, 255, 256, TOP):
            yield sample.item_of, (text, index)
    yield sample.greeting, (True,)
    yield sample.greeting, (False,)
    top = (1 << 128) - 1
    yield sample.many, (255, 65535, (1 << 32) - 1, TOP, top, True, sample.Colour.RED)
    yield sample.many, (0, 1, 2, 3, 1 << 64, False, sample.Colour.BLUE)
    yield sample.ask, (3, True)
    yield sample.ask, (50, False)
    yield sample.quit_with, (2,)


def test_native_code_equals_cpython_on_results_violations_and_memory(checked: HostModule) -> None:
    pair = Pair(checked)
    seen = {found for found in (pair.call(f, *v) for f, v in calls()) if isinstance(found, str)}
    rules = {"overflow", "narrow", "field", "enum", "index", "null", "assert", "variant", "address"}
    assert seen == {f"broken: {rule}" for rule in rules}


def test_values_in_memory_keep_their_kind(checked: HostModule) -> None:
    pair = Pair(checked)
    pair.call(sample.push, 2, 40)
    node = pair.call(sample.pop)
    for index, value in enumerate([sample.NodeValue(node=node, badge=9), sample.BoxValue(amount=5, high=8)]):
        pair.call(sample.keep, index, value)
        assert pair.call(sample.kept, index) == value
        assert type(pair.call(sample.kept, index)) is type(value)
    assert pair.call(sample.kept, 3) == sample.EmptyValue()
    assert pair.call(sample.classify, sample.NodeValue(node=None, badge=44)) == 44
    assert pair.call(sample.classify, sample.EmptyValue()) == 3
    assert pair.call(sample.where, node) == node._address + 2  # type: ignore[attr-defined]


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 9), st.integers(0, 20)),
        st.tuples(st.just("pop")),
        st.tuples(st.just("total")),
        st.tuples(st.just("find"), st.integers(0, 20)),
        st.tuples(st.just("lazy"), st.integers(0, 12)),
        st.tuples(st.just("ask"), st.integers(0, 20), st.booleans()),
    ),
    max_size=40,
)


@given(OPERATIONS)
@settings(max_examples=60, deadline=None)
def test_random_calls_leave_the_same_memory(checked: HostModule, operations: list[tuple[Any, ...]]) -> None:
    pair = Pair(checked)
    for name, *values in operations:
        if name == "push":  # a node that is in the list already would make a circle
            with pair.memory:
                if _in_list(values[0]):
                    continue
        pair.call(getattr(sample, name), *values)


def _in_list(index: int) -> bool:
    node = sample.store.head
    while node is not None:
        if index < sample.LIMIT and node is sample.store.nodes[index]:
            return True
        node = node.next
    return False


def test_a_violation_names_the_place(checked: HostModule) -> None:
    with pytest.raises(Violation) as caught:
        checked.call(sample.set_byte, 16, 0)
    assert caught.value.rule == "index"
    function = info_of(sample.set_byte).function  # type: ignore[union-attr]
    line = function.__code__.co_firstlineno + 2
    assert str(caught.value) == f"index: tests/llvm/sample.py:{line}: the index is outside of the array"


def test_an_exception_of_a_model_comes_out_of_native_code(checked: HostModule, release: HostModule) -> None:
    for module in (checked, release):
        with pytest.raises(KeyError, match="the model fails"):
            module.call(sample.ask, 99, True)
        with pytest.raises(SystemExit) as caught:
            module.call(sample.quit_with, 4)
        assert caught.value.code == 4
        assert module.call(sample.quit_with, 3) == 3  # and the next call is not disturbed
        with pytest.raises(SystemExit):
            module.call(sample.never, 17)
        assert module.memory.load(STORE + FIELDS["used"].offset, 8) == 17


def test_a_model_may_call_native_code_again(
    checked: HostModule, release: HostModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a violation in the inner call ends only the inner call."""
    inner: list[Any] = []

    def outside(number: Any, value: Any, wide: Any, flag: Any) -> Any:
        inner.append(outcome(checked.call, sample.set_byte, number, 1))
        inner.append(release.call(sample.loops, 5))
        return sample.Found(sample.Status.OK, None, value, wide)

    info = info_of(sample.outside)
    assert info is not None
    outside.__module__, outside.__qualname__ = sample.__name__, "outside"
    monkeypatch.setattr(info, "function", outside)
    for number, expected in ((3, None), (16, "broken: index")):
        inner.clear()
        assert checked.call(sample.ask, number, False).status == sample.Status.OK
        assert inner == [expected, sample.loops(5)]
    assert outcome(checked.call, sample.set_byte, 16, 0) == "broken: index"


def test_release_code_cuts_and_wraps_where_a_rule_is_broken(release: HostModule) -> None:
    assert release.call(sample.set_byte, 2, 0x1FF) is None
    assert release.memory.load(STORE + FIELDS["bytes_"].offset + 2, 1) == 0xFF
    assert release.call_raw(sample.set_amount, 9, 0xFFFFFFFF) == 9 | ((1 << 20) - 1) << 40
    assert release.call_raw(sample.to_colour, 0x1FF) == 0xFF
    assert release.call_raw(sample.make_box, 0xFF, 1, 0, 7) == 9 | 7 << 5 | 1 << 8 | 1 << 70
    assert release.call_raw(sample.colour_of, 0) == 0


def test_raw_values_and_what_is_not_an_entry(program: Program) -> None:
    name = f"{sample.__name__}.loops"
    module = HostModule(program, checked=False, memory_size=SIZE, entries=[name])
    assert module.call_raw(name, 20) == int(sample.loops(20))
    with pytest.raises(KeyError, match="not an entry"):
        module.call(sample.pop)
    with pytest.raises(KeyError, match="not part"):
        module.call("nothing")
    with pytest.raises(TypeError):
        module.call(sample.loops, "text")
    with pytest.raises(TypeError, match="not a function of the language"):
        module.call(len, 1)


def test_memory_is_where_references_say(checked: HostModule) -> None:
    checked.call(sample.push, 1, 6)
    with checked.memory:
        node = sample.store.head
        assert node is not None and node.count == 6
    assert ctypes.c_uint64.from_address(node._address + 16).value == 6  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="static objects alone"):
        HostModule(checked.program, checked=False, memory_size=8)


def test_native_code_is_fast(release: HostModule) -> None:
    """A call costs microseconds: a million random system calls are a test, not a night."""
    native = release.function(sample.loops)
    start = time.perf_counter()
    for _ in range(2000):
        native.raw(1)
    assert (time.perf_counter() - start) / 2000 < 100e-6
    assert to_word(release.call(sample.make_node, None, 3)) == 5 | 3 << 64


def test_names_may_have_any_letters_that_python_allows() -> None:
    body: list[Statement] = [Assign(2, "größe", local("maß", u64)), Return(3, local("größe", u64))]
    made = hand_made.program(function("f", {"maß": u64}, u64, body, {"größe": u64}))
    assert HostModule(made, checked=True).call_raw("made.f", 5) == 5


def test_a_field_of_an_optional_reference_is_refused_when_it_is_none() -> None:
    field = sample.Node.__struct__.layout().fields["count"]  # type: ignore[attr-defined]
    optional = OptionalReference(sample.Node)
    place = make("field_place", u64, local("node", optional), data=field)
    bad = hand_made.program(function("f", {"node": optional}, u64, make("load", u64, place)))
    with pytest.raises(Violation) as caught:
        HostModule(bad, checked=True).call_raw("made.f", 0)
    assert caught.value.rule == "null"
