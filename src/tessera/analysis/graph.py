# SPDX-License-Identifier: BSD-2-Clause
"""What authority is told in: components and what they can reach, and steps between them, each with its source line."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tessera.lang.diagnostics import Location


class NodeKind(enum.Enum):
    """What a name of a description stands for; the value is the prefix that tells two of the same name apart."""

    COMPONENT = "component"
    REGION = "region"
    DEVICE = "device"
    INTERRUPT = "irq"


@dataclass(frozen=True)
class Node:
    """A component (the monitor is one), a memory region, a device of the board, or an interrupt by its number."""

    kind: NodeKind
    name: str

    def __str__(self) -> str:
        return f"interrupt {self.name}" if self.kind is NodeKind.INTERRUPT else f"'{self.name}'"

    @property
    def order(self) -> tuple[int, str]:
        return list(NodeKind).index(self.kind), self.name


def component(name: str) -> Node:
    return Node(NodeKind.COMPONENT, name)


class Right(enum.Enum):
    """What a component may do with something; the value is the word for it in a policy."""

    READ = "read"
    WRITE = "write"
    CALL = "call"
    NOTIFY = "notify"
    FAULT = "fault"
    CONTROL = "control"
    TIME = "time"
    INTERRUPT = "interrupt"


@dataclass(frozen=True)
class Grant:
    """One authority that a component is given. ``how`` is a sentence without its subject; ``detail`` is what tells it
    from others in its place: a channel's number, an address.
    """

    holder: str
    right: Right
    target: Node
    how: str
    location: Location
    detail: str = ""


class StepKind(enum.Enum):
    """Why a step is possible."""

    FLOW = "information"
    CONTROL = "control"


@dataclass(frozen=True)
class Step:
    """From one node to the next. A CONTROL step says that information flows because ``holder`` controls the other one,
    whatever the programs do.
    """

    source: Node
    target: Node
    text: str
    location: Location
    kind: StepKind = StepKind.FLOW
    holder: str = ""


@dataclass(frozen=True)
class Authority:
    """All that components can do, directly.

    ``flows``: steps that information can take. ``takes``: (holder, other) where the holder can come to have all that
    the other one has. ``everything``: components that reach all physical memory, and with it the kernel.
    """

    components: tuple[str, ...]
    locations: Mapping[Node, Location]
    grants: tuple[Grant, ...]
    flows: tuple[Step, ...]
    takes: Mapping[tuple[str, str], Step]
    everything: Mapping[str, Step]
    dma_regions: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> Iterable[Node]:
        return self.locations.keys()
