# SPDX-License-Identifier: BSD-2-Clause
"""Small states for written counterexamples: objects in memory, what holds of them, and what was there before.

A counterexample is an ordinary pytest file that builds its state with :class:`SmallState` and calls the function, so
that ``pytest --pdb`` and ``python -m pdb`` step through it.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, TypeVar

from tessera.abi.configuration import configuration
from tessera.ir.values import component_types
from tessera.lang import contracts
from tessera.lang.functions import FUNCTIONS, FunctionInfo, info_of
from tessera.lang.memory import MEMORY_BASE, STATICS, Memory, static_size
from tessera.lang.structs import at, reference
from tessera.lang.types import OptionalReference, is_enum, is_packed, is_struct, is_word
from tessera.lang.words import Violation
from tessera.proof.small_state import WORDS, contains, inner_structs, parts_of

T = TypeVar("T")
ROOM = 1 << 16


class Broken(AssertionError):
    """Something that was promised does not hold. ``rule`` says which kind of promise it was."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class GuardedMemory(Memory):
    """Memory that refuses access outside of live objects, while it is guarded."""

    state: SmallState | None = None

    def _offset(self, address: int, size: int, alignment: int) -> int:
        if self.state is not None and not self.state.holds(address, size):
            raise Violation("live", f"{size} bytes at {address:#x} belong to no live object")
        return super()._offset(address, size, alignment)


class SmallState:
    """A state of a few objects. Use it as a context manager; ``invariants`` are those of the proof.

    While it is entered, ``live`` and ``forall`` in contracts and invariants speak of these objects.
    """

    latest: SmallState | None = None

    def __init__(self, invariants: Iterable[Any] = (), size: int = 0) -> None:
        SmallState.latest = self
        self.invariants = [_info(one) for one in invariants]
        self.memory = GuardedMemory(max(size, static_size() + ROOM))
        self.names: dict[Any, str] = {}
        self.living: list[Any] = []
        # Ranges in which objects of a struct have come into being.
        self.born: list[tuple[Any, int, int]] = []
        self.refused: list[str] = []
        self._stack = ExitStack()

    # Building

    def object(self, struct: type[T], address: int, name: str, *, live: bool = True) -> T:
        """An object at an address; one that is not live may still be referred to."""
        found = at(struct, address)
        self.names[found] = name
        if live:
            self.living.append(found)
        return found

    def known(self, item: Any, name: str) -> None:
        """A static object that invariants are tried for."""
        self.names[item] = name
        self.living.append(item)

    def __enter__(self) -> SmallState:
        self._stack.enter_context(self.memory)
        self._stack.enter_context(_identity_window())
        for ours, theirs in ((self.is_live, contracts.live), (self.for_all, contracts.forall)):
            self._stack.enter_context(replaced(theirs, ours))
        for name, method in (("begin_lives", self._begin_lives), ("end_lives", self._end_lives)):
            if hasattr(contracts, name):
                self._stack.enter_context(replaced(getattr(contracts, name), method))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def hardware(self, function: Any, *results: Any) -> None:
        """What the calls of a function outside of the program give, in order; the last one from then on."""
        given = itertools.chain(results, itertools.repeat(results[-1]))
        self._stack.enter_context(replaced(function, lambda *arguments: next(given)))

    def guard(self) -> None:
        """From now on only live objects can be read and written."""
        self.memory.state = self

    # What lives

    def _begin_lives(self, struct: Any, start: int, size: int, source: Any = None) -> None:
        if source is not None:
            self._end_lives(source, start, size)
        self.born.append((struct, int(start), int(start) + int(size)))

    def _end_lives(self, struct: Any, start: int, size: int) -> None:
        first, last = int(start), int(start) + int(size)
        self.living = [x for x in self.living if type(x) is not struct or not first <= x._address < last]
        self.born = [x for x in self.born if x[0] is not struct or not first <= x[1] < last]

    def is_live(self, item: Any) -> bool:
        """Whether a reference is to a live object of this state."""
        if item is None:
            return False
        address, struct = item._address, type(item)
        if address < MEMORY_BASE + static_size():
            return any(contains(entry.type, MEMORY_BASE + entry.offset, struct, address) for entry in STATICS)
        if any(cls is struct and start <= address < end for cls, start, end in self.born):
            return True
        return any(contains(type(owner), owner._address, struct, address) for owner in self.living)

    def holds(self, address: int, size: int) -> bool:
        """Whether bytes lie inside of live objects."""
        if MEMORY_BASE <= address and address + size <= MEMORY_BASE + static_size():
            return True
        if any(start <= address and address + size <= end for _, start, end in self.born):
            return True
        return any(
            owner._address <= address and address + size <= owner._address + type(owner).__struct__.layout().size
            for owner in self.living
        )

    def objects(self, struct: Any) -> list[Any]:
        """The live objects of a struct that statements about all of them are tried for."""
        found: dict[Any, None] = {}
        for owner in [*self.living, *(reference(e.type, MEMORY_BASE + e.offset) for e in STATICS if e.type is struct)]:
            found.update(dict.fromkeys(parts_of(owner, struct)))
        return list(found)

    def values(self, type_: Any) -> list[Any]:
        """The values of a type that statements about all of them are tried for."""
        if is_struct(type_):
            return self.objects(type_)
        if isinstance(type_, OptionalReference):
            return [None, *self.objects(type_.target)]
        if type_ is bool:
            return [False, True]
        if is_enum(type_):
            return list(type_)
        if is_packed(type_):
            return list(self._packed(type_))
        limit = type_.maximum if is_word(type_) else max(WORDS)
        addresses = [x._address for x in self.living] if is_word(type_) and type_.width == 64 else []
        return [type_(word) for word in (*WORDS, *addresses) if word <= limit]

    def _packed(self, type_: Any) -> Iterator[Any]:
        base = type_.__packed__.base
        for owner in self.living:
            for struct in {type(owner), *inner_structs(type(owner))}:
                for name, one in struct.__struct__.layout().fields.items():
                    if is_packed(one.type) and one.type.__packed__.base is base:
                        yield from (getattr(x, name) for x in parts_of(owner, struct))

    def for_all(self, type_: Any, predicate: Callable[[Any], bool]) -> bool:
        """Whether a predicate holds for the objects of the state, or for some values of a word."""
        return all(_true(predicate, value, unknown=True) for value in self.values(type_))

    # What holds

    def violated(self, invariant: Any) -> str:
        """For which objects an invariant does not hold; empty if it holds."""
        info = _info(invariant)
        parameters = info.signature()[0]
        guarded, self.memory.state = self.memory.state, None
        try:
            for values in itertools.product(*(self.values(type_) for type_ in parameters.values())):
                # In a formula everything has a value; here what cannot be computed says nothing.
                if not _true(info.function, *values, unknown=True):
                    shown = ", ".join(f"{n}={self.name(v)}" for n, v in zip(parameters, values, strict=True))
                    return f"{info.function.__name__}({shown}) is false"
        finally:
            self.memory.state = guarded
        return ""

    def name(self, value: Any) -> str:
        """A value in the words of the state."""
        try:
            return self.names.get(value) or repr(value)
        except TypeError:
            return repr(value)

    def allows(self, function: Any, *arguments: Any) -> bool:
        """Whether the function may be called like this: its ``requires``, its arguments, and the invariants hold.

        What does not is kept in :attr:`refused`.
        """
        info = _info(function)
        self.refused = []
        heads = _head(info)
        parameters = info.signature()[0]
        names = dict(zip(parameters, arguments, strict=True))
        for condition in heads.get("requires", []):
            if not _true(_evaluated, condition, info, names):
                self.refused.append(f"requires {ast.unparse(condition)}")
        for (name, type_), value in zip(parameters.items(), arguments, strict=True):
            if not self.is_good(type_, value):
                self.refused.append(f"{name} is no good value")
        if "without_invariants" not in heads:
            self.refused += filter(None, (self.violated(one) for one in self.invariants))
        return not self.refused

    def is_good(self, type_: Any, value: Any) -> bool:
        """What holds of every argument and result: live references, valid packed values."""
        parts = component_types(type_)
        if parts is not None:
            items = value if isinstance(value, tuple) else [getattr(value, n) for n in type_.__record__.fields()]
            return all(self.is_good(t, v) for t, v in zip(parts, items, strict=True))
        if is_struct(type_) or isinstance(type_, OptionalReference):
            return (value is None and not is_struct(type_)) or self.is_live(value)
        if is_packed(type_):
            base = type_.__packed__.base
            about = [i for i in self.invariants if [_base(t) for t in i.signature()[0].values()] == [base]]
            return all(_true(one.function, value) for one in about)
        return True

    def keeps(self, invariant: Any) -> None:
        """Raise :class:`Broken` unless an invariant holds now."""
        found = self.violated(invariant)
        if found:
            raise Broken("invariant", found)

    def good_result(self, function: Any, result: Any) -> None:
        """Raise :class:`Broken` unless a result is what every result must be."""
        if not self.is_good(_info(function).signature()[1], result):
            raise Broken("result", f"{self.name(result)} is not a good value of its type")

    def promises(self, holds: bool, text: str) -> None:
        """Raise :class:`Broken` unless a promise of the function holds."""
        if not holds:
            raise Broken("ensures", text)

    def unchanged(self, holds: bool, text: str) -> None:
        """Raise :class:`Broken` unless what ``modifies`` does not name is as it was."""
        if not holds:
            raise Broken("modifies", text)

    def before_calls(self, function: Any, *invariants: Any, arguments: bool = False) -> None:
        """Check invariants, and that arguments are good values, whenever a function is called from now on."""
        info = _info(function)
        target = _callable(info)

        def call(*given: Any) -> Any:
            for (name, type_), value in zip(info.signature()[0].items(), given, strict=True) if arguments else ():
                if not self.is_good(type_, value):
                    raise Broken("argument", f"{name}={self.name(value)} of {info.function.__name__}")
            for one in invariants:
                self.keeps(one)
            return target(*given)

        self._stack.enter_context(replaced(target, call))

    def snapshot(self) -> Callable[[Callable[[], T]], T]:
        """The present state: ``before(lambda: slot.next)`` reads what was there."""
        kept = Memory(len(self.memory.data))
        kept.data[:] = self.memory.data
        kept.ghosts = dict(self.memory.ghosts)

        def before(read: Callable[[], T]) -> T:
            with kept:
                return read()

        return before


@contextmanager
def replaced(original: Any, other: Any) -> Iterator[None]:
    """Use another function wherever a module has imported this one."""
    places = [
        (vars(module), name)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", __name__) != __name__
        for name, value in list(vars(module).items())
        if value is original
    ]
    for scope, name in places:
        scope[name] = other
    try:
        yield
    finally:
        for scope, name in places:
            scope[name] = original


@contextmanager
def _identity_window() -> Iterator[None]:
    before, configuration.physical_window = configuration.physical_window, 0
    try:
        yield
    finally:
        configuration.physical_window = before


def function_named(name: str) -> Any:
    """What calls a function of the language, by its unique name; for methods and properties."""
    return _callable(FUNCTIONS[name])


def _callable(info: FunctionInfo) -> Any:
    found: Any = sys.modules[info.function.__module__]
    for part in info.function.__qualname__.split("."):
        found = vars(found)[part]
    return found.fget if isinstance(found, property) else found


def _info(function: Any) -> FunctionInfo:
    if isinstance(function, FunctionInfo):
        return function
    info = info_of(function)
    if info is None:
        raise TypeError(f"{function!r} is no function of the language")
    return info


def _true(function: Callable[..., Any], *arguments: Any, unknown: bool = False) -> bool:
    """Whether a predicate is true; ``unknown`` is the answer where it cannot be computed.

    A reference in a packed value that must not be null but is, is not live either.
    """
    try:
        return bool(function(*arguments))
    except Violation as error:
        return unknown and error.rule != "null"
    except (AttributeError, contracts.ContractError):
        return unknown


def _base(type_: Any) -> Any:
    return type_.__packed__.base if is_packed(type_) else type_


def _head(info: FunctionInfo) -> dict[str, list[ast.expr]]:
    """The conditions at the head of a function, by kind of contract."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(info.function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    found: dict[str, list[ast.expr]] = {}
    for statement in tree.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            found.setdefault(call.func.id, []).extend(call.args)
    return found


def _evaluated(condition: ast.expr, info: FunctionInfo, names: dict[str, Any]) -> Any:
    code = compile(ast.Expression(condition), inspect.getfile(info.function), "eval")
    return eval(code, {**info.function.__globals__, **names})
