# SPDX-License-Identifier: BSD-2-Clause
"""The closure of authority: what a component can come to reach, and where information can go.

A component can come to have what it controls has: control is transitive, and DMA to all of memory is control over
everything. Information goes along flows, through every component that is not trusted to keep it.
(Lipton, Snyder: A linear time algorithm for deciding subject security, 1977. Sewell et al.: seL4 enforces integrity,
2011.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from tessera.analysis.graph import Authority, Grant, Node, NodeKind, Right, Step, StepKind, component

Path = tuple[Step, ...]


class Closure:
    """Questions about one system."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self._controlled: dict[str, dict[str, Path]] = {}
        self._closed: dict[frozenset[str], frozenset[str]] = {}

    @cached_property
    def _takes(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {name: [] for name in self.authority.components}
        for (holder, _), step in self.authority.takes.items():
            found[holder].append(step)
        return found

    @cached_property
    def _grants(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = {name: [] for name in self.authority.components}
        for grant in self.authority.grants:
            found[grant.holder].append(grant)
        return found

    @cached_property
    def _flows(self) -> dict[Node, list[Step]]:
        found: dict[Node, list[Step]] = {}
        for step in self.authority.flows:
            found.setdefault(step.source, []).append(step)
        return found

    # Control

    def controlled(self, holder: str) -> dict[str, Path]:
        """The components that ``holder`` can come to control, itself included, each with the shortest way there."""
        if holder in self._controlled:
            return self._controlled[holder]
        found: dict[str, Path] = {holder: ()}
        queue = deque([holder])
        while queue:
            name = queue.popleft()
            dma = self.authority.everything.get(name)
            steps = list(self._takes[name])
            if dma is not None:
                steps += [_to(dma, component(other)) for other in self.authority.components]
            for step in steps:
                if step.target.name not in found:
                    found[step.target.name] = (*found[name], step)
                    queue.append(step.target.name)
        self._controlled[holder] = found
        return found

    def reach(self, holder: str, target: Node, rights: frozenset[Right]) -> Path | None:
        """The shortest way in which ``holder`` comes to have one of ``rights`` to ``target``; None if there is none."""
        controlled = self.controlled(holder)
        if target.kind is NodeKind.COMPONENT and Right.CONTROL in rights and holder != target.name:
            if target.name in controlled:
                return controlled[target.name]
        best: Path | None = None
        for name, path in controlled.items():
            for step in self._access(name, target, rights):
                if best is None or len(path) + 1 < len(best):
                    best = (*path, step)
        return best

    def _access(self, name: str, target: Node, rights: frozenset[Right]) -> Iterator[Step]:
        """What a component can do with ``target`` itself."""
        wanted = self._parts(target)
        for grant in self._grants[name]:
            if grant.target in wanted and grant.right in rights and grant.target != component(name):
                yield Step(component(name), target, f"'{name}' {grant.how}", grant.location)
        dma = self.authority.everything.get(name)
        if dma is not None and target != component(name):
            yield _to(dma, target)

    def _parts(self, target: Node) -> set[Node]:
        """A device is reached through the memory regions of its registers."""
        if target.kind is not NodeKind.DEVICE:
            return {target}
        return {
            step.source
            for step in self.authority.flows
            if step.target == target and step.source.kind is NodeKind.REGION
        }

    # Information

    def closed(self, trusted: frozenset[str]) -> frozenset[str]:
        """The trusted components in which trust can hold: nobody controls them who is not trusted."""
        if trusted not in self._closed:
            self._closed[trusted] = frozenset(n for n in trusted if not self.untrusted_controllers(n, trusted))
        return self._closed[trusted]

    def untrusted_controllers(self, name: str, trusted: frozenset[str]) -> list[str]:
        """Who could make a component do anything, without being trusted."""
        return [
            other
            for other in self.authority.components
            if other not in trusted and other != name and name in self.controlled(other)
        ]

    def flow(self, source: Node, target: Node, trusted: frozenset[str]) -> Path | None:
        """The shortest way that information can take from ``source`` to ``target``; None if there is none.

        It does not go on through a component in ``trusted`` that nobody else controls.
        """
        return self.flows_from(source, trusted, lambda node: node == target).get(target)

    def flows_from(
        self, source: Node, trusted: frozenset[str], enough: Callable[[Node], bool] = lambda node: False
    ) -> dict[Node, Path]:
        """Every node that information from ``source`` can reach, with the shortest way to each."""
        closed = self.closed(trusted)
        found: dict[Node, Path] = {source: ()}
        queue = deque([source])
        while queue:
            node = queue.popleft()
            if enough(node):
                break
            if node != source and node.kind is NodeKind.COMPONENT and node.name in closed:
                continue
            for step in self._leaving(node):
                if step.target not in found:
                    found[step.target] = (*found[node], step)
                    queue.append(step.target)
        return found

    def _leaving(self, node: Node) -> Iterator[Step]:
        """The steps out of a node; who reaches all of memory can write it, and can read what anybody has."""
        everything = self.authority.everything
        if node.kind is NodeKind.COMPONENT and node.name in everything:
            yield from (_to(everything[node.name], other) for other in self.authority.nodes if other != node)
        for name, dma in everything.items():
            if component(name) != node:
                yield Step(node, component(name), dma.text, dma.location, StepKind.CONTROL, name)
        yield from self._flows.get(node, ())


def _to(step: Step, target: Node) -> Step:
    """The same step to another place in memory."""
    return Step(step.source, target, step.text, step.location, step.kind, step.holder)


def names_of(nodes: Iterable[Node]) -> list[str]:
    """Nodes as a person reads them, in order."""
    return [str(node) for node in sorted(nodes, key=lambda node: node.order)]
