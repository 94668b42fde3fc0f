# SPDX-License-Identifier: BSD-2-Clause
"""Which files a report is made of, and in which form each is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tessera.build.image import build_system
from tessera.build.reports import report_files, write_reports
from tessera.system.distribute import distribute
from tessera.system.html import as_html
from tessera.system.report import as_text, report
from tests.system.systems import allocated, described, domain, images


@pytest.mark.parametrize(
    "asked, names",
    [
        ("x/report.txt", ["report.txt", "report.json", "report.html", "report.cdl"]),
        ("x/report", ["report", "report.json", "report.html", "report.cdl"]),
        ("x/report.html", ["report.html", "report.json", "report.cdl"]),
        ("x/report.HTM", ["report.HTM", "report.json", "report.cdl"]),
        ("x/report.json", ["report.json", "report.html", "report.cdl"]),
        ("x/report.cdl", ["report.cdl", "report.json", "report.html"]),
    ],
)
def test_files_of_a_report(asked: str, names: list[str], tmp_path: Path) -> None:
    system = described(domain("a"))
    programs = images(system)
    made = distribute(system, programs)
    facts = report(system, programs, made, allocated(made, system))
    files = report_files(tmp_path / asked)
    assert next(iter(files.values())) == tmp_path / asked
    assert [path.name for path in files.values()] == names
    write_reports(files.values(), facts, "the distribution\n")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted(names)
    for path in files.values():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            assert json.loads(text) == json.loads(json.dumps(facts))
        elif path.suffix == ".cdl":
            assert text == "the distribution\n"
        else:
            assert text == (as_html(facts) if path.suffix.lower().startswith(".htm") else as_text(facts))


def test_a_folder_has_no_forms() -> None:
    assert report_files(Path(".")) == {"the report": Path(".")}


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    system = described(domain("a"))
    programs = images(system)
    made = distribute(system, programs)
    facts = report(system, programs, made, allocated(made, system))
    facts["system"] = "\udcff.system"
    write_reports(report_files(tmp_path / "report.txt").values(), facts, "")
    assert "\\udcff.system" in (tmp_path / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", ["page.html", "page.json"])
def test_a_build_writes_the_form_that_is_asked_for(
    asked: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))
    system = repository / "examples" / "greeter" / "greeter.system"
    arguments = (system, "qemu_virt_riscv64", "debug", [], tmp_path / "x.elf", tmp_path / asked)
    built = build_system(*arguments)
    assert built.report == tmp_path / asked
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert page == as_html(facts)
    assert "qemu_virt_riscv64" in page
    assert "greeter/intruder.c" in page
    assert [r["name"] for r in facts["memory_regions"] if r["device"]] == ["test_device"]
    (tmp_path / "page.html").unlink()
    assert not build_system(*arguments).cached
    assert (tmp_path / "page.html").is_file()
    assert build_system(*arguments).cached
