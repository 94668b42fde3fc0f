# SPDX-License-Identifier: BSD-2-Clause
"""How Python and the host's native code call each other.

Values cross in two byte buffers, arguments and results, 16 bytes for each scalar. ``call:<function>`` is what Python
calls; it returns 0, or 1 when a violation or an exception of a model ended the call. Both leave the native frames by
``longjmp`` to the innermost call from Python, so that an exception of a Python model never unwinds native code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from tessera.ir.values import component_types
from tessera.lang.functions import FunctionInfo
from tessera.lang.types import TEXT
from tessera.llvm.module import VIOLATION, ModuleContext
from tessera.llvm.types import llvm_type, quoted, scalars_of

SLOT = 16
ENTRY_PREFIX = "call:"

# 32 words are more than a jmp_buf takes on any Linux host that LLVM compiles for.
_SUPPORT = f"""@tessera_handler = internal global ptr null
@tessera_message = global ptr null
@tessera_dispatch = global ptr null
declare i32 @_setjmp(ptr) returns_twice nounwind
declare void @longjmp(ptr, i32) noreturn nounwind
define void @{VIOLATION}(ptr %message, i64 %length) noinline noreturn nounwind cold {{
  store ptr %message, ptr @tessera_message
  %handler = load ptr, ptr @tessera_handler
  call void @longjmp(ptr %handler, i32 1)
  unreachable
}}"""


def host_support(module: ModuleContext, entries: Iterable[str]) -> list[str]:
    """Definitions for the host: the way out of a violation, one entry for each function, one exit for each model."""
    return [
        _SUPPORT,
        *(_callback(module, index, info) for index, info in enumerate(module.callbacks)),
        *(_entry(module, module.program.functions[name].info) for name in entries),
    ]


class _Slots:
    """Reads and writes the scalars of values in a buffer."""

    def __init__(self, buffer: str, tag: str) -> None:
        self.buffer = buffer
        self.tag = tag
        self.lines: list[str] = []
        self.count = 0
        self.index = 0

    def _fresh(self) -> str:
        self.count += 1
        return f"%{self.tag}{self.count}"

    def _place(self) -> str:
        place = self._fresh()
        self.lines.append(f"  {place} = getelementptr i8, ptr {self.buffer}, i64 {SLOT * self.index}")
        self.index += 1
        return place

    def read(self, type_: Any) -> str:
        """A value from the next slots."""
        if llvm_type(type_).startswith("{"):
            result = "zeroinitializer"
            parts = (None, None) if type_ is TEXT else component_types(type_) or ()
            for index, part in enumerate(parts):
                text = ("ptr", "i64")[index] if part is None else llvm_type(part)
                value = self._scalar(text) if part is None else self.read(part)
                name = self._fresh()
                self.lines.append(f"  {name} = insertvalue {llvm_type(type_)} {result}, {text} {value}, {index}")
                result = name
            return result
        return self._scalar(llvm_type(type_))

    def _scalar(self, text: str) -> str:
        place, value = self._place(), self._fresh()
        if text == "i1":
            byte = self._fresh()
            self.lines += [f"  {byte} = load i8, ptr {place}, align 8", f"  {value} = trunc i8 {byte} to i1"]
        else:
            self.lines.append(f"  {value} = load {text}, ptr {place}, align 8")
        return value

    def write(self, type_: Any, value: str) -> None:
        """A value of the language to the next slots."""
        text = llvm_type(type_)
        if not text.startswith("{"):
            self._write_scalar(text, value)
            return
        parts = (None, None) if type_ is TEXT else component_types(type_) or ()
        for index, part in enumerate(parts):
            name = self._fresh()
            self.lines.append(f"  {name} = extractvalue {text} {value}, {index}")
            if part is None:
                self._write_scalar(("ptr", "i64")[index], name)
            else:
                self.write(part, name)

    def _write_scalar(self, text: str, value: str) -> None:
        place = self._place()
        if text == "i1":
            byte = self._fresh()
            self.lines.append(f"  {byte} = zext i1 {value} to i8")
            text, value = "i8", byte
        self.lines.append(f"  store {text} {value}, ptr {place}, align 8")


def _entry(module: ModuleContext, info: FunctionInfo) -> str:
    """What Python calls for one function."""
    parameters, result = info.signature()
    arguments, results = _Slots("%arguments", "a"), _Slots("%results", "r")
    values = [f"{llvm_type(type_)} {arguments.read(type_)}" for type_ in parameters.values()]
    text = llvm_type(result)
    call = f"call {text} @{quoted(module.symbol(info))}({', '.join(values)}) noinline"
    if text == "void":
        call = f"  {call}"
    else:
        call = f"  %value = {call}"
        results.write(result, "%value")
    leave = ["  unreachable"] if result is NoReturn else [*results.lines, *_leave("done", 0)]
    return entry_from_python(info.name, [*arguments.lines, call, *leave])


def entry_from_python(name: str, body: list[str]) -> str:
    """A function that Python calls under a name; ``body`` ends with its last instruction."""
    lines = [
        f"define i32 @{quoted(ENTRY_PREFIX + name)}(ptr %arguments, ptr %results) nounwind {{",
        "  %place = alloca [32 x i64], align 16",
        "  %outer = alloca ptr",
        "  %handler = load ptr, ptr @tessera_handler",
        "  store volatile ptr %handler, ptr %outer",
        "  store ptr %place, ptr @tessera_handler",
        "  %again = call i32 @_setjmp(ptr %place) returns_twice",
        "  %first = icmp eq i32 %again, 0",
        "  br i1 %first, label %run, label %caught",
        "run:",
        *body,
        "caught:",
        *_leave("caught", 1),
        "}",
    ]
    return "\n".join(lines)


def done() -> list[str]:
    """The end of what Python calls, where nothing went wrong."""
    return _leave("done", 0)


def _leave(tag: str, code: int) -> list[str]:
    return [
        f"  %{tag}.handler = load volatile ptr, ptr %outer",
        f"  store ptr %{tag}.handler, ptr @tessera_handler",
        f"  ret i32 {code}",
    ]


def _callback(module: ModuleContext, index: int, info: FunctionInfo) -> str:
    """What native code calls for a function whose body is a Python model."""
    parameters, result = info.signature()
    arguments, results = _Slots("%arguments", "a"), _Slots("%results", "r")
    names = [f"%p{number}" for number in range(len(parameters))]
    for name, type_ in zip(names, parameters.values(), strict=True):
        arguments.write(type_, name)
    value = results.read(result) if llvm_type(result) != "void" else ""
    head = ", ".join(f"{llvm_type(type_)} {name}" for name, type_ in zip(names, parameters.values(), strict=True))
    size = SLOT * max(1, arguments.index, len(scalars_of(result)))
    ending = "unreachable" if result is NoReturn else f"ret {llvm_type(result)} {value}".rstrip()
    lines = [
        f"define internal {llvm_type(result)} @{quoted(module.symbol(info))}({head}) noinline nounwind {{",
        f"  %arguments = alloca [{size} x i8], align 16",
        f"  %results = alloca [{size} x i8], align 16",
        *arguments.lines,
        "  %dispatch = load ptr, ptr @tessera_dispatch",
        f"  %failed = call i32 %dispatch(i64 {index}, ptr %arguments, ptr %results)",
        "  %bad = icmp ne i32 %failed, 0",
        "  br i1 %bad, label %leave, label %go",
        "leave:",
        "  %handler = load ptr, ptr @tessera_handler",
        "  call void @longjmp(ptr %handler, i32 1)",
        "  unreachable",
        "go:",
        *results.lines,
        f"  {ending}",
        "}",
    ]
    return "\n".join(lines)
