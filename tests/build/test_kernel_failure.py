# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that finds a mistake in itself says so, with its place, and the run does not end with success."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.build import kernel, run
from tessera.build.boot_image import make_boot_image
from tessera.kernel import boot
from tessera.lang import at, compiled, struct, u64
from tests.guest import assemble_guest


@struct
class Nowhere:
    """A word at an address that nothing is mapped at."""

    value: u64


@compiled
def planted_violation(entry: u64) -> None:
    assert entry == 0, "planted"


@compiled
def planted_trap(entry: u64) -> None:
    at(Nowhere, 8).value = entry


def run_with(planted: object, config: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Build and boot a kernel in which starting the root task goes wrong."""
    monkeypatch.setattr(boot, "start_root_task", planted)
    kernel.select("microkit", "qemu_virt_riscv64", config)
    kernel.compile_kernel(folder, kernel.Phases(None))
    root_task = assemble_guest(folder, b"never printed", None)
    image = make_boot_image(folder / "kernel.elf", root_task, folder / "image", QEMU_VIRT_RISCV64)
    console = io.StringIO()
    return run.boot(image.path, "qemu_virt_riscv64", timeout=30, stream=console), console.getvalue()


@pytest.mark.qemu
def test_a_violation_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, console = run_with(planted_violation, "debug", tmp_path, monkeypatch)
    assert code == run.SYSTEM_FAILED
    line = next(line for line in console.splitlines() if line.startswith("KERNEL|VIOLATION"))
    assert "test_kernel_failure.py:" in line
    assert "assert" in line


@pytest.mark.qemu
@pytest.mark.parametrize("config", ["debug", "release"])
def test_a_trap_of_the_kernel_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    code, console = run_with(planted_trap, config, tmp_path, monkeypatch)
    assert code == run.SYSTEM_FAILED
    assert ("KERNEL|TRAP: the kernel trapped: cause 0xf" in console) == (config == "debug")


@pytest.mark.qemu
def test_a_failed_initialiser_ends_the_run(tmp_path: Path) -> None:
    image = assemble_guest(tmp_path, b"INITIALISER|ERROR: cannot make anything\n", None)
    assert run.boot(image, "qemu_virt_riscv64", timeout=30, stream=io.StringIO()) == run.SYSTEM_FAILED
