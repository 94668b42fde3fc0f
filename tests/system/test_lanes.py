# SPDX-License-Identifier: BSD-2-Clause
"""Placing things in pictures: lines in lanes, and boxes one above the other."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tessera.system.lanes import assign_lanes, spread

intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)).map(lambda pair: (pair[0], sum(pair))))


@given(intervals)
def test_lines_of_one_lane_do_not_overlap(spans: list[tuple[int, int]]) -> None:
    lanes = assign_lanes(spans)
    for lane in set(lanes):
        there = sorted(span for span, chosen in zip(spans, lanes, strict=True) if chosen == lane)
        assert all(before[1] <= after[0] for before, after in pairwise(there))


@given(intervals)
def test_no_lane_is_empty(spans: list[tuple[int, int]]) -> None:
    lanes = assign_lanes(spans)
    assert set(lanes) == set(range(len(set(lanes))))


def test_short_lines_are_inside() -> None:
    assert assign_lanes([(0, 9), (1, 2), (2, 3), (2, 5)]) == [2, 0, 0, 1]
    assert assign_lanes([(2, 3), (1, 2)]) == [0, 0]


boxes = st.lists(st.tuples(st.integers(-50, 500), st.integers(1, 60)))


@given(boxes, st.integers(0, 10))
def test_boxes_keep_their_order_and_do_not_overlap(wanted: list[tuple[int, int]], gap: int) -> None:
    starts = spread([wish for wish, _ in wanted], [size for _, size in wanted], gap)
    assert all(start >= 0 for start in starts)
    for (start, (_, size)), (following, _) in pairwise(zip(starts, wanted, strict=True)):
        assert following >= start + size + gap - 1e-6


def test_boxes_with_room_are_where_they_are_wanted() -> None:
    assert spread([0, 20, 45], [10, 20, 5], 4) == [0, 20, 45]


def test_boxes_that_want_the_same_place_share_the_way() -> None:
    assert spread([100, 100, 300], [10, 10, 10], 0) == [95, 105, 300]
