# SPDX-License-Identifier: BSD-2-Clause
"""Differences that tests plant into the memory of a stopped machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tessera.build.guest_memory import GuestWords
from tessera.build.verify import _Comparison, verify
from tessera.system.capdl_model import Spec

Plant = Callable[["GuestWords", "Machine"], None]


@dataclass
class Machine:
    """The memory of a machine that stands before the first instruction of a component of the greeter."""

    spec: Spec
    pages: dict[int, list[int]]
    symbols: dict[str, int]

    def words(self) -> GuestWords:
        def absent(address: int, size: int) -> bytes:
            raise AssertionError(f"{address:#x} was not read from the machine")

        words = GuestWords(absent, self.symbols)
        words.words.pages = {number: list(page) for number, page in self.pages.items()}
        return words

    def differences(self, plant: Callable[[GuestWords, Machine], None]) -> list[str]:
        words = self.words()
        plant(words, self)
        return verify(self.spec, words).differences

    # Where things are

    def object(self, words: GuestWords, name: str) -> int:
        """The word at which the object begins to which the kept capability leads."""
        kept = self.spec.objects["initialiser.kept"].slots
        slot = next(slot for slot, cap in kept.items() if cap.object == name)
        row = words.cap(self.kept(words) + 4 * slot)
        assert row is not None
        return int(row[1]) >> 3

    def kept(self, words: GuestWords) -> int:
        base = _Comparison(self.spec, words)._kept()
        assert base is not None
        return base

    def slot(self, words: GuestWords, name: str, slot: int) -> int:
        """The word at which a slot of a component's CNode begins."""
        return self.object(words, f"{name}.cnode") + 4 * slot


def set_word(at: Callable[[GuestWords, Machine], int], change: Callable[[int], int]) -> Callable[..., None]:
    def plant(words: GuestWords, machine: Machine) -> None:
        place = at(words, machine)
        words.words[place] = change(words.words[place])

    return plant


def clear_slot(name: str, slot: int) -> Callable[..., None]:
    """Take a capability away, as a deletion would."""

    def plant(words: GuestWords, machine: Machine) -> None:
        at = machine.slot(words, name, slot)
        unlink(words, at)
        for word in range(4):
            words.words[at + word] = 0

    return plant


def insert_copy(source: tuple[str, int], target: tuple[str, int]) -> Callable[..., None]:
    """Put a copy of a capability into another slot, behind the first in the list, as the kernel would."""

    def plant(words: GuestWords, machine: Machine) -> None:
        one, two = machine.slot(words, *source), machine.slot(words, *target)
        after = words.words[one + 3] >> 5 << 5
        words.words[two], words.words[two + 1] = words.words[one], words.words[one + 1]
        link(words, two, one, words.index(after) if after else 0)

    return plant


def copy_words(source: tuple[str, int], target: tuple[str, int]) -> Callable[..., None]:
    """Overwrite a capability with another one, where it stands."""

    def plant(words: GuestWords, machine: Machine) -> None:
        one, two = machine.slot(words, *source), machine.slot(words, *target)
        words.words[two], words.words[two + 1] = words.words[one], words.words[one + 1]

    return plant


def link(words: GuestWords, at: int, before: int, after: int) -> None:
    """Put a slot between two others in the list of slots; all by the word that they begin at, 0 for none."""

    def address(word: int) -> int:
        return (word << 3) + words.window & (1 << 64) - 1 if word else 0

    words.words[at + 2] = address(before)
    words.words[at + 3] = words.words[at + 3] & 31 | address(after)
    if before:
        words.words[before + 3] = words.words[before + 3] & 31 | address(at)
    if after:
        words.words[after + 2] = address(at)


def unlink(words: GuestWords, at: int) -> None:
    before, after = words.words[at + 2], words.words[at + 3] >> 5 << 5
    if before:
        one = words.index(before) + 3
        words.words[one] = words.words[one] & 31 | after
    if after:
        words.words[words.index(after) + 2] = before


def move_before_original(name: str, slot: int, target: str) -> Callable[..., None]:
    """Put a derived capability in front of the one that it was derived from."""

    def plant(words: GuestWords, machine: Machine) -> None:
        at = machine.slot(words, name, slot)
        kept = machine.spec.objects["initialiser.kept"].slots
        original = machine.kept(words) + 4 * next(n for n, cap in kept.items() if cap.object == target)
        unlink(words, at)
        before = words.words[original + 2]
        link(words, at, words.index(before) if before else 0, original)

    return plant


def insert_outside(name: str, slot: int) -> Callable[..., None]:
    """A copy of a capability in memory that belongs to no object, behind it in the list."""

    def plant(words: GuestWords, machine: Machine) -> None:
        at = machine.slot(words, name, slot)
        outside = 0x8FFF_F000 >> 3
        words.words.pages[0x8FFFF] = [0] * 512
        words.words[outside], words.words[outside + 1] = words.words[at], words.words[at + 1]
        after = words.words[at + 3] >> 5 << 5
        link(words, outside, at, words.index(after) if after else 0)

    return plant


def endless(name: str, slot: int) -> Callable[..., None]:
    """Let a slot follow itself in the list of slots."""

    def plant(words: GuestWords, machine: Machine) -> None:
        at = machine.slot(words, name, slot)
        words.words[at + 3] = words.words[at + 3] & 31 | (at << 3) + words.window & (1 << 64) - 1

    return plant
