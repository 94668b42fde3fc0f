# SPDX-License-Identifier: BSD-2-Clause
"""Hints: what the last proof of each obligation used, so that after an edit the same is tried first.

Of a hundred and more hypotheses a proof uses ten or twenty. They are known by their shapes, so that they are found
again where fresh names are numbered otherwise. A hint only chooses hypotheses: what is asked with it is proved as any
other obligation is, and where it no longer helps, the usual rounds follow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tessera.proof.claims import Claim
from tessera.smt.cache import Cache

# Written with every file; hints of another version are not used.
_VERSION = 2
# The round before the usual ones.
HINTED = -1


@dataclass
class Hints:
    """Of one function: by obligation (:func:`keys_of`) the shapes that its proof used, and all that could be used.

    ``rounds``: in which of the usual rounds the proof was found, where the solver did not tell what it used, or where
    that alone did not do.
    """

    cores: dict[str, frozenset[str]] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()

    def chooses(self, key: str) -> Callable[[str], bool] | None:
        """Which hypotheses to try first: those that were used, and new ones. ``None`` where that is not known."""
        core = self.cores.get(key)
        return None if core is None else lambda shape: shape in core or shape not in self.seen

    def learn(self, key: str, core: tuple[str, ...], round: int) -> None:
        """Remember how an obligation was proved; ``round`` is :data:`HINTED` where hints chose."""
        if round == HINTED:
            if key in self.cores and core:
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


def keys_of(claims: Iterable[Claim]) -> list[str]:
    """Names of a function's obligations, in their order, that stay when lines move."""
    count: Counter[str] = Counter()
    keys = []
    for claim in claims:
        name = f"{claim.place} {claim.rule} {claim.text}"
        count[name] += 1
        keys.append(f"{name} #{count[name]}")
    return keys
