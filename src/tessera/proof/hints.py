# SPDX-License-Identifier: BSD-2-Clause
"""Hints: what the last proof of each obligation used, so that after an edit the same is tried first.

Of a hundred and more hypotheses a proof uses ten or twenty. They are known by their shapes, so that they are found
again where fresh names are numbered otherwise. A hint only chooses hypotheses: what is asked with it is proved as any
other obligation is, and where it no longer helps, the usual rounds follow.

Those of the last own proof are kept beside the answers. Where there was none, those of whoever wrote the ledger are
used, which are part of the source (:data:`FILE`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache as once
from pathlib import Path

from tessera.proof.claims import Claim
from tessera.smt.cache import Cache
from tessera.smt.text import short_digest

FILE = Path(__file__).with_name("kernel.hints")
# Written with every file; hints of another version are not used.
_VERSION = 3
_HEADER = f"""\
# What the proof of each obligation used, written by `tessera prove --ledger --update`; version {_VERSION}.
# Functions, and for each of their obligations a digest of its name, and of the hypotheses; or `=` and the round.
"""
# The rounds before the usual ones: with what the last proof used; with that and what is new.
SAME, HINTED = -2, -1


@dataclass
class Hints:
    """Of one function: by obligation (:func:`keys_of`) the shapes that its proof used, and all that could be used.

    ``rounds``: in which of the usual rounds the proof was found, where the solver did not tell what it used, or where
    that alone did not do. ``seen`` is empty where it is not known what could be used.
    """

    cores: dict[str, frozenset[str]] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()

    def chooses(self, key: str) -> Callable[[str], bool] | None:
        """Which hypotheses to try first: those that were used, and new ones. ``None`` where that is not known."""
        core = self.cores.get(key)
        return None if core is None or not self.seen else lambda shape: shape in core or shape not in self.seen

    def learn(self, key: str, core: tuple[str, ...], round: int, same: bool = False) -> None:
        """Remember how an obligation was proved, in a usual round or in one where hints chose.

        ``same``: with what was remembered and nothing else. That stays, even if a part of it would do, so that the same
        question is asked next time and its answer found.
        """
        if round < 0:
            if key in self.cores and core and not same:
                self.cores[key] = frozenset(core)
        elif core and self.cores.get(key) != frozenset(core):
            self.cores[key] = frozenset(core)
            self.rounds.pop(key, None)
        else:
            # What the last proof used was tried, and did not do.
            self.cores.pop(key, None)
            self.rounds[key] = round

    def save(self, cache: Cache, name: str) -> None:
        """Keep them beside the answers."""
        names = sorted(self.seen.union(*self.cores.values()))
        number = {shape: place for place, shape in enumerate(names)}
        cores = {key: sorted(number[shape] for shape in core) for key, core in self.cores.items()}
        told = {"names": names, "seen": sorted(number[one] for one in self.seen), "cores": cores, "rounds": self.rounds}
        cache.put(f"hints-{_VERSION}-{name}", {"hints": json.dumps(told)})

    @staticmethod
    def load(cache: Cache, name: str) -> Hints | None:
        """What was kept of a function, if anything was."""
        entry = cache.get(f"hints-{_VERSION}-{name}")
        try:
            told = json.loads(str(entry["hints"])) if entry else None
            if told is None:
                return None
            names = told["names"]
            cores = {key: frozenset(names[one] for one in core) for key, core in told["cores"].items()}
            rounds = {key: int(one) for key, one in told["rounds"].items()}
            return Hints(cores, rounds, frozenset(names[one] for one in told["seen"]))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None  # not written by us


def known_hints(cache: Cache | None, name: str) -> Hints | None:
    """Hints of a function: of the last proof that left some in the cache, otherwise those that come with the source."""
    own = Hints.load(cache, name) if cache is not None else None
    if own is None and (given := _of_source().get(name)) is not None:
        own = Hints(dict(given.cores), dict(given.rounds))
    return own


@once
def _of_source() -> dict[str, Hints]:
    try:
        return parse(FILE.read_text(encoding="utf-8"))
    except OSError:
        return {}


def parse(text: str) -> dict[str, Hints]:
    """Hints by function, as :func:`write_hints` wrote them; of another version, none."""
    found: dict[str, Hints] = {}
    if not text.startswith(_HEADER):
        return found
    of = Hints()
    for line in filter(None, text.splitlines()):
        key, *shapes = line.split()
        if key == "function" and len(shapes) == 1:
            of = found[shapes[0]] = Hints()
        elif shapes[:1] == ["="]:
            of.rounds[key] = int(shapes[1])
        elif key != "#":
            of.cores[key] = frozenset(shapes)
    return found


def write_hints(names: Iterable[str], learned: Mapping[str, Hints], cache: Cache | None, file: Path = FILE) -> None:
    """Write hints for the source: what was learned of these functions, or what is known of them otherwise.

    Each obligation has a line, so that few lines change when the kernel does.
    """
    lines = []
    for name in sorted(names):
        of = learned.get(name) or known_hints(cache, name) or Hints()
        told = {key: f"{key} {' '.join(sorted(core))}" for key, core in of.cores.items()}
        told |= {key: f"{key} = {round}" for key, round in of.rounds.items()}
        lines += [f"function {name}", *(told[key] for key in sorted(told))]
    file.write_text(_HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def keys_of(claims: Iterable[Claim]) -> list[str]:
    """Names of a function's obligations, in their order, that stay when lines move; short ones."""
    count: Counter[str] = Counter()
    keys = []
    for claim in claims:
        name = f"{claim.place} {claim.rule} {claim.text}"
        count[name] += 1
        keys.append(short_digest(f"{name} #{count[name]}".encode()))
    return keys
