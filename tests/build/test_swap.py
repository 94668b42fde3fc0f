# SPDX-License-Identifier: BSD-2-Clause
"""Putting a kernel into a loader image: what changes, what stays, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tessera.abi.configuration import configuration
from tessera.build.kernel import build_kernel
from tessera.build.swap import BLOCK, archives, only_segments, swap_kernel
from tessera.lang.diagnostics import Diagnostic


def entry(name: str, data: bytes, mode: int = 0o100644) -> bytes:
    """A file as cpio writes it."""
    numbers = [7, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(**files: bytes) -> bytes:
    text = b"".join(entry(name.replace("_", "."), data) for name, data in files.items()) + entry("TRAILER!!!", b"")
    return text + bytes(-len(text) % BLOCK)


INNER = archive(tests_elf=b"tests")
BEFORE, AFTER = b"\x7fELF loader, with 070701 in its text. " * 10, b"\x01data after the archive" * 9


@pytest.fixture(scope="module")
def kernel() -> Iterator[Path]:
    # The configuration that a build chooses is put back for the tests of other modules.
    before = vars(configuration).copy()
    yield build_kernel("sel4test", "qemu_virt_riscv64", "release").elf
    vars(configuration).update(before)


def make_image(folder: Path, room: int) -> Path:
    path = folder / "loader.img"
    path.write_bytes(BEFORE + archive(kernel_elf=bytes(room), kernel_dtb=b"tree", root=INNER + b"end") + AFTER)
    path.chmod(0o755)
    return path


def test_only_the_kernel_changes(kernel: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path, 150_000)
    done = swap_kernel(image, kernel, tmp_path / "new" / "out.img")
    data = done.image.read_bytes()
    assert len(data) == image.stat().st_size and done.image.stat().st_mode & 0o777 == 0o755
    assert data.startswith(BEFORE) and data.endswith(AFTER)
    (found,) = archives(data)
    files = {one.name: one.data for one in found.entries}
    assert files["kernel.dtb"] == b"tree" and files["root"] == INNER + b"end"
    assert len(files["kernel.elf"]) == done.new and done.old == 150_000
    assert found.start == len(BEFORE)


def test_the_kernel_loads_as_before(kernel: Path) -> None:
    whole, small = (
        ELFFile(io.BytesIO(data)) for data in (kernel.read_bytes(), only_segments(kernel.read_bytes(), kernel))
    )

    def loaded(elf: ELFFile) -> list[tuple[int, int, int, bytes]]:
        some = [one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD"]
        return [(one["p_vaddr"], one["p_paddr"], one["p_memsz"], one.data()) for one in some]

    assert loaded(small) == loaded(whole) and small["e_entry"] == whole["e_entry"]
    assert small.num_sections() == 0 and small.num_segments() == len(loaded(whole))


def rule_of(image: Path, kernel: Path, output: Path) -> str:
    with pytest.raises(Diagnostic) as caught:
        swap_kernel(image, kernel, output)
    assert not output.exists() or output == image
    return caught.value.rule


def test_what_is_refused(kernel: Path, tmp_path: Path) -> None:
    image, output, text = make_image(tmp_path, 150_000), tmp_path / "out.img", tmp_path / "text"
    text.write_text("no image")
    before = image.read_bytes()
    assert rule_of(image, kernel, image) == "output-overwrites" and image.read_bytes() == before
    assert rule_of(text, kernel, output) == "no-kernel-in-image"
    assert rule_of(image, text, output) == "no-kernel"
    assert rule_of(image, Path(sys.executable), output) == "no-kernel"
    assert rule_of(tmp_path / "nowhere", kernel, output) == "unreadable"
    text.write_bytes(kernel.read_bytes()[:700])
    assert rule_of(image, text, output) == "no-kernel"
    assert rule_of(make_image(tmp_path, 1_000), kernel, output) == "kernel-too-large"
    cut = make_image(tmp_path, 150_000)
    cut.write_bytes(cut.read_bytes()[:90_000])
    assert rule_of(cut, kernel, output) == "no-kernel-in-image"


def test_the_command(kernel: Path, tmp_path: Path) -> None:
    image, output = make_image(tmp_path, 150_000), tmp_path / "out.img"
    command = [sys.executable, "-m", "tessera.cli", "swap-kernel", str(image), "-o", str(output)]
    done = subprocess.run([*command, "--kernel", str(kernel)], capture_output=True, text=True, check=True)
    assert done.stdout == "" and f"image   {output}" in done.stderr and "room left" in done.stderr
    assert output.is_file()
