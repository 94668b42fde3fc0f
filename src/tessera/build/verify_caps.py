# SPDX-License-Identifier: BSD-2-Clause
"""One capability of a machine beside the one that the distribution says."""

from __future__ import annotations

from tessera.abi.objects import PAGE_BITS
from tessera.build.final_state import identifiers
from tessera.build.guest_memory import GuestWords
from tessera.build.kernel_memory import Row
from tessera.build.spec import KEPT_NAME
from tessera.system import capdl_model as model
from tessera.system.capdl_model import Place, Spec, SpecCap
from tessera.system.environment import USER_SPACE

ROWS = {
    model.ENDPOINT: "EndpointCap",
    model.NOTIFICATION: "NotificationCap",
    model.REPLY: "ReplyCap",
    model.CNODE: "CNodeCap",
    model.TCB: "ThreadCap",
    model.SCHED_CONTEXT: "ContextCap",
    model.FRAME: "FrameCap",
    model.PAGE_TABLE: "TableCap",
    model.IRQ: "IrqHandlerCap",
}
WORDS = {
    "UntypedCap": "untyped memory",
    "SchedControlCap": "the time of the processor",
    "IrqControlCap": "all interrupts",
    "DomainCap": "the scheduling domains",
    "AsidControlCap": "the identifiers of address spaces",
    "ZombieCap": "an object in deletion",
}
NOUNS = {
    "EndpointCap": "an endpoint",
    "NotificationCap": "a notification",
    "ReplyCap": "a reply object",
    "CNodeCap": "a CNode",
    "ThreadCap": "a thread",
    "ContextCap": "a scheduling context",
    "FrameCap": "memory",
    "TableCap": "a page table",
    "PoolCap": "a pool of address space identifiers",
}


class Namer:
    """The names of the machine's objects, by their physical addresses."""

    def __init__(self, spec: Spec, words: GuestWords) -> None:
        self.spec = spec
        self.words = words
        self.addresses: dict[str, int] = {}
        self.names: dict[int, str] = {}
        # The physical address of the pool of address space identifiers, if it was found.
        self.pool: int | None = None
        # Where each page table stands in its address space: the space, and the address of its first entry.
        self.tables = dict(_tables(spec))

    def add(self, name: str, address: int) -> None:
        """An object was found."""
        self.addresses[name] = address
        self.names[address] = name

    def word(self, name: str) -> int:
        """The word at which an object begins."""
        return self.addresses[name] >> 3

    def is_kind(self, row: Row, kind: str) -> bool:
        """Whether a capability is to an object of this kind."""
        return bool(row[0] == ROWS.get(kind))

    def object_of(self, row: Row) -> str | None:
        """The name of the object; None if it is none of the distribution's."""
        if row[0] == "IrqHandlerCap":
            return self.spec.irqs.get(row[1])
        name = self.names.get(row[1]) if row[0] in NOUNS else None
        return name if name is not None and self.is_kind(row, self.spec.objects[name].kind) else None

    def what(self, row: Row) -> str:
        """What a capability is to, for a sentence."""
        name = self.object_of(row)
        if name is not None:
            return f"'{name}'"
        if row[0] == "IrqHandlerCap":
            return f"interrupt {row[1]}"
        return WORDS.get(row[0]) or f"{NOUNS[row[0]]} at {row[1]:#x} that is none of the distribution's"


def cap_differences(spec: Spec, namer: Namer, place: Place, expected: SpecCap | None, row: Row | None) -> list[str]:
    """What is wrong with a capability, as parts of sentences."""
    if row is None:
        assert expected is not None
        return [f"the capability to '{expected.object}'{_rights_text(spec, expected)} is missing"]
    if expected is None:
        return [f"a capability to {namer.what(row)} is there, and should not be"]
    if namer.object_of(row) != expected.object:
        return [f"the capability is to {namer.what(row)}, and should be to '{expected.object}'"]
    told = []
    found = _rights(row)
    if found is not None and found != expected.rights:
        told.append(
            f"the rights to '{expected.object}' are {found or 'none'}, and should be {expected.rights or 'none'}"
        )
    if row[0] in ("EndpointCap", "NotificationCap") and row[2] != expected.badge:
        told.append(f"the badge is {row[2]:#x}, and should be {expected.badge:#x}")
    if row[0] == "CNodeCap" and (row[2], row[3]) != (expected.guard_size, expected.guard):
        told.append(
            f"the guard is {row[3]:#x} of {row[2]} bits, and should be {expected.guard:#x} of {expected.guard_size}"
        )
    if row[0] == "ReplyCap" and not row[2]:
        told.append("the reply object grants nothing, and should grant what is sent with an answer")
    if row[0] == "ContextCap" and row[2] != spec.objects[expected.object].parameters["bits"]:
        told.append(f"the scheduling context has 2**{row[2]} bytes")
    if place[0] == KEPT_NAME:
        told += _mapping_differences(spec, namer, expected, row)
    return told


def _rights(row: Row) -> str | None:
    """The rights of a capability as letters; None for a kind that has none."""
    match row[0]:
        case "EndpointCap":
            _, _, _, send, receive, grant, reply = row
            return _letters((receive, "R"), (send, "W"), (grant, "G"), (reply, "P"))
        case "NotificationCap":
            return _letters((row[4], "R"), (row[3], "W"))
        case "FrameCap":
            return _letters((row[4], "R"), (row[5], "W"))
        case _:
            return None


def _letters(*pairs: tuple[int, str]) -> str:
    return "".join(letter for present, letter in pairs if present)


def _rights_text(spec: Spec, cap: SpecCap) -> str:
    said = [f"rights {cap.rights}"] if cap.rights else []
    said += [f"badge {cap.badge:#x}"] if cap.badge else []
    return f" ({', '.join(said)})" if said else ""


def _mapping_differences(spec: Spec, namer: Namer, expected: SpecCap, row: Row) -> list[str]:
    """Where a frame or a page table is mapped, as its own capability has it."""
    if row[0] == "FrameCap":
        asid, address = row[6], row[7]
        where = None
        if expected.mapping is not None:
            vspace, base, level = namer.tables[expected.mapping[0]]
            where = (vspace, base + (expected.mapping[1] << USER_SPACE.level_bits[level]))
    elif row[0] == "TableCap":
        asid, address = row[3], row[4]
        vspace, base, _ = namer.tables.get(expected.object, (expected.object, 0, 0))
        where = (vspace, base)
        if not row[2]:
            return [f"the page table '{expected.object}' is in no address space"]
    else:
        return []
    found = None if asid == 0 else (_space_of(spec, asid), address)
    if found == where:
        return []

    def text(place: tuple[str | None, int] | None) -> str:
        if place is None:
            return "nowhere"
        return f"at {place[1]:#x} of {f'{place[0]!r}' if place[0] else 'an unknown address space'}"

    return [f"'{expected.object}' is mapped {text(found)}, and should be {text(where)}"]


def _space_of(spec: Spec, asid: int) -> str | None:
    return identifiers(spec).get(asid)


def _tables(spec: Spec) -> list[tuple[str, tuple[str, int, int]]]:
    """For each page table its address space, the first address that it translates, and its level; 0 is the root."""
    to_do = [(name, (name, 0, 0)) for name in identifiers(spec).values()]
    found = []
    while to_do:
        name, (vspace, base, level) = to_do.pop()
        found.append((name, (vspace, base, level)))
        for index, cap in spec.objects[name].slots.items():
            if spec.objects[cap.object].kind == model.PAGE_TABLE:
                below = base + (index << USER_SPACE.level_bits[level])
                to_do.append((cap.object, (vspace, below, level + 1)))
    return found


assert USER_SPACE.level_bits[-1] == PAGE_BITS
