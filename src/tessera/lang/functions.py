# SPDX-License-Identifier: BSD-2-Clause
"""Functions of the language: marked with a decorator, called like any other.

Under CPython the decorator only gives arguments and results their declared types, so that a constant ``0`` passed
for a ``u64`` is a checked word from then on. The body is read by the IR builder when something is compiled.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar, overload

from tessera.lang import contracts
from tessera.lang.types import UnknownType, coerce, resolve
from tessera.lang.words import Violation

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class FunctionInfo:
    """One function.

    ``kind`` is ``compiled``, ``intrinsic`` (the Python body is a model), ``extern``, ``invariant`` or
    ``specification``.
    """

    function: Callable[..., Any]
    kind: str
    symbol: str = ""
    assembly: str = ""
    constraints: str = ""
    operation: str = ""
    owner: Any = None
    inline: str = ""
    _signature: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Unique name: module and qualified name without the package prefix."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def signature(self) -> tuple[dict[str, Any], Any]:
        """Parameter types by name, and the result type (``None``, or ``NoReturn``)."""
        if self._signature is None:
            code = inspect.signature(self.function)
            parameters: dict[str, Any] = {}
            for index, (name, parameter) in enumerate(code.parameters.items()):
                if index == 0 and self.owner is not None:
                    parameters[name] = self.owner
                elif parameter.annotation is inspect.Parameter.empty:
                    raise UnknownType(f"parameter {name!r} has no type")
                else:
                    parameters[name] = resolve(parameter.annotation, self.function.__module__)
            if code.return_annotation is inspect.Signature.empty:
                raise UnknownType("the function has no result type; write -> None")
            self._signature = parameters, resolve(code.return_annotation, self.function.__module__)
        return self._signature  # type: ignore[no-any-return]


FUNCTIONS: dict[str, FunctionInfo] = {}


def _wrap(info: FunctionInfo) -> Any:
    function = info.function
    if info_of(function) is not None:
        raise TypeError(f"{function.__qualname__} is marked twice as a function of the language")
    names: list[str] = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        parameters, result = info.signature()
        if named:
            arguments = (*arguments, *(named.pop(name) for name in names[len(arguments) :] if name in named))
        if named or len(arguments) != len(parameters):
            raise TypeError(f"{info.name} takes {len(parameters)} arguments")
        values = [coerce(type_, value) for type_, value in zip(parameters.values(), arguments, strict=True)]
        with contracts.activation(function.__name__) as frame:
            value = function(*values)
            if result is NoReturn:
                raise Violation("unreachable", f"{info.name} returned")
            value = coerce(result, value)
            frame.finish(value)
        return value

    call.__tessera__ = info  # type: ignore[attr-defined]
    FUNCTIONS[info.name] = info
    return call


@overload
def compiled(function: F) -> F: ...
@overload
def compiled(*, symbol: str = "", inline: str = "") -> Callable[[F], F]: ...
def compiled(function: Any = None, *, symbol: str = "", inline: str = "") -> Any:
    """Mark a function as part of the language. ``symbol`` exports it to assembly or C under that name.

    ``inline`` is ``"always"`` or ``"never"`` where the optimiser must not choose itself; ``"calls"`` compiles what
    the function calls in place, there alone.
    """

    def mark(target: Any) -> Any:
        return _wrap(FunctionInfo(target, "compiled", symbol=symbol, inline=inline))

    return mark if function is None else mark(function)


def intrinsic(*, assembly: str = "", constraints: str = "", operation: str = "") -> Callable[[F], F]:
    """A thing that the machine has: ``assembly`` with LLVM ``constraints``; the Python body is its model."""

    def mark(target: Any) -> Any:
        info = FunctionInfo(target, "intrinsic", assembly=assembly, constraints=constraints, operation=operation)
        return _wrap(info)

    return mark


def extern(*, symbol: str) -> Callable[[F], F]:
    """A function that assembly, C or another module defines under ``symbol``; the Python body is its model."""

    def mark(target: Any) -> Any:
        return _wrap(FunctionInfo(target, "extern", symbol=symbol))

    return mark


def compile_methods(cls: Any) -> None:
    """Mark every plain method of a struct or packed class as compiled."""
    for name, value in list(cls.__dict__.items()):
        function = value.fget if isinstance(value, property) else value
        if not inspect.isfunction(function) or name.startswith("__"):
            continue
        info = info_of(function)
        if info is not None:
            info.owner = cls  # Marked by hand, to choose how it is inlined.
            continue
        wrapped = _wrap(FunctionInfo(function, "compiled", owner=cls))
        setattr(cls, name, property(wrapped) if isinstance(value, property) else wrapped)


def invariant(function: F) -> F:
    """Mark a predicate that must hold, for all objects of its parameters' types, whenever the kernel is left.

    It is ordinary code: tests call it on concrete states, and the prover reads the same text.
    """
    return _wrap(FunctionInfo(function, "invariant"))  # type: ignore[no-any-return]


def specification(function: F) -> F:
    """Mark a function that exists for contracts, invariants and ghost code only; compiled code cannot call it.

    It changes nothing. It may read ghost fields, and may use ``integer``, ``rational``, ``forall`` and ``live``.
    """
    return _wrap(FunctionInfo(function, "specification"))  # type: ignore[no-any-return]


def info_of(function: Any) -> FunctionInfo | None:
    """What is kept about a function of the language; ``None`` for any other object."""
    found = getattr(function, "__tessera__", None)
    return found if isinstance(found, FunctionInfo) else None
