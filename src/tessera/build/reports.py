# SPDX-License-Identifier: BSD-2-Clause
"""The files of a build's report: as text, as JSON and as a page with pictures, all of the same facts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PAGE_SUFFIXES = (".html", ".htm")
DISTRIBUTION_SUFFIX = ".cdl"


def report_files(report: Path) -> dict[str, Path]:
    """What is written for ``report``, by what it is called. Its suffix says what it is: ``.json``, ``.html``,
    ``.cdl``, or text.

    JSON, page and capability distribution are always written: beside it, under its name, where it is not one of them
    itself.
    """
    suffix = report.suffix.lower()
    files = {"the report": report}
    if report.name and suffix != ".json":
        files["the report as JSON"] = report.with_suffix(".json")
    if report.name and suffix not in PAGE_SUFFIXES:
        files["the report as a page"] = report.with_suffix(PAGE_SUFFIXES[0])
    if report.name and suffix != DISTRIBUTION_SUFFIX:
        files["the capability distribution"] = report.with_suffix(DISTRIBUTION_SUFFIX)
    return files


def distribution_file(report: Path) -> Path | None:
    """The file of :func:`report_files` that the capability distribution is in."""
    return next((path for path in report_files(report).values() if path.suffix.lower() == DISTRIBUTION_SUFFIX), None)


def write_reports(files: Iterable[Path], facts: Mapping[str, Any], distribution: str) -> None:
    """Write each file in the form of its suffix. ``facts``: those of ``tessera.system.report``; ``distribution``: the
    text of :mod:`tessera.system.capdl_write`. Raises ``OSError``.
    """
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Names of files need not be UTF-8; what is not is written as an escape.
        path.write_text(_content(path.suffix.lower(), facts, distribution), encoding="utf-8", errors="backslashreplace")


def _content(suffix: str, facts: Mapping[str, Any], distribution: str) -> str:
    from tessera.system.html import as_html
    from tessera.system.report import as_text

    if suffix == DISTRIBUTION_SUFFIX:
        return distribution
    if suffix == ".json":
        return json.dumps(facts, indent=1)
    return as_html(facts) if suffix in PAGE_SUFFIXES else as_text(facts)
