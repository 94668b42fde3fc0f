# SPDX-License-Identifier: BSD-2-Clause
"""The monitor's program: its object for the target, its tables in the distribution, and the lines of a real program."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.abi.configuration import configuration
from tessera.abi.faults import Fault
from tessera.arch.riscv64.target import USER
from tessera.build.components import link_component, start_file
from tessera.build.image import root_program
from tessera.build.monitor import encode, with_tables
from tessera.build.python_component import compile_roots
from tessera.lang.diagnostics import Location
from tessera.llvm.compile import compile_c
from tessera.runtime import monitor, violation
from tessera.runtime.fault_tables import TABLES_ADDRESS
from tessera.system import environment as env
from tessera.system.distribute import distribute
from tessera.system.elf import ProgramImage, read_program
from tessera.system.faultmap import fault_map
from tessera.system.model import Permissions
from tests.runtime.monitor_host import monitor_of
from tests.system.systems import described, domain, images

SYSTEM = described(
    '<memory_region name="secret" size="0x1000" />'
    + domain("server", '<map mr="secret" vaddr="0x4000000" perms="rw" />', priority=9)
    + domain("intruder")
)

PEEK = """\
static volatile int *const secret = (int *)0x4000000;

static __attribute__((noinline)) int peek(int offset)
{
    return secret[offset];
}

int left_out(void)
{
    return 7;
}

int main(void)
{
    return peek(0) + 1;
}
"""


LIBRARY = """\
#define INLINE static inline __attribute__((always_inline))

INLINE int load(volatile int *place)
{
    return *place;
}
"""

CALLER = """\
#include "include/library.h"

INLINE int step(volatile int *place)
{
    int first = load(place);
    return first + 1;
}

int main(void)
{
    return step((int *)0x4000000) + load((int *)0x4000004);
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(tmp_path / "cache"))


def compiled_intruder(folder: Path) -> ProgramImage:
    return compiled_source(folder, PEEK)


def compiled_source(folder: Path, text: str) -> ProgramImage:
    source = folder / "intruder.c"
    source.write_text(text)
    item = compile_c(source, folder / "intruder.o", target=USER)
    elf = link_component([start_file(), item], folder / "intruder.elf", source)
    return read_program(elf, env.USER_SPACE, Location("test.system", 1, 1))


def test_a_fault_in_a_c_program_is_told_with_its_line(tmp_path: Path) -> None:
    program = compiled_intruder(tmp_path)
    line = PEEK.splitlines().index("    return secret[offset];") + 1
    peek = program.symbols["peek"]
    (pc, *_) = [row.pc for row in program.lines if row.line == line and row.pc >= peek.address]
    made = {**images(SYSTEM), "intruder": program}
    with monitor_of(SYSTEM, made) as kernel:
        told = kernel.deliver(2, Fault.VM_FAULT, pc, 0x400_0000, 0, 5)
        assert told.splitlines()[0] == (
            'MONITOR|FAULT: component "intruder" stopped: read of 0x4000000, which is region "secret", '
            f'mapped by "server" only; at intruder.c:{line} in peek (pc {pc:#x})'
        )
        # The start file is assembly: the function has no size, the line is known.
        told = kernel.deliver(2, Fault.USER_EXCEPTION, program.entry, 0, 2, 0)
        assert "; at start.S:" in told


def test_a_fault_in_the_library_is_told_with_the_users_line(tmp_path: Path) -> None:
    """The compiler puts ``load`` into ``step``, and both into ``main``."""
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "library.h").write_text(LIBRARY)
    program = compiled_source(tmp_path, CALLER)
    loads = [call.start for call in program.inlined if call.function == "load"]
    assert {program.line_of(pc).file for pc in loads} == {"include/library.h"}  # type: ignore[union-attr]
    with monitor_of(SYSTEM, {**images(SYSTEM), "intruder": program}) as kernel:
        told = {kernel.deliver(2, Fault.VM_FAULT, pc, 0, 0, 5).partition("; ")[2].partition(" (")[0] for pc in loads}
    assert told == {"at intruder.c:5 in step", "at intruder.c:11 in main"}


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "release"])
def test_the_program_calls_nothing_that_is_not_there(
    tmp_path: Path, debug: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "debug", debug)
    compile_roots([monitor.main, violation.violation], tmp_path / "monitor.o")
    with (tmp_path / "monitor.o").open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = list(table.iter_symbols())
    assert [s.name for s in symbols if s.name and s["st_shndx"] == "SHN_UNDEF"] == []
    assert "main" in {s.name for s in symbols}


def test_the_tables_are_in_the_monitors_address_space(tmp_path: Path) -> None:
    made = {**images(SYSTEM), "intruder": compiled_intruder(tmp_path)}
    tables = encode(SYSTEM, fault_map(SYSTEM, made), made)
    plain = read_program(root_program("monitor"), env.USER_SPACE, Location("test.system", 1, 1))
    program = with_tables(plain, tables)
    assert [s.data for s in program.segments if s.vaddr == TABLES_ADDRESS] == [tables]
    symbol = program.symbols["monitor_tables"]
    (place,) = [s for s in program.segments if s.vaddr <= symbol.address < s.end]
    offset = symbol.address - place.vaddr
    assert int.from_bytes(place.data[offset : offset + symbol.size], "little") == TABLES_ADDRESS

    distribution = distribute(SYSTEM, {**made, env.MONITOR_NAME: program})
    pages = [m for m in distribution.mappings if m.vspace == "monitor.vspace" and m.vaddr >= TABLES_ADDRESS]
    pages = [m for m in pages if m.vaddr < TABLES_ADDRESS + len(tables)]
    assert [m.vaddr for m in pages] == list(range(TABLES_ADDRESS, TABLES_ADDRESS + len(tables), 4096))
    assert {m.perms for m in pages} == {Permissions.READ}


def test_a_jump_to_what_is_no_code_names_no_line(tmp_path: Path) -> None:
    """The linker drops ``left_out``; its rows stand at address 0, and no fault there may name it."""
    program = compiled_intruder(tmp_path)
    assert "left_out" not in program.symbols
    assert program.line_of(0) is not None
    with monitor_of(SYSTEM, {**images(SYSTEM), "intruder": program}) as kernel:
        kernel.registers = None
        for pc in (0, 4, 0x10):
            told = kernel.deliver(2, Fault.VM_FAULT, pc, pc, 1, 1)
            assert told.endswith(f"; at pc {pc:#x}, which is not code of its program\n")
