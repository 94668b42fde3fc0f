# SPDX-License-Identifier: BSD-2-Clause
"""Results of build steps by content: a folder per digest of everything that went into it.

``TESSERA_CACHE`` names the folder; otherwise it is ``build/cache`` below the current directory, which ``make clean``
removes. A result is complete or absent: it is made in a temporary folder that is renamed at the end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from tessera.build.outputs import writing

PACKAGE = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    """Where results are kept."""
    return Path(os.environ.get("TESSERA_CACHE") or Path("build") / "cache")


@cache
def toolchain_versions() -> str:
    """Versions of what turns sources into machine code; part of every digest."""
    return " ".join(f"{name}={metadata.version(name)}" for name in ("llvmlite", "ziglang"))


def source_files(*parts: str) -> list[Path]:
    """All source files of parts of the package, in a stable order."""
    found: list[Path] = []
    for part in parts:
        found += sorted(p for p in (PACKAGE / part).rglob("*") if p.suffix in {".py", ".S", ".c", ".h", ".ld"})
    return found


def digest(texts: Iterable[str], files: Iterable[Path]) -> str:
    """One digest of texts and of the contents of files; names of files count, their places do not."""
    sum_ = hashlib.sha256()
    for text in (toolchain_versions(), *texts):
        sum_.update(text.encode() + b"\0")
    for path in files:
        sum_.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sum_.hexdigest()[:32]


def cached(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder with the result for ``key``, and whether it was there already; ``make`` fills a new folder."""
    target = cache_folder() / kind / key
    if target.is_dir():
        return target, True
    with writing(cache_folder(), "name a folder for compiled parts: TESSERA_CACHE=/some/folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        make(work)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process made the same result first
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target, False
