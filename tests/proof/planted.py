# SPDX-License-Identifier: BSD-2-Clause
"""Programs with planted bugs, for counterexamples: lists, packed values, statics, hardware and calls by contract."""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import (
    Array,
    Packed,
    array,
    bits,
    compiled,
    decreases,
    ensures,
    extern,
    ghost,
    ghost_field,
    integer,
    invariant,
    live,
    loop_invariant,
    modifies,
    old,
    packed,
    requires,
    static,
    struct,
    trigger,
    u8,
    u64,
    variant,
    word,
)


@word(u8)
class BeadKind(IntEnum):
    EMPTY = 0
    BEAD = 1


@packed(u64, tag="kind")
class AnyLink(Packed):
    kind: BeadKind = bits(60, 4)


@variant(BeadKind.EMPTY)
class EmptyLink(AnyLink):
    pass


@variant(BeadKind.BEAD)
class BeadLink(AnyLink):
    bead: Bead = bits(0, 40)
    marked: bool = bits(40, 1)


@struct(size=64)
class Bead:
    value: u64
    next: Bead | None
    previous: Bead | None
    # No invariant says that it is live.
    spare: Bead | None
    link: AnyLink
    rank: integer = ghost_field()


@struct
class BeadTable:
    first: Bead | None
    slots: Array[u64] = array(8)
    count: u64


table = static(BeadTable)


@invariant
def next_is_linked(bead: Bead) -> bool:
    trigger(bead.next)
    following = bead.next
    return following is None or (live(following) and following.previous is bead and bead.rank < following.rank)


@invariant
def previous_is_linked(bead: Bead) -> bool:
    trigger(bead.previous)
    before = bead.previous
    return before is None or (live(before) and before.next is bead)


@invariant
def link_is_valid(link: AnyLink) -> bool:
    match link:
        case BeadLink():
            return live(link.bead)
        case _:
            return True


@invariant
def count_is_inside() -> bool:
    return table.count <= 8 and (table.first is None or live(table.first))


@extern(symbol="read_clock")
def read_clock() -> u64:
    return u64(3)


@compiled
def insert_behind(place: Bead, bead: Bead) -> None:
    """The following bead is not told who is before it now."""
    requires(bead.next is None and bead.previous is None and place is not bead)
    following = place.next
    bead.next = following
    bead.previous = place
    place.next = bead
    with ghost:
        bead.rank = place.rank + 1


@compiled
def second(bead: Bead) -> u64:
    """There may be no next one."""
    following = bead.next
    if bead.value == 0 and following is not None:
        return following.value
    return bead.next.value  # type: ignore[union-attr]


@compiled
def total(a: Bead, b: Bead) -> u64:
    """Too large a sum."""
    if a is b:
        return a.value
    return a.value + b.value


@compiled
def larger(a: u64, b: u64) -> u64:
    """The wrong one."""
    ensures(lambda result: result >= a and result >= b)
    if a < b:
        return a
    return b


@compiled
def bump(bead: Bead) -> None:
    """Changes another bead, too."""
    requires(bead.value < 100)
    modifies(bead.value)
    ensures(lambda: bead.value == old(bead.value) + 1)
    bead.value += 1
    following = bead.next
    if following is not None:
        following.value = 7


@compiled
def bump_twice(bead: Bead) -> None:
    """A promise that speaks of the entry is broken."""
    requires(bead.value < 100)
    ensures(lambda: bead.value == old(bead.value) + 1)
    bead.value += 2


@compiled
def push(value: u64) -> None:
    """Full is not thought of: an element behind the end."""
    table.slots[table.count] = value


@compiled
def follow(bead: Bead) -> u64:
    """What is kept may have ended."""
    spare = bead.spare
    if spare is None:
        return u64(0)
    return spare.value


@compiled
def keep(bead: Bead) -> None:
    """A field holds a link that is not valid."""
    bead.link = BeadLink(bead=bead.spare, marked=True) if bead.spare is not None else EmptyLink()


@compiled
def ask_for_link(bead: Bead) -> AnyLink:
    """The result may be no valid link."""
    match bead.link:
        case BeadLink() as link:
            if bead.spare is not None:
                return link.replace(bead=bead.spare)
            return link
        case _:
            return EmptyLink()


@compiled
def pass_on(bead: Bead) -> None:
    """An argument may have ended."""
    if bead.spare is not None:
        touch(bead.spare)


@compiled
def touch(bead: Bead) -> None:
    modifies()
    ensures(lambda: True)


@compiled
def break_and_call(bead: Bead) -> None:
    """The invariants do not hold where they must."""
    following = bead.next
    if following is not None:
        following.previous = None
        touch(bead)
        following.previous = bead


@compiled
def until_now(start: u64) -> u64:
    """The clock may have gone back."""
    return read_clock() - start


@compiled
def half(value: u64) -> u64:
    requires(value % 2 == 0)
    modifies()
    ensures(lambda result: result + result == value)
    return value // 2


@compiled
def quarter(value: u64) -> u64:
    """Half of an even number need not be even."""
    requires(value % 2 == 0)
    return half(half(value))


@compiled
def half_of_bead(bead: Bead) -> u64:
    """A contract that is too weak for what is wanted, though the body would do."""
    requires(bead.value == 6)
    ensures(lambda result: result == 3)
    return loose_half(bead.value)


@compiled
def loose_half(value: u64) -> u64:
    modifies()
    ensures(lambda result: result <= value)
    return value // 2


@compiled
def sum_to(limit: u64) -> u64:
    """The invariant does not say enough."""
    ensures(lambda result: result <= 100)
    requires(limit <= 10)
    total_so_far = u64(0)
    left = limit
    while left > 0:
        loop_invariant(total_so_far <= 1000)
        decreases(left)
        total_so_far += left
        left -= 1
    return total_so_far


@compiled
def correct(bead: Bead) -> None:
    """Nothing is wrong here."""
    requires(bead.value < 100)
    ensures(lambda: bead.value == old(bead.value) + 1)
    bead.value += 1
