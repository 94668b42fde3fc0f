# SPDX-License-Identifier: BSD-2-Clause
"""What is around a simulated core: its files, the memory it begins with, and the reading of what it printed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.lang.diagnostics import Diagnostic
from tessera.suites.core import guest, run
from tessera.suites.core.run import COLD_ROUNDS, OPERATIONS, Count, memory_image, read_console
from tessera.suites.core.simulator import CONFIGURATION, PACKAGES, configuration, file_list, package_folder
from tessera.suites.program import build_suite


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> object:
        return None if name in PACKAGES.values() else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


@pytest.mark.usefixtures("without_packages")
def test_missing_packages_are_told() -> None:
    for name in PACKAGES:
        with pytest.raises(Diagnostic) as caught:
            package_folder(name)
        assert caught.value.rule == "rtl-missing" and name in caught.value.what
        assert "tessera[rtl]" in caught.value.fix
    with pytest.raises(Diagnostic, match="rtl-missing"):
        run.run(lambda what, done, of: None)


def test_options_that_do_not_go_together() -> None:
    for options in (["--core", "cva6", "--breakdown"], ["--core", "cva6", "--config", "debug"], ["--core", "other"]):
        done = subprocess.run(
            [sys.executable, "-m", "tessera.cli", "bench", *options], capture_output=True, check=False
        )
        assert done.returncode == 2, options


def core_files(root: Path, manifest: str, configuration_text: str) -> Path:
    """A package as the core's is laid out."""
    include = root / "core" / "include"
    include.mkdir(parents=True)
    (root / "core" / f"Flist.{CONFIGURATION}").write_text(manifest)
    (include / f"{CONFIGURATION}_config_pkg.sv").write_text(configuration_text)
    for name in ("a.sv", "b.sv"):
        (root / "core" / name).write_text("")
    return root


def test_the_list_of_files_is_derived(tmp_path: Path) -> None:
    manifest = """
// ${CVA6_REPO_DIR}/core/commented.sv
+define+WT_DCACHE
+incdir+${CVA6_REPO_DIR}/common/
${CVA6_REPO_DIR}/core/include/cv64a6_imafdc_sv39_config_pkg.sv
${CVA6_REPO_DIR}/core/b.sv
${CVA6_REPO_DIR}/core/fpu/src/fpu_div_sqrt_mvp/hdl/defs.sv
${CVA6_REPO_DIR}/core/a.sv
"""
    root = core_files(tmp_path, manifest, "x CVA6ConfigCvxifEn = 1; y")
    assert file_list(root) == ([f"{root}/core/b.sv", f"{root}/core/a.sv"], [f"+incdir+{root}/common/"])
    assert configuration(root) == "x CVA6ConfigCvxifEn = 0; y"


def test_a_package_of_another_shape_is_told(tmp_path: Path) -> None:
    lost = core_files(tmp_path / "lost", "${CVA6_REPO_DIR}/core/c.sv\n", "nothing")
    checks: list[Callable[[], object]] = [
        lambda: file_list(lost),
        lambda: configuration(lost),
        lambda: file_list(tmp_path),
    ]
    for check in checks:
        with pytest.raises(Diagnostic) as caught:
            check()
        assert caught.value.rule == "rtl-changed"


def test_memory_holds_shim_kernel_and_root_task(tmp_path: Path) -> None:
    image = build_suite("core", [guest.main], profile=run.PROFILE, config="release", checked=False)
    memory = memory_image(image, tmp_path)
    board = QEMU_VIRT_RISCV64
    assert len(memory) == image.layout.image_end - board.memory_start
    # The core begins at the first byte; the shim sets where traps go before anything else: auipc t0.
    assert int.from_bytes(memory[:4], "little") & 0xFFF == 0x297
    kernel = run.flatten(image.kernel, physical=True)
    place = kernel.start - board.memory_start
    assert memory[place : place + len(kernel.data)] == kernel.data
    # The root of translation has one entry, for the kernel's window, whose table begins where the kernel lies.
    root = [int.from_bytes(memory[at : at + 8], "little") for at in range(run.SHIM_TABLE, run.SHIM_TABLE + 4096, 8)]
    assert [index for index, entry in enumerate(root) if entry] == [510]
    window = (root[510] >> 10 << 12) - board.memory_start
    first = next(at for at in range(window, window + 4096, 8) if any(memory[at : at + 8]))
    assert int.from_bytes(memory[first : first + 8], "little") >> 10 << 12 == kernel.start


def console(skip: str = "", latencies: tuple[int, ...] = guest.LATENCIES) -> list[str]:
    """What a complete run prints: each round takes a hundred cycles longer at the start."""
    lines = ["", "CORE|1|9|9|9|9"]
    for latency in latencies:
        for names in (OPERATIONS[:1], OPERATIONS[1:3], OPERATIONS[3:]):
            lines.append("|".join(("CASE", *names)))
            for number in range(5):
                extra = 100 if number < COLD_ROUNDS else number
                for index, name in enumerate(names):
                    if name != skip:
                        lines.append(
                            f"CORE|{latency}|{1000 * (index + 1) + latency + extra}|{200 + index}|50|{30 + index}"
                        )
            lines.append("BENCH|null|0x1")
        lines += ["CASE", "CORE|1|9|9|9|9"]
    return [*lines, "CORE|END|12345"]


def test_what_is_printed_is_read() -> None:
    cycles, found = read_console(console())
    assert cycles == 12345
    by_name = {(item.name, item.latency): item for item in found}
    assert len(by_name) == len(found) == 7 * len(guest.LATENCIES)
    assert by_name["call.0", 10].cycles == [1012, 1013, 1014]
    assert by_name["reply_recv.0", 10].middle == Count(2013, 201, 50, 31)
    assert by_name["round_trip.0", 50].middle == Count(3106, 401, 100, 61)


@pytest.mark.parametrize(
    "lines",
    [console()[:-1], console(skip="null"), console(latencies=guest.LATENCIES[1:]), [*console(), "DIFF|a|0x1|0x0"]],
    ids=["no end", "missing", "latency", "difference"],
)
def test_an_incomplete_run_is_an_error(lines: list[str]) -> None:
    with pytest.raises(Diagnostic) as caught:
        read_console(lines)
    assert caught.value.rule == "core-failed"
