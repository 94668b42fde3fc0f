# SPDX-License-Identifier: BSD-2-Clause
"""Reading program images: segments, variables, source lines, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system import environment as env
from tessera.system.elf import ProgramImage, Segment, read_program, require_symbol
from tessera.system.model import Permissions
from tests.system.programs import SHARED, Program, R, W, X, program

HERE = Location("test.system", 3, 5)
RX, RW = Permissions.READ | Permissions.EXECUTE, Permissions.READ | Permissions.WRITE


def read(tmp_path: Path, made: Program) -> ProgramImage:
    path = tmp_path / "made.elf"
    path.write_bytes(made.elf())
    return read_program(path, env.USER_SPACE, HERE)


def test_segments_and_symbols(tmp_path: Path) -> None:
    image = read(tmp_path, program("ring_vaddr"))
    assert image.entry == 0x20_0000
    assert image.segments == (
        Segment(0x20_0000, 16, b"\x13\0\0\0" * 4, RX),
        Segment(0x20_1000, 0x1800, b"\xaa" * 16, RW),
    )
    assert image.symbols["microkit_name"].size == 64
    assert image.symbols["ring_vaddr"].size == 8


def test_a_variable_is_set_and_nothing_else(tmp_path: Path) -> None:
    image = read(tmp_path, program("first", "second"))
    symbol = require_symbol(image, "second", 8, HERE, "value")
    changed = image.with_variable(symbol, (0x1122).to_bytes(8, "little"))
    offset = symbol.address - 0x20_1000
    data = changed.segments[1].data
    assert data[:16] == b"\xaa" * 16
    assert data[16:offset] == bytes(offset - 16)
    assert data[offset:] == b"\x22\x11\0\0\0\0\0\0"
    assert changed.segments[0] == image.segments[0]
    assert changed.segments[1].size == image.segments[1].size


def test_of_two_variables_of_one_name_none_is_set(tmp_path: Path) -> None:
    made = program("first", "second")
    # The same place named twice is one variable.
    made.more += [("first", 0x20_1100, 8), ("second", *made.symbols["second"])]
    image = read(tmp_path, made)
    assert image.ambiguous == {"first"}
    assert require_symbol(image, "second", 8, HERE, "value").address == made.symbols["second"][0]
    with pytest.raises(Diagnostic, match="several variables 'first'"):
        require_symbol(image, "first", 8, HERE, "value")


@pytest.mark.parametrize(
    "made, rule",
    [
        (Program(segments=[]), "image-empty"),
        (Program(kind=SHARED, segments=[(0x20_0000, R | X, b"ab", 2)]), "image-kind"),
        (Program(segments=[(0x20_0000, R | W, b"ab", 2)]), "image-entry"),
        (Program(entry=0x30_0000, segments=[(0x20_0000, R | X, b"ab", 2)]), "image-entry"),
        (Program(segments=[(0x20_0000, R | X, b"ab", 2), (0x20_0800, R | W, b"ab", 2)]), "image-page-shared"),
        (Program(segments=[(0x20_0000, R | X, b"ab", 2), (0x40_0000_0000, R | W, b"ab", 2)]), "image-too-high"),
    ],
)
def test_refused(tmp_path: Path, made: Program, rule: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        read(tmp_path, made)
    assert caught.value.rule == rule
    assert caught.value.location == HERE


def test_an_image_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.elf"
    path.write_bytes(program().elf()[:40])
    with pytest.raises(Diagnostic, match="is cut off or damaged"):
        read_program(path, env.USER_SPACE, HERE)


def test_no_damage_ends_in_anything_but_a_message(tmp_path: Path) -> None:
    """Every file made by changing or removing bytes is read, or refused with a message."""
    path = tmp_path / "damaged.elf"
    good = bytearray(program("ring_vaddr").elf())
    random = Random(7)
    refused: list[Diagnostic] = []
    for _ in range(2000):
        damaged = bytearray(good)
        for _ in range(random.choice((1, 1, 2, 8))):
            at = random.randrange(len(good)) if random.random() < 0.5 else random.randrange(200)
            damaged[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        path.write_bytes(damaged[: random.randrange(len(good))] if random.random() < 0.2 else damaged)
        try:
            read_program(path, env.USER_SPACE, HERE)
        except Diagnostic as error:
            refused.append(error)
    assert len(refused) > 500
    assert all(error.location == HERE and error.why and error.fix for error in refused)


SOURCE = """\
unsigned long microkit_pps;
static volatile unsigned long *secret = (unsigned long *)0x4000000;
void _start(void) {
    microkit_pps = 1;
    microkit_pps = *secret;
    for (;;) {}
}
"""


@pytest.mark.parametrize("dwarf", [4, 5])
def test_lines_of_a_compiled_program(tmp_path: Path, dwarf: int) -> None:
    """The load that would fault is told with its line, in both forms of line tables that compilers write."""
    (tmp_path / "intruder.c").write_text(SOURCE)
    compiler = [sys.executable, "-m", "ziglang"]
    flags = ["-target", "riscv64-freestanding-none", "-mcmodel=medany", "-O0", f"-gdwarf-{dwarf}", "-ffreestanding"]
    flags += ["-fno-sanitize=all", "-fno-stack-protector"]
    subprocess.run([*compiler, "cc", *flags, "-c", "intruder.c", "-o", "x.o"], cwd=tmp_path, check=True)
    link = ["ld.lld", "-z", "separate-code", "--image-base=0x200000", "-e", "_start", "x.o", "-o", "intruder.elf"]
    subprocess.run([*compiler, *link], cwd=tmp_path, check=True)
    image = read_program(tmp_path / "intruder.elf", env.USER_SPACE, HERE)
    assert [row.pc for row in image.lines] == sorted(row.pc for row in image.lines)
    stretch = [row.line for row in image.lines]
    assert stretch[-1] == 0
    assert [line for line in (3, 4, 5, 6) if line in stretch] == [3, 4, 5, 6]
    at = next(row for row in image.lines if row.line == 5)
    found = image.line_of(at.pc + 2)
    assert found is not None
    assert (Path(found.file).name, found.line) == ("intruder.c", 5)
    assert image.line_of(image.lines[-1].pc + 64) is None
    assert image.line_of(0x1000) is None
