# SPDX-License-Identifier: BSD-2-Clause
"""Statements, calls and constants in every reader."""

from __future__ import annotations

from typing import Any

import pytest

from tests.readers import Everywhere, everywhere, functions_of, module_of

SOURCE = '''
import types
from typing import NoReturn

LIMIT = 6
PRIMES = (2, 3, 5, 7)
TABLE = ((1, 10), (2, 20))
GREETING = b"Hi!"
board = types.SimpleNamespace(size=4)
configuration = types.SimpleNamespace(debug=False, level=3, name="quick", serial=None, board=board)

class Number(IntEnum):
    ONE = 1
    TWO = 2

@word(u8)
class State(IntEnum):
    IDLE = 0
    READY = 1
    RUNNING = 2

@word(u8)
class Color(IntEnum):
    RED = 9

@record
class Found:
    status: State
    slot: u64
    ok: bool

@record
class Nested:
    found: Found
    rest: u64

@struct
class Counter:
    calls: u64

counter = static(Counter)

@compiled
def tick(value: u64) -> u64:
    counter.calls = counter.calls * 10 + value
    return value

@extern(symbol="halt")
def halt(code: u64) -> NoReturn:
    raise Violation("unreachable", "halted")

@intrinsic(assembly="mv $0, $1", constraints="=r,r")
def machine(value: u64) -> u64:
    return value ^ 1

@compiled
def sum_below(n: u64) -> u64:
    total = u64(0)
    for i in range(n):
        if i == 3:
            continue
        if i > LIMIT:
            break
        total += i
    return total

@compiled
def from_to(a: u8, b: u8) -> u64:
    turns = u64(0)
    for i in range(a, b):
        i = i // 2
        turns += u64(i)
    return turns

@compiled
def collatz(n: u64) -> u64:
    steps = u64(0)
    while n != 1:
        decreases(1)
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
        if steps == 50:
            return 99
    return steps

@compiled
def forever(n: u64) -> u64:
    while True:
        if n > 100:
            return n
        n = n * 2 + 1

@compiled
def nested_loops(n: u64) -> u64:
    found = u64(0)
    for i in range(n):
        for j in range(i, n):
            if j == 4:
                break
            if (i + j) % 2 == 1:
                continue
            found += i * j
        while found > 20:
            found -= 20
    return found

@compiled
def name_of(state: State) -> u64:
    match state:
        case State.IDLE:
            return 10
        case State.READY | State.RUNNING:
            result = u64(20) + u64(state)
    return result

@compiled
def of_word(value: u64) -> u64:
    match value:
        case 0 | 1:
            found = u64(1)
        case Number.TWO:
            found = u64(2)
        case Color.RED | 1000:
            found = u64(3)
        case _:
            found = value
    return found

@compiled
def of_bool(flag: bool) -> u64:
    match flag:
        case True:
            return 1
        case False:
            return 0

@compiled
def of_call(value: u64) -> u64:
    match tick(value):
        case 3:
            return counter.calls
        case other:
            return other + 1

@compiled
def to_state(value: u64) -> State:
    return State(value)

@compiled
def order(a: State, b: State) -> bool:
    return a < b and a != b

@compiled
def found(value: u64) -> Found:
    if value > LIMIT:
        return Found(State.IDLE, 0, False)
    return Found(ok=True, slot=tick(value), status=State.RUNNING)

@compiled
def nested(value: u64) -> Nested:
    inner = found(value)
    return Nested(inner, inner.slot + 1 if inner.ok else 0)

@compiled
def use_nested(value: u64) -> u64:
    both = nested(value)
    return both.found.slot * 100 + both.rest + u64(both.found.status)

@compiled
def divide(a: u64, b: u64) -> tuple[u64, u64, bool]:
    return a // b, a % b, a % b == 0

@compiled
def halves(a: u64) -> tuple[u64, u8]:
    if a == 0:
        return 1, 2
    return (a, 1) if a % 2 == 1 else (a // 2, 0)

@compiled
def unpacked(a: u64, b: u64) -> u64:
    quotient, _, exact = divide(a, b)
    _ = divide(b, a + 1)
    a, b = b, a
    return (quotient if exact else 7) + a - b

@compiled
def in_order(value: u64) -> u64:
    subtracted(right=tick(2), left=tick(value))
    return counter.calls

@compiled
def subtracted(left: u64, right: u64) -> u64:
    return wrapping_sub(left, right)

@compiled
def chained(value: u64) -> u64:
    within = tick(1) < tick(value) <= 5
    member = tick(value) in (3, 4)
    return counter.calls * 100 + u64(within) * 10 + u64(member)

@compiled
def lazy(value: u64) -> u64:
    flag = value > 2 and tick(1) > 0 or tick(2) > 5
    return counter.calls + u64(flag)

@compiled
def implied(a: u64, b: u64) -> bool:
    return implies(tick(a) > 3, tick(b) > 3)

@compiled
def constants(value: u64) -> u64:
    total = u64(0)
    if configuration.debug:
        return value.no_such_thing
    if configuration.level >= 3 and configuration.name == "quick" and configuration.serial is None:
        total += 1 << configuration.board.size
    total += LIMIT ** 2 % 7 + len(PRIMES) + Number.TWO
    total += value if not configuration.debug else undefined
    return total + (1 if value in PRIMES else 0)

@compiled
def ends_by_configuration(value: u64) -> u64:
    if not configuration.debug:
        return value
    return value + 1

@compiled
def written_out(value: u64) -> u64:
    total = u64(0)
    for key, weight in TABLE:
        if value == key:
            total += weight
    for prime in PRIMES:
        if value % prime == 0:
            return total + prime
    return total

@compiled
def checksum(text: bytes) -> u64:
    total = u64(len(text))
    for i in range(len(text)):
        total = total * 256 + u64(text[i])
    return total

@compiled
def texts(which: bool) -> u64:
    return checksum(GREETING) + checksum(b"") + checksum(b"yes" if which else b"no")

@compiled
def byte_at(text: bytes, index: u64) -> u8:
    return text[index]

@compiled
def third_byte(index: u64) -> u8:
    return byte_at(GREETING, index)

@compiled
def asserted(value: u64) -> u64:
    assert value < 5, "small"
    return value

@compiled
def halted(value: u64) -> u64:
    if value > 5:
        halt(value)
    return value

@compiled
def on_machine(value: u64) -> u64:
    return machine(machine(value) + 1)

@compiled
def contracts_are_erased(value: u64) -> u64:
    """Contracts and ghost code leave nothing behind."""
    requires(value < 1 << 40)
    ensures(lambda result: result >= value)
    modifies(counter)
    with ghost:
        start = value
    while value % 4 != 0:
        loop_invariant(value >= 0)
        decreases(4 - value % 4)
        value += 1
    return value

@compiled
def early(value: u64) -> u64:
    result: u64
    if value == 0:
        result = u64(1)
    elif value == 1:
        return 5
    else:
        result = value
    return result

@invariant
def small(value: u64) -> bool:
    return implies(value != 0, value < 10)
'''

NAMES = (
    "sum_below collatz forever nested_loops of_word of_call found use_nested in_order chained lazy constants asserted "
    "ends_by_configuration written_out halted on_machine contracts_are_erased early small to_state"
).split()


@pytest.fixture(scope="module")
def module() -> Any:
    return module_of("tests_control", SOURCE)


@pytest.fixture(scope="module")
def readers(module: Any) -> Everywhere:
    return everywhere(functions_of(module))


def gives(readers: Everywhere, function: Any, *raws: Any, release: bool = True) -> Any:
    kind, value = readers.agree(function, *raws, release=release)[True]
    return value if kind == "gives" else (kind, value)


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_gives_the_same(module: Any, readers: Everywhere, name: str) -> None:
    bound = {"contracts_are_erased": 1 << 40, "nested_loops": 12, "sum_below": 1001}.get(name, 1 << 64)
    for value in [value for value in (*range(12), 255, 1000, (1 << 63) + 1) if value < bound]:
        outcomes = readers.agree(getattr(module, name), value)
        if name == "halted" and value > 5:
            assert outcomes[False] == ("breaks", "unreachable")


def test_loops(module: Any, readers: Everywhere) -> None:
    assert [gives(readers, module.sum_below, n) for n in (0, 1, 4, 9)] == [0, 0, 3, 0 + 1 + 2 + 4 + 5 + 6]
    assert gives(readers, module.collatz, 27) == 99
    assert gives(readers, module.from_to, 250, 255) == 125 + 125 + 126 + 126 + 127
    assert gives(readers, module.from_to, 255, 3) == 0


def test_choices(module: Any, readers: Everywhere) -> None:
    assert [gives(readers, module.name_of, state) for state in (0, 1, 2)] == [10, 21, 22]
    assert [gives(readers, module.of_word, value) for value in (0, 1, 2, 1000, 77)] == [1, 1, 2, 3, 77]
    assert [gives(readers, module.of_bool, flag) for flag in (0, 1)] == [0, 1]
    assert [gives(readers, module.of_call, value) for value in (3, 4)] == [3, 5]
    assert [gives(readers, module.to_state, value) for value in (2, 3, 258)] == [
        2,
        ("breaks", "enum"),
        ("breaks", "enum"),
    ]
    assert readers.agree(module.to_state, 258)[False] == ("gives", 2)
    assert [gives(readers, module.order, a, b) for a, b in ((0, 1), (1, 1), (2, 1))] == [1, 0, 0]


def test_results_of_several_parts(module: Any, readers: Everywhere) -> None:
    assert gives(readers, module.found, 3) == (2, 3, 1)
    assert gives(readers, module.nested, 7) == ((0, 0, 0), 0)
    assert gives(readers, module.use_nested, 3) == 306
    assert gives(readers, module.divide, 17, 5) == (3, 2, 0)
    assert gives(readers, module.divide, 1, 0) == ("breaks", "divide")
    assert [gives(readers, module.halves, value) for value in (0, 7, 8)] == [(1, 2), (7, 1), (4, 0)]
    assert gives(readers, module.unpacked, 3, 15) == 7 + 15 - 3


def test_order_of_evaluation(module: Any, readers: Everywhere) -> None:
    assert gives(readers, module.in_order, 5) == 25
    assert gives(readers, module.chained, 4) == 144 * 100 + 11
    assert gives(readers, module.lazy, 3) == 2
    assert gives(readers, module.lazy, 1) == 2
    assert gives(readers, module.implied, 4, 2) == 0
    assert gives(readers, module.implied, 2, 2) == 1


def test_constants(module: Any, readers: Everywhere) -> None:
    assert gives(readers, module.constants, 5) == 16 + 36 % 7 + 4 + 2 + 5 + 1
    assert [gives(readers, module.written_out, value) for value in (1, 2, 35, 11)] == [10, 22, 5, 0]
    assert gives(readers, module.texts, 1) == sum(
        len(text) << 8 * len(text) | int.from_bytes(text, "big") for text in (b"Hi!", b"yes")
    )
    assert gives(readers, module.third_byte, 2) == ord("!")
    assert gives(readers, module.third_byte, 3, release=False) == ("breaks", "index")
    assert [gives(readers, module.byte_at, b"\0\xff", index) for index in (0, 1)] == [0, 255]
    assert gives(readers, module.byte_at, b"\0\xff", 2, release=False) == ("breaks", "index")


def test_what_stops_a_program(module: Any, readers: Everywhere) -> None:
    assert gives(readers, module.asserted, 5) == ("breaks", "assert")
    assert readers.agree(module.asserted, 5)[False] == ("gives", 5)
    assert gives(readers, module.halted, 6) == ("breaks", "unreachable")
    assert gives(readers, module.on_machine, 6) == 9
