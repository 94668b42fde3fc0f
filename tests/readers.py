# SPDX-License-Identifier: BSD-2-Clause
"""One test, every reader: the same function of the language under CPython, the IR interpreter and native code.

``everywhere(functions)`` prepares the readers, and ``agree`` compares what they give: checked readers among each other
(values, or the name of the broken rule), and the unchecked interpreter with unchecked native code.
"""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.ir.build import build_program
from tessera.ir.interpret import Interpreter
from tessera.ir.nodes import Program
from tessera.ir.values import from_raw, to_raw
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.memory import Memory, static_size
from tessera.lang.words import Violation
from tessera.llvm.host import HostMemory, HostModule

# Room for a test's own objects behind the static ones.
ROOM = 1 << 14

HEADER = """# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations
from enum import IntEnum
from tessera.lang import *
from tessera.lang import Packed
"""


def module_of(name: str, text: str) -> Any:
    """A live module with this text, which the IR builder can read too."""
    file = f"/generated/{name}.py"
    text = HEADER + text
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    exec(compile(text, file, "exec"), vars(module))
    return module


def memory_size() -> int:
    """Bytes of the static objects of all modules that are loaded now, and some room."""
    return -(-static_size() // 4096) * 4096 + ROOM


def info(function: Any) -> FunctionInfo:
    """What is kept about a function of the language."""
    found = info_of(function.fget if isinstance(function, property) else function)
    assert found is not None, f"{function} is not a function of the language"
    return found


Outcome = tuple[str, Any]


@dataclass
class Reader:
    """A way to run a program. ``run`` takes raw values and gives a raw one."""

    name: str
    checked: bool
    memory: Memory
    run: Callable[..., Any]

    def outcome(self, function: Any, *raws: Any) -> Outcome:
        """The raw result, or the rule that was broken."""
        try:
            return "gives", self.run(function, *raws)
        except Violation as violation:
            return "breaks", violation.rule
        except AssertionError as error:
            if type(error) is not AssertionError:  # A contract does not hold: the test is wrong.
                raise
            return "breaks", "assert"

    def call(self, function: Any, *values: Any) -> Any:
        """The same with CPython values; raises :class:`Violation`."""
        parameters, result = info(function).signature()
        raws = [to_raw(type_, value) for type_, value in zip(parameters.values(), values, strict=True)]
        with self.memory:
            return from_raw(result, self.run(function, *raws))

    def clear(self) -> None:
        """All of memory zero."""
        if isinstance(self.memory.data, memoryview):
            HostMemory.clear()
        else:
            self.memory.data[:] = bytes(len(self.memory.data))


def _under_cpython(memory: Memory) -> Callable[..., Any]:
    def run(function: Any, *raws: Any) -> Any:
        parameters, result = info(function).signature()
        with memory:
            values = [from_raw(type_, raw) for type_, raw in zip(parameters.values(), raws, strict=True)]
            return to_raw(result, (function.fget if isinstance(function, property) else function)(*values))

    return run


class Everywhere:
    """All readers of some functions, made when first needed."""

    def __init__(self, functions: Sequence[Any], native: bool) -> None:
        self.functions = functions
        self.native = native
        self._readers: list[Reader] | None = None
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The functions as IR."""
        if self._program is None:
            self._program = build_program(map(info, self.functions))
        return self._program

    def readers(self) -> list[Reader]:
        """CPython, and every other reader both checked and unchecked."""
        if self._readers is None:
            size = memory_size()
            under = Memory(size)
            found = [Reader("CPython", True, under, _under_cpython(under))]
            for checked in (True, False):
                interpreter = Interpreter(self.program, Memory(size), checked=checked)
                label = "checked" if checked else "release"
                found.append(Reader(f"interpreter, {label}", checked, interpreter.memory, interpreter.call_raw))
                if self.native:
                    entries = {info(function).name for function in self.functions} & set(self.program.functions)
                    host = HostModule(self.program, checked=checked, memory_size=size, entries=entries, optimise=1)
                    found.append(Reader(f"native, {label}", checked, host.memory, host.call_raw))
            self._readers = found
        return self._readers

    def agree(self, function: Any, *raws: Any, memory: bytes | None = b"", release: bool = True) -> dict[bool, Outcome]:
        """Run under every reader from the same memory; what checked and unchecked ones give, which must be equal.

        Where checked readers give a value, release code gives the same one. Memory must be equal too at the end, unless
        ``memory`` is ``None``, for functions that use none. ``release=False`` leaves out release code, which follows
        wild addresses.
        """
        given: dict[bool, tuple[str, Outcome, bytes]] = {}
        name = info(function).name
        for reader in self.readers():
            if not reader.checked and not release:
                continue
            if memory is not None:
                reader.clear()
                reader.memory.data[: len(memory)] = memory
            outcome = reader.outcome(function, *raws)
            state = b"" if memory is None else bytes(reader.memory.data)
            first, expected, expected_state = given.setdefault(reader.checked, (reader.name, outcome, state))
            assert outcome == expected, f"{name}{raws}: {first}: {expected}; {reader.name}: {outcome}"
            assert state == expected_state, f"{name}{raws}: {first} and {reader.name} leave different memory"
        checked = given[True]
        if release and checked[1][0] == "gives":
            assert given[False][1:] == checked[1:], (
                f"{name}{raws}: release code gives {given[False][1]}, not {checked[1]}"
            )
        return {is_checked: outcome for is_checked, (_, outcome, _) in given.items()}


def everywhere(functions: Iterable[Any], *, native: bool = True) -> Everywhere:
    """All readers of these functions and of what they call."""
    return Everywhere(list(functions), native)


def functions_of(module: Any) -> list[Any]:
    """The functions of the language that a module defines itself, methods not included."""
    found = [value for value in vars(module).values() if info_of(value) is not None]
    return [function for function in found if info(function).function.__module__ == module.__name__]


def edges(width: int) -> list[int]:
    """The values of a word at which operators go wrong."""
    top, sign = (1 << width) - 1, 1 << width - 1
    values = {0, 1, 2, 3, width - 1, width, width + 1, sign - 1, sign, sign + 1, top - 1, top}
    return sorted(value for value in values if value <= top)
