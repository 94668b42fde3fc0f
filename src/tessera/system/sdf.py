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
from tessera.system import environment
from tessera.system.check import check
from tessera.system.collect import Collector, one_of, size_text
from tessera.system.environment import AddressSpace
from tessera.system.locate import find
from tessera.system.model import (
    Channel,
    ChannelEnd,
    Irq,
    Map,
    MemoryRegion,
    Permissions,
    ProtectionDomain,
    SetVar,
    System,
    Trigger,
    Variable,
)
from tessera.system.schema import check_names
from tessera.system.values import Values
from tessera.system.xmltree import Element, read

WHY_CHANNELS = "a domain has at most 62 channels and interrupts: each is one bit of a notification's badge"

T = TypeVar("T")

MAP_VARIABLES = {
    "setvar_vaddr": Variable.VADDR,
    "setvar_size": Variable.SIZE,
    "setvar_prefill_size": Variable.PREFILL_SIZE,
}

PERMISSIONS = {
    "r": Permissions.READ,
    "w": Permissions.WRITE,
    "x": Permissions.EXECUTE,
}


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
            fix="put everything into <system> ... </system>",
        )
        errors.stop_if_any()
    system = _Reader(errors, search_path, space, board, profile).system(root)
    # What is missing or unreadable would only cause follow-on errors in the checks across elements.
    errors.stop_if_any()
    return check(system, space)


class _Reader(Values):
    """One method per element. A method returns None where the element cannot be used; the reason has been reported."""

    def __init__(
        self, errors: Collector, search_path: Sequence[Path], space: AddressSpace, board: Board, profile: Profile
    ) -> None:
        super().__init__(errors, space, profile)
        self.search_path = search_path
        self.irqs = range(1, board.last_device_interrupt + 1)
        self.interrupts = [f"{device.name} {irq}" for device in board.devices for irq in device.interrupts]

    def system(self, root: Element) -> System:
        check_names(root, self.errors)
        regions = [self.memory_region(e) for e in root.children if e.tag == "memory_region"]
        domains = [self.protection_domain(e, None) for e in root.children if e.tag == "protection_domain"]
        channels = [self.channel(e) for e in root.children if e.tag == "channel"]
        return System(root.location, _present(regions), _present(domains), _present(channels))

    def memory_region(self, e: Element) -> MemoryRegion | None:
        check_names(e, self.errors)
        name = self.text(e, "name")
        page_size = self.number(e, "page_size", self.space.page)
        if page_size is not None and page_size not in self.space.page_sizes:
            sizes = " and ".join(f"{size:#x} ({size_text(size)})" for size in self.space.page_sizes)
            self.errors.error(
                "page-size",
                e.place("page_size"),
                f"there are no pages of {page_size:#x} bytes",
                why=f"there are {sizes}",
                fix="write one of them, or leave page_size out",
            )
            page_size = None
        prefill_path = e.attributes.get("prefill_path")
        prefill = self.prefill(e) if prefill_path is not None else b""
        if prefill and "size" not in e.attributes and page_size:
            size: int | None = -(-len(prefill) // page_size) * page_size
        else:
            size = self.number(e, "size")
        phys_addr = self.number(e, "phys_addr") if "phys_addr" in e.attributes else None
        if size is not None and page_size is not None:
            self.region_size(e, size, page_size, len(prefill))
            self.region_address(e, phys_addr, page_size, size)
        if name is None or size is None or page_size is None:
            return None
        open_page_size = "page_size" not in e.attributes
        return MemoryRegion(name, size, page_size, phys_addr, prefill_path, prefill, e.location, open_page_size)

    def prefill(self, e: Element) -> bytes:
        path = find(e.attributes["prefill_path"], self.search_path)
        if path is None:
            folders = ", ".join(str(folder) for folder in self.search_path) or "none"
            self.errors.error(
                "prefill-missing",
                e.place("prefill_path"),
                f"there is no file '{e.attributes['prefill_path']}'",
                why=f"folders searched: {folders}",
                fix="name the folder that has it with --search-path",
            )
            return b""
        contents = path.read_bytes()
        if not contents:
            self.errors.error(
                "prefill-empty",
                e.place("prefill_path"),
                f"the file '{path.name}' is empty",
                why="there is nothing to fill the region with",
                fix="remove prefill_path",
            )
        return contents

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
            self.errors.error(
                "not-supported", e.place("smc"), "'smc' is only for boards with an Arm processor", fix="remove it"
            )
        if cpu:
            self.errors.error(
                "cpu-range",
                e.place("cpu"),
                f"there is no core {cpu}",
                why="the kernel runs on one core",
                fix='write cpu="0"',
            )
        child_id = self.child_id(e, parent)
        image = self.program_image(e, name)
        placed = [(c, self.map(c)) for c in e.children if c.tag == "map"]
        maps = _present(m for _, m in placed)
        irqs = _present(self.irq(c) for c in e.children if c.tag == "irq")
        own = _present(self.setvar(c) for c in e.children if c.tag == "setvar")
        nested = [c for c in e.children if c.tag == "protection_domain"]
        children = _present(self.protection_domain(c, name or "") for c in nested)
        of_maps = tuple(v for c, m in placed if m is not None for v in _map_variables(c, m))
        of_irqs = _present(self.id_variable(c) for c in e.children if c.tag == "irq")
        of_children = _present(self.id_variable(c) for c in nested)
        setvars = (*own, *of_maps, *of_irqs, *of_children)
        if name is None or image is None or priority is None or budget is None or period is None or stack_size is None:
            return None
        return ProtectionDomain(
            name=name, priority=priority, budget=budget, period=period, passive=passive, stack_size=stack_size,
            cpu=0, smc=False, fpu=fpu, domain=None, program_image=image.attributes["path"],
            image_location=image.place("path"), maps=maps, irqs=irqs, setvars=setvars, children=children,
            id=child_id, parent=parent, location=e.place("name"),
        )  # fmt: skip

    def child_id(self, e: Element, parent: str | None) -> int | None:
        if parent is not None:
            return self.number_below(
                e, "id", environment.CHILDREN, "the parent knows its children by 62 bits of a badge"
            )
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

    def map(self, e: Element) -> Map | None:
        check_names(e, self.errors)
        region, vaddr = self.text(e, "mr"), self.number(e, "vaddr")
        letters = e.attributes.get("perms", "rw")
        perms = Permissions.NONE
        for letter in letters:
            perms |= PERMISSIONS.get(letter, Permissions.NONE)
        if not letters or not set(letters) <= set(PERMISSIONS):
            self.errors.error(
                "perms",
                e.place("perms"),
                f"perms is '{letters}'",
                why="it consists of the letters 'r', 'w' and 'x'",
                fix='write perms="rw", for example',
            )
        elif Permissions.READ not in perms:
            self.errors.error(
                "perms",
                e.place("perms"),
                f"perms is '{letters}': memory that cannot be read",
                why="the hardware has no mapping that can be written or executed and not read",
                fix=f'write perms="{perms | Permissions.READ}"',
            )
        cached = self.boolean(e, "cached", True)
        if region is None or vaddr is None:
            return None
        variable = e.attributes.get
        return Map(
            mr=region,
            vaddr=vaddr,
            perms=perms,
            cached=cached,
            setvar_vaddr=variable("setvar_vaddr"),
            setvar_size=variable("setvar_size"),
            setvar_prefill_size=variable("setvar_prefill_size"),
            location=e.location,
        )

    def irq(self, e: Element) -> Irq | None:
        check_names(e, self.errors)
        number = self.number(e, "irq")
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

    def id_variable(self, e: Element) -> SetVar | None:
        """The variable that gets the number of a child or an interrupt."""
        symbol, number = e.attributes.get("setvar_id"), e.attributes.get("id", "")
        if symbol is None or not number.isdecimal():
            return None
        return SetVar(symbol, Variable.ID, int(number), None, e.place("setvar_id"))

    def channel(self, e: Element) -> Channel | None:
        check_names(e, self.errors)
        ends = [self.end(c) for c in e.children if c.tag == "end"]
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

    def end(self, e: Element) -> ChannelEnd | None:
        check_names(e, self.errors)
        pd = self.text(e, "pd")
        channel = self.number_below(e, "id", environment.CHANNELS, WHY_CHANNELS)
        pp, notify = self.boolean(e, "pp", False), self.boolean(e, "notify", True)
        if pd is None or channel is None:
            return None
        return ChannelEnd(pd, channel, pp, notify, e.attributes.get("setvar_id"), e.location)


def _present(items: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(item for item in items if item is not None)


def _map_variables(e: Element, m: Map) -> Iterable[SetVar]:
    for name, kind in MAP_VARIABLES.items():
        if symbol := e.attributes.get(name):
            yield SetVar(symbol, kind, m.vaddr if kind is Variable.VADDR else None, m.mr, e.place(name))
