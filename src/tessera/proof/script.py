# SPDX-License-Identifier: BSD-2-Clause
"""A proposed state as a pytest file: it builds the state, calls the function, and checks what the obligation says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tessera.ir.nodes import Function
from tessera.lang.functions import FUNCTIONS, FunctionInfo
from tessera.lang.types import NAMED, is_packed
from tessera.proof.search import Model
from tessera.proof.witness import Words, assignments, lives
from tessera.smt.objects import keys_of
from tessera.smt.session import Obligation
from tessera.smt.verify import Reading


class Script:
    """Writes the file for one obligation and one model."""

    def __init__(self, reading: Reading, obligation: Obligation, model: Model) -> None:
        self.reading, self.obligation, self.model = reading, obligation, model
        self.function: Function = reading.function
        self.words = Words(model)
        self.lines: list[str] = []

    def text(self) -> str:
        """The file."""
        info = self.function.info
        body = self._body()
        invariants = self._invariants()
        imports: dict[str, set[str]] = {"tessera.proof.replay": {"SmallState"}}
        for module, name in self.words.imports:
            imports.setdefault(module, set()).add(name)
        places = sorted({str(Path(str(FUNCTIONS[info.name].function.__code__.co_filename)).parent)})
        head = [
            "# SPDX-License-Identifier: BSD-2-Clause",
            f'"""A state in which {info.function.__name__} breaks a rule: written by tessera prove.',
            "",
            self.obligation.name,
            "",
            'Step through it with `pytest --pdb`, or with a breakpoint() before the call."""',
            "",
        ]
        if "." not in info.function.__module__:
            head += ["import sys", "", *(f"sys.path.insert(0, {place!r})" for place in places), ""]
        head += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())]
        name = re.sub(r"\W+", "_", info.function.__qualname__)
        head += ["", "", f"def test_{name}() -> None:"]
        state = f"    state = SmallState({invariants}, size={self.model.universe.end - 0x20_0000_0000 + 0x1000:#x})"
        return "\n".join([*head, state, *("    " + line if line else "" for line in body)]) + "\n"

    def _invariants(self) -> str:
        names = [one.function.name for one in self.reading.session.invariants]
        if names and all(name.startswith("tessera.kernel.") for name in names):
            self.words.imports.add(("tessera.proof.invariants", "proof_invariants"))
            return "proof_invariants()"
        unique = dict.fromkeys(names)
        return f"[{', '.join(self.words.name(FUNCTIONS[name].function) for name in unique)}]"

    def _body(self) -> list[str]:
        words, function = self.words, self.function
        stores = [(thing, name, text) for thing, name, text in assignments(self.model, words)]
        given = [f"{name} = {words.value(t, self.model.arguments[name])}" for name, t in function.parameters]
        call, hardware, after = self._call(), self._hardware(), self._after()
        before = self._before()
        lines = []
        for thing in sorted(self.model.universe.everything(), key=lambda one: one.address):
            if thing.inner:
                continue
            if thing.static:
                if thing in words.referred or any(store[0] == thing for store in stores):
                    words.thing(thing)
                    lines.append(f'state.known({thing.text}, "{thing.text}")')
            elif lives(self.model, thing):
                place = f"{words.name(thing.struct)}, {thing.address:#x}"
                lines.append(f'{thing.text} = state.object({place}, "{thing.text}")')
            elif thing in words.referred:
                place = f"{words.name(thing.struct)}, {thing.address:#x}"
                lines.append(f'{thing.text} = state.object({place}, "{thing.text}", live=False)')
        lines.append("with state:")
        inside = []
        for thing, name, text in stores:
            inside.append(f"{words.thing(thing)}.{name} = {text}")
        inside += given
        arguments = ", ".join(name for name, _ in function.parameters)
        inside += [
            *hardware,
            f"if not state.allows({', '.join(filter(None, [self._callable(), arguments]))}):",
            "    return  # A contract or an invariant excludes this state now.",
            *before,
            call,
            *after,
        ]
        return [*lines, *("    " + line for line in inside)]

    def _callable(self) -> str:
        return self._named(self.function.info)

    def _named(self, info: FunctionInfo) -> str:
        if "." not in info.function.__qualname__:
            return self.words.name(info.function)
        self.words.imports.add(("tessera.proof.replay", "function_named"))
        return f'function_named("{info.name}")'

    def _call(self) -> str:
        arguments = ", ".join(name for name, _ in self.function.parameters)
        call = f"{self._callable()}({arguments})"
        result = self._result()
        return f"{result} = {call}" if any(re.search(rf"\b{result}\b", line) for line in self._after()) else call

    def _result(self) -> str:
        contract = self._contract()
        parameters = {name for name, _ in self.function.parameters}
        wanted = contract.result.partition("!")[0] if contract is not None and contract.result else ""
        return wanted if wanted.isidentifier() else "result" if "result" not in parameters else "returned"

    def _contract(self) -> Any:
        if self.obligation.rule != "ensures":
            return None
        for contract in self.function.contracts:
            if contract.kind == "ensures" and contract.line == self.obligation.line:
                return contract
        return None

    def _hardware(self) -> list[str]:
        """What functions outside of the program gave on this path."""
        return [
            f"state.hardware({self._named(info)}, {', '.join(texts)})"
            for info, texts in hardware_results(self.reading, self.model, self.words)
        ]

    def _before(self) -> list[str]:
        """What is watched while the function runs."""
        rule, text = self.obligation.rule, self.obligation.text
        if rule == "live":
            return ["state.guard()"]
        if rule in ("ensures", "modifies"):
            return ["before = state.snapshot()"]
        callee = re.search(r"\(call of ([\w.]+)\)$", text)
        if rule == "invariant" and callee is not None:
            one = self._invariant()
            return [f"state.before_calls({self._named(FUNCTIONS[callee[1]])}, {one})"]
        if rule == "argument":
            short = text.rpartition(" of ")[2]
            for name in self.reading.session.relies_on:
                if name.rpartition(".")[2] == short and name in FUNCTIONS:
                    return [f"state.before_calls({self._named(FUNCTIONS[name])}, arguments=True)"]
        return []

    def _invariant(self) -> str:
        name = self.obligation.text.partition(" ")[0]
        for one in self.reading.session.invariants:
            if one.name == name:
                return self._named(FUNCTIONS[one.function.name])
        raise KeyError(name)

    def _after(self) -> list[str]:
        """What is checked when the function has returned."""
        rule, text = self.obligation.rule, self.obligation.text
        if rule == "invariant" and "(on return" in text:
            return [f"state.keeps({self._invariant()})"]
        if rule == "result":
            return [f"state.good_result({self._callable()}, {self._result()})"]
        if rule == "modifies":
            return self._unchanged()
        contract = self._contract()
        if contract is not None:
            promise = ast.parse(contract.text, mode="eval").body
            for node in ast.walk(promise):
                if isinstance(node, ast.Name) and node.id in self._globals():
                    value = self._globals()[node.id]
                    if node.id != "old":
                        module = getattr(value, "__module__", "")
                        self.words.imports.add((self.function.info.function.__module__ or module, node.id))
            shown = ast.unparse(_Earlier().visit(promise))
            return [f"state.promises({shown}, {contract.text!r})"]
        return []

    def _globals(self) -> dict[str, Any]:
        parameters = {name for name, _ in self.function.parameters}
        scope = self.function.info.function.__globals__
        return {name: value for name, value in scope.items() if name not in parameters}

    def _unchanged(self) -> list[str]:
        """That one field of one object is as it was."""
        label = self.obligation.text.partition(" ")[0]
        indexes = [
            value
            for name, value in sorted(self.model.constants.items(), key=lambda one: _order(one[0]))
            if name.startswith(f"other.{label}!")
        ]
        struct_name, _, rest = label.partition(".")
        struct = NAMED[struct_name]
        things = self.model.universe.active.get(struct_name, {})
        single = struct in self.reading.session.objects.single
        if not single and (not indexes or indexes[0] not in things):
            return []
        thing = next(iter(things.values())) if single else things[indexes[0]]
        text = f"{self.words.thing(thing)}.{self._field(struct, rest)}"
        elements = indexes if single else indexes[1:]
        text += "".join(f"[{one}]" for one in elements)
        return [f'state.unchanged({text} == before(lambda: {text}), "{text} is changed")']

    def _field(self, struct: Any, rest: str) -> str:
        name = rest.removesuffix("°")
        for field_name, one in struct.__struct__.layout().fields.items():
            if is_packed(one.type) and any(key.name == name for key, _ in keys_of(struct, field_name, one.type, 1)):
                return str(field_name)
        return name.partition(".")[0]


def hardware_results(reading: Reading, model: Model, words: Words) -> Iterator[tuple[FunctionInfo, list[str]]]:
    """The functions outside of the program that a path calls, with what they gave in the model, in order."""
    for name in sorted(reading.session.relies_on):
        if name in reading.session.program.functions or name not in FUNCTIONS:
            continue
        short = re.escape(name.rpartition(".")[2])
        given = sorted(
            (int(match[1]), value)
            for constant, value in model.constants.items()
            if (match := re.fullmatch(rf"{short}!(\d+)", constant))
        )
        if given:
            result = FUNCTIONS[name].signature()[1]
            yield FUNCTIONS[name], [words.value(result, value) for _, value in given]


class _Earlier(ast.NodeTransformer):
    """``old(e)`` as a read of the state before the call."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "old":
            reading = ast.Lambda(ast.parse("lambda: 0", mode="eval").body.args, node.args[0])  # type: ignore[attr-defined]
            return ast.Call(ast.Name("before"), [reading], [])
        return node


def _order(name: str) -> int:
    return int(name.rpartition("!")[2])
