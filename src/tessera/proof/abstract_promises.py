# SPDX-License-Identifier: BSD-2-Clause
"""From what a step of the abstract kernel does (:mod:`abstract_runs`) to promises of a function of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tessera.abi.errors import LookupFailure
from tessera.arch import registers
from tessera.ir.nodes import Promise
from tessera.proof.abstract_runs import (
    BROKEN,
    UNTOLD,
    Effect,
    Handed,
    Joined,
    Leaf,
    Loose,
    Unreadable,
    Write,
    condition_of,
    disjunction,
    effects_of,
    failure_of,
    refusals_of,
)
from tessera.proof.abstract_view import NAMES, Row, view
from tessera.spec import messages
from tessera.spec.messages import BADGE, INFO

# What a message is written to: registers, and objects.
MESSAGE_REGISTERS = tuple(int(registers.index_of(name)) for name in (BADGE, INFO, *messages.MESSAGE_REGISTERS))
# How the shape of a message begins.
SHAPE = "MessageInfo("
HANDED_OVER = ("IpcBuffer", "Slot")


# What a function's result is where the step has one, and that it was refused.
OUTCOMES = {
    "": ("", ""),
    "reference": ("result is {}", ""),
    "status": ("result == Status.OK", "result == Status.ERROR"),
    "capability": ("result == {}", ""),
    "derived": (
        "result[0] == Status.OK and result[1] == {}",
        "result[0] == Status.ERROR and isinstance(result[1], NullCap)",
    ),
}


def promises_of(step: str, tree: Any, outcome: str = "", guard: str = "") -> Iterator[Promise]:
    """The promises that a step's tree makes: for each field what is written where, and that the rest stays.

    ``outcome`` says what the result is (``OUTCOMES``). With a ``guard`` only results are told, and only where
    it holds.
    """
    untold = failure_of(tree, (UNTOLD,))
    told = "True" if untold == "False" else f"not ({untold})"
    results = list(_results(step, tree, outcome))
    if guard:
        for promise in results:
            text = f"not {guard} or ({_implied(told, promise.text)})"
            yield replace(promise, title=f"{promise.title} ({guard})", text=text)
        return
    for promise in (*results, *_promises_where_told(step, tree)):
        yield replace(promise, text=_implied(told, promise.text))


def _results(step: str, tree: Any, outcome: str) -> Iterator[Promise]:
    """What is given back, and what is told to the caller if that is refused."""
    done, refused = OUTCOMES[outcome]
    for result in sorted(one for one in effects_of(tree) if isinstance(one, Write) and one.field == "result"):
        text = done.format(_before(result.value))
        yield _promise(
            f"{step}: the result is {result.value}", _implied(condition_of(tree, partial(_has, result)), text)
        )
    for failure in refusals_of(tree):
        _, error, *words = failure
        parts = [refused, f"request.error == Error.{error}"]
        places = ["request.error_words[0]", "request.error_words[1]"]
        if error == "FAILED_LOOKUP":
            words[1:2] = [f"LookupFailure.{LookupFailure(int(words[1])).name}"]
            places[1:] = ["request.failure", *(f"request.failure_words[{i}]" for i in range(3))]
        parts += [f"{place} == {word}" for place, word in zip(places, words, strict=False)]
        what = f"{step}: it is refused as {error}({', '.join(words)})"
        yield _promise(what, _implied(failure_of(tree, failure), " and ".join(parts)))


def _promises_where_told(step: str, tree: Any) -> Iterator[Promise]:
    written = {effect: condition_of(tree, partial(_has, effect)) for effect in effects_of(tree)}
    rows = {(row.struct.__name__, row.name): row for row in view()}
    broken = failure_of(tree, (BROKEN,))
    if broken != "False":
        yield _promise(f"{step}: what it asserts holds", f"not old({broken})")
    for result in [one for one in written if isinstance(one, Write) and one.field == "result"]:
        del written[result]
    for effect in written:
        if isinstance(effect, Write) and (effect.struct, effect.field) not in rows:
            raise Unreadable(f"{step} writes {effect.struct}.{effect.field}, which is not compared")
    for (struct, name), row in rows.items():
        here = [e for e in written if isinstance(e, Write) and (e.struct, e.field) == (struct, name)]
        for effect in sorted(here):
            what = f"{effect.owner}.{name}" + ("" if effect.index is None else f"[{effect.index}]")
            text = row.of(f"old({effect.owner})", effect.index)
            # Words are compared as what they say: proofs know no more of one that is put together.
            text = f"from_word(MessageInfo, {text})" if effect.value.startswith(SHAPE) else text
            text = f"{text} {row.equal} {_before(effect.value)}"
            yield _promise(f"{step}: {what} becomes {effect.value}", _implied(written[effect], text))
        places = {(effect.owner, effect.index): None for effect in sorted(here)}
        others = [(_when_written(tree, row, owner, index), owner, index) for owner, index in places]
        if (struct, name) == ("Tcb", "wait_position"):
            for joined, condition in sorted((e, c) for e, c in written.items() if isinstance(e, Joined)):
                others.append((condition, joined.thread, None))
                yield _place_in_queue(step, joined, condition)
        handed = [(written[e], e.receiver) for e in sorted(e for e in written if isinstance(e, Handed))]
        if (struct, name) == ("Tcb", "registers"):
            others += [(written[e], e.thread, e.index) for e in sorted(e for e in written if isinstance(e, Loose))]
            others += [(condition, receiver, index) for condition, receiver in handed for index in MESSAGE_REGISTERS]
        same = _same(row, others)
        if struct in HANDED_OVER and handed:
            same = f"implies(not old({disjunction([condition for condition, _ in handed])}), {same})"
        yield _promise(f"{step}: no other {struct}.{name} changes", same)


def _has(effect: Effect, leaf: Leaf) -> bool:
    return effect in leaf.effects


def _when_written(tree: Any, row: Row, owner: str, index: int | None) -> str:
    """When the step writes a field of an object."""
    place = (row.struct.__name__, row.name, owner, index)

    def happens(leaf: Leaf) -> bool:
        return any(isinstance(e, Write) and (e.struct, e.field, e.owner, e.index) == place for e in leaf.effects)

    return condition_of(tree, happens)


def _before(value: str) -> str:
    """A value in the state before; constants are the same in any."""
    is_constant = (
        value in ("None", "True", "False", "NullCap()")
        or value.isdigit()
        or value.startswith(("ThreadState.", "FaultKind.", SHAPE))
    )
    return value if is_constant else f"old({value})"


def _promise(title: str, text: str) -> Promise:
    return Promise(title, text, NAMES)


def _implied(condition: str, text: str) -> str:
    return text if condition == "True" else f"implies(old({condition}), {text})"


def _same(row: Row, others: list[tuple[str, str, int | None]]) -> str:
    """The field of every object is what it was, but for some."""
    owner = "kernel" if row.is_single else "x"

    def is_other(condition: str, text: str, index: int | None) -> str:
        parts = [] if condition == "True" else [f"old({condition})"]
        parts += [] if row.is_single else [f"x is old({text})"]
        parts += [] if index is None else [f"i == {index}"]
        return f"not ({' and '.join(parts)})"

    equal = f"{row.of(owner, 'i')} {row.equal} old({row.of(owner, 'i')})"
    guards = [is_other(*one) for one in others]
    if row.length is not None:
        guards = [f"i < {row.length}", *guards]
    text = f"implies({' and '.join(guards)}, {equal})" if guards else equal
    if row.length is not None:
        text = f"forall(u64, lambda i: {text})"
    return text if row.is_single else f"forall({row.struct.__name__}, lambda x: {text})"


def _place_in_queue(step: str, joined: Joined, condition: str) -> Promise:
    """Who waited there already is before the thread if its priority is not lower, and behind it otherwise."""
    thread = f"old({joined.thread})"
    text = (
        f"forall(Tcb, lambda x: implies(x.{joined.field} is old({joined.queue}) and x is not {thread}, "
        f"(x.wait_position < {thread}.wait_position) == (x.priority >= {thread}.priority)))"
    )
    return _promise(f"{step}: {joined.thread} comes behind its equals", _implied(condition, text))
