# SPDX-License-Identifier: BSD-2-Clause
"""The state in which the initialiser leaves the kernel, in the terms of upstream's language (system/capdl_model.py).

That is the capability distribution, and what keeps it alive: the CNode with the capabilities of all objects and
mappings, which no thread can reach. What a component has was derived from there. ``docs/components.md`` says how it
comes about; ``tessera run --verify-caps`` compares a booted machine with it.

The pool of address space identifiers, of which that CNode has a capability too, stands in notes: upstream's loader
would not accept it as an object, because the kernel has made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tessera.build.spec import KEPT_NAME, numbered
from tessera.system import capdl
from tessera.system import capdl_model as model
from tessera.system.capdl import Cap, Distribution, Frame, FrameMapping, IrqHandler, Rights, Tcb, VSpace
from tessera.system.capdl_model import Place, Schedule, Spec, SpecCap, SpecObject
from tessera.system.environment import MONITOR_NAME, USER_SPACE

# Notes: the identifier of an address space, and the slot of the kept CNode with the capability to their pool.
IDENTIFIER = "asid"
POOL_SLOT = "asid_pool_slot"
ENTRY_BITS = 9
# Identifier 0 is nobody's, and 1 was the initialiser's.
FIRST_IDENTIFIER = 2
PARAMETERS = {"ipc_buffer": "ipc_buffer_slot", "sched_context": "sc_slot", "fault_endpoint": "fault_ep_slot"}
WITH_RIGHTS = (model.ENDPOINT, model.NOTIFICATION, model.FRAME)


def final_state(distribution: Distribution, places: Mapping[int, int] | None = None, image: str = "") -> Spec:
    """The state for a distribution that has the CNode of :func:`tessera.build.spec.with_kept_cnode`.

    ``places``: where the bytes of a fill are in the file ``image``, by the identity of the fill; without them contents
    are left out.
    """
    spec = Spec("riscv")
    for each in distribution.objects:
        spec.objects[each.name] = SpecObject(each.name, KINDS[type(each)], *_said(each, places, image))
    for each in distribution.objects:
        spec.objects[each.name].slots.update(_held(spec, each))
    mapped = _spaces(spec, distribution)
    _kept(spec, distribution, mapped)
    spec.irqs = {each.irq: each.name for each in distribution.of(IrqHandler)}
    said = distribution.schedule
    if said is not None:
        first = min((entry.index for entry in said.entries), default=0)
        spec.schedule = Schedule([(entry.domain, entry.ticks) for entry in said.entries], said.start - first, first)
    return spec


KINDS: dict[type[capdl.KernelObject], str] = {
    capdl.Endpoint: model.ENDPOINT,
    capdl.Notification: model.NOTIFICATION,
    capdl.Reply: model.REPLY,
    capdl.CNode: model.CNODE,
    capdl.SchedContext: model.SCHED_CONTEXT,
    capdl.Frame: model.FRAME,
    capdl.PageTable: model.PAGE_TABLE,
    capdl.VSpace: model.PAGE_TABLE,
    capdl.IrqHandler: model.IRQ,
    capdl.Tcb: model.TCB,
}


def _said(
    each: capdl.KernelObject, places: Mapping[int, int] | None, image: str
) -> tuple[dict[str, object], dict[int, SpecCap], dict[str, str]]:
    """Parameters, no slots yet, and notes."""
    said: dict[str, object] = {}
    notes = {}
    match each:
        case capdl.CNode():
            said["bits"] = each.size_bits
        case capdl.SchedContext():
            said = {"period": each.period, "budget": each.budget, "data": each.badge, "bits": each.size_bits}
        case Frame():
            said["size"] = 1 << each.size_bits
            if each.address is not None:
                said["paddr"] = each.address
            if each.fills and places is not None:
                said["fill"] = [model.Fill(f.offset, len(f.data), image, places[id(f)]) for f in each.fills]
        case IrqHandler():
            notes["trigger"] = each.trigger.value
        case Tcb():
            said = {
                "addr": each.ipc_buffer_address,
                "ip": each.entry,
                "sp": each.stack_pointer,
                "prio": each.priority,
                "max_prio": each.max_priority,
                "affinity": 0,
                "resume": each.resume,
                "fpu_disabled": not each.fpu,
                "dom": each.domain,
                **({"init": list(each.arguments)} if each.arguments else {}),
            }
    return said, {}, notes


def _cap(spec: Spec, cap: Cap) -> SpecCap:
    """A capability of the distribution. Kinds without rights have none in the language, so that all are the same."""
    kind = spec.objects[cap.object].kind
    rights = _letters(cap.rights, kind) if kind in WITH_RIGHTS else ""
    return SpecCap(cap.object, rights, cap.badge, cap.guard, cap.guard_bits)


def _letters(rights: Rights, kind: str) -> str:
    named = {Rights.READ: "R", Rights.WRITE: "W"}
    if kind == model.ENDPOINT:
        named |= {Rights.GRANT: "G", Rights.GRANT_REPLY: "P"}
    return "".join(letter for right, letter in named.items() if right in rights)


def _held(spec: Spec, each: capdl.KernelObject) -> dict[int, SpecCap]:
    match each:
        case capdl.CNode():
            return {slot: _cap(spec, cap) for slot, cap in each.slots.items()}
        case IrqHandler():
            return {0: _cap(spec, each.notification)}
        case Tcb():
            slots = {}
            for name in ("cspace", "vspace", "ipc_buffer", "fault_endpoint", "sched_context", "bound_notification"):
                cap = getattr(each, name)
                if cap is not None:
                    slots[model.TCB_SLOTS[PARAMETERS.get(name, name)]] = _cap(spec, cap)
            return slots
        case _:
            return {}


# Address spaces


def _spaces(spec: Spec, distribution: Distribution) -> list[tuple[FrameMapping, Place]]:
    """Fill the page tables; returns where each frame is mapped, in the order in which the initialiser maps them."""
    holders: dict[tuple[str, int, int], str] = {}

    def entry(vspace: str, vaddr: int, level: int) -> Place:
        """The table at a level (0 is the root) that translates an address, and the index of the entry there."""
        bits = USER_SPACE.level_bits
        holder = vspace if level == 0 else holders[vspace, level, vaddr >> bits[level - 1]]
        return holder, vaddr >> bits[level] & (1 << ENTRY_BITS) - 1

    for table in sorted(distribution.tables, key=lambda table: table.level):
        holder, index = entry(table.vspace, table.vaddr, table.level - 1)
        spec.objects[holder].slots[index] = SpecCap(table.table)
        holders[table.vspace, table.level, table.vaddr >> USER_SPACE.level_bits[table.level - 1]] = table.table
    found = []
    for mapping in distribution.mappings:
        size_bits = int(spec.objects[mapping.frame].parameters["size"]).bit_length() - 1
        place = entry(mapping.vspace, mapping.vaddr, USER_SPACE.level_bits.index(size_bits))
        rights = _letters(mapping.rights, model.FRAME) + ("X" if mapping.executable else "")
        spec.objects[place[0]].slots[place[1]] = SpecCap(mapping.frame, rights, cached=mapping.cached)
        found.append((mapping, place))
    return found


# What keeps everything alive


def _kept(spec: Spec, distribution: Distribution, mapped: list[tuple[FrameMapping, Place]]) -> None:
    """The CNode that the initialiser leaves (runtime/initialiser_end.py), and who was derived from whom."""
    spaces = sorted(each.name for each in distribution.of(VSpace))
    for number, name in enumerate(spaces):
        spec.objects[name].notes[IDENTIFIER] = str(FIRST_IDENTIFIER + number)

    first: dict[str, Place] = {}
    copies = [(mapping.frame, place) for mapping, place in mapped if first.setdefault(mapping.frame, place) != place]
    # The capabilities that the initialiser hands over through go last, as copies.
    last = [f"{MONITOR_NAME}.cnode", f"{MONITOR_NAME}.endpoint"]
    names = [each.name for each in numbered(distribution) if each.name not in (KEPT_NAME, *last)]
    originals = {name: (KEPT_NAME, 2 + len(copies) + number) for number, name in enumerate(names)}
    kept = [SpecCap(KEPT_NAME)]
    kept += [replace(_whole(spec, frame), mapping=place) for frame, place in copies]
    kept += [replace(_whole(spec, name), mapping=first.get(name)) for name in [*names, *last]]
    slots = [0, *range(2, len(kept) + 1)]
    spec.objects[KEPT_NAME].slots.update(zip(slots, kept, strict=True))
    spec.objects[KEPT_NAME].notes[POOL_SLOT] = "1"
    for each in spec.objects.values():
        for slot, cap in each.slots.items():
            origin = originals.get(cap.object)
            if is_slot(each, slot) and origin not in (None, (each.name, slot)):
                spec.parents[each.name, slot] = origin


def identifiers(spec: Spec) -> dict[int, str]:
    """The address spaces by their identifiers."""
    return {int(each.notes[IDENTIFIER]): each.name for each in spec.of(model.PAGE_TABLE) if IDENTIFIER in each.notes}


def is_slot(holder: SpecObject, slot: int) -> bool:
    """Whether the kernel has a capability there, and not only a reference or an entry of a page table."""
    if holder.kind == model.TCB:
        return slot in REAL_TCB_SLOTS
    return holder.kind in (model.CNODE, model.IRQ)


REAL_TCB_SLOTS = tuple(model.TCB_SLOTS[name] for name in ("cspace", "vspace", "ipc_buffer_slot", "fault_ep_slot"))


def _whole(spec: Spec, name: str) -> SpecCap:
    """The capability with which an object was made."""
    kind = spec.objects[name].kind
    return SpecCap(name, _letters(Rights.ALL, kind) if kind in WITH_RIGHTS else "")
