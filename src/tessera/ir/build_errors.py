# SPDX-License-Identifier: BSD-2-Clause
"""What the IR builder says about programs that it refuses: the reason, and what to write instead."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from typing import Any

from tessera.lang.types import (
    INTEGER,
    RATIONAL,
    OptionalReference,
    is_enum,
    is_mathematical,
    is_packed,
    is_struct,
    is_word,
    type_name,
)

# Syntax that is not part of the language: name, why, what to write instead.
UNSUPPORTED: dict[type[ast.AST], tuple[str, str, str]] = {
    ast.AsyncFunctionDef: ("async", "there is no event loop under the kernel", "write an ordinary function"),
    ast.AsyncFor: ("async for", "there is no event loop under the kernel", "write an ordinary loop"),
    ast.AsyncWith: ("async with", "there is no event loop under the kernel", "write the statements one after another"),
    ast.Await: ("await", "there is no event loop under the kernel", "call the function directly"),
    ast.ClassDef: ("a class in a function", "types are fixed when the module is imported", "move it to the module"),
    ast.Delete: ("del", "nothing is allocated, so nothing is deleted", "leave the name, or assign None to a reference"),
    ast.Dict: ("a dictionary", "there is no dynamic allocation", "use a struct, or match over the keys"),
    ast.DictComp: ("a comprehension", "there is no dynamic allocation", "write a loop"),
    ast.FunctionDef: ("a function in a function", "there are no closures", "move it to the module, with @compiled"),
    ast.GeneratorExp: ("a generator", "there is no dynamic allocation", "write a loop"),
    ast.Global: ("global", "a module's names are constants", "keep the value in a field of a static(...) struct"),
    ast.Import: ("import in a function", "names are resolved when the module is imported", "import at the top"),
    ast.ImportFrom: ("import in a function", "names are resolved when the module is imported", "import at the top"),
    ast.JoinedStr: ("a formatted string", "there is no dynamic allocation", "print the parts one after another"),
    ast.Lambda: ("lambda", "there are no closures", "write a function at module level, with @compiled"),
    ast.List: ("a list", "there is no dynamic allocation", "use an Array field of a struct, or a tuple as a result"),
    ast.ListComp: ("a comprehension", "there is no dynamic allocation", "write a loop"),
    ast.NamedExpr: ("the operator :=", "a condition changes no names", "assign in a statement of its own first"),
    ast.Nonlocal: ("nonlocal", "there are no closures", "pass the value as an argument"),
    ast.Raise: ("raise", "there are no exceptions", "return an error, or write assert for what cannot happen"),
    ast.Set: ("a set", "there is no dynamic allocation", "test membership in a tuple: x in (A, B)"),
    ast.SetComp: ("a comprehension", "there is no dynamic allocation", "write a loop"),
    ast.Slice: ("a slice", "there is no dynamic allocation", "index one element at a time"),
    ast.Starred: ("*", "the number of values is fixed when the program is built", "write the values one by one"),
    ast.Try: ("try", "there are no exceptions", "return an error and test it"),
    ast.TryStar: ("try", "there are no exceptions", "return an error and test it"),
    ast.With: ("with", "only `with ghost:` is part of the language", "write the statements one after another"),
    ast.Yield: ("yield", "there are no generators", "write a loop"),
    ast.YieldFrom: ("yield", "there are no generators", "write a loop"),
}

# Python's own functions and types that are not part of the language: what to write instead.
BUILTINS: dict[str, str] = {
    "abs": "words are unsigned; compare and subtract the smaller from the larger",
    "all": "write a loop",
    "any": "write a loop",
    "bool": "write a comparison, such as x != 0",
    "bytes": "pass constant text as b'...', or use an Array[u8] field",
    "dict": "use a struct",
    "divmod": "use // and %",
    "enumerate": "loop over range(len(...)) and index",
    "int": "say the width: u8, u16, u32, u64 or u128",
    "list": "use an Array field of a struct",
    "max": "import max from tessera.lang",
    "min": "import min from tessera.lang",
    "pow": "multiply, or shift for powers of two",
    "print": "print through a function of the program, such as the kernel's console",
    "range": "import range from tessera.lang, and use it in a for statement",
    "reversed": "loop over range and index from the end",
    "set": "test membership in a tuple: x in (A, B)",
    "sorted": "write a loop",
    "str": "pass constant text as b'...'",
    "sum": "write a loop",
    "tuple": "write (a, b)",
    "zip": "loop over range and index both",
}

# Why a rule is there and what to do about it, where the place of the mistake has nothing better to say.
REASONS: dict[str, tuple[str, str]] = {
    "arguments": ("every call passes exactly what the function declares", "compare the call with the definition"),
    "bad-layout": ("every field needs a type of the language and a place", "correct the declaration of the class"),
    "bare-constant": ("it has no type of the language by itself", "use it where its type is known"),
    "condition": ("conditions are bool", "compare it with something"),
    "constant": ("operations on constants are computed while the program is built", "correct the operands"),
    "constant-range": ("a constant is checked when the program is built", "use a wider type, or correct the constant"),
    "divide-zero": ("this would break a rule whenever it is reached", "correct the divisor"),
    "duplicate-case": ("the first case that fits is taken, so this one never is", "remove one of the two"),
    "ghost": ("compiled code contains no contracts and no ghost code", "see Contracts in docs/language.md"),
    "global-assignment": ("a loop over constants is written out, with its names as constants", "use another name"),
    "immutable": ("it is a value, not an object in memory", "build a changed one"),
    "index-range": ("this would break a rule whenever it is reached", "correct the index, or the length of the array"),
    "missing-return": ("every path through a function ends in its result", "return a value on every path"),
    "no-effect": ("only calls and assignments do something", "remove it, or use its value"),
    "no-kind": ("the tag tells kinds apart", "build one of its kinds"),
    "not-a-place": ("only fields and elements of objects in memory are assigned", "assign one of those"),
    "not-a-value": ("a function is not a value", "call it"),
    "not-callable": ("only functions that are known when the program is built are called", "call a @compiled function"),
    "not-indexable": ("arrays, text and tuples have elements", "index one of those"),
    "shift-range": ("this would break a rule whenever it is reached", "correct the amount, or use a wider word"),
    "type-mismatch": ("nothing is converted silently", "convert the value, or change a declared type"),
    "unknown-field": ("only declared fields, methods and properties are there", "correct the name, or declare it"),
    "unknown-name": ("it is neither assigned in this function nor defined in its module", "define or import it"),
    "unknown-type": (
        "every parameter, result and name needs a type of the language",
        "see the types in docs/language.md",
    ),
    "unsupported": ("it is not part of the language", "see docs/language.md for what is"),
}


def describe(type_: Any) -> str:
    """A type as it is written in a source file."""
    return "NoReturn" if getattr(type_, "__name__", "") == "NoReturn" else type_name(type_)


def count_of(arguments: int) -> str:
    """A number of arguments."""
    return "1 argument" if arguments == 1 else f"{arguments} arguments"


def close_match(name: str, candidates: Iterable[str]) -> str:
    """A sentence that suggests the nearest name, or an empty string."""
    found = difflib.get_close_matches(name, [c for c in candidates if not c.startswith("__")], 1)
    return f"did you mean {found[0]!r}?" if found else ""


def conversion_advice(have: Any, want: Any, text: str) -> str:
    """What to write to get from one type to another; empty where there is no way."""
    wanted = describe(want)
    if is_word(have) and is_word(want):
        if have.width < want.width:
            return f"write {wanted}({text})"
        return f"write {wanted}({text}) where the value must fit, truncate({wanted}, {text}) where it is cut"
    if is_mathematical(want):
        exact = is_word(have) or have is bool or is_enum(have) or (have is INTEGER and want is RATIONAL)
        return f"write {wanted}({text})" if exact else ""
    if is_word(want):
        if have is bool or is_enum(have):
            return f"write {wanted}({text})"
        if is_packed(have):
            return f"write to_word({text})"
        if is_struct(have) or isinstance(have, OptionalReference):
            return f"write address_of({text})"
    if want is bool and is_word(have):
        return f"write {text} != 0"
    if is_word(have):
        if is_enum(want):
            return f"write {wanted}({text})"
        if is_packed(want):
            return f"write from_word({wanted}, {text})"
        if is_struct(want):
            return f"write at({wanted}, {text})"
        if isinstance(want, OptionalReference):
            return f"write at_or_none({describe(want.target)}, {text})"
    if is_packed(have) and is_packed(want) and have.__packed__.base is want.__packed__.base:
        return f"test a local name first: `if isinstance(name, {wanted})`, or match over its kinds"
    return ""
