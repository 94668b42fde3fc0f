# SPDX-License-Identifier: BSD-2-Clause
"""Does everything fit, and in which order is it made?

The initialiser takes memory from the untyped list that the kernel gives it at run time. Here the same is done in
advance with the list that the kernel will give, so that a system which does not fit is told so in the user's names
before it is started. The rules, which the initialiser follows:

1. Objects at fixed physical addresses first, in the order of addresses. What lies between the part of an untyped that
   is already used and such an object becomes untypeds again, as large as alignment allows.
2. Then all others, the largest first, those of one size in the order of the distribution. Each is taken from the first
   untyped that has room: those from rule 1 first, then those of the kernel's list in its order. Because sizes fall and
   are powers of two, no memory is lost to alignment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tessera.abi.boards import Board
from tessera.abi.layout import Untyped, round_up, split_untyped
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.capdl import Distribution, KernelObject
from tessera.system.collect import size_text
from tessera.system.model import System


@dataclass
class Pool:
    """An untyped of which the part below ``used_to`` is taken."""

    untyped: Untyped
    used_to: int = field(init=False)

    def __post_init__(self) -> None:
        self.used_to = self.untyped.paddr

    @property
    def left(self) -> int:
        return self.untyped.end - self.used_to

    def take(self, bits: int) -> bool:
        """Take the next ``2**bits`` bytes, if there are as many."""
        start = round_up(self.used_to, bits)
        if start + (1 << bits) > self.untyped.end:
            return False
        self.used_to = start + (1 << bits)
        return True


@dataclass(frozen=True)
class Allocation:
    """``order``: names of all objects that take memory, in the order of their creation. Sizes in bytes, of RAM.

    ``slots``: how many slots of its own CNode the initialiser needs, from the first empty one on.
    """

    order: tuple[str, ...]
    fillers: int
    slots: int
    total: int
    used: int
    left: int


def creation_order(distribution: Distribution) -> list[KernelObject]:
    """The objects that take memory, in the order in which they are made."""
    made = [each for each in distribution.objects if each.memory_bits is not None]
    fixed = sorted((each for each in made if each.paddr is not None), key=lambda each: each.paddr or 0)
    free = sorted((each for each in made if each.paddr is None), key=lambda each: -_bits(each))
    return [*fixed, *free]


def allocate(
    distribution: Distribution, system: System, untypeds: Sequence[Untyped], *, slots: int, board: Board
) -> Allocation:
    """Check that the distribution fits into ``untypeds`` (the kernel's list) and into ``slots`` empty slots.

    Raises :class:`Diagnostic` with the name of the object that does not fit.
    """
    order = creation_order(distribution)
    pools = [Pool(untyped) for untyped in untypeds]
    total = sum(1 << untyped.bits for untyped in untypeds if not untyped.device)
    fillers: list[Pool] = []
    count = 0
    for each in order:
        if each.paddr is not None:
            pieces = _take_fixed(each, pools, system, board)
            count += len(pieces)
            fillers += [Pool(piece) for piece in pieces if not piece.device]
            continue
        room = (pool for pool in [*fillers, *pools] if not pool.untyped.device and pool.take(_bits(each)))
        if next(room, None) is None:
            raise _out_of_memory(each, order, system, [*fillers, *pools], total)
    left = sum(pool.left for pool in [*fillers, *pools] if not pool.untyped.device)
    needed = count + slots_needed(distribution)
    if needed > slots:
        raise Diagnostic(
            "out-of-slots",
            owner_location(_usage(order, system, memory=False).most_common(1)[0][0], system),
            f"the system needs {needed} capabilities at its start, and the initialiser has room for {slots}",
            why="the most are for " + _biggest(order, system, memory=False),
            fix='give large memory regions page_size="0x200000", or choose a profile with a larger root CNode',
        )
    return Allocation(tuple(each.name for each in order), count, needed, total, total - left, left)


def slots_needed(distribution: Distribution) -> int:
    """Slots of the initialiser: one for each object, and one for each mapping of a frame beyond its first."""
    mapped = Counter(mapping.frame for mapping in distribution.mappings)
    return len(distribution.objects) + sum(times - 1 for times in mapped.values())


def _bits(each: KernelObject) -> int:
    assert each.memory_bits is not None
    return each.memory_bits


def _take_fixed(each: KernelObject, pools: Iterable[Pool], system: System, board: Board) -> list[Untyped]:
    """Take the memory at the object's own address, and return the untypeds that are left below it."""
    assert each.paddr is not None
    size = 1 << _bits(each)
    for pool in pools:
        untyped = pool.untyped
        if untyped.paddr <= each.paddr and each.paddr + size <= untyped.end and pool.used_to <= each.paddr:
            pieces = split_untyped(pool.used_to, each.paddr, device=untyped.device)
            pool.used_to = each.paddr + size
            return pieces
    raise Diagnostic(
        "phys-addr-taken",
        owner_location(each.name, system),
        f"the physical memory of '{each.name}' at [{each.paddr:#x}, {each.paddr + size:#x}) cannot be given out",
        why=_holder(each.paddr, size, board),
        fix="choose another phys_addr; the devices of this board are "
        + ", ".join(f"{device.name} at {device.region.start:#x}" for device in board.devices[:4])
        + ", ...",
    )


def _holder(start: int, size: int, board: Board) -> str:
    for region in board.kernel_devices:
        if start < region.end and region.start < start + size:
            return f"[{region.start:#x}, {region.end:#x}) is the {region.name}, which only the kernel uses"
    if start + size > board.device_top:
        return f"physical addresses end at {board.device_top:#x}"
    return "the kernel or the initialiser is there, or the initialiser's own objects are"


def _out_of_memory(
    each: KernelObject, order: Sequence[KernelObject], system: System, pools: Sequence[Pool], total: int
) -> Diagnostic:
    memory = [pool.left for pool in pools if not pool.untyped.device and pool.left]
    needed = sum(1 << _bits(other) for other in order if other.paddr is None)
    largest = f", the largest piece {size_text(max(memory))}" if memory else ""
    return Diagnostic(
        "out-of-memory",
        owner_location(each.name, system),
        f"no memory is left for '{each.name}' ({each.word}, {size_text(1 << _bits(each))})",
        why=f"the system needs {size_text(needed)}; the machine has {size_text(total)}, of which "
        f"{size_text(sum(memory))} were left at this point{largest}; the most is for "
        + _biggest(order, system, memory=True),
        fix="make the largest memory regions smaller, or choose a board or profile with more memory",
    )


def owner_of(name: str, system: System) -> str:
    """The memory region or component of the description to which an object belongs."""
    known = [region.name for region in system.memory_regions] + [pd.name for pd in system.domains()]
    fitting = [known_name for known_name in known if name == known_name or name.startswith(known_name + ".")]
    return max(fitting, key=len, default=name.split(".")[0])


def owner_location(name: str, system: System) -> Location:
    owner = owner_of(name, system)
    places = {pd.name: pd.location for pd in system.domains()} | {r.name: r.location for r in system.memory_regions}
    return places.get(owner, system.location)


def _usage(order: Sequence[KernelObject], system: System, *, memory: bool) -> Counter[str]:
    """Bytes of RAM, or the number of objects, of each component and memory region."""
    usage: Counter[str] = Counter()
    for each in order:
        usage[owner_of(each.name, system)] += (1 << _bits(each)) * (each.paddr is None) if memory else 1
    return usage


def _biggest(order: Sequence[KernelObject], system: System, *, memory: bool) -> str:
    """The three owners with the most memory, or with the most objects, as a list for a sentence."""
    usage = _usage(order, system, memory=memory)
    return ", ".join(f"'{name}' ({size_text(n) if memory else n})" for name, n in usage.most_common(3))
