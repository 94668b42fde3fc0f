# SPDX-License-Identifier: BSD-2-Clause
"""Contracts beside the code: what a function needs, promises and changes.

Compiled code does not contain them. Under CPython ``requires`` is checked at once and ``ensures`` when the function
returns, so a test that breaks a contract fails at the line that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


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


def requires(condition: bool) -> None:
    """What the caller must have established. First statements of a body."""
    if not condition:
        raise ContractError(f"{_stack[-1].name if _stack else '?'}: requires does not hold")


def ensures(promise: Callable[..., bool]) -> None:
    """What holds on return: ``ensures(lambda result: result < limit)``, or a ``lambda`` without parameters."""
    if _stack:
        _stack[-1].promises.append(promise)


def modifies(*places: object) -> None:
    """The objects that a function may change; for the prover."""


def loop_invariant(condition: bool) -> None:
    """What holds at each start of the loop body it is the first statement of."""
    if not condition:
        raise ContractError(f"{_stack[-1].name if _stack else '?'}: loop invariant does not hold")


def decreases(measure: int) -> None:
    """A measure that every iteration makes smaller: the bound of a ``while`` loop, for the prover and for timing."""


def old(value: T) -> T:
    """In ``ensures``: the value at entry. Bind it in ghost code where a concrete run shall check it."""
    return value


def implies(condition: bool, conclusion: bool) -> bool:
    """``conclusion`` wherever ``condition``."""
    return not condition or conclusion


class _Ghost:
    """``with ghost:`` holds statements for proofs only; compiled code does not contain them."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


ghost = _Ghost()
