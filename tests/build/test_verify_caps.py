# SPDX-License-Identifier: BSD-2-Clause
"""The capability graph of a booted machine beside the distribution: exact for all examples, and what is planted into
the machine's memory is found and named.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tessera.build import image as build_image
from tessera.build import spec as build_spec
from tessera.build.debugger import Debugger
from tessera.build.guest_memory import GuestWords
from tessera.build.image import ImageBuild, build_system
from tessera.build.reports import distribution_file
from tessera.build.run import DIFFERENT, boot
from tessera.build.verify import TCB, verify
from tessera.build.verify_objects import CONTEXT
from tessera.build.watched import CapabilityCheck
from tessera.system.capdl import CNode, Distribution
from tessera.system.capdl_model import Spec
from tessera.system.capdl_read import read
from tests.build.planted import (
    Machine,
    clear_slot,
    copy_words,
    endless,
    insert_copy,
    insert_outside,
    move_before_original,
    set_word,
)

BOARD = "qemu_virt_riscv64"
EXAMPLES = ("greeter", "relay", "nested", "interrupt", "passive", "domains")

pytestmark = pytest.mark.qemu


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


def distribution_of(built: ImageBuild) -> Spec:
    file = distribution_file(built.report)
    assert file is not None
    return read(file.read_text())


def checked(built: ImageBuild, spec: Spec, inspect: Callable[[Debugger, GuestWords], None] | None = None) -> Checked:
    check = CapabilityCheck(spec, built.kernel.elf, inspect)
    console = io.StringIO()
    with check.watch() as watch:
        result = boot(built.image, BOARD, timeout=60, stream=console, watch=watch)
    return Checked(check, result, console.getvalue())


@dataclass
class Checked:
    check: CapabilityCheck
    result: int
    console: str


@pytest.mark.parametrize("config", ["debug", "release"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_exact_and_runs_on(repository: Path, tmp_path: Path, name: str, config: str) -> None:
    system = repository / "examples" / name / f"{name}.system"
    built = build_system(system, BOARD, config, [], tmp_path / f"{name}.elf")
    spec = distribution_of(built)
    found = checked(built, spec)
    assert found.check.verdict is not None, found.check.problem
    assert found.check.verdict.differences == []
    assert found.check.verdict.objects == len(spec.objects)
    # More than one capability for each object: that which keeps it, and those which somebody has.
    assert found.check.verdict.capabilities > 1.2 * len(spec.objects)
    assert found.result == 0


@pytest.fixture(scope="module")
def machine(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    patch = pytest.MonkeyPatch()
    patch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))
    system = repository / "examples" / "greeter" / "greeter.system"
    built = build_system(system, BOARD, "debug", [], tmp_path_factory.mktemp("greeter") / "greeter.elf")
    patch.undo()
    spec = distribution_of(built)
    pages: dict[int, list[int]] = {}

    def inspect(debugger: Debugger, words: GuestWords) -> None:
        assert verify(spec, words).differences == []
        # The tables of the kernel's own that a check looks at only where there is something to look at.
        pages.update({number: list(page) for number, page in words.words.pages.items()})

    found = checked(built, spec, inspect)
    assert found.result == 0
    return Machine(spec, pages, found.check.symbols)


def test_what_was_read_is_exact(machine: Machine) -> None:
    assert machine.differences(lambda words, _: None) == []


# Slots of components (system/environment.py): calls on channel 0 are slot 74, notifications slot 10, the input slot 1.
PLANTED: dict[str, tuple[Callable[..., None], list[str]]] = {
    "a capability is missing": (
        clear_slot("client", 74),
        [
            "component 'client', slot 74 (calls on channel 0): the capability to 'server.endpoint'"
            " (rights WP, badge 0x8000000000000000) is missing"
        ],
    ),
    "a capability too many": (
        insert_copy(("client", 74), ("client", 300)),
        [
            "component 'client', slot 300: a capability to 'server.endpoint' is there, and should not be",
        ],
    ),
    "other rights": (
        set_word(lambda words, machine: machine.slot(words, "client", 74), lambda word: word | 1 << 6),
        [
            "component 'client', slot 74 (calls on channel 0): the rights to 'server.endpoint' are RWP, and"
            " should be WP",
        ],
    ),
    "another badge": (
        set_word(lambda words, machine: machine.slot(words, "client", 74) + 1, lambda word: word | 5),
        [
            "component 'client', slot 74 (calls on channel 0): the badge is 0x8000000000000005, and should be"
            " 0x8000000000000000",
        ],
    ),
    "another object": (
        copy_words(("visitor", 1), ("intruder", 1)),
        [
            "component 'intruder', slot 1 (what it waits for): the capability is to 'visitor.notification',"
            " and should be"
            " to 'intruder.notification'"
        ],
    ),
    "another parent": (
        move_before_original("client", 11, "visitor.notification"),
        [
            "component 'client', slot 11 (notification of channel 1) was derived from nothing, and should be from"
            " 'initialiser.kept', slot {original}"
        ],
    ),
    "a capability in a slot that belongs to nobody": (
        insert_outside("client", 74),
        ["there is a further capability to 'server.endpoint', in a slot that belongs to nobody"],
    ),
    "other permissions of a mapping": (
        set_word(
            lambda words, machine: machine.object(words, "server.table2.0x4000000"),
            lambda word: word ^ 4,
        ),
        ["address space of component 'server', 0x4000000: 'secret' is mapped R, and should be mapped RW"],
    ),
    "a mapping too many": (
        set_word(
            lambda words, machine: machine.object(words, "intruder.table2.0x200000") + 400,
            lambda word: 0x8030_0000 >> 2 | 0xD7,
        ),
        [
            "address space of component 'intruder', 0x390000: memory at 0x80300000 that is none of the"
            " distribution's is"
            " mapped (RW), and nothing should be"
        ],
    ),
    "a missing mapping": (
        set_word(lambda words, machine: machine.object(words, "server.table2.0x4000000"), lambda word: 0),
        ["address space of component 'server', 0x4000000: nothing is mapped, and it should be 'secret'"],
    ),
    "another priority": (
        set_word(
            lambda words, machine: machine.object(words, "client.tcb") + TCB["priority"][0], lambda word: word + 1
        ),
        ["thread of component 'client': the priority is 121, and should be 120"],
    ),
    "another budget": (
        set_word(lambda words, machine: machine.object(words, "client.sched_context") + 7, lambda word: word // 2),
        ["time of component 'client': the budget is 500 us in every 0 us, and should be 1000 us in every 1000 us"],
    ),
    "another fault handler": (
        set_word(
            lambda words, machine: machine.object(words, "client.tcb") + TCB["fault_handler"][0] + 1,
            lambda word: word ^ 1,
        ),
        ["thread of component 'client', where its faults go: the badge is 0x5, and should be 0x4"],
    ),
    "a thread without its notification": (
        set_word(
            lambda words, machine: machine.object(words, "visitor.tcb") + TCB["bound_notification"][0], lambda word: 0
        ),
        ["thread of component 'visitor': its bound notification is nothing, and should be visitor.notification"],
    ),
    "what is no capability": (
        set_word(lambda words, machine: machine.slot(words, "client", 4), lambda word: word | 31),
        ["the kernel's memory makes no sense: 31 is not a valid CapKind"],
    ),
    "a list without an end": (
        endless("client", 74),
        ["the kernel's memory makes no sense: a list of slots has no end"],
    ),
    "what only a system with a schedule may have for a while": (
        copy_words(("client", 74), ("monitor", 11)),
        ["the monitor, slot 11: a capability to 'server.endpoint' is there, and should not be"],
    ),
    "another identifier": (
        set_word(
            lambda words, machine: (words.cap(machine.kept(words) + 4) or ("", 0))[1] // 8 + 3,
            lambda word: 0,
        ),
        ["identifier 3 is nobody's, and should be intruder.vspace's"],
    ),
    "a scheduling context without its thread": (
        set_word(
            lambda words, machine: machine.object(words, "visitor.sched_context") + CONTEXT["tcb"][0], lambda word: 0
        ),
        ["'visitor.sched_context' belongs to no thread, and should belong to visitor.tcb"],
    ),
    "an object in deletion": (
        set_word(lambda words, machine: machine.slot(words, "client", 4), lambda word: word & ~31 | 12),
        [
            "component 'client', slot 4 (its reply object): the capability is to an object in deletion, and"
            " should be to"
            " 'client.reply'"
        ],
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_difference_is_found_and_named(machine: Machine, what: str) -> None:
    plant, expected = PLANTED[what]
    assert [
        re.sub("kept', slot [0-9]+", "kept', slot {original}", told) for told in machine.differences(plant)
    ] == expected


def test_a_difference_in_the_image_stops_the_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The initialiser is told to give the intruder what the distribution does not give it."""
    told = build_spec.encode

    def encode(distribution: Distribution) -> bytes:
        def changed(each: CNode) -> CNode:
            source = distribution.by_name["client.cnode"]
            assert isinstance(source, CNode)
            return replace(each, slots={**each.slots, 74: source.slots[74]})

        objects = [changed(o) if o.name == "intruder.cnode" else o for o in distribution.objects]  # type: ignore[arg-type]
        return told(replace(distribution, objects=tuple(objects)))

    monkeypatch.setattr(build_image, "_is_current", lambda *_: False)
    monkeypatch.setattr(build_spec, "encode", encode)
    system = repository / "examples" / "greeter" / "greeter.system"
    built = build_system(system, BOARD, "debug", [], tmp_path / "greeter.elf")
    found = checked(built, distribution_of(built))
    assert found.check.verdict is not None
    assert found.check.verdict.differences == [
        "component 'intruder', slot 74 (calls on channel 0): a capability to 'server.endpoint' is there, and"
        " should not be"
    ]
    assert found.result == DIFFERENT == 126
    assert "giving up all authority" in found.console
    # No component has said anything.
    assert found.console.rstrip().endswith("giving up all authority")
