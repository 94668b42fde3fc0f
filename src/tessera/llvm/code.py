# SPDX-License-Identifier: BSD-2-Clause
"""The text of one function while it is written: fresh names, blocks, and the cold blocks of violations at its end."""

from __future__ import annotations

from tessera.ir.nodes import Expression, Function
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.llvm.debug import source_path
from tessera.llvm.module import ModuleContext

# Branch weights: a violation is never expected.
_LIKELY = ', !prof !{!"branch_weights", i32 2000, i32 1}'


class Code:
    """Writes instructions. ``closed`` is true after a terminator, until the next label."""

    def __init__(self, module: ModuleContext, function: Function) -> None:
        self.module = module
        self.function = function
        self.checked = module.options.checked
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.cold: list[str] = []
        self.block = "entry"
        self.closed = False
        self.scope = 0
        self.line = function.line
        self._debug = ""
        self._counter = 0
        self._violations: dict[bytes, str] = {}

    # Names and blocks

    def fresh(self) -> str:
        """A new name for a value."""
        self._counter += 1
        return f"%t{self._counter}"

    def label(self, hint: str) -> str:
        """A new name for a block."""
        self._counter += 1
        return f"{hint}{self._counter}"

    def start(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label
        self.closed = False

    def slot(self, type_: str, name: str) -> str:
        """Room on the stack for a mutable name; the optimiser turns it into registers."""
        self.allocas.append(f"  {name} = alloca {type_}")
        return name

    # Instructions

    def at_line(self, line: int) -> None:
        """Attribute what follows to a source line."""
        if line and line != self.line:
            self.line = line
            self._debug = ""

    def debug(self) -> str:
        """The suffix that attributes an instruction to the current line."""
        if not self._debug:
            self._debug = self.module.metadata.line(self.scope, self.line)
        return self._debug

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}{self.debug()}")

    def value(self, text: str) -> str:
        """An instruction with a result; its name."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}{self.debug()}")
        return name

    def jump(self, label: str) -> None:
        """Go to a block, unless the current one has ended."""
        if not self.closed:
            self.do(f"br label %{label}")
        self.closed = True

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Go to one of two blocks."""
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")
        self.closed = True

    def phi(self, type_: str, incoming: list[tuple[str, str]]) -> str:
        """The value that belongs to the block that we come from; pairs of value and block."""
        return self.value(f"phi {type_} " + ", ".join(f"[ {value}, %{block} ]" for value, block in incoming))

    def llvm(self, name: str, type_: str, *operands: str, flags: str = "") -> str:
        """Call one of LLVM's overloaded functions on operands of one type, such as ``llvm.umin``."""
        types = [type_] * len(operands) + (["i1"] if flags else [])
        callee = self.module.llvm_intrinsic(f"{name}.{type_}", type_, types)
        arguments = [f"{type_} {operand}" for operand in operands] + ([f"i1 {flags}"] if flags else [])
        return self.value(f"call {type_} {callee}({', '.join(arguments)})")

    # Violations

    def require(self, condition: str, rule: str, what: str = "") -> None:
        """Tell a violation of a rule unless the condition (an i1) holds. For checked code only."""
        following = self.label("ok")
        violation = self.violation_block(rule, what)
        self.do(f"br i1 {condition}, label %{following}, label %{violation}{_LIKELY}")
        self.start(following)

    def violation_block(self, rule: str, what: str = "") -> str:
        """The block that tells a violation at the current line; one for each message."""
        message = self.module.message(self.function.file, self.line, rule, what)
        if message not in self._violations:
            label = self.label("violation")
            self._violations[message] = label
            call = self.module.violation_call(message)
            self.cold += [f"{label}:", f"  {call}{self.debug()}", f"  unreachable{self.debug()}"]
        return self._violations[message]

    def refuse(self, expression: Expression, what: str, why: str, fix: str) -> Diagnostic:
        """The error that this target cannot express something."""
        location = Location(source_path(self.function.file), expression.line, expression.column)
        return Diagnostic("target", location, what, why=why, fix=fix)
