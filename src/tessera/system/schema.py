# SPDX-License-Identifier: BSD-2-Clause
"""The vocabulary of a system description: which elements and attributes there are, and what is not supported yet.

The names are those of Microkit 2. What is valid there and not supported here is listed with the reason, so that the
message can tell a user's slip from a limit of ours.
"""

from __future__ import annotations

from tessera.lang.diagnostics import Location
from tessera.system.collect import Collector, did_you_mean, one_of
from tessera.system.xmltree import Element

# element -> attributes that are read. An attribute of PENDING is known and refused with its reason.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "system": (),
    "memory_region": ("name", "size", "page_size", "phys_addr", "prefill_path"),
    "protection_domain": tuple("name priority budget period passive stack_size cpu smc fpu id setvar_id".split()),
    "program_image": ("path",),
    "map": ("mr", "vaddr", "perms", "cached", "setvar_vaddr", "setvar_size", "setvar_prefill_size"),
    "irq": ("irq", "id", "trigger", "setvar_id"),
    "setvar": ("symbol", "region_paddr"),
    "channel": (),
    "end": ("pd", "id", "pp", "notify", "setvar_id"),
}
CHILDREN: dict[str, tuple[str, ...]] = {
    "system": ("memory_region", "protection_domain", "channel"),
    "protection_domain": ("program_image", "map", "irq", "setvar", "protection_domain"),
    "channel": ("end",),
}

_X86 = "it describes hardware of x86-64, and the board of this build has another architecture"
_ABSENT = "it is valid in Microkit; Tessera does not support it yet"
PENDING_ATTRIBUTES: dict[str, dict[str, str]] = {
    "memory_region": {"prefill_bootinfo": _ABSENT},
    "protection_domain": {"domain": _ABSENT},
    "program_image": {"path_for_symbols": _ABSENT},
    "irq": dict.fromkeys(("pin", "ioapic", "polarity", "vector", "pcidev", "handle"), _X86),
}
PENDING_CHILDREN: dict[str, dict[str, str]] = {
    "system": {"domains": _ABSENT, "io_address_space": _ABSENT},
    "protection_domain": {"virtual_machine": _ABSENT, "cspace": _ABSENT, "ioport": _X86},
}


def check_names(element: Element, errors: Collector) -> None:
    """Report every attribute and child of ``element`` that does not belong there. Children's own contents are not
    looked at.
    """
    _check_attributes(element, errors)
    known = CHILDREN.get(element.tag, ())
    pending = PENDING_CHILDREN.get(element.tag, {})
    for child in element.children:
        if child.tag in known:
            continue
        if child.tag in pending:
            _unsupported(f"the element '{child.tag}'", pending[child.tag], child.location, errors)
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
    pending = PENDING_ATTRIBUTES.get(element.tag, {})
    for name in element.attributes:
        if name in known:
            continue
        if name in pending:
            _unsupported(f"the attribute '{name}' of '{element.tag}'", pending[name], element.place(name), errors)
            continue
        errors.error(
            "unknown-attribute",
            element.place(name),
            f"'{element.tag}' has no attribute '{name}'",
            why=f"its attributes are {one_of(known, 'and')}" if known else f"'{element.tag}' has no attributes",
            fix=did_you_mean(name, known) or "remove it",
        )


def _unsupported(thing: str, reason: str, location: Location, errors: Collector) -> None:
    errors.error("not-supported", location, f"{thing} is not supported", why=reason, fix="remove it")
