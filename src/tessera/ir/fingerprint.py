# SPDX-License-Identifier: BSD-2-Clause
"""What a source file says, as a short word that whole lines of comments and empty lines do not change."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(source: str) -> str:
    """Equal for sources that differ in empty lines and lines of comments alone."""
    lines = (line.rstrip() for line in source.splitlines())
    said = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def fingerprints(folder: Path) -> dict[str, str]:
    """Those of all Python files below a folder, by their path from there."""
    return {
        path.relative_to(folder).as_posix(): fingerprint(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }
