# SPDX-License-Identifier: BSD-2-Clause
"""The vocabulary of a system description: which elements and attributes there are, and what a board does not have.

The names are those of Microkit 2.3. What is valid there and impossible on this board is listed with the reason, so that
the message can tell a user's slip from a limit of the board.
"""

from __future__ import annotations

from tessera.lang.diagnostics import Location
from tessera.system.collect import Collector, did_you_mean, one_of
from tessera.system.xmltree import Element

# element -> attributes that are read. An attribute of ELSEWHERE is known and refused with its reason.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "memory_region": ("name", "size", "page_size", "phys_addr", "prefill_path", "prefill_bootinfo"),
    "protection_domain": tuple(
        "name priority budget period passive stack_size cpu smc fpu domain id setvar_id".split()
    ),
    "program_image": ("path", "path_for_symbols"),
    "map": ("mr", "vaddr", "perms", "cached", "setvar_vaddr", "setvar_size", "setvar_prefill_size"),
    "irq": ("irq", "id", "trigger", "setvar_id"),
    "setvar": ("symbol", "region_paddr"),
    "cspace": (),
    "cap_tcb": ("slot", "pd"),
    "cap_sc": ("slot", "pd"),
    "cap_vspace": ("slot", "pd"),
    "channel": (),
    "end": ("pd", "id", "pp", "notify", "setvar_id"),
    "domains": (),
    "domain": ("name", "id"),
    "domain_schedule": ("start_index", "index_shift"),
    "schedule_entry": ("domain", "duration"),
    "schedule_end_marker": (),
    # What follows is read, so that its mistakes are told too, and refused.
    "virtual_machine": ("name", "priority", "budget", "period"),
    "vcpu": ("id", "cpu", "setvar_id"),
    "ioport": ("id", "addr", "size", "setvar_id", "setvar_addr"),
    "io_address_space": ("name", "peripheral_id", "domain_id"),
    "iomap": ("mr", "iovaddr", "perms"),
}
CAPS = ("cap_tcb", "cap_sc", "cap_vspace")
CHILDREN: dict[str, tuple[str, ...]] = {
    "system": ("memory_region", "protection_domain", "channel", "domains", "io_address_space"),
    "protection_domain": tuple("program_image map irq setvar protection_domain cspace virtual_machine ioport".split()),
    "cspace": CAPS,
    "channel": ("end",),
    "domains": ("domain", "domain_schedule"),
    "domain_schedule": ("schedule_entry", "schedule_end_marker"),
    "virtual_machine": ("vcpu", "map"),
    "io_address_space": ("iomap",),
}

_X86 = "it describes hardware of x86-64, and the board of this build has another architecture"
_NO_IOMMU = "the board has no unit that limits which memory a device reaches (IOMMU)"
_NO_GUESTS = "the kernel for this board is built without the hypervisor extension"
ELSEWHERE: dict[str, dict[str, str]] = {
    "irq": dict.fromkeys(("pin", "ioapic", "polarity", "vector", "pcidev", "handle"), _X86),
}
REFUSED: dict[str, str] = {"virtual_machine": _NO_GUESTS, "io_address_space": _NO_IOMMU, "ioport": _X86}


def check_names(element: Element, errors: Collector) -> None:
    """Report every attribute and child of ``element`` that does not belong there. Children's own contents are not
    looked at.
    """
    if element.tag in ATTRIBUTES:
        _check_attributes(element, errors)
    known = CHILDREN.get(element.tag, ())
    for child in element.children:
        if child.tag in known:
            continue
        elsewhere = [parent for parent, tags in CHILDREN.items() if child.tag in tags]
        what = f"there is no element '{child.tag}' in '{element.tag}'"
        if elsewhere:
            why = f"'{child.tag}' belongs in {one_of(elsewhere)}"
        else:
            why = (
                f"'{element.tag}' contains {one_of(known, 'and')}" if known else f"'{element.tag}' contains no elements"
            )
        hint = did_you_mean(child.tag, known)
        fix = hint or (f"move it into {one_of(elsewhere)}" if elsewhere else "remove it")
        errors.error("unknown-element", child.location, what, why=why, fix=fix)


def _check_attributes(element: Element, errors: Collector) -> None:
    known = ATTRIBUTES[element.tag]
    pending = ELSEWHERE.get(element.tag, {})
    for name in element.attributes:
        if name in known:
            continue
        if name in pending:
            not_supported(f"the attribute '{name}' of '{element.tag}'", pending[name], element.place(name), errors)
            continue
        errors.error(
            "unknown-attribute",
            element.place(name),
            f"'{element.tag}' has no attribute '{name}'",
            why=f"its attributes are {one_of(known, 'and')}" if known else f"'{element.tag}' has no attributes",
            fix=did_you_mean(name, known) or "remove it",
        )


def not_supported(thing: str, reason: str, location: Location, errors: Collector) -> None:
    """Refuse what is valid in Microkit and impossible on this board."""
    errors.error("not-supported", location, f"{thing} is not supported on this board", why=reason, fix="remove it")
