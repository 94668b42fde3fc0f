# SPDX-License-Identifier: BSD-2-Clause
"""A module of the language that uses all of it; the tests of native code run it."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from tessera.lang import (
    Array,
    Packed,
    address_of,
    array,
    at,
    at_or_none,
    bits,
    compiled,
    count_leading_zeros,
    extern,
    from_word,
    inline,
    intrinsic,
    max,
    min,
    packed,
    range,
    record,
    static,
    struct,
    to_word,
    truncate,
    u8,
    u16,
    u32,
    u64,
    u128,
    variant,
    word,
    wrapping_add,
    wrapping_mul,
)

LIMIT = 8


@word(u8)
class Colour(IntEnum):
    RED = 1
    GREEN = 2
    BLUE = 7


@word(u64)
class Status(IntEnum):
    OK = 0
    FULL = 1
    EMPTY = 2


class Kind(IntEnum):
    EMPTY = 0
    NODE = 5
    BOX = 9


@struct
class Node:
    next: Node | None
    owner: Node
    count: u64
    colour: Colour
    busy: bool
    small: u16

    def is_blue(self) -> bool:
        return self.colour == Colour.BLUE

    @property
    def twice(self) -> u64:
        return self.count * 2


@packed(u128, tag="kind")
class Value(Packed):
    kind: u8 = bits(0, 5)


@variant(Kind.EMPTY)
class EmptyValue(Value):
    pass


@variant(Kind.NODE)
class NodeValue(Value):
    node: Node | None = bits(5, 39, shift=3, signed=True)
    badge: u64 = bits(64, 64)


@variant(Kind.BOX)
class BoxValue(Value):
    colour: Colour = bits(5, 3)
    flag: bool = bits(8, 1)
    amount: u32 = bits(40, 20)
    high: u64 = bits(70, 50, shift=2)


@record
class Found:
    status: Status
    node: Node | None
    value: Value
    wide: u128


@struct
class Store:
    nodes: Array[Node] = array(LIMIT)
    first: Node = inline()
    used: u64
    head: Node | None
    values: Array[Value] = array(4)
    bytes_: Array[u8] = array(16)


store = static(Store, name="sample.store")


@compiled
def push(index: u64, count: u64) -> Status:
    node = store.nodes[index]
    if store.used >= LIMIT:
        return Status.FULL
    node.next = store.head
    node.owner = node
    node.count = count
    node.colour = Colour.GREEN if count % 2 == 0 else Colour.BLUE
    node.busy = not node.busy
    node.small = truncate(u16, count)
    store.head = node
    store.used += 1
    return Status.OK


@compiled
def pop() -> Node | None:
    head = store.head
    if head is None:
        return None
    store.head = head.next
    store.used -= 1
    return head


@compiled
def total() -> u64:
    total = u64(0)
    node = store.head
    while node is not None:
        total += node.twice
        if node.is_blue():
            total += 1
        node = node.next
    return total


@compiled
def classify(value: Value) -> u64:
    match value:
        case NodeValue():
            return value.badge
        case BoxValue():
            return u64(value.amount) + value.high + u64(value.colour)
        case _:
            return 3


@compiled
def make_box(colour: Colour, flag: bool, amount: u32, high: u64) -> Value:
    return BoxValue(colour=colour, flag=flag, amount=amount, high=high)


@compiled
def make_node(node: Node | None, badge: u64) -> Value:
    return NodeValue(node=node, badge=badge)


@compiled
def node_of(raw: u128) -> Node | None:
    return from_word(NodeValue, raw).node


@compiled
def set_amount(raw: u128, amount: u32) -> u128:
    return to_word(from_word(BoxValue, raw).replace(amount=amount))


@compiled
def colour_of(raw: u128) -> Colour:
    return from_word(BoxValue, raw).colour


@compiled
def keep(index: u64, value: Value) -> None:
    store.values[index] = value


@compiled
def kept(index: u64) -> Value:
    return store.values[index]


@compiled
def find(count: u64) -> Found:
    node = store.head
    while node is not None:
        if node.count == count:
            return Found(Status.OK, node, make_node(node, count), u128(count) << 64)
        node = node.next
    return Found(Status.EMPTY, None, EmptyValue(), u128(1) << 127)


@compiled
def many(a: u8, b: u16, c: u32, d: u64, e: u128, f: bool, g: Colour) -> tuple[Colour, bool, u128, u64, u32, u16, u8]:
    return g, f, e, d, c, b, a


@compiled
def text_sum(text: bytes) -> u64:
    total = u64(0)
    for i in range(len(text)):
        total += u64(text[i])
    return total


@compiled
def greeting(formal: bool) -> bytes:
    return b"good\x00 day\xff" if formal else b"hi"


@compiled
def item_of(text: bytes, index: u64) -> u8:
    return text[index]


@compiled
def loops(n: u64) -> u64:
    result = u64(0)
    for i in range(n):
        if i == 3:
            continue
        for j in range(i, n):
            if j == 7:
                break
            result = wrapping_add(wrapping_mul(result, 31), i ^ j)
        i = u64(100)
    while True:
        result = result // 2
        if result < 1000:
            return result


@compiled
def switch(x: u64) -> u64:
    match x:
        case 0 | 1:
            y = u64(10)
        case 2:
            return 20
        case 1000000:
            y = u64(30)
        case _:
            y = u64(40)
    return y + 1


@compiled
def lazy(index: u64) -> bool:
    return index < LIMIT and store.nodes[index].busy or index == 100


@compiled
def chosen(index: u64) -> u64:
    return store.nodes[index].count if index < LIMIT else count_leading_zeros(index)


@compiled
def follow(node: Node | None) -> u64:
    assert node is not None
    return node.owner.count


@compiled
def through(address: u64) -> u64:
    node = at(Node, address)
    return max(node.count, u64(node.small))


@compiled
def maybe(address: u64) -> bool:
    return at_or_none(Node, address) is None


@compiled
def where(node: Node) -> u64:
    return address_of(node) + min(u64(2), u64(9))


@compiled
def set_byte(index: u64, value: u64) -> None:
    store.bytes_[index] = u8(value)


@compiled
def to_colour(number: u64) -> Colour:
    return Colour(number)


@compiled
def to_status(number: u64) -> Status:
    return Status(number)


calls: list[int] = []


@extern(symbol="outside")
def outside(number: u64, value: Value, wide: u128, flag: bool) -> Found:
    calls.append(int(number))
    if number == 99:
        raise KeyError("the model fails")
    if number == 50:
        store.used = store.used + 1
    return Found(Status.FULL if flag else Status.OK, store.nodes[number % 8], value, wide + 1)


@intrinsic(assembly="csrr $0, time", constraints="=r")
def clock() -> u64:
    return 12345


@intrinsic(operation="llvm.bswap.i64")
def swapped(number: u64) -> u64:
    return int.from_bytes(int(number).to_bytes(8, "little"), "big")


@extern(symbol="leave")
def leave(code: u64) -> NoReturn:
    raise SystemExit(int(code))


@compiled
def ask(number: u64, flag: bool) -> Found:
    found = outside(number, make_node(store.head, clock()), u128(number) << 100, flag)
    store.used = wrapping_add(store.used, swapped(number))
    return found


@compiled
def quit_with(code: u64) -> u64:
    if code > 3:
        leave(code)
    return code


@compiled
def never(code: u64) -> NoReturn:
    store.used = code
    leave(code)


@compiled(symbol="sample_run")
def run(rounds: u64) -> u64:
    """Changes the whole state a few times and gives a hash of what was seen; for machines without a test runner."""
    seen = u64(7)
    for i in range(rounds):
        status = push(i % LIMIT, wrapping_mul(i, 77) % 1000)
        seen = wrapping_add(wrapping_mul(seen, 31), u64(status))
        keep(i % 4, make_box(Colour.BLUE if i % 3 == 0 else Colour.RED, i % 2 == 0, truncate(u32, i * 5), i * 4))
        seen = wrapping_mul(seen, 31) ^ total() ^ classify(kept((i + 1) % 4))
        found = find(i * 77 % 1000)
        node = found.node
        if node is not None:
            seen = wrapping_add(seen, node.count + u64(node.small))
        seen = seen ^ truncate(u64, to_word(found.value) >> 64) ^ truncate(u64, found.wide >> 64)
        colour, flag, wide, word_, half, _, byte = many(
            truncate(u8, i), truncate(u16, seen), truncate(u32, seen), seen, u128(seen) << 60, i % 5 == 0, Colour.GREEN
        )
        seen = wrapping_add(seen, truncate(u64, wide >> 64) ^ word_ ^ u64(half) ^ u64(byte) ^ u64(colour) ^ u64(flag))
        seen = wrapping_add(seen, text_sum(greeting(flag)) + loops(i % 20) + switch(i % 5))
        if i % 3 == 2 and pop() is None or lazy(i):
            seen = wrapping_add(seen, 13)
        if i % LIMIT == LIMIT - 1:
            while pop() is not None:
                seen = wrapping_add(seen, 1)
    return seen
