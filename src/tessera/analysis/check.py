# SPDX-License-Identifier: BSD-2-Clause
"""Deciding a policy: each line holds with a reason, or does not hold with the shortest way in which it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from tessera.analysis.closure import Closure, Path, names_of
from tessera.analysis.graph import Authority, Node, NodeKind, component
from tessera.analysis.policy import FLOW, RIGHTS, Assumption, Demand, Policy
from tessera.system import environment as env

# The authority of the system under assumptions about DMA.
Derive = Callable[[dict[str, tuple[str, ...]]], Authority]


@dataclass(frozen=True)
class Answer:
    """Of one line. ``path`` is how it is broken (or, of `require`, how it is possible); ``rests_on`` are the
    assumptions without which it would not hold; ``notes`` say where trust does not help.
    """

    demand: Demand
    holds: bool
    reason: str
    path: Path = ()
    rests_on: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()


def decide(policy: Policy, derive: Derive) -> list[Answer]:
    """An answer to every line of a policy."""

    @cache
    def closure(assumed: tuple[tuple[str, tuple[str, ...]], ...]) -> Closure:
        return Closure(derive(dict(assumed)))

    def under(without: Assumption | None) -> tuple[Closure, frozenset[str]]:
        return closure(tuple(sorted(policy.dma(without).items()))), policy.trusted(without)

    return [_decide(demand, policy, under) for demand in policy.demands]


Under = Callable[[Assumption | None], tuple[Closure, frozenset[str]]]


def _decide(demand: Demand, policy: Policy, under: Under) -> Answer:
    answer = _answer(demand, *under(None))
    if not answer.holds or demand.word == "require":
        return answer
    needed = [each for each in policy.assumptions if not _answer(demand, *under(each)).holds]
    return replace(answer, rests_on=tuple(needed))


def _answer(demand: Demand, closure: Closure, trusted: frozenset[str]) -> Answer:
    found = list(_ways(demand, closure, trusted))
    if demand.word == "require":
        missing = [(a, b) for a, b, path in found if path is None]
        if missing:
            a, b = missing[0]
            return Answer(demand, False, f"there is no way from {a} to {b}: {_borders(demand, closure, trusted, a, b)}")
        return Answer(demand, True, "it is possible", found[0][2] or () if found else ())
    broken = [(a, b, path) for a, b, path in found if path is not None]
    if broken:
        a, b, path = min(broken, key=lambda each: len(each[2]))
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        through = {node for step in path for node in (step.source, step.target)}
        return Answer(demand, False, f"{_tell(demand, a, b)}{more}", path, notes=_notes(closure, trusted, through))
    if not found:
        return Answer(demand, True, "there is nobody else")
    a, b, _ = found[0]
    more = f" (the first of {len(found)} pairs)" if len(found) > 1 else ""
    return Answer(demand, True, _borders(demand, closure, trusted, a, b) + more)


def _ways(demand: Demand, closure: Closure, trusted: frozenset[str]) -> Iterator[tuple[Node, Node, Path | None]]:
    """Every pair of nodes that the line is about, with the shortest way between them if there is one."""
    subjects: tuple[Node, ...] = demand.subjects
    if demand.word == "only":
        # The named ones are where it may go through. Others come through them, or not at all.
        # The monitor belongs to the platform, and controls every component.
        allowed = {node.name for node in subjects}
        platform = trusted & {env.MONITOR_NAME}
        subjects = tuple(component(name) for name in closure.authority.components if name not in allowed | platform)
        trusted = trusted | allowed
    for subject in subjects:
        ways = closure.flows_from(subject, trusted) if demand.verb == FLOW else {}
        for target in demand.objects:
            if subject == target:
                continue
            if demand.verb == FLOW:
                yield subject, target, ways.get(target)
            else:
                yield subject, target, closure.reach(subject.name, target, RIGHTS[demand.verb])


def _tell(demand: Demand, a: Node, b: Node) -> str:
    if demand.verb == FLOW:
        return f"information of {a} can come to {b}"
    return f"{a} can {demand.verb} {b}"


def _notes(closure: Closure, trusted: frozenset[str], through: set[Node]) -> tuple[str, ...]:
    """Trust in somebody whom another one controls does not help."""
    notes = []
    for node in sorted(through, key=lambda node: node.order):
        if node.kind is NodeKind.COMPONENT and node.name in trusted:
            others = closure.untrusted_controllers(node.name, trusted)
            if others:
                notes.append(f"{node} is trusted, but controlled by {', '.join(repr(other) for other in others)}")
    return tuple(notes)


def _borders(demand: Demand, closure: Closure, trusted: frozenset[str], a: Node, b: Node) -> str:
    """Why there is no way from ``a`` to ``b``: how far it goes from the one side, and who is at the other."""
    if demand.verb == FLOW:
        reached = set(closure.flows_from(a, trusted)) - {a}
        sources = [node for node in closure.authority.nodes if b in closure.flows_from(node, trusted) and node != b]
        return f"what {a} has comes to {_only(reached)}; {b} learns from {_only(sources)}"
    controlled = [component(name) for name in closure.controlled(a.name) if name != a.name]
    able = [
        component(name)
        for name in closure.authority.components
        if name not in trusted & {env.MONITOR_NAME} and closure.reach(name, b, RIGHTS[demand.verb]) is not None
    ]
    return f"{_only(able)} can {demand.verb} {b}; {a} controls {_list(controlled) if controlled else 'nobody else'}"


def _only(nodes: list[Node] | set[Node]) -> str:
    return f"{_list(nodes)} alone" if nodes else "nobody"


def _list(nodes: list[Node] | set[Node]) -> str:
    names = names_of(nodes)
    if len(names) > 8:
        return f"{', '.join(names[:8])} and {len(names) - 8} more"
    return ", ".join(names)
