# SPDX-License-Identifier: BSD-2-Clause
"""Where results go: nothing of the user's is overwritten, and what cannot be written is told before it is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tessera.build.cache import cached
from tessera.build.image import build_system
from tessera.build.kernel import build_kernel
from tessera.build.outputs import check_outputs, writing
from tessera.lang.diagnostics import Diagnostic

BOARD = "qemu_virt_riscv64"


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


@pytest.fixture
def system(repository: Path, tmp_path: Path) -> Path:
    for path in (repository / "examples" / "greeter").iterdir():
        if path.is_file():
            shutil.copyfile(path, tmp_path / path.name)
    return tmp_path / "greeter.system"


@pytest.mark.parametrize(
    "image, report, rule, what",
    [
        ("x.img", "x.img", "output-overwrites", "the report would be written here, and this is where the image goes"),
        ("x.json", "x", "output-overwrites", "the report as JSON would be written here"),
        ("greeter.system", "r.txt", "output-overwrites", "the image would be written here, and this is an input"),
        ("x.img", "client.c", "output-overwrites", "the report would be written here, and this is an input"),
        ("folder", "r.txt", "output-is-folder", "the image cannot be written here"),
    ],
)
def test_results_overwrite_nothing(system: Path, image: str, report: str, rule: str, what: str) -> None:
    folder = system.parent
    (folder / "folder").mkdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(Diagnostic) as caught:
        build_system(system, BOARD, "debug", [], folder / image, folder / report)
    assert caught.value.rule == rule
    assert caught.value.what.startswith(what)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_name_reached_in_two_ways_is_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(Diagnostic):
        check_outputs({"one": tmp_path / "a", "two": tmp_path / "link" / "a"}, [])


def test_a_folder_that_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Diagnostic) as caught:
        build_kernel("microkit", BOARD, "debug", tmp_path / "file" / "kernel.elf")
    assert (caught.value.rule, caught.value.fix) == ("not-writable", "choose another place for the kernel with -o")
    monkeypatch.setenv("TESSERA_CACHE", str(tmp_path / "file"))
    with pytest.raises(Diagnostic) as caught:
        cached("kind", "key", lambda work: None)
    assert (caught.value.rule, caught.value.location.file) == ("not-writable", str(tmp_path / "file"))
    assert "TESSERA_CACHE" in caught.value.fix


def test_what_the_system_says_is_told() -> None:
    with pytest.raises(Diagnostic) as caught, writing(Path("here"), "elsewhere"):
        raise PermissionError(13, "Permission denied", "here/it")
    assert str(caught.value) == (
        "here: error: nothing can be written here: Permission denied [not-writable]\n"
        "  why: the system refused it for here/it\n"
        "  fix: elsewhere"
    )


@pytest.mark.parametrize("name", ["long" * 100, "loop", "loop/x"])
def test_names_that_the_system_does_not_take_are_told_when_they_are_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    place = tmp_path / name
    check_outputs({"the image": place}, [tmp_path / "source"])
    with pytest.raises(Diagnostic) as caught, writing(place.parent, "choose another place"):
        place.write_bytes(b"")
    assert caught.value.rule == "not-writable"
