# SPDX-License-Identifier: BSD-2-Clause
"""What a source file says, as a short word that comments and layout do not change."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def fingerprint(source: str) -> str:
    """Equal for sources with equal syntax trees, docstrings included."""
    return hashlib.sha256(ast.dump(ast.parse(source)).encode()).hexdigest()[:16]


def fingerprints(folder: Path) -> dict[str, str]:
    """Those of all Python files below a folder, by their path from there."""
    return {
        path.relative_to(folder).as_posix(): fingerprint(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }
