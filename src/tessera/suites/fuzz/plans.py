# SPDX-License-Identifier: BSD-2-Clause
"""Which objects each ``@invariant`` is applied to: after each event, and when all are looked at.

Every invariant of the kernel is checked after each event, for

- all objects of its type if it speaks of one (of slots: those in use, and those that changed);
- pairs of which one has changed, if it speaks of two;
- all objects of its type, and all words that matter, if it speaks of both, where one of those objects has changed;
- objects that have changed if it looks through memory (``HEAVY``).

A complete look has all objects, all pairs of slots in use, and all words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.objects import IPC_BUFFER_BITS
from tessera.kernel import derivation_invariants, memory_invariants, object_invariants, refill_ring, vspace_invariants
from tessera.kernel.layout import ASIDS_PER_POOL, Granule, Slot
from tessera.kernel.state import ASID_POOLS, IRQ_SLOTS, MAX_DOMAIN_SCHEDULE, PRIORITIES
from tessera.lang.functions import FUNCTIONS, FunctionInfo, info_of
from tessera.lang.types import is_packed, is_struct, is_word
from tessera.llvm.watch import Check, Plans
from tessera.proof.kernel import kernel_modules

# Words that invariants speak of, by the name of the parameter: 0 up to, but not including, this. There is nothing
# behind it that they could speak of.
WORDS = {
    "index": 512,
    "number": ASID_POOLS,
    "place": ASIDS_PER_POOL,
    "irq": IRQ_SLOTS,
    "entry": MAX_DOMAIN_SCHEDULE,
    "priority": PRIORITIES,
    "word": PRIORITIES // 64,
}
# The words of bitmaps and queues are tried where they have changed.
OF_QUEUES = ("domain", "priority", "word")


def _names(*functions: Any) -> frozenset[str]:
    return frozenset(info.name for function in functions if (info := info_of(function)) is not None)


# What looks through memory is done for slots that have changed, and for all where an object began or ended.
HEAVY = _names(object_invariants.capability_is_valid, derivation_invariants.cleared_memory_is_zero)
# Of invariants that speak of addresses in an object: the objects of which they say anything (slots that CNodes begin
# with, untyped memory), and the addresses: after an event the places where objects of a kind were made, and memory
# that was written, or that was handed out or came back.
PLACES = {
    **dict.fromkeys(_names(object_invariants.node_slots_are_live), ("heads", "changed.heads", "places.Slot")),
    **dict.fromkeys(
        _names(refill_ring.ring_places_are_refills), ("all.SchedContext", "changed.SchedContext", "places.Refill")
    ),
    **dict.fromkeys(
        _names(memory_invariants.free_memory_is_granular, memory_invariants.cleared_memory_is_zero),
        ("used.untyped", "used.untyped", "changed.memory"),
    ),
}
NUMBERED = _names(vspace_invariants.spaces_are_roots)
# Functions with a `forall` over addresses: buffers begin so far apart.
STEPS = dict.fromkeys(_names(object_invariants.has_buffers), 1 << IPC_BUFFER_BITS)
MEMORY = "memory"


def invariants() -> list[FunctionInfo]:
    """All invariants of the kernel, in the order of their names."""
    modules = set(kernel_modules())
    found = (i for i in FUNCTIONS.values() if i.kind == "invariant" and i.function.__module__ in modules)
    return sorted(found, key=lambda info: info.name)


def of_words(name: str) -> int:
    """How many words there are to be tried for a parameter. Raises :class:`KeyError` for one that is not known."""
    return configuration.profile.domains if name == "domain" else WORDS[name]


def _complete(name: str, type_: Any) -> str:
    if is_word(type_):
        return f"word.{name}"
    return "used.Slot" if is_packed(type_) else f"all.{type_.__name__}"


def _every(name: str, type_: Any) -> str:
    return "used.Slot" if type_ is Slot else _complete(name, type_)


def _changed(name: str, type_: Any) -> str:
    if is_word(type_):
        return f"changed.{name}" if name in OF_QUEUES else f"word.{name}"
    return f"changed.{Slot.__name__ if is_packed(type_) else type_.__name__}"


def after_event(info: FunctionInfo) -> Iterator[tuple[str, ...]]:
    """The lists that an invariant is applied to after each event."""
    parameters = list(info.signature()[0].items())
    objects = [type_ for _, type_ in parameters if not is_word(type_)]
    if info.name in PLACES:
        yield PLACES[info.name][1:]
    elif info.name in NUMBERED:
        # Of other numbers, under which there is no pool, nothing is said.
        yield "changed.AsidPool", "used.number", "word.place"
    elif info.name in HEAVY:
        yield ("changed.valid",)
    elif len(parameters) == 1 and objects:
        name = objects[0].__name__
        yield from [("used.Slot",), ("changed.Slot",)] if objects[0] is Slot else [(f"all.{name}",)]
    elif len(objects) == 2:
        every = [_every(*parameter) for parameter in parameters]
        for place, (name, type_) in enumerate(parameters):
            if not is_word(type_):
                yield (*every[:place], _changed(name, type_), *every[place + 1 :])
    else:
        yield tuple(_changed(*parameter) for parameter in parameters)


def complete(info: FunctionInfo, every_pair: bool) -> tuple[str, ...]:
    """The lists of all objects that an invariant is applied to."""
    if info.name in PLACES:
        return PLACES[info.name][0], MEMORY
    parameters = list(info.signature()[0].items())
    if len(parameters) == 2 and all(type_ is Slot for _, type_ in parameters) and not every_pair:
        return "used.Slot", "used.Slot"
    return tuple(_complete(*parameter) for parameter in parameters)


def plans() -> Plans:
    """What is checked after each event, now and then, and at the end."""
    known = invariants()
    rows: dict[str, list[Check]] = {
        "event": [(info.name, lists) for info in known for lists in after_event(info)],
        "complete": [(info.name, complete(info, False)) for info in known],
        "pairs": [(info.name, complete(info, True)) for info in known],
    }
    return Plans(rows, filtered=(Granule,))


def structs() -> list[Any]:
    """The structs whose objects are in lists."""
    types = {type_ for info in invariants() for type_ in info.signature()[0].values() if is_struct(type_)}
    return sorted(types - {Granule}, key=lambda cls: str(cls.__name__))


def word_lists() -> dict[str, int]:
    """The lists of words, and how long they are."""
    names = {name for info in invariants() for name, type_ in info.signature()[0].items() if is_word(type_)}
    return {f"word.{name}": of_words(name) for name in sorted(names - {"address"})}


def all_lists(plan: Plans) -> set[str]:
    """The names of lists that are filled: those of other names would stay empty without a word."""
    kinds = [cls.__name__ for cls in structs()]
    names = {f"{which}.{kind}" for which, kind in product(("all", "changed"), kinds)}
    names |= {
        "used.Slot",
        "used.untyped",
        "used.number",
        "heads",
        "changed.heads",
        "changed.valid",
        "places.Slot",
        "places.Refill",
        MEMORY,
    }
    names |= {"changed.memory", *(f"changed.{name}" for name in OF_QUEUES)}
    return names | set(word_lists())
