# SPDX-License-Identifier: BSD-2-Clause
"""Functions and statements of the IR as LLVM basic blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tessera.ir import nodes
from tessera.ir.nodes import Function, Statement
from tessera.llvm.debug import source_path
from tessera.llvm.expressions import ExpressionEmitter
from tessera.llvm.module import ModuleContext
from tessera.llvm.types import llvm_type, quoted, variable


class FunctionEmitter(ExpressionEmitter):
    """Writes one function."""

    def __init__(self, module: ModuleContext, function: Function) -> None:
        super().__init__(module, function)
        self.variables: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.loops: list[tuple[str, str]] = []  # targets of `continue` and `break`
        symbol, exported = module.symbol(function.info), module.is_exported(function.info)
        self.scope = module.metadata.function(
            function.info.function.__qualname__, symbol, source_path(function.file), function.line, not exported
        )

    def emit(self) -> str:
        """The text of the definition."""
        function, module = self.function, self.module
        result, types = module.call_parts(function.info)
        assigned = set(_assigned(function.body))
        names = [variable("a", name) for name, _ in function.parameters]
        for (name, type_), argument in zip(function.parameters, names, strict=True):
            if name in assigned:
                self.variables[name] = self.slot(llvm_type(type_), variable("v", name))
                self.do(f"store {llvm_type(type_)} {argument}, ptr {self.variables[name]}")
            else:
                self.values[name] = argument
        for name, type_ in function.locals.items():
            if name not in self.variables and name not in self.values and name in assigned:
                self.variables[name] = self.slot(llvm_type(type_), variable("v", name))
        self.statements(function.body)
        if not self.closed:
            self._end()
        linkage = "dso_local" if module.is_exported(function.info) else "internal"
        if module.is_exported(function.info) and module.symbol(function.info) in module.options.weak:
            linkage = "weak dso_local"
        debug = f" !dbg !{self.scope}" if self.scope else ""
        parameters = ", ".join(f"{type_} {name}" for type_, name in zip(types, names, strict=True))
        head = (
            f"define {linkage} {result} @{quoted(module.symbol(function.info))}({parameters}) "
            f"{module.function_attributes(function.info)}{debug} {{"
        )
        return "\n".join([head, "entry:", *self.allocas, *self.lines, *self.cold, "}"])

    def _end(self) -> None:
        """The end of a body that has not returned: every path returns, so only procedures get here."""
        if self.function.result is None:
            self.do("ret void")
            self.closed = True
        else:
            self._stop()

    def _stop(self) -> None:
        """A place that is never reached. After a call that does not return nothing follows; elsewhere it traps."""
        if not self.returned_never:
            self.do(f"call void {self.module.llvm_intrinsic('llvm.trap', 'void', [])}()")
        self.do("unreachable")
        self.closed = True

    # Statements

    def statements(self, body: list[Statement]) -> None:
        """A list of statements; what follows a jump is not emitted."""
        for statement in body:
            if self.closed:
                return
            if not isinstance(statement, nodes.Unreachable):
                self.returned_never = False
            self.at_line(statement.line)
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        """One statement."""
        _STATEMENTS[type(statement)](self, statement)

    def _assign(self, statement: nodes.Assign) -> None:
        value = self.expression(statement.value)
        self.at_line(statement.line)
        self._set(statement.name, self.function.locals[statement.name], value)

    def _set(self, name: str, type_: Any, value: str) -> None:
        self.do(f"store {llvm_type(type_)} {value}, ptr {self.variables[name]}")

    def _store(self, statement: nodes.Store) -> None:
        value = self.expression(statement.value)
        place = self.expression(statement.place)
        self.at_line(statement.line)
        self.store(place, statement.place.type, value)

    def _evaluate(self, statement: nodes.Evaluate) -> None:
        self.expression(statement.value)

    def _if(self, statement: nodes.If) -> None:
        yes, end = self.label("then"), self.label("endif")
        no = self.label("else") if statement.otherwise else end
        self.condition(statement.condition, yes, no)
        reached = not statement.otherwise
        for label, body in ((yes, statement.then), (no, statement.otherwise)):
            if label == end:
                continue
            self.start(label)
            self.statements(body)
            reached |= not self.closed
            self.jump(end)
        self._join(end, reached)

    def _join(self, label: str, reached: bool) -> None:
        """Continue at a block if anything goes there."""
        if reached:
            self.start(label)
        else:
            self.closed = True

    def _while(self, statement: nodes.While) -> None:
        head, body, end = self.label("while"), self.label("body"), self.label("endwhile")
        self.jump(head)
        self.start(head)
        self.condition(statement.condition, body, end)
        self.start(body)
        self._loop_body(statement.body, head, end)
        self.jump(head)
        self.start(end)
        if _is_true(statement.condition) and not _breaks(statement.body):
            # `while True` without a way out: nothing follows, and there is nothing to return.
            self.do("unreachable")
            self.closed = True

    def _loop_body(self, body: list[Statement], again: str, end: str) -> None:
        self.loops.append((again, end))
        self.statements(body)
        self.loops.pop()

    def _for(self, statement: nodes.For) -> None:
        type_ = llvm_type(statement.type)
        start = self.expression(statement.start)
        stop = self.expression(statement.stop)
        self.at_line(statement.line)
        # A counter of its own: an assignment to the name does not change the iteration.
        counter = self.slot(type_, self.fresh())
        self.do(f"store {type_} {start}, ptr {counter}")
        head, body, step, end = (self.label(hint) for hint in ("for", "body", "step", "endfor"))
        self.jump(head)
        self.start(head)
        current = self.value(f"load {type_}, ptr {counter}")
        self.branch(self.value(f"icmp ult {type_} {current}, {stop}"), body, end)
        self.start(body)
        self._set(statement.name, statement.type, current)
        self._loop_body(statement.body, step, end)
        self.jump(step)
        self.start(step)
        self.at_line(statement.line)
        following = self.value(f"add {type_} {self.value(f'load {type_}, ptr {counter}')}, 1")
        self.do(f"store {type_} {following}, ptr {counter}")
        self.jump(head)
        self.start(end)

    def _switch(self, statement: nodes.Switch) -> None:
        value = self.expression(statement.value)
        type_ = llvm_type(statement.value.type)
        end, default = self.label("endswitch"), self.label("default")
        labels = [self.label("case") for _ in statement.cases]
        cases = [
            f"{type_} {int(number)}, label %{label}"
            for label, (numbers, _) in zip(labels, statement.cases, strict=True)
            for number in numbers
        ]
        self.do(f"switch {type_} {value}, label %{default} [ {' '.join(cases)} ]")
        reached = False
        bodies = [*zip(labels, (body for _, body in statement.cases), strict=True), (default, statement.default)]
        for label, body in bodies:
            self.case(label)
            self.statements(body)
            reached |= not self.closed
            self.jump(end)
        self._join(end, reached)

    def case(self, label: str) -> None:
        """The start of a case of a switch."""
        self.start(label)

    def _break(self, statement: nodes.Break) -> None:
        self.jump(self.loops[-1][1])

    def _continue(self, statement: nodes.Continue) -> None:
        self.jump(self.loops[-1][0])

    def _return(self, statement: nodes.Return) -> None:
        if statement.value is None:
            self.do("ret void")
        else:
            value = self.expression(statement.value)
            self.at_line(statement.line)
            self.do(f"ret {llvm_type(self.function.result)} {value}")
        self.closed = True

    def _assert(self, statement: nodes.Assert) -> None:
        if not self.checked:
            return
        following = self.label("holds")
        self.condition(statement.condition, following, self.violation_block("assert", statement.text))
        self.start(following)

    def _unreachable(self, statement: nodes.Unreachable) -> None:
        if self.checked and not self.returned_never:
            self.jump(self.violation_block("unreachable"))
        else:
            self._stop()


_STATEMENTS: dict[type[Statement], Callable[[FunctionEmitter, Any], None]] = {
    nodes.Assign: FunctionEmitter._assign,
    nodes.Store: FunctionEmitter._store,
    nodes.Evaluate: FunctionEmitter._evaluate,
    nodes.If: FunctionEmitter._if,
    nodes.While: FunctionEmitter._while,
    nodes.For: FunctionEmitter._for,
    nodes.Switch: FunctionEmitter._switch,
    nodes.Break: FunctionEmitter._break,
    nodes.Continue: FunctionEmitter._continue,
    nodes.Return: FunctionEmitter._return,
    nodes.Assert: FunctionEmitter._assert,
    nodes.Ghost: lambda emitter, statement: None,
    nodes.Unreachable: FunctionEmitter._unreachable,
}


def _bodies(statement: Statement) -> Iterator[list[Statement]]:
    if isinstance(statement, nodes.If):
        yield from (statement.then, statement.otherwise)
    elif isinstance(statement, (nodes.While, nodes.For, nodes.Ghost)):
        yield statement.body
    elif isinstance(statement, nodes.Switch):
        yield from (body for _, body in statement.cases)
        yield statement.default


def _assigned(body: list[Statement]) -> Iterator[str]:
    """All names that are bound somewhere in a body."""
    for statement in body:
        if isinstance(statement, (nodes.Assign, nodes.For)):
            yield statement.name
        for inner in _bodies(statement):
            yield from _assigned(inner)


def _breaks(body: list[Statement]) -> bool:
    """Whether a body leaves the loop that it belongs to."""
    return any(
        isinstance(s, nodes.Break)
        or (not isinstance(s, (nodes.While, nodes.For)) and any(_breaks(inner) for inner in _bodies(s)))
        for s in body
    )


def _is_true(condition: nodes.Expression) -> bool:
    return condition.operation == "constant" and bool(condition.data)
