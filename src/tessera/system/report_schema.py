# SPDX-License-Identifier: BSD-2-Clause
"""The form of ``report.json`` as a JSON Schema (draft 2020-12), for who reads it with programs.

``schema`` in a report names the version. Within a version keys are only added; what is there keeps its meaning.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SCHEMA = "tessera-report-1"

Form = dict[str, Any]

TEXT: Form = {"type": "string"}
NUMBER: Form = {"type": "integer", "minimum": 0}
SHARE: Form = {"type": "number", "minimum": 0}
TRUTH: Form = {"type": "boolean"}


def maybe(form: Form) -> Form:
    """The form, or null."""
    return {"anyOf": [form, {"type": "null"}]}


def all_of(form: Form) -> Form:
    """A list of things of one form."""
    return {"type": "array", "items": form}


def by_name(form: Form) -> Form:
    """An object with any keys, and values of one form."""
    return {"type": "object", "additionalProperties": form}


def record(optional: tuple[str, ...] = (), **properties: Form) -> Form:
    """An object with these keys; others may be there."""
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
    }


END = record(component=TEXT, id=NUMBER, may_call=TRUTH, may_notify=TRUTH)
USE = record(component=TEXT, start=NUMBER, perms=TEXT)
AREA = record(start=NUMBER, end=NUMBER, kind=TEXT, name=TEXT, perms=TEXT)
PART = record(name=TEXT, kind={"enum": ["firmware", "ram", "kernel", "device"]}, start=NUMBER, end=NUMBER)
COMPONENT = record(
    name=TEXT,
    index=NUMBER,
    program=TEXT,
    priority=NUMBER,
    budget=NUMBER,
    period=NUMBER,
    passive=TRUTH,
    stack_size=NUMBER,
    parent=maybe(TEXT),
    child_id=maybe(NUMBER),
    faults_to=TEXT,
    domain=maybe(TEXT),
    line=NUMBER,
    shared_caps=all_of(record(slot=NUMBER, kind=TEXT, of=TEXT)),
    interrupts=all_of(record(irq=NUMBER, channel=NUMBER, trigger=TEXT, line=NUMBER)),
)
REGION = record(
    name=TEXT,
    size=NUMBER,
    page_size=NUMBER,
    phys_addr=maybe(NUMBER),
    device=TRUTH,
    mapped_by=all_of(USE),
    line=NUMBER,
)
SCHEDULE = record(
    domains=all_of(record(name=TEXT, id=maybe(NUMBER))),
    repeated=all_of(record(domain=maybe(TEXT), ticks=NUMBER, components=all_of(TEXT))),
)
STEP = record(to=TEXT, text=TEXT, file=TEXT, line=NUMBER)
STEP["properties"]["from"] = TEXT
STEP["required"].append("from")
LINE = record(
    line=TEXT,
    file=TEXT,
    number=NUMBER,
    holds=TRUTH,
    reason=TEXT,
    path=all_of(STEP),
    rests_on=all_of(TEXT),
    notes=all_of(TEXT),
)
GRANT = record(holder=TEXT, right=TEXT, target=TEXT, text=TEXT, file=TEXT, line=NUMBER)
TIMES = record(
    ("problem", "ok", "kernel", "utilisation", "promises", "interrupts", "parts"),
    problem=TEXT,
    ok=TRUTH,
    kernel=record(time=SHARE, source=TEXT),
    utilisation=record(budgets=SHARE, jobs=SHARE, unlimited=all_of(TEXT)),
    promises=all_of(
        record(component=TEXT, what=TEXT, irq=maybe(NUMBER), response=maybe(SHARE), deadline=SHARE, holds=TRUTH)
    ),
    interrupts=all_of(record(component=TEXT, irq=NUMBER, latency=maybe(SHARE))),
    parts=all_of(record(component=TEXT, share=SHARE, unlimited=TRUTH)),
)
ANSWERS = record(
    ("policy", "authority", "time", "proofs"),
    policy=maybe(record(file=TEXT, ignored=TRUTH, lines=all_of(LINE))),
    authority=all_of(GRANT),
    time=TIMES,
    proofs=maybe(record(functions=by_name(record(how=TEXT)), laws=by_name({"type": "object"}), changed=all_of(TEXT))),
)
IMAGE = record(
    kernel=record(start=NUMBER, end=NUMBER, text=NUMBER),
    initialiser=record(start=NUMBER, end=NUMBER, distribution_bytes=NUMBER),
    programs=by_name(record(source=TEXT, kind=TEXT)),
)
DISTRIBUTION = record(
    architecture=TEXT,
    objects=all_of(record(name=TEXT, type=TEXT, memory_bits=maybe(NUMBER))),
    tables=all_of(record(vspace=TEXT, vaddr=NUMBER, table=TEXT, level=NUMBER)),
    mappings=all_of(record(vspace=TEXT, vaddr=NUMBER, frame=TEXT, perms=TEXT, cached=TRUTH)),
    schedule=maybe({"type": "object"}),
)


def report_schema() -> Form:
    """The whole schema."""
    whole = record(
        ("answers", "description", "configuration", "image"),
        schema={"const": SCHEMA},
        system=TEXT,
        components=all_of(COMPONENT),
        schedule=maybe(SCHEDULE),
        channels=all_of(record(ends={**all_of(END), "minItems": 2, "maxItems": 2}, line=NUMBER)),
        memory_regions=all_of(REGION),
        memory_map=by_name(all_of(AREA)),
        objects=all_of(record(type=TEXT, count=NUMBER, bytes=NUMBER)),
        memory_by_owner=by_name(NUMBER),
        machine=all_of(PART),
        memory=record(total=NUMBER, used=NUMBER, left=NUMBER),
        slots=NUMBER,
        warnings=all_of(record(rule=TEXT, file=TEXT, line=NUMBER, column=NUMBER, what=TEXT, why=TEXT, fix=TEXT)),
        distribution=DISTRIBUTION,
        answers=ANSWERS,
        description=TEXT,
        configuration=record(board=TEXT, config=TEXT, profile=TEXT),
        image=IMAGE,
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A report of tessera build", **whole}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(report_schema(), indent=1) + "\n", encoding="utf-8")
