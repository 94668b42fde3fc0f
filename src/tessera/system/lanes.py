# SPDX-License-Identifier: BSD-2-Clause
"""Placing things in a picture: lines side by side in lanes, boxes one above the other near to where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def assign_lanes(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """A lane for each interval, the lowest number possible. Intervals of one lane have at most an end in common.

    Short ones come first, so that long ones run around them.
    """
    lanes: list[list[tuple[float, float]]] = []
    chosen = [0] * len(intervals)
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i][1] - intervals[i][0], i)):
        start, end = intervals[index]
        free = (n for n, lane in enumerate(lanes) if all(end <= low or high <= start for low, high in lane))
        lane = next(free, len(lanes))
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((start, end))
        chosen[index] = lane
    return chosen


@dataclass
class _Block:
    """Boxes that touch: ``size`` is all of them with their gaps, ``wish`` the sum of where each wants the block."""

    count: int
    size: float
    wish: float

    @property
    def start(self) -> float:
        return self.wish / self.count


def spread(wishes: Sequence[float], sizes: Sequence[float], gap: float) -> list[float]:
    """Starts of boxes that keep their order and do not overlap, as near to ``wishes`` (wanted starts) as that allows.

    The sum of squared distances is least (pool adjacent violators). No start is below 0.
    """
    blocks: list[_Block] = []
    for wish, size in zip(wishes, sizes, strict=True):
        blocks.append(_Block(1, size + gap, wish))
        while len(blocks) > 1 and blocks[-2].start + blocks[-2].size > blocks[-1].start:
            last = blocks.pop()
            before = blocks[-1]
            before.wish += last.wish - before.size * last.count
            before.count += last.count
            before.size += last.size
    starts: list[float] = []
    index, floor = 0, 0.0
    for block in blocks:
        at = max(block.start, floor)
        for size in sizes[index : index + block.count]:
            starts.append(at)
            at += size + gap
        index += block.count
        floor = at
    return starts
