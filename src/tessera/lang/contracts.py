# SPDX-License-Identifier: BSD-2-Clause
"""Contracts beside the code: what a function needs, promises and changes.

Compiled code does not contain them. Under CPython ``requires`` is checked at once and ``ensures`` when the function
returns, so a test that breaks a contract fails at the line that says so. What no concrete run can check (``forall``,
``modifies``, what a value was at entry) is left to the prover.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tessera.lang.types import INTEGER, RATIONAL

T = TypeVar("T")

if TYPE_CHECKING:
    integer = int
    rational = Fraction
else:
    integer, rational = INTEGER, RATIONAL


class ContractError(AssertionError):
    """A contract that does not hold on a concrete run."""


class _Activation:
    def __init__(self, name: str) -> None:
        self.name = name
        self.promises: list[Callable[..., bool]] = []

    def finish(self, result: Any) -> None:
        for promise in self.promises:
            if not (promise(result) if promise.__code__.co_argcount else promise()):
                raise ContractError(f"{self.name}: ensures at line {promise.__code__.co_firstlineno} does not hold")


_stack: list[_Activation] = []


@contextmanager
def activation(name: str) -> Iterator[_Activation]:
    """One call of a function of the language."""
    frame = _Activation(name)
    _stack.append(frame)
    try:
        yield frame
    finally:
        _stack.pop()


@functools.cache
def _speaks_of_entry(code: CodeType) -> bool:
    """Whether a lambda, or one in it, names ``old``: what a place held at entry is gone when the function returns."""
    return "old" in code.co_names or any(isinstance(c, CodeType) and _speaks_of_entry(c) for c in code.co_consts)


def requires(condition: bool) -> None:
    """What the caller must have established. First statements of a body."""
    if not condition:
        raise ContractError(f"{_stack[-1].name if _stack else '?'}: requires does not hold")


def ensures(promise: Callable[..., bool]) -> None:
    """What holds on return: ``ensures(lambda result: result < limit)``, or a ``lambda`` without parameters.

    Parameters of the function mean their values at entry. CPython does not check a promise that uses ``old``.
    """
    if _stack and not _speaks_of_entry(promise.__code__):
        _stack[-1].promises.append(promise)


class _Everything:
    """The marker of ``modifies(everything)``."""

    def __repr__(self) -> str:
        return "everything"


everything = _Everything()


def everything_in(start: int, size: int) -> object:
    """In ``modifies``: all fields of every object in ``size`` bytes from address ``start``, and which are live."""
    return everything


def modifies(*places: object) -> None:
    """All that a function or loop may change; for the prover.

    A place is ``x.f``, ``x.f[i]`` (one field, one element), ``x`` (all fields of the object), ``Struct.f`` (a field of
    every object), ``Struct`` (all fields of every object), ``everything_in(start, size)`` or ``everything``. CPython
    reads the places as it reads every argument; where that could fail, write ``modifies(lambda: (x.next.previous,))``.
    """


def loop_invariant(condition: bool) -> None:
    """What holds at each start of the loop body it is the first statement of.

    With ``old`` it speaks of the function's entry, which CPython cannot check.
    """
    if not condition and "old" not in sys._getframe(1).f_code.co_names:
        raise ContractError(f"{_stack[-1].name if _stack else '?'}: loop invariant does not hold")


def decreases(measure: int) -> None:
    """A measure that every iteration makes smaller: the bound of a ``while`` loop, for the prover and for timing."""


def without_invariants() -> None:
    """At a function's head: its callers may have broken invariants, and it neither assumes nor keeps them."""


def trigger(*terms: object) -> None:
    """At the head of an invariant or specification function: a pattern for which the prover instantiates it.

    As ``modifies``, it takes a lambda where reading the terms could fail under CPython.
    """


def old(value: T) -> T:
    """In ``ensures`` and ``loop_invariant``: the value at entry of the function."""
    return value


def implies(condition: bool, conclusion: bool) -> bool:
    """``conclusion`` wherever ``condition``."""
    return not condition or conclusion


def forall(type_: type[T], predicate: Callable[[T], bool]) -> bool:
    """The predicate holds for all live objects of a struct, or all values of a word type or of ``integer``.

    For the prover; ``True`` under CPython, so a condition must not negate it.
    """
    return True


def live(reference: object) -> bool:
    """Whether a reference is to a live object of its static type; under CPython, whether it is not ``None``."""
    return reference is not None


def begin_lives(type_: type[Any], start: int, size: int, source: type[Any] | None = None) -> None:
    """In ghost code: the ``size`` bytes from address ``start`` hold live objects of a struct, one behind the other.

    As many as fit; structs in them are live too. With ``source``, a struct, the bytes must be live objects of it that
    hold zeros: these end, and the new ones are zero, ghost fields included. Without, nothing live may lie there, and
    the new ones hold anything. For the prover.
    """


def end_lives(type_: type[Any], start: int, size: int) -> None:
    """In ghost code: no live object of a struct begins in the ``size`` bytes from ``start`` any more."""


class _Ghost:
    """``with ghost:`` holds statements for proofs only; compiled code does not contain them."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


ghost = _Ghost()
