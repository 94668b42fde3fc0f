# SPDX-License-Identifier: BSD-2-Clause
"""The JSON form of the report has the form that its schema says, and the committed schema is that one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tessera.cli.answers import Answers
from tessera.system.distribute import distribute
from tessera.system.report import report
from tessera.system.report_schema import report_schema
from tessera.system.sdf import parse
from tests.system.systems import allocated, images

EXAMPLES = ("greeter", "relay", "nested", "interrupt", "passive", "domains")
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def broken(form: dict[str, Any], value: Any, where: str = "") -> list[str]:
    """Where a value is not of a form: as much of JSON Schema as ours uses."""
    unknown = set(form) - {
        "$schema", "title", "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const",
        "minimum", "minItems", "maxItems",
    }  # fmt: skip
    assert not unknown
    if "anyOf" in form:
        return [] if any(not broken(one, value, where) for one in form["anyOf"]) else [f"{where}: none of several"]
    if "const" in form or "enum" in form:
        return [] if value in form.get("enum", [form.get("const")]) else [f"{where}: {value!r}"]
    types = TYPES[form["type"]]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return [f"{where}: {type(value).__name__}"]
    told = []
    if isinstance(value, dict):
        told += [f"{where}/{key} is missing" for key in form.get("required", []) if key not in value]
        for key, each in value.items():
            inner = form.get("properties", {}).get(key, form.get("additionalProperties"))
            told += broken(inner, each, f"{where}/{key}") if inner is not None else []
    elif isinstance(value, list):
        assert form.get("minItems", 0) <= len(value) <= form.get("maxItems", len(value))
        told += [each for n, item in enumerate(value) for each in broken(form["items"], item, f"{where}/{n}")]
    elif "minimum" in form and value < form["minimum"]:
        told.append(f"{where}: {value}")
    return told


def facts_of(path: Path) -> dict[str, Any]:
    system = parse(path, search_path=[path.parent])
    programs = images(system)
    made = distribute(system, programs)
    facts = report(system, programs, made, allocated(made, system))
    facts["answers"] = Answers(path, "qemu_virt_riscv64", [], ignore_policy=True).facts()
    facts["description"] = path.read_text()
    return dict(json.loads(json.dumps(facts)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_reports_have_the_form_of_their_schema(repository: Path, name: str) -> None:
    facts = facts_of(repository / "examples" / name / f"{name}.system")
    assert broken(report_schema(), facts) == []
    # Nothing is in a report of which the schema says nothing.
    assert set(facts) <= set(report_schema()["properties"])


def test_another_form_is_seen(repository: Path) -> None:
    facts = facts_of(repository / "examples" / "passive" / "passive.system")
    del facts["components"][0]["priority"]
    facts["channels"][0]["ends"][0]["id"] = "0"
    facts["schema"] = "tessera-report-2"
    facts["memory"]["left"] = -1
    assert broken(report_schema(), facts) == [
        "/schema: 'tessera-report-2'",
        "/components/0/priority is missing",
        "/channels/0/ends/0/id: str",
        "/memory/left: -1",
    ]


def test_the_committed_schema_is_that_of_the_code(repository: Path) -> None:
    """`python -m tessera.system.report_schema docs/report-schema.json` writes it."""
    committed = json.loads((repository / "docs" / "report-schema.json").read_text())
    assert committed == report_schema()


def test_a_whole_build_has_the_form(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tessera.build.image import build_system

    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))
    system = repository / "examples" / "passive" / "passive.system"
    build_system(system, "qemu_virt_riscv64", "debug", [], tmp_path / "x.elf", tmp_path / "r.json")
    facts = json.loads((tmp_path / "r.json").read_text())
    assert broken(report_schema(), facts) == []
    assert set(facts) == set(report_schema()["properties"])
