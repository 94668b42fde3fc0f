# SPDX-License-Identifier: BSD-2-Clause
"""A component in Python: its module is imported live, and compiled together with the run-time into one object."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import io
import sys
import sysconfig
import tokenize
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tessera.abi.configuration import configuration
from tessera.arch.riscv64.target import USER
from tessera.build.cache import PACKAGE
from tessera.ir.build import build_program
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.types import UnknownType, type_name
from tessera.llvm.compile import compile_object
from tessera.llvm.emit import emit_module
from tessera.runtime import handlers, microkit, violation

# What the event loop calls. Their signatures are those of the declarations in the run-time.
HANDLERS = ("init", "notified", "protected", "fault")


def load(source: Path, folders: Sequence[Path]) -> ModuleType:
    """Import a component's module. Raises :class:`Diagnostic` at the line where that fails."""
    _check_text(source)
    name = f"component_{source.stem}"
    path = [str(folder.resolve()) for folder in (source.parent, *folders)]
    specification = importlib.util.spec_from_file_location(name, source)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    before, writes = list(sys.path), sys.dont_write_bytecode
    sys.path[:0] = path
    # Kept byte code is told from changed text by seconds and length alone, and the user's folder is not ours.
    sys.dont_write_bytecode = True
    try:
        specification.loader.exec_module(module)
    except (Diagnostic, Diagnostics, RecursionError):
        raise
    except SyntaxError as error:
        place = Location(error.filename or str(source), error.lineno or 0, error.offset or 0)
        raise Diagnostic(
            "python-syntax",
            place,
            f"this is not Python: {error.msg}",
            why="a component in Python is an ordinary Python module",
            fix="correct the source at this place",
        ) from None
    except Exception as error:
        raise Diagnostic(
            "python-import",
            _place_of(error, source),
            f"{type(error).__name__}: {error}",
            why=f"the module {source.name} is imported when it is compiled, and that failed here",
            fix="correct the source at this place",
        ) from None
    except SystemExit as error:
        raise Diagnostic(
            "python-import",
            _place_of(error, source),
            f"the module ends the program when it is imported: SystemExit: {error}",
            why=f"the module {source.name} is imported when it is compiled, and nothing of it is run",
            fix="remove the call",
        ) from None
    finally:
        sys.path[:] = before
        sys.dont_write_bytecode = writes
    return module


def forget_modules(known: set[str], folders: Sequence[Path]) -> None:
    """Forget what was imported from the user's folders since ``known``: other components may have modules so called."""
    own = [folder.resolve() for folder in folders]
    # A user's folder may contain the whole source tree, with its virtual environment.
    others = [PACKAGE, *(Path(path) for path in sysconfig.get_paths().values())]
    for name in sys.modules.keys() - known:
        file = getattr(sys.modules[name], "__file__", None)
        if not file or any(Path(file).is_relative_to(folder) for folder in others):
            continue
        if any(Path(file).resolve().is_relative_to(folder) for folder in own):
            del sys.modules[name]


def _place_of(error: BaseException, source: Path) -> Location:
    """The innermost line of the user's own files."""
    frames = traceback.extract_tb(error.__traceback__)
    folder = source.resolve().parent
    own = [each for each in frames if Path(each.filename).is_file() and Path(each.filename).resolve().parent == folder]
    return Location(own[-1].filename, own[-1].lineno or 0) if own else Location(str(source))


def handlers_of(module: ModuleType, source: Path) -> dict[str, FunctionInfo]:
    """The functions for the event loop that a module defines. Raises :class:`Diagnostic` for one that does not fit."""
    found: dict[str, FunctionInfo] = {}
    for name in HANDLERS:
        function = vars(module).get(name)
        if function is None:
            continue
        info = info_of(function)
        if info is None:
            raise Diagnostic(
                "handler-not-compiled",
                _definition(function, source, name),
                f"{name} is not marked as a function of the language",
                why="the event loop calls it, and only functions that are marked are compiled",
                fix="write @compiled above it",
            )
        _check_signature(name, info, source)
        found[name] = info
    return found


def _check_text(source: Path) -> None:
    """Python itself imports some files that cannot be read as text again; they are refused at their first bad byte."""
    content = source.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        at, what = text.find("\0"), "a zero byte"
        before = text[: max(at, 0)]
    except UnicodeDecodeError as error:
        at, what = error.start, f"a byte that is no {error.encoding.upper()} text: {content[error.start]:#04x}"
        before = content[:at].decode("utf-8", "replace")
    except SyntaxError as error:
        at, what, before = 0, str(error), ""
    if at >= 0:
        raise Diagnostic(
            "python-syntax",
            Location(str(source), before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1),
            f"this is not Python: {what}",
            why="a component in Python is an ordinary Python module, which is text",
            fix="save the file as UTF-8",
        )


def _definition(function: Any, source: Path, name: str = "") -> Location:
    code = getattr(function, "__code__", None)
    if code is not None:
        return Location(str(source), code.co_firstlineno)
    for node in ast.walk(ast.parse(source.read_bytes())):
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [each.id for each in targets if isinstance(each, ast.Name)]
        if name in names or (isinstance(node, ast.ClassDef) and node.name == name):
            return Location(str(source), getattr(node, "lineno", 0))
    return Location(str(source))


def _check_signature(name: str, info: FunctionInfo, source: Path) -> None:
    declared = info_of(getattr(microkit, name))
    assert declared is not None
    wanted = declared.signature()
    try:
        given = info.signature()
    except UnknownType as error:
        raise Diagnostic(
            "handler-signature",
            _definition(info.function, source),
            f"{name}: {error}",
            why="the event loop calls it, so its parameters and its result are fixed",
            fix=_declaration(name, wanted),
        ) from None
    if (list(given[0].values()), given[1]) == (list(wanted[0].values()), wanted[1]):
        return
    raise Diagnostic(
        "handler-signature",
        _definition(info.function, source),
        f"{name} has other parameters or another result than the event loop calls it with",
        why="the event loop of components in C and in Python is one, and calls both in the same way",
        fix=_declaration(name, wanted),
    )


def _declaration(name: str, signature: tuple[dict[str, Any], Any]) -> str:
    parameters = ", ".join(f"{parameter}: {type_name(type_)}" for parameter, type_ in signature[0].items())
    return f"write def {name}({parameters}) -> {type_name(signature[1])}:"


def compile_component(source: Path, output: Path, folders: Sequence[Path]) -> set[str]:
    """Compile a component with the run-time, and return the names of the handlers that it defines.

    Raises :class:`Diagnostic` or :class:`Diagnostics`.
    """
    known = set(sys.modules)
    try:
        return _compile_component(source, output, folders)
    except RecursionError:
        raise Diagnostic(
            "too-deep",
            Location(str(source)),
            "an expression or a block of the program is nested too deeply",
            why="the compiler follows nesting step by step, and Python limits how far",
            fix="divide it into several statements or functions",
        ) from None
    finally:
        forget_modules(known, [source.parent, *folders])


def _compile_component(source: Path, output: Path, folders: Sequence[Path]) -> set[str]:
    module = load(source, folders)
    own = handlers_of(module, source)
    missing = [getattr(handlers, name) for name in HANDLERS if name not in own]
    exports = {info.name: name for name, info in own.items()}
    roots = [microkit.main, violation.violation, *missing, *(vars(module)[name] for name in own)]
    compile_roots(roots, output, exports=exports)
    return set(own)


def compile_roots(
    roots: Sequence[Any], output: Path, *, exports: dict[str, str] | None = None, weak: Sequence[str] = ()
) -> None:
    """Compile functions of the language, with all that they call, for user level."""
    program = build_program(roots)
    # A static object that was given a name is known under it outside: to C, to assembly, to the system description.
    named = [entry.name for entry in program.statics if "." not in entry.name]
    text = emit_module(
        program,
        target="riscv64",
        checked=configuration.debug,
        exports=exports,
        exported_statics=named,
        weak=weak,
        code_target=USER,
    )
    compile_object(text, output, target=USER, optimise=2)


def symbols_of(functions: Sequence[Any]) -> list[str]:
    """The symbols that functions of the language are exported under."""
    found = [info_of(function) for function in functions]
    return [info.symbol for info in found if info is not None]


def functions_with_symbols(module: ModuleType) -> list[Any]:
    """The functions of a module that have a symbol for C."""
    members = [value for _, value in inspect.getmembers(module) if callable(value)]
    return [f for f in members if (info := info_of(f)) is not None and info.symbol and info.kind == "compiled"]
