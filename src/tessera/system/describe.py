# SPDX-License-Identifier: BSD-2-Clause
"""Writing system descriptions in Python, for systems that are generated.

    system = System()
    ring = system.memory_region("ring", 0x1000)
    server = system.protection_domain("server", "server.elf", priority=200, passive=True)
    client = system.protection_domain("client", "client.elf", priority=100)
    client.map(ring, 0x400_0000, "rw", setvar_vaddr="ring_vaddr")
    channel = system.channel(client, server, pp="a", setvar_id_a="server_channel")
    system.write(Path("made.system"))

The names of arguments are those of the attributes (docs/microkit.md). Numbers of channels and children are chosen where
they are left out: the lowest that is free. Mistakes are told at the lines of Python that make them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.sax.saxutils import quoteattr

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.profiles import MICROKIT, Profile
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.system import model
from tessera.system.locate import search_folders
from tessera.system.sdf import parse

Who = Literal["none", "a", "b"]
Value = str | int | bool | None

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
# Numbers that are sizes and addresses are written as such.
_HEXADECIMAL = {"size", "page_size", "phys_addr", "vaddr", "stack_size"}
_INDENT = "    "
# The name of the text in messages, and how they name a place in it.
_SHOWN = "described.system"
_PLACE = re.compile(re.escape(_SHOWN) + r":(\d+)(?::\d+)?")


def _caller() -> Location:
    """The line of the program that uses this module."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno)


@dataclass(eq=False)
class _Element:
    """An element to be written: its attributes in order, what is inside, and the line that asks for it."""

    tag: str
    attributes: dict[str, Value]
    place: Location
    children: list[_Element] = field(default_factory=list)

    def add(self, tag: str, **attributes: Value) -> _Element:
        element = _Element(tag, attributes, _caller())
        self.children.append(element)
        return element

    def lines(self, depth: int) -> Iterator[tuple[str, Location]]:
        """The lines of the element, each with the place that it comes from."""
        said = "".join(
            f" {name}={quoteattr(_written(name, value))}"
            for name, value in self.attributes.items()
            if value is not None
        )
        indent = _INDENT * depth
        if not self.children:
            yield f"{indent}<{self.tag}{said} />", self.place
            return
        yield f"{indent}<{self.tag}{said}>", self.place
        for child in self.children:
            yield from child.lines(depth + 1)
        yield f"{indent}</{self.tag}>", self.place


def _written(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:#x}" if name in _HEXADECIMAL else str(value)
    return str(value)


@dataclass(frozen=True, eq=False)
class MemoryRegion:
    """A region of the system; domains map it by :meth:`ProtectionDomain.map`."""

    name: str
    size: int | None


@dataclass(frozen=True, eq=False)
class Domain:
    """A scheduling domain."""

    name: str


@dataclass(frozen=True, eq=False)
class Channel:
    """A channel, and the number that it has at each end."""

    a: ProtectionDomain
    b: ProtectionDomain
    id_a: int
    id_b: int


class ProtectionDomain:
    """A component of a :class:`System`. ``id``: the number by which a parent knows it, in a child."""

    def __init__(self, element: _Element, name: str, id: int | None = None) -> None:
        self._element = element
        self._cspace: _Element | None = None
        self._channels: set[int] = set()
        self._children: set[int] = set()
        self.name = name
        self.id = id

    def map(
        self,
        region: MemoryRegion | str,
        vaddr: int,
        perms: str = "rw",
        *,
        cached: bool | None = None,
        setvar_vaddr: str | None = None,
        setvar_size: str | None = None,
        setvar_prefill_size: str | None = None,
    ) -> None:
        """Map a region at an address. ``perms``: letters of ``r``, ``w`` and ``x``."""
        self._element.add(
            "map",
            mr=region if isinstance(region, str) else region.name,
            vaddr=vaddr,
            perms=perms,
            cached=cached,
            setvar_vaddr=setvar_vaddr,
            setvar_size=setvar_size,
            setvar_prefill_size=setvar_prefill_size,
        )

    def irq(
        self,
        irq: int,
        id: int | None = None,
        *,
        trigger: Literal["level", "edge"] | None = None,
        setvar_id: str | None = None,
    ) -> int:
        """Give the domain an interrupt; the answer is the number of its channel."""
        number = _number(id, self._channels)
        self._element.add("irq", irq=irq, id=number, trigger=trigger, setvar_id=setvar_id)
        return number

    def setvar(self, symbol: str, *, region_paddr: MemoryRegion | str) -> None:
        """Set a variable of the program to the physical address of a region."""
        name = region_paddr if isinstance(region_paddr, str) else region_paddr.name
        self._element.add("setvar", symbol=symbol, region_paddr=name)

    def capability(self, kind: Literal["tcb", "sc", "vspace"], of: ProtectionDomain | str, slot: int) -> None:
        """Give the domain a capability of another one, in a slot of the root of its capability space."""
        if self._cspace is None:
            self._cspace = self._element.add("cspace")
        self._cspace.add(f"cap_{kind}", slot=slot, pd=of if isinstance(of, str) else of.name)

    def protection_domain(
        self,
        name: str,
        program_image: str,
        id: int | None = None,
        *,
        setvar_id: str | None = None,
        priority: int | None = None,
        budget: int | None = None,
        period: int | None = None,
        passive: bool | None = None,
        stack_size: int | None = None,
        cpu: int | None = None,
        fpu: bool | None = None,
        domain: Domain | str | None = None,
        path_for_symbols: str | None = None,
    ) -> ProtectionDomain:
        """A child, whose faults this domain handles."""
        number = _number(id, self._children)
        element = self._element.add("protection_domain", name=name, id=number, setvar_id=setvar_id)
        _describe(
            element, program_image, path_for_symbols, domain, priority=priority, budget=budget, period=period,
            passive=passive, stack_size=stack_size, cpu=cpu, fpu=fpu,
        )  # fmt: skip
        return ProtectionDomain(element, name, number)


class System:
    """A description in the making. :meth:`text` is the file; :meth:`write` checks it first."""

    def __init__(self, comment: str | None = None) -> None:
        """``comment`` stands at the beginning of the file."""
        self._comment = comment
        self._root = _Element("system", {}, _caller())
        self._domains: _Element | None = None

    def memory_region(
        self,
        name: str,
        size: int | None = None,
        *,
        page_size: int | None = None,
        phys_addr: int | None = None,
        prefill_path: str | None = None,
        prefill_bootinfo: str | None = None,
    ) -> MemoryRegion:
        """Memory of ``size`` bytes, which may be left out where it has contents."""
        self._root.add(
            "memory_region",
            name=name,
            size=size,
            page_size=page_size,
            phys_addr=phys_addr,
            prefill_path=prefill_path,
            prefill_bootinfo=prefill_bootinfo,
        )
        return MemoryRegion(name, size)

    def protection_domain(
        self,
        name: str,
        program_image: str,
        *,
        priority: int | None = None,
        budget: int | None = None,
        period: int | None = None,
        passive: bool | None = None,
        stack_size: int | None = None,
        cpu: int | None = None,
        fpu: bool | None = None,
        domain: Domain | str | None = None,
        path_for_symbols: str | None = None,
    ) -> ProtectionDomain:
        """A component that runs ``program_image``. Times in microseconds, sizes in bytes."""
        element = self._root.add("protection_domain", name=name)
        _describe(
            element, program_image, path_for_symbols, domain, priority=priority, budget=budget, period=period,
            passive=passive, stack_size=stack_size, cpu=cpu, fpu=fpu,
        )  # fmt: skip
        return ProtectionDomain(element, name)

    def channel(
        self,
        a: ProtectionDomain,
        b: ProtectionDomain,
        *,
        id_a: int | None = None,
        id_b: int | None = None,
        pp: Who = "none",
        notify: Who | Literal["both"] = "both",
        setvar_id_a: str | None = None,
        setvar_id_b: str | None = None,
    ) -> Channel:
        """Connect two components. ``pp``: which one may call the other; ``notify``: which may notify the other."""
        made = Channel(a, b, _number(id_a, a._channels), _number(id_b, b._channels))
        element = self._root.add("channel")
        ends = (("a", a, made.id_a, setvar_id_a), ("b", b, made.id_b, setvar_id_b))
        for end, pd, number, symbol in ends:
            element.add(
                "end",
                pd=pd.name,
                id=number,
                pp=True if pp == end else None,
                notify=None if notify in ("both", end) else False,
                setvar_id=symbol,
            )
        return made

    def domain(self, name: str, id: int | None = None) -> Domain:
        """A scheduling domain. Its parts of the schedule are given by :meth:`schedule`."""
        self._all_domains().add("domain", name=name, id=id)
        return Domain(name)

    def schedule(
        self,
        entries: Sequence[tuple[Domain | str, int] | None],
        *,
        unit: Literal["us", "ticks"] = "us",
        start_index: int | None = None,
        index_shift: int | None = None,
    ) -> None:
        """The domain schedule: who runs for how long, in turn. None is the mark at which it begins again."""
        whole = self._all_domains().add("domain_schedule", start_index=start_index, index_shift=index_shift)
        for entry in entries:
            if entry is None:
                whole.add("schedule_end_marker")
            else:
                domain, duration = entry
                name = domain if isinstance(domain, str) else domain.name
                whole.add("schedule_entry", domain=name, duration=f"{duration} {unit}")

    def _all_domains(self) -> _Element:
        """The element of domains, which comes first: upstream's tool wants it before the components."""
        if self._domains is None:
            self._domains = _Element("domains", {}, _caller())
            self._root.children.insert(0, self._domains)
        return self._domains

    def _lines(self) -> list[tuple[str, Location]]:
        comment = [] if self._comment is None else [f"<!-- {line} -->" for line in self._comment.splitlines()]
        return [*((line, self._root.place) for line in (_HEAD, *comment)), *self._root.lines(0)]

    def text(self) -> str:
        """The description as it stands, not checked."""
        return "".join(f"{line}\n" for line, _ in self._lines())

    def check(
        self,
        search_path: Sequence[Path] = (),
        *,
        board: Board = QEMU_VIRT_RISCV64,
        profile: Profile = MICROKIT,
    ) -> model.System:
        """The system that the description means. ``search_path``: folders of files that fill regions.

        Raises :class:`Diagnostic` or :class:`Diagnostics` at the lines of Python that the mistakes come from.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / _SHOWN
            path.write_text(self.text(), encoding="utf-8")
            try:
                return parse(path, search_path=search_path, board=board, profile=profile, shown_as=_SHOWN)
            except Diagnostic as error:
                raise self._told(error) from None
            except Diagnostics as errors:
                raise Diagnostics([self._told(error) for error in errors.errors]) from None

    def write(
        self,
        path: Path,
        search_path: Sequence[Path] = (),
        *,
        board: Board = QEMU_VIRT_RISCV64,
        profile: Profile = MICROKIT,
    ) -> model.System:
        """Check the description and write it to ``path``; files that fill regions are looked for beside it too."""
        checked = self.check(search_folders(search_path, path), board=board, profile=profile)
        path.write_text(self.text(), encoding="utf-8")
        return checked

    def _told(self, error: Diagnostic) -> Diagnostic:
        """The same mistake with the places in Python instead of those in the text."""
        places = [place for _, place in self._lines()]

        def place(line: int) -> Location:
            return places[line - 1] if 0 < line <= len(places) else self._root.place

        why = _PLACE.sub(lambda found: str(place(int(found[1]))), error.why)
        return Diagnostic(error.rule, place(error.location.line), error.what, why=why, fix=error.fix)


def _number(wanted: int | None, taken: set[int]) -> int:
    """The number that is wanted, or the lowest that is free; it is taken then."""
    number = next(n for n in range(len(taken) + 1) if n not in taken) if wanted is None else wanted
    taken.add(number)
    return number


def _describe(
    element: _Element, program_image: str, symbols: str | None, domain: Domain | str | None, **attributes: Value
) -> None:
    """What all domains have."""
    name = domain.name if isinstance(domain, Domain) else domain
    element.attributes |= {**attributes, "domain": name}
    element.add("program_image", path=program_image, path_for_symbols=symbols)
