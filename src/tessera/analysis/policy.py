# SPDX-License-Identifier: BSD-2-Clause
"""Policies: what must not be possible in a system, what must be, and on what the answers may rely.

    deny flow card -> network          no information of the one may come to the other
    deny reach nic_driver keys         no access, not even through others that it controls
    only flow filter -> network        no other component's information, except through this one
    only write sensor samples          nobody else may write it
    require call client server         this must be possible
    trust filter                       passes on nothing but what it is meant to
    distrust monitor                   (it is trusted unless said otherwise)
    assume dma nic_regs -> rx, tx      the device reaches these regions and no others; or -> nothing
    group inside = card, keys          a name for several

The words between names may be READ as in the rights of capabilities: read, write, call, notify, control. ``*`` stands
for all components of the description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tessera.analysis.graph import Node, NodeKind, Right, component
from tessera.analysis.lines import Cursor, Line, Word, unknown_name
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system import environment as env
from tessera.system.collect import Collector
from tessera.system.model import System

ALL = "*"
NOTHING = "nothing"
FLOW = "flow"

REACH = frozenset(Right) - {Right.FAULT}
RIGHTS: dict[str, frozenset[Right]] = {
    "reach": REACH,
    "read": frozenset({Right.READ}),
    "write": frozenset({Right.WRITE}),
    "call": frozenset({Right.CALL}),
    "notify": frozenset({Right.NOTIFY}),
    "control": frozenset({Right.CONTROL}),
}
VERBS = (FLOW, *RIGHTS)
DEMANDS = ("deny", "only", "require")
STATEMENTS = (*DEMANDS, "trust", "distrust", "assume", "group")

# To which kinds of things a verb can lead.
_COMPONENTS = (NodeKind.COMPONENT,)
_MEMORY = (NodeKind.REGION, NodeKind.DEVICE)
OBJECTS: dict[str, tuple[NodeKind, ...]] = {
    FLOW: tuple(NodeKind),
    "reach": tuple(NodeKind),
    "read": _MEMORY,
    "write": _MEMORY,
    "call": _COMPONENTS,
    "notify": _COMPONENTS,
    "control": _COMPONENTS,
}
FORMS = {
    "deny": "deny flow A -> B, or deny reach A B",
    "only": "only flow A -> B, or only reach A B",
    "require": "require flow A -> B, or require reach A B",
    "trust": "trust A",
    "distrust": "distrust A",
    "assume": "assume dma REGION -> R1, R2, or assume dma REGION -> nothing",
    "group": "group NAME = A, B",
}


@dataclass(frozen=True)
class Demand:
    """One line that is decided: ``word`` is one of DEMANDS, ``verb`` one of VERBS."""

    word: str
    verb: str
    subjects: tuple[Node, ...]
    objects: tuple[Node, ...]
    text: str
    location: Location


@dataclass(frozen=True)
class Assumption:
    """What a line takes for granted: a trusted component, or what the device behind a region reaches."""

    text: str
    location: Location
    trusted: str | None = None
    region: str | None = None
    reaches: tuple[str, ...] = ()


@dataclass
class Policy:
    """A policy whose names are those of a system. The monitor is trusted unless ``distrust`` names it."""

    demands: list[Demand] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)
    trusts_monitor: bool = True

    def trusted(self, without: Assumption | None = None) -> frozenset[str]:
        """The components that keep what they are told."""
        names = {each.trusted for each in self.assumptions if each is not without and each.trusted is not None}
        return frozenset(names | ({env.MONITOR_NAME} if self.trusts_monitor else set()))

    def dma(self, without: Assumption | None = None) -> dict[str, tuple[str, ...]]:
        """For the registers of devices, the regions that the device is assumed to reach at most."""
        some = (each for each in self.assumptions if each is not without)
        return {each.region: each.reaches for each in some if each.region is not None}


def read_policy(lines: Iterable[Line], system: System, nodes: Iterable[Node], dma_regions: Mapping[str, str]) -> Policy:
    """The policy that ``lines`` write. ``nodes``: everything that has a name; ``dma_regions``: regions with registers
    of devices with DMA. Raises :class:`Diagnostic` or :class:`Diagnostics`.
    """
    errors = Collector()
    reader = _Reader(system, nodes, dma_regions)
    for line in lines:
        try:
            reader.line(line)
        except Diagnostic as error:
            errors.errors.append(error)
    errors.stop_if_any()
    return reader.policy


class _Reader:
    def __init__(self, system: System, nodes: Iterable[Node], dma_regions: Mapping[str, str]) -> None:
        self.components = tuple(component(pd.name) for pd in system.domains())
        self.known: dict[str, list[Node]] = {}
        for node in nodes:
            self.known.setdefault(node.name, []).append(node)
        self.dma_regions = dma_regions
        self.groups: dict[str, tuple[tuple[Node, ...], Location]] = {}
        self.policy = Policy()

    def line(self, line: Line) -> None:
        word = Cursor(line, "deny flow A -> B").keyword(STATEMENTS, "the first word of a line")
        cursor = Cursor(line, FORMS[word.text])
        cursor.index = 1
        text = " ".join(f'"{each.text}"' if each.quoted else each.text for each in line.words).replace(" ,", ",")
        if word.text in DEMANDS:
            self.demand(word, cursor, text)
        elif word.text == "group":
            self.group(cursor)
        elif word.text == "assume":
            self.assume(cursor, text)
        else:
            self.trust(word, cursor, text)
        cursor.end()

    def demand(self, word: Word, cursor: Cursor, text: str) -> None:
        verb = cursor.keyword(VERBS, "what is asked").text
        sources = tuple(NodeKind) if verb == FLOW and word.text != "only" else _COMPONENTS
        subjects = self.names(cursor, sources, f"the subject of '{word.text} {verb}'")
        if verb == FLOW:
            cursor.sign("->")
        objects = self.names(cursor, OBJECTS[verb], f"the object of '{word.text} {verb}'")
        if word.text != "only" and set(subjects) == set(objects) and len(subjects) == 1:
            raise Diagnostic(
                "same-name",
                word.location,
                f"both sides of this line are {subjects[0]}",
                why="nothing can be kept from itself",
                fix="write two different names",
            )
        self.policy.demands.append(Demand(word.text, verb, subjects, objects, text, word.location))

    def trust(self, word: Word, cursor: Cursor, text: str) -> None:
        for name in cursor.names("the name of a component"):
            for node in self.resolve(name, _COMPONENTS, f"'{word.text}'"):
                if word.text == "trust":
                    self.policy.assumptions.append(Assumption(text, word.location, trusted=node.name))
                elif node.name == env.MONITOR_NAME:
                    self.policy.trusts_monitor = False
                else:
                    raise Diagnostic(
                        "nothing-to-distrust",
                        name.location,
                        f"{node} is not trusted anyway",
                        why="only the monitor is trusted without a line that says so",
                        fix="remove this line",
                    )

    def assume(self, cursor: Cursor, text: str) -> None:
        cursor.keyword(("dma",), "what is assumed")
        word = cursor.name("the name of a memory region")
        (node,) = self.resolve(word, (NodeKind.REGION,), "'assume dma'")
        if node.name not in self.dma_regions:
            raise Diagnostic(
                "no-dma",
                word.location,
                f"{node} does not hold the registers of a device with DMA",
                why="only such a device reaches memory by itself",
                fix="there is nothing to assume: remove this line, or name the region with the device's registers",
            )
        before = next((each for each in self.policy.assumptions if each.region == node.name), None)
        if before is not None:
            raise Diagnostic(
                "assumed-twice",
                word.location,
                f"what {node} reaches is assumed twice",
                why=f"it is also assumed at {before.location}",
                fix="write one line with all the regions",
            )
        cursor.sign("->")
        reached: tuple[Node, ...] = ()
        following = cursor.following
        if following is not None and following.text == NOTHING and not following.quoted:
            cursor.index += 1
        else:
            reached = self.names(cursor, (NodeKind.REGION,), "'assume dma'")
        here = cursor.line.words[0].location
        assumed = Assumption(text, here, region=node.name, reaches=tuple(each.name for each in reached))
        self.policy.assumptions.append(assumed)

    def group(self, cursor: Cursor) -> None:
        name = cursor.name("the name of the group")
        if name.text in self.known or name.text in (*self.groups, ALL, NOTHING):
            place = f"at {self.groups[name.text][1]}" if name.text in self.groups else "by the description"
            raise Diagnostic(
                "name-taken",
                name.location,
                f"the name '{name.text}' is taken",
                why=f"it is given {place}" if name.text not in (ALL, NOTHING) else "it has a meaning of its own",
                fix="choose another name for the group",
            )
        cursor.sign("=")
        self.groups[name.text] = (self.names(cursor, tuple(NodeKind), "a group"), name.location)

    def names(self, cursor: Cursor, kinds: Sequence[NodeKind], what: str) -> tuple[Node, ...]:
        words = cursor.names("a name")
        found = [node for word in words for node in self.resolve(word, kinds, what)]
        return tuple(dict.fromkeys(found))

    def resolve(self, word: Word, kinds: Sequence[NodeKind], what: str) -> tuple[Node, ...]:
        """What a name stands for. Raises :class:`Diagnostic` where it is nothing, or nothing that can stand there."""
        if not word.quoted and word.text == ALL and NodeKind.COMPONENT in kinds:
            return self.components
        if word.text in self.groups:
            members = self.groups[word.text][0]
            wrong = [node for node in members if node.kind not in kinds]
            if wrong:
                raise _wrong_kind(word, wrong[0], kinds, what)
            return members
        prefix, colon, rest = word.text.partition(":")
        of_kind = [kind for kind in NodeKind if colon and kind.value == prefix]
        candidates = self.known.get(rest if of_kind else word.text, [])
        candidates = [node for node in candidates if not of_kind or node.kind is of_kind[0]]
        if not of_kind:  # a number alone is no name of an interrupt
            candidates = [node for node in candidates if node.kind is not NodeKind.INTERRUPT]
        fitting = [node for node in candidates if node.kind in kinds]
        if len(fitting) == 1:
            return (fitting[0],)
        if candidates and not fitting:
            raise _wrong_kind(word, candidates[0], kinds, what)
        if fitting:
            raise Diagnostic(
                "ambiguous-name",
                word.location,
                f"'{word.text}' is the name of several things",
                why=f"it is a {' and a '.join(node.kind.value for node in fitting)}",
                fix=f"write {' or '.join(f'{node.kind.value}:{node.name}' for node in fitting)}",
            )
        known = [
            name for name, some in self.known.items() if any(n.kind in kinds for n in some) and not name.isdecimal()
        ]
        named = " or ".join(kind.value for kind in kinds if kind is not NodeKind.INTERRUPT)
        nothing = f"write the name of a {named} of the description"
        raise unknown_name(word, named, [*known, *self.groups], nothing)


def _wrong_kind(word: Word, node: Node, kinds: Sequence[NodeKind], what: str) -> Diagnostic:
    wanted = " or ".join(kind.value for kind in kinds)
    hint = "write 'control' for components" if NodeKind.REGION in kinds else f"name a {wanted}"
    return Diagnostic(
        "wrong-kind",
        word.location,
        f"{node} is a {node.kind.value}, and here should be a {wanted}",
        why=f"{what} goes with that alone",
        fix=hint,
    )
