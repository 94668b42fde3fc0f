# SPDX-License-Identifier: BSD-2-Clause
"""Running a step of the abstract kernel on a state of which nothing is known: all ways that it can go.

The step is the function of ``spec`` itself, called in Python. Wherever it looks at something unknown, the run chooses
one of the possible answers; each row of answers is one run. What comes of them all is a tree: conditions on the state
before, and at each leaf what was written. (Khurshid, Pasareanu, Visser 2003: generalized symbolic execution.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

# A step that has more ways than this is too large for one.
MOST_RUNS = 10_000


# How a step fails: an assertion of it does not hold; it does what is not told here; it is refused.
BROKEN, UNTOLD, REFUSED = "broken", "untold", "refused"


class Unreadable(Exception):
    """The step does something that runs cannot follow."""


class Untold(Exception):
    """What the step does in this case is not compared."""


@dataclass(frozen=True, order=True)
class Write:
    """A place of the concrete state and its value afterwards, as expressions over the state before.

    ``struct`` and ``field`` name the place in the object ``owner``, ``index`` the element if it is an array.
    """

    struct: str
    field: str
    owner: str
    value: str
    index: int | None = None


@dataclass(frozen=True, order=True)
class Joined:
    """A thread that comes into a queue: behind all of its priority or a higher one that were in there.

    ``field`` is the one in which a thread names what it waits at.
    """

    field: str
    queue: str
    thread: str


@dataclass(frozen=True, order=True)
class Handed:
    """A thread is given a message: what its message registers, buffers and slots hold then is not told here."""

    receiver: str


@dataclass(frozen=True, order=True)
class Loose:
    """A register of a thread is given a value that is not told here."""

    thread: str
    index: int


Effect = Write | Joined | Handed | Loose


@dataclass(frozen=True)
class Leaf:
    """What a run did. ``failure``: in which way it failed, and what is told to the caller."""

    effects: frozenset[Effect] = frozenset()
    failure: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """Ways to go on, of which exactly one is possible in each state; the conditions are expressions."""

    ways: tuple[tuple[str, Tree], ...]


Tree = Leaf | Branch


@dataclass
class Run:
    """One run: the answers that are given first (of further questions, the first one), and all that were given."""

    answers: tuple[int, ...] = ()
    asked: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    def choose(self, conditions: Sequence[str]) -> int:
        """Which of several conditions holds. Empty ones: nothing of what is compared decides that."""
        if len(conditions) == 1:
            return 0
        number = len(self.asked)
        answer = self.answers[number] if number < len(self.answers) else 0
        self.asked.append((tuple(conditions), answer))
        return answer


def runs(step: Callable[[Run], Leaf]) -> Tree:
    """The tree of all runs of a step."""
    kept: list[tuple[list[tuple[tuple[str, ...], int]], Leaf]] = []
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        run = Run(waiting.pop())
        leaf = step(run)
        kept.append((run.asked, leaf))
        if len(kept) > MOST_RUNS:
            raise Unreadable(f"it can go in more than {MOST_RUNS} ways")
        given = tuple(answer for _, answer in run.asked)
        for number in range(len(run.answers), len(given)):
            waiting += [(*given[:number], other) for other in range(1, len(run.asked[number][0]))]
    return _tree(kept, 0)


def _tree(kept: list[tuple[list[tuple[tuple[str, ...], int]], Leaf]], depth: int) -> Tree:
    asked, leaf = kept[0]
    if len(asked) == depth:
        return leaf
    conditions = asked[depth][0]
    below = [_tree([one for one in kept if one[0][depth][1] == i], depth + 1) for i in range(len(conditions))]
    alike: dict[Tree, list[str]] = {}
    for condition, tree in zip(conditions, below, strict=True):
        alike.setdefault(tree, []).append(condition)
    if len(alike) == 1:
        return below[0]
    if not all(conditions):
        raise Unreadable("what is compared depends on what is not")
    return Branch(tuple((disjunction(texts), tree) for tree, texts in alike.items()))


def effects_of(tree: Tree) -> set[Effect]:
    """Everything that happens in some state."""
    if isinstance(tree, Leaf):
        return set(tree.effects)
    return {effect for _, below in tree.ways for effect in effects_of(below)}


def refusals_of(tree: Tree) -> list[tuple[str, ...]]:
    """How the step can be refused."""
    if isinstance(tree, Leaf):
        return [tree.failure] if tree.failure[:1] == (REFUSED,) else []
    return sorted({one for _, below in tree.ways for one in refusals_of(below)})


def condition_of(tree: Tree, happens: Callable[[Leaf], bool]) -> str:
    """When something happens, as an expression over the state before; no longer than need be.

    What is said of states in which the step fails does not matter: that these are none of those told is said apart.
    """
    decision = _projected(tree, lambda leaf: None if leaf.failure in ((UNTOLD,), (BROKEN,)) else happens(leaf))
    return _text(False if decision is None else decision)


def failure_of(tree: Tree, failure: tuple[str, ...]) -> str:
    """When the step fails in a way."""
    decision = _projected(tree, lambda leaf: leaf.failure == failure)
    return _text(False if decision is None else decision)


# When something happens: always, never, or in some ways that are left apart here; None: it does not matter.
Decision = bool | tuple[tuple[str, "Decision"], ...] | None


def _projected(tree: Tree, happens: Callable[[Leaf], bool | None]) -> Decision:
    if isinstance(tree, Leaf):
        return happens(tree)
    alike: dict[Decision, list[str]] = {}
    for condition, below in tree.ways:
        alike.setdefault(_projected(below, happens), []).append(condition)
    if len(alike) > 1:
        alike.pop(None, None)
    if len(alike) == 1:
        return next(iter(alike))
    return tuple((disjunction(texts), below) for below, texts in alike.items())


def _text(decision: Decision) -> str:
    if decision is None or isinstance(decision, bool):
        return str(decision is True)
    never = [condition for condition, below in decision if below is False]
    always = [condition for condition, below in decision if below is True]
    if len(never) + len(always) == len(decision) and len(never[0]) < sum(map(len, always)):
        return f"not ({never[0]})"
    return disjunction([conjunction((one, _text(below))) for one, below in decision if below is not False])


def conjunction(conditions: Sequence[str]) -> str:
    """All of them, as an expression."""
    return " and ".join(f"({one})" for one in conditions if one != "True") or "True"


def disjunction(conditions: Sequence[str]) -> str:
    """One of them, as an expression."""
    return conditions[0] if len(conditions) == 1 else " or ".join(f"({one})" for one in conditions)


def text_of(value: Any) -> str:
    """A value of a run as an expression."""
    if value is None or isinstance(value, (bool, int)):
        return str(value)
    text: str | None = getattr(value, "sym_text", None)
    if text is None:
        raise Unreadable(f"a value that has no expression: {value!r}")
    return text
