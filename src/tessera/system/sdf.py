# SPDX-License-Identifier: BSD-2-Clause
"""Reads a Microkit system description (`.system`) into the model.

What can be said of one element alone is checked here; what concerns several of them is checked in ``check``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.profiles import MICROKIT, Profile
from tessera.lang.diagnostics import Diagnostic
from tessera.system import environment
from tessera.system.check import check
from tessera.system.collect import Collector, did_you_mean, one_of
from tessera.system.environment import AddressSpace
from tessera.system.model import (
    CapKind,
    Channel,
    ChannelEnd,
    ExtraCap,
    Irq,
    ProtectionDomain,
    SetVar,
    System,
    Trigger,
    Variable,
)
from tessera.system.schema import CAPS, CHILDREN, ELSEWHERE, check_names, not_supported
from tessera.system.sdf_memory import MemoryReader, map_variables
from tessera.system.sdf_refused import refuse_in_domain, refuse_io_address_space
from tessera.system.sdf_schedule import ScheduleReader
from tessera.system.xmltree import Element, read

WHY_CHANNELS = (
    "the kernel gathers signals in one word of 64 bits, one for each channel and interrupt; the two highest tell calls"
    " and faults from signals"
)
FIX_CHANNELS = '; a component that is only called on a channel may have a higher one there: notify="false" at both ends'
WHY_CHILDREN = "the threads of children are in the slots from 202 on of the parent's 512"

T = TypeVar("T")


def parse(
    path: Path,
    *,
    search_path: Sequence[Path] = (),
    board: Board = QEMU_VIRT_RISCV64,
    profile: Profile = MICROKIT,
    shown_as: str | None = None,
) -> System:
    """Read and check the description at ``path`` for a board and a kernel's profile.

    ``search_path``: folders for ``prefill_path``. ``shown_as``: the file's name in messages. Raises
    :class:`Diagnostic` or :class:`Diagnostics`.
    """
    space = environment.USER_SPACE
    errors = Collector()
    root = read(path, shown_as)
    if root.tag != "system":
        errors.error(
            "unknown-element",
            root.location,
            f"the outermost element is '{root.tag}'",
            why="a system description is one element 'system'",
            fix=did_you_mean(root.tag, ["system"]) or "put everything into <system> ... </system>",
        )
        errors.stop_if_any()
    system = _Reader(errors, search_path, space, board, profile).system(root)
    # What is missing or unreadable would only cause follow-on errors in the checks across elements.
    errors.stop_if_any()
    return check(system, space)


class _Reader(MemoryReader, ScheduleReader):
    """One method per element. A method returns None where the element cannot be used; the reason has been reported."""

    def __init__(
        self, errors: Collector, search_path: Sequence[Path], space: AddressSpace, board: Board, profile: Profile
    ) -> None:
        super().__init__(errors, search_path, space, profile)
        self.irqs = range(1, board.last_device_interrupt + 1)
        self.interrupts = [f"{device.name} {irq}" for device in board.devices for irq in device.interrupts]

    def system(self, root: Element) -> System:
        check_names(root, self.errors)
        warnings = tuple(
            Diagnostic(
                "unused-attribute",
                root.place(name),
                f"the attribute '{name}' of 'system' has no meaning",
                why="everything is said in the elements inside",
                fix="remove it",
            )
            for name in root.attributes
        )
        regions = [self.memory_region(e) for e in root.children if e.tag == "memory_region"]
        domains = [self.protection_domain(e, None) for e in root.children if e.tag == "protection_domain"]
        channels = [self.channel(e) for e in root.children if e.tag == "channel"]
        schedule = self.schedule(root)
        for e in root.children:
            if e.tag == "io_address_space":
                refuse_io_address_space(e, self)
        return System(root.location, _present(regions), _present(domains), _present(channels), warnings, schedule)

    def protection_domain(self, e: Element, parent: str | None) -> ProtectionDomain | None:
        check_names(e, self.errors)
        name = self.text(e, "name")
        priority = self.number(e, "priority", 0)
        budget = self.number(e, "budget", environment.BUDGET_DEFAULT)
        period = self.number(e, "period", budget)
        stack_size = self.number(e, "stack_size", environment.STACK_DEFAULT)
        self.check_numbers(e, priority, budget, period, stack_size)
        passive, fpu = self.boolean(e, "passive", False), self.boolean(e, "fpu", True)
        smc = self.boolean(e, "smc", False)
        cpu = self.number(e, "cpu", 0)
        if smc:
            not_supported("'smc'", "such calls are made by Arm processors", e.place("smc"), self.errors)
        if cpu:
            self.errors.error(
                "cpu-range",
                e.place("cpu"),
                f"there is no core {cpu}",
                why="the kernel runs on one core",
                fix='write cpu="0"',
            )
        child_id = self.child_id(e, parent)
        domain = self.symbol(e, "domain")
        image = self.program_image(e, name)
        of = {tag: [c for c in e.children if c.tag == tag] for tag in CHILDREN["protection_domain"]}
        placed = [(c, self.map(c)) for c in of["map"]]
        lines = [(c, self.irq(c)) for c in of["irq"]]
        own = _present(self.setvar(c) for c in of["setvar"])
        nested = [(c, self.protection_domain(c, name or "")) for c in of["protection_domain"]]
        caps = self.cspace(of["cspace"], name)
        refuse_in_domain(e, self)
        of_maps = tuple(v for c, m in placed if m is not None for v in map_variables(c, m))
        numbered = [(c, irq.id) for c, irq in lines if irq is not None]
        numbered += [(c, child.id) for c, child in nested if child is not None and child.id is not None]
        setvars = (*own, *of_maps, *_present(self.id_variable(c, number) for c, number in numbered))
        if name is None or image is None or priority is None or budget is None or period is None or stack_size is None:
            return None
        return ProtectionDomain(
            name=name, priority=priority, budget=budget, period=period, passive=passive, stack_size=stack_size,
            cpu=0, smc=False, fpu=fpu, domain=domain, program_image=image.attributes["path"],
            image_location=image.place("path"), maps=_present(m for _, m in placed),
            irqs=_present(irq for _, irq in lines), setvars=setvars,
            children=_present(child for _, child in nested),
            id=child_id, parent=parent, location=e.place("name"), caps=caps,
            symbols=self.symbol(image, "path_for_symbols"), symbols_location=image.place("path_for_symbols"),
        )  # fmt: skip

    def child_id(self, e: Element, parent: str | None) -> int | None:
        if parent is not None:
            return self.number_below(e, "id", environment.CHILDREN, WHY_CHILDREN)
        for name in ("id", "setvar_id"):
            if name in e.attributes:
                self.errors.error(
                    "unknown-attribute",
                    e.place(name),
                    f"this 'protection_domain' has no attribute '{name}'",
                    why=f"'{name}' is the number by which a parent knows its child, and this domain has no parent",
                    fix="remove it, or put the domain inside its parent",
                )
        return None

    def program_image(self, e: Element, name: str | None) -> Element | None:
        images = [c for c in e.children if c.tag == "program_image"]
        for image in images:
            check_names(image, self.errors)
        for extra in images[1:]:
            self.errors.error(
                "program-image",
                extra.location,
                f"'{name}' has a second 'program_image'",
                why="a domain runs exactly one program",
                fix="remove one",
            )
        if not images:
            self.errors.error(
                "program-image",
                e.location,
                f"the domain '{name}' has no 'program_image'",
                why="a domain runs exactly one program",
                fix=f'add <program_image path="{name}.elf" /> inside it',
            )
            return None
        return images[0] if self.text(images[0], "path") is not None else None

    def cspace(self, spaces: Sequence[Element], name: str | None) -> tuple[ExtraCap, ...]:
        """The capabilities of other domains that this one gets."""
        for space in spaces:
            check_names(space, self.errors)
        for extra in spaces[1:]:
            self.errors.error(
                "cspace-twice",
                extra.location,
                f"'{name}' has a second 'cspace'",
                why="a domain has one capability space",
                fix="put all capabilities into the first",
            )
        return _present(self.extra_cap(c) for space in spaces for c in space.children if c.tag in CAPS)

    def extra_cap(self, e: Element) -> ExtraCap | None:
        check_names(e, self.errors)
        pd, slot = self.text(e, "pd"), self.number(e, "slot")
        last = environment.ROOT_SLOTS - 1
        if slot is not None and not 1 <= slot <= last:
            self.errors.error(
                "cap-slot",
                e.place("slot"),
                f"'slot' is {slot}, and it can be from 1 to {last}",
                why="slot 0 of the root has the domain's own capabilities"
                if slot == 0
                else f"the root of a capability space has {environment.ROOT_SLOTS} slots, 6 bits of an address",
                fix=f"use one from 1 to {last} that is still free",
            )
            return None
        if pd is None or slot is None:
            return None
        return ExtraCap(CapKind(e.tag.removeprefix("cap_")), slot, pd, e.location)

    def irq(self, e: Element) -> Irq | None:
        check_names(e, self.errors)
        # An interrupt of another architecture is named otherwise, and refused by its attributes.
        elsewhere = "irq" not in e.attributes and any(name in e.attributes for name in ELSEWHERE["irq"])
        number = None if elsewhere else self.number(e, "irq")
        channel = self.number_below(e, "id", environment.CHANNELS, WHY_CHANNELS)
        if number is not None and number not in self.irqs:
            self.errors.error(
                "irq-range",
                e.place("irq"),
                f"there is no interrupt {number}",
                why=f"this board has the interrupts {self.irqs.start} to {self.irqs.stop - 1}",
                fix=f"those of its devices are {', '.join(self.interrupts)}",
            )
        trigger = e.attributes.get("trigger", "level")
        if trigger not in (known := [t.value for t in Trigger]):
            self.errors.error(
                "irq-trigger",
                e.place("trigger"),
                f"trigger is '{trigger}'",
                why="an interrupt line signals by its level or by a change",
                fix=f"write {one_of(known)}",
            )
            return None
        if number is None or channel is None:
            return None
        return Irq(number, channel, Trigger(trigger), e.attributes.get("setvar_id"), e.location)

    def setvar(self, e: Element) -> SetVar | None:
        check_names(e, self.errors)
        symbol, region = self.text(e, "symbol"), self.text(e, "region_paddr")
        if symbol is None or region is None:
            return None
        return SetVar(symbol, Variable.REGION_PADDR, None, region, e.location)

    def id_variable(self, e: Element, number: int) -> SetVar | None:
        """The variable that gets the number of a child or an interrupt."""
        symbol = self.symbol(e, "setvar_id")
        return SetVar(symbol, Variable.ID, number, None, e.place("setvar_id")) if symbol else None

    def channel(self, e: Element) -> Channel | None:
        check_names(e, self.errors)
        said = [c for c in e.children if c.tag == "end"]
        ends = [self.end(c, is_quiet=all(other.attributes.get("notify") == "false" for other in said)) for c in said]
        if len(ends) != 2:
            self.errors.error(
                "channel-ends",
                e.location,
                f"this channel has {len(ends)} {'end' if len(ends) == 1 else 'ends'}",
                why="a channel connects exactly two domains",
                fix='write two elements <end pd="..." id="..." /> in it',
            )
            return None
        a, b = ends
        if a is None or b is None:
            return None
        return Channel(a, b, e.location)

    def end(self, e: Element, *, is_quiet: bool) -> ChannelEnd | None:
        """``is_quiet``: nobody notifies anybody on this channel."""
        check_names(e, self.errors)
        pd = self.text(e, "pd")
        if is_quiet and e.attributes.get("pp") != "true":
            channel = self.number_below(e, "id", environment.CALLED_CHANNELS, "numbers of callers have 16 bits")
        else:
            channel = self.number_below(e, "id", environment.CHANNELS, WHY_CHANNELS, FIX_CHANNELS)
        pp, notify = self.boolean(e, "pp", False), self.boolean(e, "notify", True)
        if pd is None or channel is None:
            return None
        return ChannelEnd(pd, channel, pp, notify, self.symbol(e, "setvar_id"), e.location)


def _present(items: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(item for item in items if item is not None)
