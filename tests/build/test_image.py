# SPDX-License-Identifier: BSD-2-Clause
"""Systems from their sources to the end of their run in QEMU."""

from __future__ import annotations

import io
import json
import shutil
import time
from pathlib import Path

import pytest

from tessera.build.image import ImageBuild, build_system
from tessera.build.run import boot

SYSTEMS = Path(__file__).parent / "systems"
BOARD = "qemu_virt_riscv64"

pytestmark = pytest.mark.qemu


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


def build(name: str, folder: Path, config: str = "debug") -> ImageBuild:
    return build_system(SYSTEMS / name / f"{name}.system", BOARD, config, [SYSTEMS], folder / f"{name}.elf")


def run(built: ImageBuild) -> tuple[int, list[str]]:
    """Boot, and give the exit code and the lines behind those of the firmware and the kernel."""
    console = io.StringIO()
    result = boot(built.image, BOARD, timeout=60, stream=console)
    return result, console.getvalue().partition("INITIALISER|INFO")[2].splitlines()[1:]


def run_system(name: str, folder: Path) -> list[str]:
    result, lines = run(build(name, folder))
    assert result == 0, "\n".join(lines)
    return lines


def test_the_greeter_runs_to_its_end(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "greeter" / "greeter.system"
    built = build_system(system, BOARD, "debug", [], tmp_path / "greeter.elf")
    result, lines = run(built)
    text = "\n".join(lines)
    assert result == 0, text
    fault = next(line for line in lines if line.startswith("MONITOR|FAULT"))
    for part in ('component "intruder"', "read of 0x4000000", 'region "secret"', '"server" only', "intruder.c:18"):
        assert part in fault
    assert "I have it" not in text
    assert sum("and the server says so too" in line for line in lines) == 6
    assert lines[-1] == "power:    both have finished, good night"
    at = lines.index(fault)
    assert lines[at - 1].startswith("intruder:")
    assert any(line.startswith("client:") for line in lines[at:])


def test_a_second_build_does_nothing(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "greeter" / "greeter.system"
    arguments = (BOARD, "debug", [], tmp_path / "greeter.elf")
    first = build_system(system, *arguments)
    assert first.report.is_file()
    before = first.image.read_bytes()
    start = time.perf_counter()
    second = build_system(system, *arguments)
    assert time.perf_counter() - start < 2
    assert second.cached
    assert second.kernel.cached
    assert second.components == first.components
    assert second.image.read_bytes() == before


def test_an_image_that_was_changed_is_made_again(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "greeter" / "greeter.system"
    arguments = (BOARD, "debug", [], tmp_path / "greeter.elf")
    first = build_system(system, *arguments)
    before = first.image.read_bytes()
    first.image.write_bytes(b"something else")
    again = build_system(system, *arguments)
    assert not again.cached
    assert again.image.read_bytes() == before
    again.image.with_name("greeter.elf.inputs").write_text("[]")
    assert not build_system(system, *arguments).cached


def test_an_edited_source_is_built_again(repository: Path, tmp_path: Path) -> None:
    example = repository / "examples" / "greeter"
    for path in example.iterdir():
        if path.is_file():
            shutil.copyfile(path, tmp_path / path.name)
    system = tmp_path / "greeter.system"
    assert not build_system(system, BOARD, "debug", []).cached
    source = tmp_path / "server.py"
    source.write_text(source.read_text().replace("Hello, world!", "Hi there, world!"))
    built = build_system(system, BOARD, "debug", [])
    assert not built.cached
    assert built.kernel.cached
    assert any("Hi there, world!" in line for line in run(built)[1])


def test_a_prebuilt_program_is_taken_as_it_is(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "greeter" / "greeter.system"
    built = build_system(system, BOARD, "debug", [], tmp_path / "first.elf")
    folder = tmp_path / "prebuilt"
    folder.mkdir()
    for name, elf in built.components.items():
        shutil.copyfile(elf, folder / f"{name}.elf")
    again = build_system(system, BOARD, "debug", [folder], tmp_path / "second.elf")
    assert set(again.components.values()) == {folder / f"{name}.elf" for name in built.components}
    assert again.image.read_bytes() == built.image.read_bytes()
    assert run(again)[0] == 0


def test_a_release_system_runs_without_a_console(repository: Path, tmp_path: Path) -> None:
    system = repository / "examples" / "greeter" / "greeter.system"
    built = build_system(system, BOARD, "release", [], tmp_path / "greeter.elf")
    console = io.StringIO()
    assert boot(built.image, BOARD, timeout=60, stream=console) == 0
    assert "client:" not in console.getvalue()


def test_a_component_holds_what_the_distribution_says_and_nothing_else(tmp_path: Path) -> None:
    """On the real kernel: what the initialiser had is gone, and no slot holds more than the report says."""
    built = build("prober", tmp_path)
    result, lines = run(built)
    assert result == 0, lines
    facts = json.loads(built.report.with_suffix(".json").read_text())
    cnode = next(each for each in facts["distribution"]["objects"] if each["name"] == "prober.cnode")
    expected = sorted(int(slot) for slot in cnode["slots"])
    assert "PROBER|SLOTS " + " ".join(str(slot) for slot in expected) in lines
    assert "PROBER|BEYOND" in lines
    assert not [line for line in lines if line.startswith("MONITOR|ERROR")]


def test_every_fault_is_told_in_the_users_words_and_the_others_go_on(tmp_path: Path) -> None:
    lines = run_system("faults", tmp_path)
    told = {line.split('"')[1]: line for line in lines if line.startswith('MONITOR|FAULT: component "')}
    parts = {
        "null_pointer": ("null", "0x8", "faults.c:28 in init"),
        "read_only": ("write to 0x4000010", 'region "table"', "faults.c:30"),
        "overflow": ("the stack has overflowed", "faults.c:19 in descend"),
        "illegal": ("illegal instruction", "faults.c:35"),
        "unknown_call": ("99", "faults.c:37"),
        "jump": ("0x7654000",),
        "own_code": ("write to 0x", "faults.c:41"),
        "wrong_channel": ("channel 7", "faults.system"),
    }
    assert list(told) == list(parts)
    for name, expected in parts.items():
        for part in expected:
            assert part in told[name], told[name]


def rolling_sum(content: bytes, size: int) -> int:
    """What reader.c computes."""
    total = 0
    for byte in content.ljust(size, b"\0"):
        total = (total * 31 + byte) & 0xFFFF_FFFF
    return total


def test_memory_has_its_contents_before_anybody_runs(tmp_path: Path) -> None:
    small = bytes(range(1, 250)) * 20
    large = bytes(0x1003) + b"in the first page" * 3 + bytes(0x1F_FFF0) + b"in both large pages"
    (tmp_path / "small.bin").write_bytes(small)
    (tmp_path / "large.bin").write_bytes(large)
    folders = [SYSTEMS, tmp_path]
    built = build_system(SYSTEMS / "prefill" / "prefill.system", BOARD, "debug", folders, tmp_path / "prefill.elf")
    result, lines = run(built)
    assert result == 0, lines
    assert lines == [
        f"small {rolling_sum(small, 0x3000)}",
        f"large {rolling_sum(large, 0x40_0000)}",
        f"{len(large)} bytes",
    ]
    # Other contents, another image.
    (tmp_path / "small.bin").write_bytes(small[1:])
    again = build_system(SYSTEMS / "prefill" / "prefill.system", BOARD, "debug", folders, tmp_path / "prefill.elf")
    assert not again.cached
