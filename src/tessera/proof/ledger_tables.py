# SPDX-License-Identifier: BSD-2-Clause
"""The ledger for people: a table for the terminal, and the generated parts of the documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.proof.ledger import ASSUMED, IN_PLACE, ITSELF, NOT_REACHED, ROOT, Ledger, Row
from tessera.proof.targets import GROUPS

BEGIN = "<!-- written by `tessera prove --ledger --update` -->"
END = "<!-- end of what is written -->"
CAVEATS = ROOT / "docs" / "caveats.md"
README = ROOT / "README.md"
_WIDTH = 118


def table(ledger: Ledger) -> Iterator[str]:
    """For the terminal: one line for each function that proofs know, and the figures of the others."""
    yield f"{'function':<44}{'how':<13}{'safe':<6}{'invariants':<12}{'promises':<10}{'obligations':>11}  relies on"
    for name in sorted(ledger.rows):
        row = ledger.rows[name]
        if row.how == NOT_REACHED:
            continue
        if row.how == ASSUMED:
            yield f"{name:<44}{'assumed':<13}{'-':<6}{'-':<12}{row.contract + ' contract'}"
            continue
        count = f"{row.proved}/{row.obligations}" if row.how == ITSELF else ""
        invariants, promises = _word(row.keeps_invariants), _word(row.keeps_promises)
        told = f"  as spec.{row.refines}" if row.refines else ""
        relies = f"{len(row.assumed)} assumed" if row.assumed else ""
        line = f"{name:<44}{row.how:<13}{_word(row.safe):<6}{invariants:<12}{promises:<10}{count:>11}  {relies}"
        yield line.rstrip() + told + (f"  (not shown to end: {row.endless} loops)" if row.endless else "")
    counts = [(how, len(ledger.with_how(how))) for how in (ITSELF, IN_PLACE, ASSUMED, NOT_REACHED)]
    yield f"{len(ledger.rows)} functions of the kernel: " + ", ".join(f"{count} {how}" for how, count in counts)
    for name, (all_, proved) in ledger.laws.items():
        yield f"{name}: {proved} of {all_} proved"
    yield f"contracts, invariants and ghost code: {_ratio(ledger)}"


def caveats_part(ledger: Ledger) -> str:
    """What is proved, and what is not, for ``docs/caveats.md``."""
    lines = [
        "| functions under proof | safe | keep the invariants | keep their promises | obligations |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, rows in _groups(ledger):
        lines.append(
            f"| {title} | {_share(rows, 'safe')} | {_share(rows, 'keeps_invariants')} |"
            f" {_share(rows, 'keeps_promises')} | {sum(r.proved for r in rows)} of {sum(r.obligations for r in rows)} |"
        )
    counts = {how: len(ledger.with_how(how)) for how in (ITSELF, IN_PLACE, ASSUMED, NOT_REACHED)}
    itself, in_place = _complete(ledger, ITSELF), _complete(ledger, IN_PLACE)
    endless = sorted(name for name, row in ledger.rows.items() if row.endless and row.how in (ITSELF, IN_PLACE))
    hardware = sorted({name for row in ledger.rows.values() for name in row.hardware})
    broken = sorted(name for name, row in ledger.rows.items() if row.how == ITSELF and not row.complete)
    refining = sorted(name for name, row in ledger.rows.items() if row.refines)
    lines += [
        "",
        *_list(
            f"Of the kernel's {len(ledger.rows)} functions {counts[ITSELF]} are under proof, {itself} of them are"
            f" proved completely; {counts[IN_PLACE]} are read in place in these, {in_place} of them in completely"
            f" proved ones only; {counts[ASSUMED]} are assumed to keep their contracts; {counts[NOT_REACHED]} are"
            " reached by no proof."
        ),
        *_list("Under proof, but not proved completely: " + _names(broken)),
        *_list("Proved to do what the abstract kernel does, but for time: " + _names(refining)),
        *_list("Assumed by proofs, and not proved: " + _names(ledger.with_how(ASSUMED))),
        *_list("Hardware, and functions outside of the kernel, that proofs assume: " + _names(hardware)),
        *_list("Not shown to end (a loop without a measure): " + _names(endless)),
    ]
    return "\n".join(lines)


def readme_part(ledger: Ledger) -> str:
    """The figures for ``README.md``."""
    lines = ["| proved of the kernel's source | |", "| --- | --- |"]
    for title, rows in _groups(ledger):
        done = sum(row.complete for row in rows)
        lines.append(f"| {title} | {done} of {len(rows)} functions, {sum(row.proved for row in rows)} obligations |")
    lines.append(
        f"| of all {len(ledger.rows)} functions | {_complete(ledger, ITSELF)} by themselves,"
        f" {_complete(ledger, IN_PLACE)} in place in proved ones |"
    )
    lines.append(f"| compared with the abstract kernel | {sum(bool(row.refines) for row in ledger.rows.values())} |")
    laws = sum(proved for _, proved in ledger.laws.values())
    lines.append(f"| laws that the proofs rest on | {laws} |")
    lines.append(f"| contracts, invariants and ghost code | {_ratio(ledger)} |")
    return "\n".join(lines)


def update_documents(ledger: Ledger) -> list[Path]:
    """Write the generated parts; the files that have changed."""
    changed = []
    for path, part in ((CAVEATS, caveats_part(ledger)), (README, readme_part(ledger))):
        text = path.read_text(encoding="utf-8")
        new = replaced(text, part, path)
        if new != text:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed


def replaced(text: str, part: str, path: Path, begin: str = BEGIN) -> str:
    """A document with its generated part replaced. Raises Diagnostic where the marks are missing."""
    before, mark, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise Diagnostic(
            "document-marks",
            Location(str(path)),
            "the marks of the generated part are missing",
            why=f"it stands between {begin} and {END}",
            fix="put the two lines back where the table is to stand",
        )
    return f"{before}{begin}\n\n{part}\n\n{END}{after}"


def _groups(ledger: Ledger) -> Iterator[tuple[str, list[Row]]]:
    for group in GROUPS:
        yield group.title, [ledger.rows[name] for name in group.functions if name in ledger.rows]


def _complete(ledger: Ledger, how: str) -> int:
    """How many functions are proved completely; of those read in place, how many by all who read them."""
    rows = [row for row in ledger.rows.values() if row.how == how]
    return sum(all(ledger.rows[name].complete for name in row.callers) if row.callers else row.complete for row in rows)


def _ratio(ledger: Ledger) -> str:
    lines = ledger.lines
    return f"{lines.ratio:.1f} lines for each line of code under proof ({lines.proof} : {lines.code})"


def _share(rows: list[Row], what: str) -> str:
    values = [value for row in rows if (value := getattr(row, what)) is not None]
    if not values:
        return "-"
    return "all" if all(values) else f"{sum(values)} of {len(values)}"


def _word(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"


def _names(names: list[str]) -> str:
    """``a.b`` and ``a.c`` as ``a.{b, c}``, to be read at a glance."""
    modules: dict[str, list[str]] = {}
    for name in names:
        module, _, last = name.removeprefix("kernel.").rpartition(".")
        modules.setdefault(module, []).append(last)
    told = [f"`{module}` ({', '.join(sorted(last))})" for module, last in sorted(modules.items())]
    return ("; ".join(told) if told else "none") + "."


def _list(text: str) -> Iterator[str]:
    """One item of a list, in lines of the documents' width."""
    line = "-"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = " "
        line += f" {word}"
    yield line
