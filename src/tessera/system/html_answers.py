# SPDX-License-Identifier: BSD-2-Clause
"""The answers of the page: the policy, who may do what, times, and what is proved of the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from xml.etree.ElementTree import Element

from tessera.system.html_parts import Cell, folded, source_link, table
from tessera.system.markup import append, node
from tessera.system.picture_components import time_text
from tessera.system.picture_time import responses_picture, utilisation_picture

HOW = {
    "itself": ("proved by itself", "each obligation has a proof"),
    "in place": ("proved in place", "read as part of its callers, which are proved"),
    "assumed": ("assumed", "proofs use its contract, which is not proved"),
    "not reached": ("not reached", "no proof needs it"),
}


def answers_parts(facts: Mapping[str, Any]) -> list[Element | None]:
    """What is asked about the system before it runs; nothing where the build did not ask."""
    answers = facts.get("answers") or {}
    if not answers:
        return [node("p", "This build has asked nothing.")]
    return [
        *_policy(facts, answers),
        *_time(answers["time"]),
        *_authority(facts, answers["authority"]),
    ]


def _place(facts: Mapping[str, Any], file: str, line: int) -> Element | str:
    """A place: a link where it is in the description of this page."""
    told = f"{PurePath(file).name}:{line}"
    return source_link(line, told) if PurePath(file).name == PurePath(facts["system"]).name else node("code", told)


def _policy(facts: Mapping[str, Any], answers: Mapping[str, Any]) -> list[Element | None]:
    policy = answers["policy"]
    if policy is None:
        return [node("p", "There is no policy beside the description, so nothing was decided.")]
    lines = policy["lines"]
    held = sum(line["holds"] for line in lines)
    told = f"{held} of {len(lines)} lines of {policy['file']} hold."
    if policy["ignored"]:
        told += " The system was built all the same (--ignore-policy)."
    listed = node("ul", class_="policy")
    for line in lines:
        mark = node("b", "yes" if line["holds"] else "no", class_="yes" if line["holds"] else "no")
        item = node("li", mark, " ", node("code", line["line"]), node("span", f" {line['reason']}", class_="muted"))
        if line["path"]:
            steps = [node("li", _place(facts, step["file"], step["line"]), f" {step['text']}") for step in line["path"]]
            append(item, node("ol", *steps))
        for each in line["rests_on"]:
            append(item, node("p", "relies on ", node("code", each), class_="muted"))
        append(listed, item)
    return [node("h3", "Policy"), node("p", told, class_=None if held == len(lines) else "alarm"), listed]


def _authority(facts: Mapping[str, Any], grants: Sequence[Mapping[str, Any]]) -> list[Element | None]:
    rows: list[Sequence[Cell]] = []
    names = []
    for grant in grants:
        row = (grant["holder"], grant["right"], grant["target"], grant["text"])
        rows.append((*row, _place(facts, grant["file"], grant["line"])))
        names.append((grant["holder"], grant["target"]))
    heads = ("component", "may", "what", "how", "where it is said")
    made = folded("Who may do what", table(heads, rows, names=names), len(rows), is_open=len(rows) <= 60)
    return [node("h3", "Authority"), made]


def _time(times: Mapping[str, Any]) -> list[Element | None]:
    if "problem" in times:
        return [node("h3", "Time"), node("p", f"Times were not computed: {times['problem']}")]
    made: list[Element | None] = [
        node("h3", "Time"),
        node(
            "p",
            f"With {time_text(times['kernel']['time'])} of the kernel at each activation ({times['kernel']['source']}) "
            "counted. A component without a line in the .timing file may use its whole budget. ",
            node("code", "tessera time"),
            " also tells what breaks first.",
        ),
        node("figure", node("figcaption", "Part of the processor that may be taken"), utilisation_picture(times)),
    ]
    if times["promises"]:
        caption = "Longest response, beside the deadline; the mark is where it ends without the kernel's own time"
        made.append(node("figure", node("figcaption", caption), responses_picture(times["promises"])))
        reasons = [
            node("li", node("b", promise["component"]), f": {reason}")
            for promise in times["promises"]
            for reason in promise["reasons"]
        ]
        made.append(node("ul", *reasons) if reasons else None)
    if times["interrupts"]:
        rows: list[Sequence[Cell]] = [
            (each["component"], each["irq"], "no bound" if each["latency"] is None else time_text(each["latency"]))
            for each in times["interrupts"]
        ]
        heads = ("component", "interrupt", "longest time to its first instruction")
        made.append(table(heads, rows, numbers=(1, 2), names=[(each["component"],) for each in times["interrupts"]]))
    return made


def proofs_parts(facts: Mapping[str, Any]) -> list[Element | None]:
    """What is proved of the kernel in this image."""
    proofs = (facts.get("answers") or {}).get("proofs")
    if proofs is None:
        return [node("p", "There is no ledger of proofs beside the tools that made this image.")]
    functions: Mapping[str, Any] = proofs["functions"]
    counts = Counter(row["how"] for row in functions.values())
    cards: list[Sequence[Cell]] = [(HOW[how][0], counts[how], HOW[how][1]) for how in HOW]
    obligations = sum(row.get("obligations", 0) for row in functions.values())
    proved = sum(row.get("proved", 0) for row in functions.values())
    laws = sum(law["proved"] for law in proofs["laws"].values())
    changed = proofs["changed"]
    if changed:
        note = node(
            "p",
            f"The ledger was written for other sources: {', '.join(changed)} of this kernel have changed since. What "
            "is said of functions there, and of what relies on them, is not known to hold.",
            class_="alarm",
        )
    else:
        note = node("p", "The ledger was written for exactly the sources of the kernel in this image.")
    rows: list[Sequence[Cell]] = []
    for name, row in sorted(functions.items(), key=lambda item: (list(HOW).index(item[1]["how"]), item[0])):
        counted = f"{row['proved']} of {row['obligations']}" if row.get("obligations") else ""
        relies = ", ".join([*row.get("assumed", []), *row.get("hardware", [])])
        rows.append((name.removeprefix("kernel."), HOW[row["how"]][0], counted, relies))
    listed = table(("function", "", "obligations", "relies on, unproved"), rows, code=(0,), numbers=(2,))
    return [
        note,
        node("p", f"{proved} of {obligations} obligations and {laws} laws have proofs found by SMT solvers."),
        table(("", "functions", "what that means"), cards, numbers=(1,)),
        folded("All functions", listed, len(rows), is_open=False),
    ]
