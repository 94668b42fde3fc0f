# SPDX-License-Identifier: BSD-2-Clause
"""What watched native code (:mod:`tessera.llvm.instrumented`) calls: notes of changes, lives, and checks.

A check is an invariant, applied to all objects of lists that Python fills; a plan is a row of checks for one call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tessera.ir import nodes
from tessera.ir.nodes import Expression, Function, Program, Statement
from tessera.lang.ghosts import ghosts_of
from tessera.lang.memory import MEMORY_BASE
from tessera.lang.types import is_packed, is_struct
from tessera.llvm.instrumented import MOST_BEGUN, Instruments
from tessera.llvm.shadow import UNIT_BITS, parts_of
from tessera.llvm.trampolines import done, entry_from_python
from tessera.llvm.types import llvm_type, quoted

# One check: an invariant's name, and the list of objects for each parameter.
Check = tuple[str, tuple[str, ...]]
# Of a list: its address, and how many entries of 8 bytes it has.
LIST_BYTES = 16
# What a failed check leaves: its number, counted from 1, and the objects.
FOUND_WORDS = 4


@dataclass
class Plans:
    """``plans``: rows of checks by name. ``filtered``: structs of which lists name addresses without live objects."""

    plans: Mapping[str, Sequence[Check]]
    filtered: Collection[Any] = ()
    lists: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checks = list(dict.fromkeys(check for plan in self.plans.values() for check in plan))
        self.lists = sorted({name for _, names in self.checks for name in names})


def called(program: Program, roots: Collection[str], ghosts: bool) -> set[str]:
    """The functions that these call, themselves included; ``ghosts``: their ghost code too, but for what it asserts."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found or name not in program.functions:
            continue
        found.add(name)
        waiting += _calls(program.functions[name].body, ghosts, False)
    return found


def _calls(body: list[Statement], ghosts: bool, inside: bool) -> Iterator[str]:
    for statement in body:
        is_ghost = isinstance(statement, nodes.Ghost)
        if (is_ghost and not ghosts) or (inside and isinstance(statement, nodes.Assert)):
            continue
        for value in vars(statement).values():
            if isinstance(value, Expression):
                yield from _called(value)
        inner = [getattr(statement, name, []) for name in ("then", "otherwise", "body", "default")]
        inner += [part for _, part in getattr(statement, "cases", [])]
        for part in inner:
            yield from _calls(part, ghosts, inside or is_ghost)


def _called(node: Expression) -> Iterator[str]:
    if node.operation == "call":
        yield node.data.name
    for operand in node.operands:
        yield from _called(operand)


def support(instruments: Instruments, plans: Plans, program: Program) -> list[str]:
    """The definitions."""
    table = instruments.shadow.reserve("lists", LIST_BYTES * max(1, len(plans.lists)))
    found = instruments.shadow.reserve("found", 8 * FOUND_WORDS)
    texts = [_WRITTEN.format(base=MEMORY_BASE, bits=UNIT_BITS, marks=instruments.marks, written=instruments.written)]
    for number, check in enumerate(plans.checks, 1):
        function = program.functions[check[0]]
        texts.append(_check(number, function, [table + LIST_BYTES * plans.lists.index(n) for n in check[1]],
                            found, plans, instruments))  # fmt: skip
    for name, plan in plans.plans.items():
        body = []
        for number in (plans.checks.index(check) + 1 for check in plan):
            step = f"s{number}"
            body += [
                f"  store i64 {number}, ptr {_pointer(found)}",
                f'  %{step} = call i1 @"check {number}"()',
                f"  br i1 %{step}, label %{step}.good, label %bad",
                f"{step}.good:",
            ]
        body += [f"  store i64 0, ptr {_pointer(found)}", "  br label %bad", "bad:", *done()]
        texts.append(entry_from_python(f"plan {name}", body))
    emitted: set[Any] = set()
    while left := [key for key in instruments.emitted if key not in emitted]:
        for what, cls in sorted(left, key=lambda key: (key[0], key[1].__name__)):
            emitted.add((what, cls))
            texts.append(_end(cls, instruments) if what == "end" else _begin(cls, instruments))
    return texts


def _pointer(address: int) -> str:
    return f"inttoptr (i64 {address} to ptr)"


def _check(
    number: int, function: Function, lists: list[int], found: int, plans: Plans, instruments: Instruments
) -> str:
    """An invariant for all objects of its lists; false at the first for which it does not hold."""
    lines = [f'define internal i1 @"check {number}"() nounwind {{', "entry:"]
    origin, arguments = "entry", []
    for level, ((_, type_), address) in enumerate(zip(function.parameters, lists, strict=True)):
        back = f"next{level}"
        lines += [
            f"  %a{level} = load ptr, ptr {_pointer(address)}",
            f"  %n{level} = load i64, ptr {_pointer(address + 8)}",
            f"  br label %loop{level}",
            f"loop{level}:",
            f"  %i{level} = phi i64 [ 0, %{origin} ], [ %j{level}, %{back} ]",
            f"  %more{level} = icmp ult i64 %i{level}, %n{level}",
            f"  br i1 %more{level}, label %body{level}, label %{f'next{level - 1}' if level else 'good'}",
            f"{back}:",
            f"  %j{level} = add i64 %i{level}, 1",
            f"  br label %loop{level}",
            f"body{level}:",
            f"  %g{level} = getelementptr i64, ptr %a{level}, i64 %i{level}",
            f"  %v{level} = load i64, ptr %g{level}",
        ]
        origin = f"body{level}"
        value = f"%v{level}"
        if is_struct(type_):
            if type_ in plans.filtered:
                region = instruments.shadow.lives(type_)
                lines += [
                    f"  %o{level} = sub i64 %v{level}, {MEMORY_BASE}",
                    f"  %u{level} = lshr i64 %o{level}, {region.shift}",
                    f"  %w{level} = add i64 %u{level}, {region.address}",
                    f"  %q{level} = inttoptr i64 %w{level} to ptr",
                    f"  %b{level} = load i8, ptr %q{level}",
                    f"  %l{level} = icmp eq i8 %b{level}, 1",
                    f"  br i1 %l{level}, label %live{level}, label %{back}",
                    f"live{level}:",
                ]
                origin = f"live{level}"
            value = f"%p{level}"
            lines.append(f"  {value} = inttoptr i64 %v{level} to ptr")
        elif is_packed(type_):
            # Of capabilities: the slots that hold them are given.
            lines.append(f"  %p{level} = inttoptr i64 %v{level} to ptr")
            value = f"%c{level}"
            lines.append(f"  {value} = load {llvm_type(type_)}, ptr %p{level}, align 8")
        arguments.append(f"{llvm_type(type_)} {value}")
    last = len(lists) - 1
    lines += [
        f"  %holds = call i1 @{quoted(function.name)}({', '.join(arguments)})",
        f"  br i1 %holds, label %{f'next{last}' if lists else 'good'}, label %broken",
        "broken:",
        *(f"  store i64 %v{level}, ptr {_pointer(found + 8 * level + 8)}" for level in range(len(lists))),
        "  ret i1 false",
        "good:",
        "  ret i1 true",
        "}",
    ]
    return "\n".join(lines)


def _begin(cls: Any, instruments: Instruments) -> str:
    """Objects of a struct live, one behind the other, with the structs in them; all their ghost fields are zero."""
    shadow, size = instruments.shadow, int(cls.__struct__.layout().size)
    name = instruments.life("begin", cls)
    lines = [
        f"define internal void @{quoted(name)}(i64 %start, i64 %size) nounwind {{",
        "entry:",
        f"  %list = {_cast(instruments.lives)}",
        "  %count = load i64, ptr %list",
        "  %more = add i64 %count, 1",
        "  store i64 %more, ptr %list",
        "  %at = mul i64 %count, 24",
        "  %first = add i64 %at, 8",
        *(
            line
            for index, value in enumerate((str(instruments.number(cls)), "%start", "%size"))
            for line in (
                f"  %f{index} = add i64 %first, {8 * index}",
                f"  %e{index} = getelementptr i8, ptr %list, i64 %f{index}",
                f"  store i64 {value}, ptr %e{index}",
            )
        ),
        f"  %full = icmp ult i64 %more, {MOST_BEGUN}",
        "  br i1 %full, label %loop, label %trap",
        "trap:",
        "  call void @llvm.trap()",
        "  unreachable",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %end, %body ]",
        f"  %end = add i64 %i, {size}",
        "  %fits = icmp ule i64 %end, %size",
        "  br i1 %fits, label %body, label %done",
        "body:",
        "  %object = add i64 %start, %i",
        *_entry_place("live", shadow.lives(cls)),
        "  store i8 1, ptr %live.place",
    ]
    for number, (field_name, type_) in enumerate(ghosts_of(cls).items()):
        region = shadow.ghost(cls, field_name)
        del type_
        lines += _entry_place(f"g{number}", region)
        lines.append(f"  store i{8 * region.stride} 0, ptr %g{number}.place, align 1")
    for number, (offset, part, count) in enumerate(parts_of(cls)):
        bytes_ = count * int(part.__struct__.layout().size)
        lines.append(f"  %part{number} = add i64 %object, {offset}")
        callee = quoted(instruments.life("begin", part))
        lines.append(f"  call void @{callee}(i64 %part{number}, i64 {bytes_})")
    lines += ["  br label %loop", "done:", "  ret void", "}"]
    return "\n".join(lines)


def _cast(address: int) -> str:
    return f"inttoptr i64 {address} to ptr"


def _entry_place(name: str, region: Any) -> list[str]:
    return [
        f"  %{name}.offset = sub i64 %object, {MEMORY_BASE}",
        f"  %{name}.unit = lshr i64 %{name}.offset, {region.shift}",
        f"  %{name}.bytes = mul i64 %{name}.unit, {region.stride}",
        f"  %{name}.address = add i64 %{name}.bytes, {region.address}",
        f"  %{name}.place = inttoptr i64 %{name}.address to ptr",
    ]


def _end(cls: Any, instruments: Instruments) -> str:
    """No live object of a struct begins in a range any more."""
    region = instruments.shadow.lives(cls)
    lines = [
        f"define internal void @{quoted(instruments.life('end', cls))}(i64 %start, i64 %size) nounwind {{",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %body ]",
        "  %more = icmp ult i64 %i, %size",
        "  br i1 %more, label %body, label %done",
        "body:",
        "  %object = add i64 %start, %i",
        *_entry_place("live", region),
        "  store i8 0, ptr %live.place",
        f"  %next = add i64 %i, {1 << region.shift}",
        "  br label %loop",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


_WRITTEN = """define internal void @tessera_written(i64 %address) nounwind {{
  %offset = sub i64 %address, {base}
  %unit = lshr i64 %offset, {bits}
  %mark = add i64 %unit, {marks}
  %place = inttoptr i64 %mark to ptr
  %seen = load i8, ptr %place
  %new = icmp eq i8 %seen, 0
  br i1 %new, label %note, label %done
note:
  store i8 1, ptr %place
  %list = inttoptr i64 {written} to ptr
  %count = load i64, ptr %list
  %more = add i64 %count, 1
  store i64 %more, ptr %list
  %entry = getelementptr i64, ptr %list, i64 %more
  store i64 %unit, ptr %entry
  ret void
done:
  ret void
}}"""
