# SPDX-License-Identifier: BSD-2-Clause
"""Reading a component's program image: what is loaded where, variables to set, and the source line of each address."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from elftools.elf.constants import P_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.collect import did_you_mean
from tessera.system.environment import AddressSpace
from tessera.system.inlined import DAMAGE, InlinedCall, can_be, inlined_calls
from tessera.system.model import Permissions

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Segment:
    """A part of a program image. ``data`` is the beginning; the rest of ``size`` bytes is zero."""

    vaddr: int
    size: int
    data: bytes
    perms: Permissions

    @property
    def end(self) -> int:
        return self.vaddr + self.size


@dataclass(frozen=True)
class Symbol:
    """A named place in a program; ``size`` in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class LineRow:
    """From ``pc`` up to the next row, the code is from ``line`` of ``file``; line 0 ends a stretch of code."""

    pc: int
    file: str
    line: int


@dataclass(frozen=True)
class ProgramImage:
    """A linked program. ``file`` is its name in messages."""

    file: str
    entry: int
    segments: tuple[Segment, ...]
    symbols: Mapping[str, Symbol] = field(repr=False)
    lines: tuple[LineRow, ...] = field(repr=False, default=())
    inlined: tuple[InlinedCall, ...] = field(repr=False, default=())
    # Names that more than one place has.
    ambiguous: frozenset[str] = field(repr=False, default=frozenset())

    def line_of(self, pc: int) -> LineRow | None:
        """The source line of an address, or None where it is unknown."""
        index = bisect_right(self.lines, pc, key=lambda row: row.pc) - 1
        return self.lines[index] if index >= 0 and self.lines[index].line else None

    def with_variable(self, symbol: Symbol, value: bytes) -> ProgramImage:
        """The same image with ``value`` at the place of ``symbol``, which must be in a segment."""
        segments = []
        for segment in self.segments:
            offset = symbol.address - segment.vaddr
            if 0 <= offset and offset + len(value) <= segment.size:
                data = segment.data.ljust(offset + len(value), b"\0")
                segment = replace(segment, data=data[:offset] + value + data[offset + len(value) :])
            segments.append(segment)
        return replace(self, segments=tuple(segments))

    def holds(self, symbol: Symbol) -> bool:
        """Whether the symbol's bytes are in a segment."""
        return any(s.vaddr <= symbol.address and symbol.address + symbol.size <= s.end for s in self.segments)


def read_program(path: Path, space: AddressSpace, location: Location, shown_as: str | None = None) -> ProgramImage:
    """Read a program image. ``location`` is where the description names it.

    Raises :class:`Diagnostic` where the file is no program for this machine.
    """
    file = shown_as or path.name
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            _check_header(elf, file, space, location)
            segments = _segments(elf, file, path.stat().st_size, location)
            if not segments:
                raise Diagnostic(
                    "image-empty",
                    location,
                    f"nothing is loaded from '{file}': it has no LOAD segment",
                    why="a program image says in LOAD segments what is to be where in memory",
                    fix="link it",
                )
            _check_segments(segments, file, space, location)
            entry = int(elf.header["e_entry"])
            executable = any(s.vaddr <= entry < s.end and Permissions.EXECUTE in s.perms for s in segments)
            if not executable or entry % space.code_alignment:
                raise Diagnostic(
                    "image-entry",
                    location,
                    f"the entry point {entry:#x} of '{file}' is "
                    + ("at no place where an instruction can be" if executable else "not in an executable segment"),
                    why="the program starts there",
                    fix="link the program with an entry symbol: ENTRY(_start) in the link script, or -e _start",
                )
            symbols, ambiguous = _by_name(_symbols(elf))
            inlined = tuple(inlined_calls(elf, _file_name))
            return ProgramImage(file, entry, segments, symbols, tuple(_lines(elf)), inlined, ambiguous)
    except OSError as error:
        if error.filename is None:  # not the file, but a place in it that the file itself names
            raise _unreadable(path, file, location, error) from None
        raise Diagnostic(
            "file-unreadable",
            location,
            f"cannot read '{file}': {error.strerror}",
            why="the program image is read when the system is built",
            fix="check its permissions",
        ) from None
    except DAMAGE as error:
        raise _unreadable(path, file, location, error) from None


def _unreadable(path: Path, file: str, location: Location, error: Exception) -> Diagnostic:
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return Diagnostic(
                "image-not-elf",
                location,
                f"'{file}' is not an ELF file",
                why="a program image is a linked ELF executable, and this file begins otherwise",
                fix="name the output of the linker, or the image of which the source is on the search path",
            )
    return _damaged(file, location, f"reading it ended with: {error or type(error).__name__}")


def _damaged(file: str, location: Location, why: str) -> Diagnostic:
    return Diagnostic(
        "image-damaged",
        location,
        f"the ELF file '{file}' is cut off or damaged",
        why=why,
        fix="build the program again",
    )


def _check_header(elf: ELFFile, file: str, space: AddressSpace, location: Location) -> None:
    header = elf.header
    machine, wanted = str(header["e_machine"]), space.elf_machine
    if machine != wanted or elf.elfclass != space.word_bits or not elf.little_endian:
        order = "little" if elf.little_endian else "big"
        raise Diagnostic(
            "image-machine",
            location,
            f"'{file}' is for another machine: {machine.removeprefix('EM_')}, {elf.elfclass} bits, {order}-endian",
            why=f"this board runs {wanted.removeprefix('EM_')}, {space.word_bits} bits, little-endian",
            fix="build the program with the compiler for this board",
        )
    if header["e_type"] != "ET_EXEC":
        kinds = {"ET_REL": "an object file that is not linked", "ET_DYN": "position-independent or a shared library"}
        raise Diagnostic(
            "image-kind",
            location,
            f"'{file}' is {kinds.get(header['e_type'], header['e_type'])}, not an executable",
            why="nothing relocates a program when it starts: it is loaded at the addresses for which it was linked",
            fix="link it statically, without -pie, -shared or -r",
        )


def _segments(elf: ELFFile, file: str, file_size: int, location: Location) -> tuple[Segment, ...]:
    flags = ((P_FLAGS.PF_R, Permissions.READ), (P_FLAGS.PF_W, Permissions.WRITE), (P_FLAGS.PF_X, Permissions.EXECUTE))
    found = []
    for part in elf.iter_segments(type="PT_LOAD"):
        if part["p_memsz"] == 0:
            continue
        if part["p_offset"] + part["p_filesz"] > file_size or part["p_filesz"] > part["p_memsz"]:
            what = f"[{part['p_offset']:#x}, {part['p_offset'] + part['p_filesz']:#x}) of the file"
            size = f"{file_size:#x} bytes in the file and {part['p_memsz']:#x} in memory"
            raise _damaged(file, location, f"the segment at {part['p_vaddr']:#x} is {what}, with {size}")
        perms = Permissions.NONE
        for flag, permission in flags:
            if part["p_flags"] & flag:
                perms |= permission
        found.append(Segment(part["p_vaddr"], part["p_memsz"], part.data(), perms))
    return tuple(sorted(found, key=lambda segment: segment.vaddr))


def _check_segments(segments: tuple[Segment, ...], file: str, space: AddressSpace, location: Location) -> None:
    for segment in segments:
        if segment.end > space.user_top:
            raise Diagnostic(
                "image-too-high",
                location,
                f"'{file}' is linked to [{segment.vaddr:#x}, {segment.end:#x}), which user programs cannot reach",
                why=f"user addresses end at {space.user_top:#x}",
                fix="link it at 0x200000",
            )
    for lower, upper in zip(segments, segments[1:], strict=False):
        if (lower.end - 1) // space.page >= upper.vaddr // space.page:
            raise Diagnostic(
                "image-page-shared",
                location,
                f"two segments of '{file}' share the page at {upper.vaddr // space.page * space.page:#x}: "
                f"[{lower.vaddr:#x}, {lower.end:#x}) and [{upper.vaddr:#x}, {upper.end:#x})",
                why="a page has one set of permissions",
                fix="align the segments to pages in the link script",
            )


def _symbols(elf: ELFFile) -> Iterator[Symbol]:
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            for entry in section.iter_symbols():
                if entry.name and entry["st_shndx"] != "SHN_UNDEF" and entry["st_info"]["type"] != "STT_FILE":
                    yield Symbol(entry.name, entry["st_value"], entry["st_size"])


def _by_name(found: Iterable[Symbol]) -> tuple[dict[str, Symbol], frozenset[str]]:
    """The symbols, and the names of those that are at several places."""
    symbols: dict[str, Symbol] = {}
    ambiguous = set()
    for symbol in found:
        if symbols.setdefault(symbol.name, symbol).address != symbol.address:
            ambiguous.add(symbol.name)
    return symbols, frozenset(ambiguous)


def _lines(elf: ELFFile) -> Iterator[LineRow]:
    """Rows of every line table, in the order of addresses, without those that repeat the row before."""
    if not elf.has_dwarf_info():
        return
    rows: list[LineRow] = []
    try:
        dwarf = elf.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            if program is None:
                continue
            for entry in program.get_entries():
                state = entry.state
                if state is not None:
                    file = "" if state.end_sequence else _file_name(program.header, state.file)
                    line = 0 if state.end_sequence else state.line
                    if can_be(line, state.address):
                        rows.append(LineRow(state.address, file, line))
    except DAMAGE:
        return  # Line numbers are a help; a program with tables that cannot be read still runs.
    # At one address the later row counts, but the end of one stretch yields to the beginning of the next.
    by_address: dict[int, LineRow] = {}
    for row in sorted(rows, key=lambda row: (row.pc, row.line != 0)):
        by_address[row.pc] = row
    last = LineRow(0, "", 0)
    for row in by_address.values():
        if (row.file, row.line) != (last.file, last.line):
            yield row
        last = row


def _file_name(header: Mapping[str, object], index: int) -> str:
    """The name of a source file as the compiler recorded it, with its folder unless that is the compiler's own."""
    version = header["version"]
    assert isinstance(version, int)
    entries = header["file_entry"]
    folders = header["include_directory"]
    assert isinstance(entries, (list, tuple))
    assert isinstance(folders, (list, tuple))
    # Up to DWARF 4 both tables count from 1 and folder 0 is the compiler's; from 5 on they count from 0.
    entry = entries[index if version >= 5 else index - 1]
    folder_index = entry["dir_index"]
    name = entry["name"].decode(errors="replace")
    folder = b"" if folder_index == 0 else folders[folder_index if version >= 5 else folder_index - 1]
    return str(PurePosixPath(folder.decode(errors="replace")) / name)


def require_symbol(image: ProgramImage, name: str, size: int, location: Location, purpose: str) -> Symbol:
    """The variable ``name`` of ``size`` bytes. Raises :class:`Diagnostic` where it is missing or has another size."""
    symbol = image.symbols.get(name)
    if symbol is None:
        raise Diagnostic(
            "symbol-missing",
            location,
            f"'{image.file}' has no variable '{name}'",
            why=f"it is to be set to the {purpose}; a variable that the program never reads may have been removed",
            fix=did_you_mean(name, image.symbols) or f"declare it as a global variable of {size} bytes, and use it",
        )
    if name in image.ambiguous:
        raise Diagnostic(
            "symbol-ambiguous",
            location,
            f"'{image.file}' has several variables '{name}'",
            why=f"one is to be set to the {purpose}, and nothing says which",
            fix="rename the others; static variables of other source files count too",
        )
    if symbol.size != size:
        raise Diagnostic(
            "symbol-size",
            location,
            f"the variable '{name}' of '{image.file}' has {symbol.size} bytes",
            why=f"it is to be set to the {purpose}, which has {size} bytes",
            fix="declare it as uintptr_t or uint64_t",
        )
    if not image.holds(symbol):
        raise Diagnostic(
            "symbol-missing",
            location,
            f"'{name}' of '{image.file}' is not in a loaded segment",
            why=f"it is to be set to the {purpose}",
            fix="declare it as a global variable, and not as thread-local",
        )
    return symbol
