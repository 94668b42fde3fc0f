# SPDX-License-Identifier: BSD-2-Clause
"""Programs that were linked elsewhere, as with upstream's SDK, run unchanged: the contract is in `sdk_program.c`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.run import boot

HERE = Path(__file__).parent
BOARD = "qemu_virt_riscv64"
SYSTEM = """\
<system>
    <memory_region name="test" size="0x1000" phys_addr="0x100000" />
    <memory_region name="rtc" size="0x1000" phys_addr="0x101000" />
    <protection_domain name="client" priority="100">
        <program_image path="client.elf" />
        <map mr="test" vaddr="0x5000000" perms="rw" cached="false" setvar_vaddr="device" />
    </protection_domain>
    <protection_domain name="server" priority="200" passive="true">
        <program_image path="server.elf" />
    </protection_domain>
    <protection_domain name="driver" priority="50">
        <program_image path="driver.elf" />
        <map mr="rtc" vaddr="0x5000000" perms="rw" cached="false" setvar_vaddr="device" />
        <irq irq="11" id="3" />
    </protection_domain>
    <channel><end pd="client" id="61" pp="true" notify="false" /><end pd="server" id="7" notify="false" /></channel>
    <channel><end pd="client" id="2" /><end pd="driver" id="9" /></channel>
</system>
"""


def link(name: str, folder: Path) -> None:
    tool = [sys.executable, "-m", "ziglang"]
    made, elf = folder / f"{name}.o", folder / f"{name}.elf"
    flags = [
        "-march=rv64imac",
        "-mabi=lp64",
        "-mcmodel=medany",
        "-O2",
        "-ffreestanding",
        "-fno-delete-null-pointer-checks",
    ]
    source = ["-c", "-o", str(made), f"-D{name.upper()}", str(HERE / "sdk_program.c")]
    subprocess.run([*tool, "clang", "--target=riscv64-unknown-elf", *flags, *source], check=True)
    script = ["-T", str(HERE / "sdk_program.ld")]
    subprocess.run([*tool, "ld.lld", *script, "-o", str(elf), str(made)], check=True)
    made.unlink()


@pytest.mark.qemu
@pytest.mark.parametrize("config", ["debug", "release"])
def test_programs_linked_elsewhere_run(tmp_path: Path, config: str) -> None:
    for name in ("client", "server", "driver"):
        link(name, tmp_path)
    description = tmp_path / "elsewhere.system"
    description.write_text(SYSTEM)
    built = build_system(description, BOARD, config, [], tmp_path / "image.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0, console.getvalue()
