# SPDX-License-Identifier: BSD-2-Clause
"""One rejected description for each rule, and the exact message that a person gets.

Each `X.system` in tests/rejected/system has its message in `X.err`. The name of a file begins with the rule that it
breaks. Setting TESSERA_UPDATE_GOLDENS=1 writes the messages anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tessera.abi.boards import MIB, QEMU_VIRT_RISCV64, Region
from tessera.abi.layout import plan_boot
from tessera.abi.profiles import MICROKIT
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.system import environment as env
from tessera.system.allocate import allocate
from tessera.system.distribute import distribute
from tessera.system.elf import ProgramImage, read_program
from tessera.system.images import read_image
from tessera.system.locate import Kind, locate
from tessera.system.sdf import parse
from tests.system.programs import OBJECT, X86_64, Program, program

FOLDER = Path(__file__).parent.parent / "rejected" / "system"
CASES = sorted(FOLDER.glob("*.system"))
KERNEL = Region(0x8020_0000, 0x8024_0000)
INITIALISER = Region(0x8024_0000, 0x8030_0000)

# Offsets in a program header of ELF64, and where the first one is.
P_FILESZ, P_MEMSZ, PROGRAM_HEADERS, PROGRAM_HEADER = 32, 40, 64, 56


def with_header_word(elf: bytes, segment: int, offset: int, value: int) -> bytes:
    """The same file with another word in the program header of a segment."""
    at = PROGRAM_HEADERS + PROGRAM_HEADER * segment + offset
    return elf[:at] + value.to_bytes(8, "little") + elf[at + 8 :]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `programs` of the working directory, with images that the descriptions name."""
    monkeypatch.chdir(tmp_path)
    folder = Path("programs")
    folder.mkdir()
    (folder / "good.elf").write_bytes(program("buffer_vaddr", sizes={"short": 4}).elf())
    namesake = program("ring")
    namesake.more.append(("ring", 0x20_1400, 8))
    (folder / "namesake.elf").write_bytes(namesake.elf())
    (folder / "object.elf").write_bytes(Program(kind=OBJECT, segments=program().segments).elf())
    (folder / "foreign.elf").write_bytes(Program(machine=X86_64, segments=program().segments).elf())
    (folder / "text.elf").write_text("this is not a program\n")
    (folder / "cut.elf").write_bytes(program().elf()[:100])
    (folder / "short.elf").write_bytes(with_header_word(program().elf(), 0, P_FILESZ, 0x10000))
    (folder / "entry.elf").write_bytes(Program(entry=0x20_0001, segments=program().segments).elf())
    (folder / "stripped.elf").write_bytes(Program(segments=program().segments).elf())
    (folder / "empty.elf").write_bytes(Program(segments=[]).elf())
    (folder / "vast.elf").write_bytes(with_header_word(program().elf(), 1, P_MEMSZ, 1 << 36))
    (folder / "greeter.c").write_text("")
    (folder / "empty.bin").write_bytes(b"")
    (folder / "full.bin").write_bytes(bytes(0x1001))
    with (folder / "huge.bin").open("wb") as huge:
        huge.truncate((1 << 30) + 1)
    (folder / "twice.c").write_text("")
    (folder / "twice.py").write_text("")
    return folder


def build(description: Path, folder: Path) -> None:
    """Everything that is done with a description before an image is made."""
    system = parse(description, search_path=[folder], shown_as=description.name)
    images: dict[str, ProgramImage] = {}
    for pd in system.domains():
        found = locate(pd, [folder])
        assert found.kind is Kind.ELF
        images[pd.name] = read_image(pd, found.path, [folder], env.USER_SPACE)
    images[env.MONITOR_NAME] = read_program(folder / "good.elf", env.USER_SPACE, Location("monitor"))
    distribution = distribute(system, images)
    plan = plan_boot(
        QEMU_VIRT_RISCV64,
        MICROKIT,
        kernel=KERNEL,
        kernel_boot_end=KERNEL.start + 0x4000,
        image=INITIALISER,
        image_virtual=0x40_0000,
    )
    allocate(distribution, system, plan.untypeds, slots=len(plan.empty), board=QEMU_VIRT_RISCV64)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path, programs: Path) -> None:
    with pytest.raises((Diagnostic, Diagnostics)) as caught:
        build(case, programs)
    error = caught.value
    golden = case.with_suffix(".err")
    if os.environ.get("TESSERA_UPDATE_GOLDENS") == "1":
        golden.write_text(f"{error}\n")
    assert f"{error}\n" == golden.read_text()
    for each in error.errors if isinstance(error, Diagnostics) else [error]:
        assert each.location.file == case.name
        assert each.location.line > 0
        assert each.why and each.fix
        assert case.stem.startswith("several") or case.stem.startswith(each.rule)


def test_every_message_has_its_description() -> None:
    assert {path.stem for path in FOLDER.glob("*.err")} == {path.stem for path in CASES}
    assert len(CASES) >= 14


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Diagnostic, match="cannot read the system description"):
        parse(tmp_path / "absent.system")


def test_memory_in_use_names_the_largest(programs: Path) -> None:
    """The golden message names figures; this one shows that they follow the system."""
    case = programs / "large.system"
    shutil.copy(FOLDER / "out-of-memory.system", case)
    case.write_text(case.read_text().replace("0x80000000", f"{4096 * MIB:#x}"))
    with pytest.raises(Diagnostic, match="no memory is left for 'archive"):
        build(case, programs)
