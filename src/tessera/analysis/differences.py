# SPDX-License-Identifier: BSD-2-Clause
"""What has changed between two versions of a description: who gained and who lost which authority."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tessera.analysis.closure import Closure, Path
from tessera.analysis.graph import Authority, Grant, Node, NodeKind, component


@dataclass(frozen=True)
class Flow:
    """Information of ``source`` can come to ``target`` in one version and not in the other."""

    source: Node
    target: Node
    path: Path


@dataclass(frozen=True)
class Differences:
    """From an old version to a new one. Components are compared by their names."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    gained: tuple[Grant, ...]
    lost: tuple[Grant, ...]
    flows_gained: tuple[Flow, ...]
    flows_lost: tuple[Flow, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nobody can do anything else than before."""
        return not (self.added or self.removed or self.gained or self.lost or self.flows_gained or self.flows_lost)


def compare(old: Authority, new: Authority, trusted: frozenset[str]) -> Differences:
    """What differs. Places in the file, channel numbers and addresses may change without a difference."""
    return Differences(
        added=tuple(name for name in new.components if name not in old.components),
        removed=tuple(name for name in old.components if name not in new.components),
        gained=_more(old, new),
        lost=_more(new, old),
        flows_gained=_more_flows(old, new, trusted),
        flows_lost=_more_flows(new, old, trusted),
    )


def _more(less: Authority, more: Authority) -> tuple[Grant, ...]:
    """The grants of ``more`` that ``less`` does not have, or not as often. What belongs to every component as such,
    to have its faults handled by the monitor, is told with the component.
    """
    left = Counter((grant.holder, grant.right, grant.target) for grant in less.grants)
    found = []
    for grant in more.grants:
        key = grant.holder, grant.right, grant.target
        left[key] -= 1
        is_new = grant.holder not in less.components or grant.target.name not in {n.name for n in less.nodes}
        if left[key] < 0 and not (is_new and "monitor" in (grant.holder, grant.target.name)):
            found.append(grant)
    # A right that there already was a moment ago is no gain, however many ways there are to it.
    before = {(grant.holder, grant.right, grant.target) for grant in less.grants}
    return tuple(grant for grant in found if (grant.holder, grant.right, grant.target) not in before)


def _more_flows(less: Authority, more: Authority, trusted: frozenset[str]) -> tuple[Flow, ...]:
    """Flows between components that both versions have."""
    closure, other = Closure(more), Closure(less)
    both = [component(name) for name in more.components if name in less.components and name not in trusted]
    found = []
    for source in both:
        before = other.flows_from(source, trusted)
        for target, path in closure.flows_from(source, trusted).items():
            is_shared = target in less.locations and target.kind is not NodeKind.INTERRUPT
            if is_shared and target not in before and target.name not in trusted:
                found.append(Flow(source, target, path))
    return tuple(found)
