# SPDX-License-Identifier: BSD-2-Clause
"""Answers kept by content: a query that was answered once, by the same solvers and limits, is not asked again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

Entry = dict[str, str | float]


def key_of(*parts: str) -> str:
    """The name under which an answer is kept: a digest of all that it depends on."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        # With its length before it, no part can run into the next.
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


class Cache:
    """A directory with one small file per answer. Several processes may use it at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, key: str) -> Entry | None:
        """The entry kept under a key; ``None`` where there is none, or none that can be read."""
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        # The key inside shows a file that was moved or cut short and still happens to be JSON.
        return entry if isinstance(entry, dict) and entry.pop("key", None) == key else None

    def put(self, key: str, entry: Mapping[str, str | float]) -> None:
        """Keep an entry. A directory that cannot be written to is no error: the answer is only not kept."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({**entry, "key": key}, file)
                os.replace(draft, path)  # whole or not at all, whoever else writes it
            except OSError:
                Path(draft).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key[2:]}.json"
