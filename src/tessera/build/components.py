# SPDX-License-Identifier: BSD-2-Clause
"""From the sources of components to ELF files: C and Python, linked with the same run-time.

``X.elf`` is taken as it is where it exists; else it is made from ``X.c`` or ``X.py`` (system/locate.py). Results are
kept by content: a source whose text, headers and compiler are the same is not compiled again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.abi.configuration import configuration
from tessera.abi.layout import COMPONENT_IMAGE
from tessera.build.cache import PACKAGE, cached, digest, source_files
from tessera.build.dependencies import files_needed
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.environment import SDK_SENDERS
from tessera.system.locate import Kind, Program, locate
from tessera.system.model import ProtectionDomain, System

RUNTIME = PACKAGE / "runtime"
# What component.ld says where a program has thread-local variables.
THREAD_LOCAL = "thread-local variables"
_THREAD_LOCAL_WORDS = re.compile(r"\b(?:__thread|_Thread_local|thread_local)\b")
# What the object code of a component depends on, besides its own sources.
COMPILER_PARTS = ("lang", "abi", "arch", "ir", "llvm", "runtime")

_UNDEFINED = re.compile(r"undefined symbol: (?P<name>\S+)\n>>> referenced by (?P<file>[^:\n]+):(?P<line>\d+)")
_UNDEFINED_PLAIN = re.compile(r"undefined symbol: (?P<name>\S+)")
_DUPLICATE = re.compile(r"duplicate symbol: (?P<name>\S+)(?P<places>(?:\n>>>.*)*)")
_DEFINED_AT = re.compile(r">>> defined at (?P<file>[^:\n]+):(?P<line>\d+)")


@dataclass(frozen=True)
class Component:
    """A program image and where it comes from. ``cached``: nothing had to be compiled. ``warnings`` of its compiler."""

    name: str
    elf: Path
    source: Path
    kind: Kind
    cached: bool
    warnings: tuple[str, ...] = ()


def build_components(system: System, search_path: Sequence[Path], pool: Executor) -> dict[str, Component]:
    """The programs of all protection domains, by the name of the domain. Domains may share a program.

    What is compiled by another program runs in ``pool`` meanwhile. Raises :class:`Diagnostic` or
    :class:`Diagnostics` for what is missing, and for errors in sources.
    """
    programs = {pd.name: locate(pd, search_path) for pd in system.domains()}
    owners = {programs[pd.name].path: pd for pd in reversed(system.domains())}
    if any(program.kind is Kind.C for program in programs.values()):
        headers()
        library()
    pending = {
        program.path: pool.submit(_build, owners[program.path], program, search_path)
        for program in {program.path: program for program in programs.values()}.values()
        if program.kind is Kind.C
    }
    built: dict[Path, Component] = {}
    for pd in system.domains():
        program = programs[pd.name]
        if program.path not in built and program.path not in pending:
            built[program.path] = _build(pd, program, search_path)
    built |= {path: future.result() for path, future in pending.items()}
    for pd in system.domains():
        program = programs[pd.name]
        if program.kind is not Kind.ELF:
            _check_handlers(pd, system, program, built[program.path].elf)
        else:
            _check_senders(pd, system)
    return {name: built[program.path] for name, program in programs.items()}


def _check_senders(pd: ProtectionDomain, system: System) -> None:
    """A program that is not built here may have upstream's library, which takes six bits of a badge."""
    ends = (end for channel in system.channels for end, _ in channel.directions() if end.pd == pd.name)
    numbers = [(end.id, end.location, "channel") for end in ends]
    numbers += [(child.id or 0, child.location, "child") for child in pd.children]
    for number, location, what in numbers:
        if number >= SDK_SENDERS:
            raise Diagnostic(
                "number-of-elf",
                location,
                f"'{pd.name}' has {what} {number}, and '{pd.program_image}' was not built here",
                why=f"programs that are linked with upstream's library know {what} numbers up to {SDK_SENDERS - 1}",
                fix=f"use a number from 0 to {SDK_SENDERS - 1}, or let the program be built from its source",
            )


def _build(pd: ProtectionDomain, program: Program, search_path: Sequence[Path]) -> Component:
    if program.kind is Kind.ELF:
        return Component(pd.name, program.path, program.path, program.kind, True)
    key = digest([_options()], [*files_needed(program.path, search_path), *compiler_files()])

    def make(work: Path) -> None:
        warnings: list[str] = []
        if program.kind is Kind.C:
            defined = _compile_c(program.path, work, search_path, warnings)
        else:
            from tessera.build.python_component import compile_component

            defined = compile_component(program.path, work / "component.o", search_path)
            link_component([start_file(), work / "component.o"], work / "component.elf", program.path)
        (work / "handlers").write_text("\n".join(sorted(defined)))
        (work / "warnings").write_text("\n".join(warnings))

    folder, was_there = cached(f"component-{program.path.stem}", key, make)
    # As seen from the source's folder, so that they are right for another copy of the same source too.
    lines = [line.partition(":") for line in (folder / "warnings").read_text().splitlines()]
    told = tuple(f"{program.path.parent / file}:{rest}" for file, _, rest in lines)
    return Component(pd.name, folder / "component.elf", program.path, program.kind, was_there, told)


def files_of(system: System, search_path: Sequence[Path]) -> list[Path]:
    """Every file of the user that goes into the programs of a system."""
    programs = {locate(pd, search_path).path: locate(pd, search_path).kind for pd in system.domains()}
    files = [[path] if kind is Kind.ELF else files_needed(path, search_path) for path, kind in programs.items()]
    return [path for group in files for path in group]


def compiler_files() -> list[Path]:
    """The files that decide how a source is compiled."""
    return [*source_files(*COMPILER_PARTS), *sorted(Path(__file__).parent.glob("*component*.py"))]


def _options() -> str:
    return repr(asdict(configuration))


def _compile_c(source: Path, work: Path, search_path: Sequence[Path], warnings: list[str]) -> set[str]:
    from tessera.build.toolchain import compile_component_source

    output = work / "component.o"
    compile_component_source(source, output, headers=headers(), include=search_path, warnings=warnings)
    link_component([start_file(), work / "component.o", library()], work / "component.elf", source)
    return defined_symbols(work / "component.o")


def headers() -> Path:
    """The folder of the generated C headers for the profile, board and configuration in use."""
    from tessera.build.toolchain import prepare_headers

    def make(work: Path) -> None:
        prepare_headers(work, configuration.profile, configuration.board, debug=configuration.debug)

    return cached("headers", digest([_options()], source_files("lang", "abi")), make)[0]


def start_file() -> Path:
    """The object that every component begins with."""
    return _runtime_object("start")


def library() -> Path:
    """The run-time for C: the event loop, the debug console, the ring, and what a component leaves out.

    What a component may define itself is weak. Functions that it does not use are left out by the linker.
    """
    return _runtime_object("library")


def _runtime_object(name: str) -> Path:
    def make(work: Path) -> None:
        from tessera.arch.riscv64.target import USER
        from tessera.llvm.compile import assemble

        if name == "start":
            assemble(RUNTIME / "start.S", work / "start.o", target=USER)
        else:
            _compile_library(work / "library.o")

    return cached(f"runtime-{name}", digest([_options()], compiler_files()), make)[0] / f"{name}.o"


def _compile_library(output: Path) -> None:
    from tessera.build.python_component import compile_roots, functions_with_symbols, symbols_of
    from tessera.runtime import assertions, console, handlers, memory_functions, microkit, ring, violation

    replaceable = (handlers, memory_functions, assertions)
    weak = [function for module in replaceable for function in functions_with_symbols(module)]
    # Functions that C has in microkit.h itself: they bring the variables along that the header declares.
    roots = [microkit.main, violation.violation, microkit.notify, microkit.ppcall, microkit.irq_ack, *weak]
    roots += [function for module in (console, ring) for function in functions_with_symbols(module)]
    compile_roots(roots, output, weak=symbols_of(weak))


def link_component(objects: Iterable[Path], output: Path, source: Path, *, base: int = COMPONENT_IMAGE) -> Path:
    """Link a program for user level. Raises :class:`Diagnostic` at the line that uses what nobody defines."""
    from tessera.llvm.compile import link

    try:
        script, flags = RUNTIME / "component.ld", ("--orphan-handling=place",)
        return link(objects, script, output, symbols={"IMAGE_BASE": base}, flags=flags)
    except Diagnostic as error:
        raise _link_error(error, source) from None


def _link_error(error: Diagnostic, source: Path) -> Diagnostic:
    found = _UNDEFINED.search(error.why) or _UNDEFINED_PLAIN.search(error.why)
    if found is None:
        return _other_link_error(error, source)
    place = found.groupdict()
    file, line = source, 0
    if "file" in place and (source.parent / place["file"]).is_file():
        file, line = source.parent / place["file"], int(place["line"])
    return Diagnostic(
        "undefined-symbol",
        Location(str(file), line),
        f"'{found['name']}' is used and not defined",
        why="a component is linked with the run-time alone: there is no C library",
        fix="define it in the component's own source",
    )


def _other_link_error(error: Diagnostic, source: Path) -> Diagnostic:
    duplicate = _DUPLICATE.search(error.why)
    if duplicate is not None:
        places = [
            (source.parent / each["file"], int(each["line"])) for each in _DEFINED_AT.finditer(duplicate["places"])
        ]
        own = [Location(str(file), line) for file, line in places if file.is_file()]
        return Diagnostic(
            "duplicate-symbol",
            own[-1] if own else Location(str(source)),
            f"'{duplicate['name']}' is defined by the component and by the run-time",
            why="both are linked into one program; the run-time calls init, notified, protected and fault",
            fix="give it another name, or make it static",
        )
    if "out of range" in error.why:
        return Diagnostic(
            "program-too-large",
            Location(str(source)),
            "the program is too large: code cannot reach all of its data",
            why="instructions reach 2 GiB in both directions from where they are",
            fix="make its arrays smaller, or put large data into a memory region",
        )
    if THREAD_LOCAL in error.why:
        lines = source.read_text(errors="replace").splitlines()
        declared = (number for number, line in enumerate(lines, 1) if _THREAD_LOCAL_WORDS.search(line))
        return Diagnostic(
            "thread-local",
            Location(str(source), next(declared, 0)),
            "the program has thread-local variables",
            why="a component has one thread, and nothing makes a copy of them for it",
            fix="leave out __thread and _Thread_local",
        )
    what = error.what.removeprefix("ld.lld: error: ")
    return Diagnostic(
        "link", Location(str(source)), what, why="the message is the linker's own", fix="correct what it names"
    )


def defined_symbols(item: Path) -> set[str]:
    """The global symbols that an object file defines."""
    with item.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_info"]["bind"] == "STB_GLOBAL" and symbol["st_shndx"] != "SHN_UNDEF"
        }


# How a component declares what the event loop calls.
DECLARATIONS = {
    (Kind.C, "notified"): "void notified(microkit_channel ch)",
    (Kind.C, "protected"): "microkit_msginfo protected(microkit_channel ch, microkit_msginfo msginfo)",
    (Kind.PYTHON, "notified"): "def notified(channel: u32) -> None",
    (Kind.PYTHON, "protected"): "def protected(channel: u32, info: MessageInfo) -> MessageInfo",
}


def _check_handlers(pd: ProtectionDomain, system: System, program: Program, elf: Path) -> None:
    """What the description sends to a component must be handled by its program."""
    defined = set((elf.parent / "handlers").read_text().split())
    place = Location(str(program.path), 1)
    for channel in system.channels:
        for sender, receiver in channel.directions():
            if receiver.pd != pd.name:
                continue
            for allowed, does, attribute, name in (
                (sender.notify, "notify", "notify", "notified"),
                (sender.pp, "call", "pp", "protected"),
            ):
                if allowed and name not in defined:
                    raise Diagnostic(
                        "handler-missing",
                        place,
                        f"'{sender.pd}' may {does} '{pd.name}', whose program does not define {name}",
                        why=f"it is channel {receiver.id} of '{pd.name}', declared at {channel.location}",
                        fix=f"define {DECLARATIONS[program.kind, name]}, "
                        f"or write {attribute}=\"false\" at the end of '{sender.pd}'",
                    )
    if pd.irqs and "notified" not in defined:
        raise Diagnostic(
            "handler-missing",
            place,
            f"'{pd.name}' receives interrupts, and its program does not define notified",
            why=f"{pd.irqs[0].location} gives it the interrupt {pd.irqs[0].irq}",
            fix=f"define {DECLARATIONS[program.kind, 'notified']}",
        )
