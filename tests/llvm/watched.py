# SPDX-License-Identifier: BSD-2-Clause
"""A queue with ghosts, for tests of watched native code."""

from __future__ import annotations

from tessera.lang import (
    address_of,
    begin_lives,
    compiled,
    ghost,
    ghost_field,
    integer,
    invariant,
    live,
    rational,
    static,
    struct,
    u64,
)


@struct
class Item:
    """One of a queue."""

    value: u64
    behind: Item | None

    place: rational = ghost_field()
    total: integer = ghost_field()


first: Item = static(Item)


@compiled
def put_between(before: Item, new: Item, value: u64) -> u64:
    """Put an item behind another one; gives the larger value."""
    after = before.behind
    with ghost:
        begin_lives(Item, address_of(new), u64(16))
        new.total = before.total + integer(value)
        if after is None:
            new.place = before.place + 1
        else:
            new.place = (before.place + after.place) / 2
    new.value = value
    new.behind = after
    before.behind = new
    return value if value > before.value else before.value


@invariant
def places_rise(item: Item) -> bool:
    """An item behind another one lives, and has a later place."""
    behind = item.behind
    return behind is None or (live(behind) and item.place < behind.place)


@invariant
def totals_differ(a: Item, b: Item) -> bool:
    """No two have the same total."""
    return a is b or a.total != b.total
