# SPDX-License-Identifier: BSD-2-Clause
"""Measuring the kernel's own time: QEMU counts the instructions of every kernel entry (``counter.c``).

What is counted is the release kernel that ``tessera bench`` measures, while user level runs all conformance cases, and
operations that take the kernel as long as a user can make it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tessera.build.cache import PACKAGE
from tessera.lang.diagnostics import Diagnostic, Location
from tessera.suites.conformance import cases as conformance
from tessera.suites.conformance.catalogue import CASES, selection
from tessera.suites.kernel_time import operations
from tessera.suites.plugins import boot_with_plugin, places
from tessera.suites.program import Progress, SuiteImage, build_suite

assert conformance.GROUPS  # fills the catalogue

PROFILE = "sel4test"
TIMEOUT = 60.0
COUNTER = PACKAGE / "suites" / "kernel_time" / "counter.c"

# Instructions: what waits for an interrupt, and what operations.mark() is; the register of pending interrupts.
WAIT = 0x1050_0073
MARK = 0x0010_0013
PENDING_REGISTER = 0x144

# How the kernel is entered, and the handler of each.
KINDS = {
    "system call": "handle_system_call",
    "exception": "handle_exception",
    "interrupt": "handle_interrupt",
}


@dataclass(frozen=True)
class Longest:
    """Of all entries of one kind: how many, the longest, and the longest time without a look for interrupts.

    In instructions. ``during`` and ``stretch_during`` name the operation or the case.
    """

    kind: str
    entries: int
    longest: int
    during: str
    stretch: int
    stretch_during: str


@dataclass(frozen=True)
class Part:
    """What one operation or case made the kernel do; of its own, or when what it made was deleted (``deletes``)."""

    name: str
    deletes: bool
    kind: str
    entries: int
    longest: int
    stretch: int

    @property
    def told(self) -> str:
        """A name for a person."""
        return f"deleting what this made: {self.name}" if self.deletes else self.name


def longest(parts: Sequence[Part]) -> list[Longest]:
    """The longest entries of each kind."""
    found = []
    for kind in KINDS:
        some = [part for part in parts if part.kind == kind]
        if some:
            one = max(some, key=lambda part: part.longest)
            stretch = max(some, key=lambda part: part.stretch)
            entries = sum(part.entries for part in some)
            found.append(Longest(kind, entries, one.longest, one.told, stretch.stretch, stretch.told))
    return found


def measure_operations(progress: Progress | None = None) -> list[Part]:
    """The operations that take long."""
    return measure([(_name(one), one) for one in operations.OPERATIONS], progress)


def measure_conformance(progress: Progress | None = None) -> list[Part]:
    """All conformance cases."""
    return measure([(case.name, case.function) for case in CASES.values()], progress)


def measure(functions: Sequence[tuple[str, Callable[[], None]]], progress: Progress | None = None) -> list[Part]:
    """Run functions of user level in one boot, and count the kernel's instructions in each.

    Raises :class:`Diagnostic` if something cannot be built or booted, or if the run did not come to its end.
    """
    names = [name for name, _ in functions]
    selection.cases = tuple((name.encode(), function) for name, function in functions)
    image = build_suite(
        "kernel-time",
        [operations.main],
        names,
        profile=PROFILE,
        config="release",
        checked=True,
        progress=progress,
    )
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        told, _ = boot_with_plugin(image, COUNTER, _arguments(image), counts, _failed, TIMEOUT)
    return read_counts(told, names)


def _name(function: Callable[[], None]) -> str:
    """What an operation is: its docstring."""
    return " ".join((function.__doc__ or "").split())


def _arguments(image: SuiteImage) -> list[str]:
    """What the plugin has to know of kernel and root task."""
    with image.kernel.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        addresses = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}
    told = [f"{kind.replace(' ', '-')}={addresses[handler]:#x}" for kind, handler in KINDS.items()]
    looks = places(image.kernel, lambda word: word & 0x7F == 0x73 and word >> 20 == PENDING_REGISTER)
    for what, some in (
        ("look", looks),
        ("wait", places(image.kernel, lambda word: word == WAIT)),
        ("mark", places(image.root_task, lambda word: word == MARK)),
    ):
        if not some:
            raise _failed(f"no instruction was found for '{what}'", "")
        told += [f"{what}={address:#x}" for address in some]
    return told


def read_counts(told: str, names: Sequence[str]) -> list[Part]:
    """What the plugin wrote, by operation. Raises :class:`Diagnostic` if the run did not come to its end."""
    lines = told.splitlines()
    if not lines or lines[-1] != "END":
        raise _failed("the counts are not complete", told[-1000:])
    found = []
    for line in lines[:-1]:
        number, kind, entries, most, stretch = line.split("|")
        # Part 0 is before the first mark; then each function has two.
        if number != "0":
            index, deletes = divmod(int(number) - 1, 2)
            counted = (int(entries), int(most), int(stretch))
            found.append(Part(names[index], bool(deletes), kind.replace("-", " "), *counted))
    if {part.name for part in found} != set(names):
        raise _failed("the run ended in the middle", told[-1000:])
    return found


def _failed(what: str, why: str) -> Diagnostic:
    return Diagnostic(
        "kernel-time-failed",
        Location("tessera.suites.kernel_time"),
        f"the kernel's time was not measured: {what}",
        why=why,
        fix="run the conformance suite; and see that QEMU was built with plugins",
    )
