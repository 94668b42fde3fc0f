# SPDX-License-Identifier: BSD-2-Clause
"""The bootable image: kernel, root task and loader in one ELF file.

QEMU enters an ELF kernel at its lowest address, so the loader comes first and copies the rest into place. The root
task's image is contiguous in physical memory, right behind the kernel, as the load contract has it; data may be
appended to it, which the root task finds at the first page boundary behind its own end.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tessera.abi.boards import Board
from tessera.abi.layout import round_up
from tessera.abi.objects import MEGA_PAGE_BITS, PAGE_BITS
from tessera.arch.riscv64.target import KERNEL
from tessera.build.cache import PACKAGE
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.llvm.compile import assemble, link


@dataclass(frozen=True)
class FlatImage:
    """An ELF file as it lies in memory: bytes from ``start`` to ``end`` (bss included), and where it is entered."""

    start: int
    end: int
    entry: int
    data: bytes


@dataclass(frozen=True)
class BootImage:
    """Where everything lies: physical addresses, and the root task's virtual ones."""

    path: Path
    kernel_start: int
    kernel_end: int
    image_start: int
    image_end: int
    image_virtual: int
    loader_start: int


def flatten(elf: Path, *, physical: bool) -> FlatImage:
    """Lay out the segments of an ELF file. Raises :class:`Diagnostic` if it has none or is not ELF."""
    try:
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            where = "p_paddr" if physical else "p_vaddr"
            segments = [
                (int(s[where]), s.data(), int(s["p_memsz"])) for s in file.iter_segments() if s["p_type"] == "PT_LOAD"
            ]
            entry = int(file["e_entry"])
    except (OSError, ELFError) as error:
        raise Diagnostic("bad-elf", Location(str(elf)), "this is not an ELF file", why=str(error)) from None
    segments = [segment for segment in segments if segment[2]]
    if not segments:
        raise Diagnostic("bad-elf", Location(str(elf)), "the ELF file has nothing to load", why="no PT_LOAD segment")
    start = min(address for address, _, _ in segments)
    start -= start % (1 << PAGE_BITS)
    end = round_up(max(address + size for address, _, size in segments), PAGE_BITS)
    data = bytearray(end - start)
    for address, content, _ in segments:
        data[address - start : address - start + len(content)] = content
    return FlatImage(start, end, entry, bytes(data))


def make_boot_image(
    kernel: Path, root_task: Path, output: Path, board: Board, *, appended: bytes = b"", memory_size: int | None = None
) -> BootImage:
    """Write the bootable image. Raises :class:`Diagnostic` when it does not fit the board's memory."""
    core = flatten(kernel, physical=True)
    task = flatten(root_task, physical=False)
    content = task.data + appended
    image_start = core.end
    image_end = round_up(image_start + len(content), PAGE_BITS)
    loader_start = round_up(image_end, MEGA_PAGE_BITS)
    memory = board.memory(memory_size)
    loader_end = loader_start + (1 << MEGA_PAGE_BITS) + image_end - core.start
    if loader_end > memory.end:
        raise Diagnostic(
            "image-too-large",
            Location(str(output)),
            f"the image needs memory up to {loader_end:#x}, the board's ends at {memory.end:#x}",
            why=f"it is copied once; kernel {core.end - core.start} bytes, root task and data {len(content)} bytes",
            fix="use smaller components, or a board with more memory",
        )
    arch = PACKAGE / "arch" / "riscv64"
    defines = {
        "KERNEL_START": f"{core.start:#x}",
        "KERNEL_ENTRY": f"{core.entry:#x}",
        "IMAGE_START": f"{image_start:#x}",
        "IMAGE_END": f"{image_end:#x}",
        "IMAGE_VIRTUAL_OFFSET": str(image_start - task.start),
        "IMAGE_ENTRY": f"{task.entry:#x}",
        "LOADER_START": f"{loader_start:#x}",
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "payload.bin").write_bytes(core.data + content.ljust(image_end - image_start, b"\0"))
        item = assemble(
            arch / "loader.S", work / "loader.o", target=KERNEL, defines=defines, include=[work], debug_info=False
        )
        link([item], arch / "loader.ld", output, symbols={"LOADER_START": loader_start}, flags=["--no-gc-sections"])
    return BootImage(output, core.start, core.end, image_start, image_end, task.start, loader_start)
