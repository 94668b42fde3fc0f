# SPDX-License-Identifier: BSD-2-Clause
"""Reads memory regions, what fills them, and where they are mapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tessera.abi.profiles import Profile
from tessera.system.collect import Collector, did_you_mean, one_of, size_text
from tessera.system.environment import AddressSpace
from tessera.system.locate import find
from tessera.system.model import Map, MemoryRegion, Permissions, SetVar, Variable
from tessera.system.schema import check_names
from tessera.system.values import Values
from tessera.system.xmltree import Element

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


# The records of the boot information that can fill a region.
BOOTINFO = ("x86_vbe", "x86_mbmmap", "x86_acpi_rsdp", "x86_framebuffer", "x86_tsc_freq", "fdt")
# A file that is larger than this is no contents of a region of any board.
PREFILL_MAX = 1 << 30


class MemoryReader(Values):
    """A method returns None where the element cannot be used; the reason has been reported."""

    def __init__(self, errors: Collector, search_path: Sequence[Path], space: AddressSpace, profile: Profile) -> None:
        super().__init__(errors, space, profile)
        self.search_path = search_path

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
        bootinfo = self.bootinfo(e)
        size: int | None
        if "size" in e.attributes or not (prefill or bootinfo):
            size = None if prefill_path is not None and "size" not in e.attributes else self.number(e, "size")
        else:
            size = page_size and max(page_size, -(-len(prefill) // page_size) * page_size)
        phys_addr = self.number(e, "phys_addr") if "phys_addr" in e.attributes else None
        if size is not None and page_size is not None:
            self.region_size(e, size, page_size, len(prefill))
            self.region_address(e, phys_addr, page_size, size)
        if name is None or size is None or page_size is None:
            return None
        open_page_size = "page_size" not in e.attributes
        return MemoryRegion(
            name, size, page_size, phys_addr, prefill_path, prefill, e.location, open_page_size, bootinfo
        )

    def bootinfo(self, e: Element) -> str | None:
        """The name of a record of the boot information."""
        record = e.attributes.get("prefill_bootinfo")
        if record is None:
            return None
        if record not in BOOTINFO:
            self.errors.error(
                "prefill-bootinfo",
                e.place("prefill_bootinfo"),
                f"there is no boot information called '{record}'",
                why=f"its records are {one_of(BOOTINFO, 'and')}",
                fix=did_you_mean(record, BOOTINFO) or "write one of them",
            )
        if "prefill_path" in e.attributes:
            self.errors.error(
                "prefill-twice",
                e.place("prefill_bootinfo"),
                "the region is to be filled from a file and with boot information",
                why="both would begin at its first byte",
                fix="remove prefill_path or prefill_bootinfo",
            )
        return record

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
        try:
            if path.stat().st_size > PREFILL_MAX:
                self.errors.error(
                    "prefill-size",
                    e.place("prefill_path"),
                    f"the file '{path.name}' has {path.stat().st_size} bytes",
                    why=f"its contents become part of the image, and {PREFILL_MAX} bytes are the most that "
                    "an image can have of them",
                    fix="load it when the system runs, or make it smaller",
                )
                return b""
            contents = path.read_bytes()
        except OSError as error:
            self.errors.error(
                "prefill-unreadable",
                e.place("prefill_path"),
                f"cannot read '{path.name}': {error.strerror}",
                why="its contents become part of the image",
                fix="check its permissions",
            )
            return b""
        if not contents:
            self.errors.error(
                "prefill-empty",
                e.place("prefill_path"),
                f"the file '{path.name}' is empty",
                why="there is nothing to fill the region with",
                fix="remove prefill_path",
            )
        return contents

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
        elif Permissions.WRITE in perms and Permissions.READ not in perms:
            self.errors.error(
                "perms",
                e.place("perms"),
                f"perms is '{letters}': memory that can be written and not read",
                why="the hardware has no such mapping",
                fix=f'write perms="{perms | Permissions.READ}"',
            )
        cached = self.boolean(e, "cached", True)
        if region is None or vaddr is None:
            return None
        vaddr_symbol, size_symbol, prefill_symbol = (self.symbol(e, attribute) for attribute in MAP_VARIABLES)
        return Map(
            mr=region,
            vaddr=vaddr,
            perms=perms,
            cached=cached,
            setvar_vaddr=vaddr_symbol,
            setvar_size=size_symbol,
            setvar_prefill_size=prefill_symbol,
            location=e.location,
        )


def map_variables(e: Element, m: Map) -> Iterable[SetVar]:
    """The variables that get facts about a mapping."""
    for name, kind in MAP_VARIABLES.items():
        if symbol := e.attributes.get(name):
            yield SetVar(symbol, kind, m.vaddr if kind is Variable.VADDR else None, m.mr, e.place(name))
