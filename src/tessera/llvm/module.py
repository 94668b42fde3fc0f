# SPDX-License-Identifier: BSD-2-Clause
"""What all functions of one LLVM module share: options, names, constants, declarations, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tessera.ir.nodes import Program
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.lang.functions import FunctionInfo
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.types import TEXT
from tessera.lang.words import RULES
from tessera.llvm.debug import Metadata, source_path
from tessera.llvm.types import bytes_constant, extension_of, llvm_type, quoted

VIOLATION = "tessera_violation"
HOST = "host"
RISCV64 = "riscv64"


@dataclass(frozen=True)
class Options:
    """What to emit.

    ``checked``: a broken rule calls ``tessera_violation``; otherwise the defined results of release code.
    ``static_addresses``: static objects are at ``MEMORY_BASE + offset`` instead of in ``.bss``.
    ``memory_size``: if not 0, checked code also refuses addresses outside of ``memory_size`` bytes at ``MEMORY_BASE``.
    ``exports``: symbols to give to functions (by name) that declare none.
    ``exported_statics``: names of statics that assembly or the hardware refers to.
    ``weak``: exported symbols that another object may define instead.
    """

    target: str
    checked: bool
    debug_info: bool
    static_addresses: bool
    memory_size: int = 0
    exports: Mapping[str, str] = field(default_factory=dict)
    exported_statics: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()


class ModuleContext:
    """The state of one emission."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program = program
        self.options = options
        self.metadata = Metadata(options.debug_info)
        self.constants: list[str] = []
        self.declarations: dict[str, str] = {}
        self._texts: dict[bytes, str] = {}
        self._attributes: dict[str, int] = {}
        self._static_names: dict[int, str] = {}
        self.defined = {self.symbol(f.info) for f in program.functions.values() if self.is_exported(f.info)}
        self.needs_division = False
        self.violation_handler = self._find_violation_handler()
        self.callbacks = [i for i in program.externals.values() if self.is_callback(i)]

    # Names

    def symbol(self, info: FunctionInfo) -> str:
        """The linker's name of a function. On the host every function goes by its own name."""
        if self.options.target == HOST:
            return info.name
        return self.options.exports.get(info.name) or info.symbol or info.name

    def is_exported(self, info: FunctionInfo) -> bool:
        """Whether assembly or C may call this function."""
        return self.options.target != HOST and bool(info.symbol or info.name in self.options.exports)

    def is_callback(self, info: FunctionInfo) -> bool:
        """Whether the host asks the Python model: everything that only the target machine has."""
        return self.options.target == HOST and info.kind in ("extern", "intrinsic") and not info.operation

    def static(self, entry: Any) -> str:
        """The address of a static object, as an operand."""
        if self.options.static_addresses:
            return f"inttoptr (i64 {MEMORY_BASE + entry.offset} to ptr)"
        if id(entry) not in self._static_names:
            name = entry.name or f"static.{len(self._static_names)}"
            linkage = "dso_local" if name in self.options.exported_statics else "internal"
            self._static_names[id(entry)] = f"@{quoted(name)}"
            self.constants.append(
                f"@{quoted(name)} = {linkage} global [{entry.size} x i8] zeroinitializer, align {entry.alignment}"
            )
        return self._static_names[id(entry)]

    # Constants

    def text(self, data: bytes) -> str:
        """The address of a constant byte string; a NUL follows it."""
        if data not in self._texts:
            name = f"@text.{len(self._texts)}"
            self._texts[data] = name
            array = f"[{len(data) + 1} x i8] {bytes_constant(data + bytes(1))}"
            self.constants.append(f"{name} = private unnamed_addr constant {array}, align 1")
        return self._texts[data]

    def message(self, file: str, line: int, rule: str, what: str) -> bytes:
        """What ``tessera_violation`` is told."""
        # Files of the package are named as everywhere on the command line. It saves kilobytes of a debug kernel, too.
        place = source_path(file).removeprefix("tessera/")
        return f"{place}:{line}: {rule}: {what or RULES[rule]}".encode()

    def _find_violation_handler(self) -> FunctionInfo | None:
        """The program's own ``tessera_violation(message: bytes) -> NoReturn``, if it has one.

        On the host a violation always ends the call from Python.
        """
        if self.options.target == HOST:
            return None
        for function in self.program.functions.values():
            if function.info.symbol == VIOLATION:
                if list(function.info.signature()[0].values()) != [TEXT] or function.result is not NoReturn:
                    raise Diagnostic(
                        "violation-handler",
                        Location(source_path(function.file), function.line),
                        f"{function.name} has another signature than a violation handler",
                        why="compiled code calls it with the text that tells what was broken, and does not go on",
                        fix="declare it as (message: bytes) -> NoReturn",
                    )
                return function.info
        return None

    def violation_call(self, message: bytes) -> str:
        """The call that tells a violation."""
        address, length = self.text(message), len(message)
        if self.violation_handler is not None:
            argument = f"{{ ptr, i64 }} {{ ptr {address}, i64 {length} }}"
        else:
            argument = f"ptr {address}, i64 {length}"
            if self.options.target != HOST:
                attributes = self.attributes("nounwind", "noreturn", "cold")
                self.declarations[VIOLATION] = f"declare dso_local void @{VIOLATION}(ptr, i64) {attributes}"
        return f"call void @{VIOLATION}({argument}) {self.attributes('nounwind', 'noreturn', 'cold')}"

    # Functions

    def attributes(self, *names: str) -> str:
        """The reference to an attribute group, shared by all functions that have the same attributes."""
        text = " ".join(names)
        number = self._attributes.setdefault(text, len(self._attributes))
        return f"#{number}"

    def function_attributes(self, info: FunctionInfo) -> str:
        """Attributes of a definition.

        Address 0 is an address like any other here: without ``null_pointer_is_valid`` LLVM would drop code behind a
        null access. ``no-builtins`` keeps loops from becoming calls of ``memset`` or ``memcpy``.
        """
        names = ["nounwind", "null_pointer_is_valid", '"no-builtins"']
        if info.inline == "always":
            names.append("alwaysinline")
        if info.inline == "never":
            names.append("noinline")
        if info.signature()[1] is NoReturn:
            names.append("noreturn")
        return self.attributes(*names)

    def boundary(self, info: FunctionInfo) -> bool:
        """Whether a function follows the C convention of RV64, narrow words included."""
        return self.options.target == RISCV64 and (info.kind == "extern" or self.is_exported(info))

    def call_parts(self, info: FunctionInfo) -> tuple[str, list[str]]:
        """Result type and parameter types, with the widening that the C convention asks for."""
        parameters, result = info.signature()
        widen = extension_of if self.boundary(info) else lambda type_: ""
        types = []
        for type_ in parameters.values():
            text = llvm_type(type_)
            types.append(f"{text} {widen(type_)}".rstrip())
        return widen(result) + llvm_type(result), types

    def declare(self, info: FunctionInfo) -> None:
        """Declare a function that is defined elsewhere."""
        result, types = self.call_parts(info)
        names = ["nounwind"] + (["noreturn"] if info.signature()[1] is NoReturn else [])
        symbol = self.symbol(info)
        if symbol in self.defined:
            return  # An extern function that this very program defines: the call needs no declaration.
        if symbol not in self.declarations:
            self.declarations[symbol] = (
                f"declare dso_local {result} @{quoted(symbol)}({', '.join(types)}) {self.attributes(*names)}"
            )

    def llvm_intrinsic(self, name: str, result: str, types: list[str]) -> str:
        """Declare one of LLVM's own functions; its name."""
        self.declarations.setdefault(name, f"declare {result} @{name}({', '.join(types)})")
        return f"@{name}"

    def render_attributes(self) -> list[str]:
        """The definitions of all attribute groups."""
        return [f"attributes #{number} = {{ {text} }}" for text, number in self._attributes.items()]
