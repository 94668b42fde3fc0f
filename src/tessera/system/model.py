# SPDX-License-Identifier: BSD-2-Clause
"""A system as its description says it: components, memory regions and channels, each with its place in the file."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from tessera.lang.diagnostics import Diagnostic, Location


class Permissions(enum.Flag):
    """What a program may do with memory."""

    NONE = 0
    READ = enum.auto()
    WRITE = enum.auto()
    EXECUTE = enum.auto()

    def __str__(self) -> str:
        letters = {Permissions.READ: "r", Permissions.WRITE: "w", Permissions.EXECUTE: "x"}
        return "".join(letter for flag, letter in letters.items() if flag in self)


class Trigger(enum.Enum):
    """How an interrupt line signals."""

    LEVEL = "level"
    EDGE = "edge"


class Variable(enum.Enum):
    """What the value of a patched variable is."""

    VADDR = "address of the mapping"
    SIZE = "size of the memory region"
    PREFILL_SIZE = "size of the memory region's contents"
    REGION_PADDR = "physical address of the memory region"
    ID = "channel or child number"


@dataclass(frozen=True)
class MemoryRegion:
    """Memory that domains can map. ``size`` and ``page_size`` in bytes; ``phys_addr`` is None where any memory will do.
    ``page_size_open``: the description leaves the page size to us. ``bootinfo``: the record of the boot information
    that the region is to begin with.
    """

    name: str
    size: int
    page_size: int
    phys_addr: int | None
    prefill_path: str | None
    prefill: bytes
    location: Location
    page_size_open: bool = False
    bootinfo: str | None = None

    @property
    def pages(self) -> int:
        return self.size // self.page_size


@dataclass(frozen=True)
class Map:
    """A memory region in a domain's address space, from ``vaddr`` on."""

    mr: str
    vaddr: int
    perms: Permissions
    cached: bool
    setvar_vaddr: str | None
    setvar_size: str | None
    setvar_prefill_size: str | None
    location: Location


@dataclass(frozen=True)
class Irq:
    """An interrupt line that arrives as a notification on channel ``id``."""

    irq: int
    id: int
    trigger: Trigger
    setvar_id: str | None
    location: Location


@dataclass(frozen=True)
class SetVar:
    """A variable of a program that is given a value before the program starts.

    ``value`` is known, unless ``kind`` is a fact about the memory region ``region``.
    """

    symbol: str
    kind: Variable
    value: int | None
    region: str | None
    location: Location


class CapKind(enum.Enum):
    """Which capability of a domain is shared; the value is how an element names it after ``cap_``."""

    TCB = "tcb"
    SCHED_CONTEXT = "sc"
    VSPACE = "vspace"


@dataclass(frozen=True)
class ExtraCap:
    """A capability of the domain ``pd`` that another one gets, in ``slot`` of the root of its CSpace."""

    kind: CapKind
    slot: int
    pd: str
    location: Location


@dataclass(frozen=True)
class SchedulingDomain:
    """A set of threads that runs only in its own parts of the domain schedule."""

    name: str
    id: int
    location: Location


@dataclass(frozen=True)
class ScheduleEntry:
    """A part of the domain schedule: ``domain`` is the name of a scheduling domain, or None for the mark at which the
    schedule begins again. ``duration`` counts microseconds, or ticks of the timer if ``in_ticks``.
    """

    domain: str | None
    duration: int
    in_ticks: bool
    location: Location

    def ticks(self, ticks_per_us: int) -> int:
        return self.duration if self.in_ticks else self.duration * ticks_per_us


@dataclass(frozen=True)
class DomainSchedule:
    """The scheduling domains and their schedule, which begins at the entry ``start``. In the kernel's table its first
    entry is at the index ``shift``.
    """

    domains: tuple[SchedulingDomain, ...]
    entries: tuple[ScheduleEntry, ...]
    start: int
    shift: int
    location: Location

    def id_of(self, name: str) -> int:
        return next(domain.id for domain in self.domains if domain.name == name)

    def repeated(self) -> tuple[ScheduleEntry, ...]:
        """The entries that take turns: from the start to the next mark, or to the end."""
        taken = []
        for entry in self.entries[self.start :]:
            if entry.domain is None:
                break
            taken.append(entry)
        return tuple(taken)


@dataclass(frozen=True)
class ProtectionDomain:
    """A component. ``budget`` and ``period`` in microseconds, ``stack_size`` in bytes. ``id`` and ``parent`` are set in
    a child. ``domain`` is the name of its scheduling domain. ``setvars`` holds the patched variables of its own
    elements: maps, interrupts, children. ``caps`` are what it gets of other domains beside its channels. ``symbols``:
    the image in which symbols are looked up, if that is not the program's own.
    """

    name: str
    priority: int
    budget: int
    period: int
    passive: bool
    stack_size: int
    cpu: int
    smc: bool
    fpu: bool
    domain: str | None
    program_image: str
    image_location: Location
    maps: tuple[Map, ...]
    irqs: tuple[Irq, ...]
    setvars: tuple[SetVar, ...]
    children: tuple[ProtectionDomain, ...]
    id: int | None
    parent: str | None
    location: Location
    caps: tuple[ExtraCap, ...] = ()
    symbols: str | None = None
    symbols_location: Location | None = None


@dataclass(frozen=True)
class ChannelEnd:
    """One end of a channel. ``pp``: this end may call the other; ``notify``: it may notify the other."""

    pd: str
    id: int
    pp: bool
    notify: bool
    setvar_id: str | None
    location: Location


@dataclass(frozen=True)
class Channel:
    """Two domains that may reach each other."""

    a: ChannelEnd
    b: ChannelEnd
    location: Location

    def directions(self) -> tuple[tuple[ChannelEnd, ChannelEnd], tuple[ChannelEnd, ChannelEnd]]:
        """The two ways along the channel, each as (from, to)."""
        return (self.a, self.b), (self.b, self.a)


@dataclass(frozen=True)
class System:
    """A whole description. ``warnings`` are mistakes that do not stop a build."""

    location: Location
    memory_regions: tuple[MemoryRegion, ...]
    protection_domains: tuple[ProtectionDomain, ...]
    channels: tuple[Channel, ...]
    warnings: tuple[Diagnostic, ...] = ()
    schedule: DomainSchedule | None = None

    @property
    def file(self) -> str:
        return self.location.file

    def domains(self) -> tuple[ProtectionDomain, ...]:
        """Every domain; a parent comes before its children. A domain's index is its place in this order."""
        return tuple(flatten(self.protection_domains))

    def region(self, name: str) -> MemoryRegion:
        return next(region for region in self.memory_regions if region.name == name)

    def variables(self, pd: ProtectionDomain) -> tuple[SetVar, ...]:
        """Every variable of ``pd``'s program that gets a value from the description."""
        ends = (end for channel in self.channels for end, _ in channel.directions() if end.pd == pd.name)
        of_channels = (
            SetVar(e.setvar_id, Variable.ID, e.id, None, e.location) for e in ends if e.setvar_id is not None
        )
        return (*pd.setvars, *of_channels)

    def domain_id(self, pd: ProtectionDomain) -> int:
        """The number of the scheduling domain of ``pd``; 0 where there is no schedule."""
        return self.schedule.id_of(pd.domain) if self.schedule is not None and pd.domain is not None else 0

    def receives_calls(self, pd: ProtectionDomain) -> bool:
        """Whether something arrives at ``pd`` that is answered: a protected procedure call or a child's fault."""
        called = any(sender.pp and receiver.pd == pd.name for c in self.channels for sender, receiver in c.directions())
        return called or bool(pd.children)


def flatten(domains: tuple[ProtectionDomain, ...]) -> Iterator[ProtectionDomain]:
    """Domains and their children, depth first, a parent before its children."""
    for pd in domains:
        yield pd
        yield from flatten(pd.children)
