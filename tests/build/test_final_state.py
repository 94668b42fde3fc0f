# SPDX-License-Identifier: BSD-2-Clause
"""The capability distribution that a build writes down: what is read from it is the state that the build meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tessera.build import spec as build_spec
from tessera.build.final_state import final_state, identifiers
from tessera.build.image import build_system
from tessera.build.reports import distribution_file
from tessera.system.capdl import CNode, Distribution, Frame, FrameMapping, IrqHandler, Tcb, VSpace
from tessera.system.capdl_model import KINDS, TCB_SLOTS, Fill
from tessera.system.capdl_read import read
from tessera.system.capdl_write import text

EXAMPLES = ("greeter", "relay", "nested", "interrupt", "passive", "domains")


@pytest.fixture(autouse=True)
def shared_cache(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_CACHE", str(repository / "build" / "cache"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_read_as_it_was_written(
    repository: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Distribution] = []
    with_kept = build_spec.with_kept_cnode
    monkeypatch.setattr(build_spec, "with_kept_cnode", lambda d: seen.append(with_kept(d)) or seen[-1])
    system = repository / "examples" / name / f"{name}.system"
    built = build_system(system, "qemu_virt_riscv64", "release", [], tmp_path / f"{name}.elf", tmp_path / "made.cdl")
    assert built.report == tmp_path / "made.cdl" == distribution_file(tmp_path / "made.cdl")
    (distribution,) = seen

    said = built.report.read_text()
    found = read(said)
    comments = [line.removeprefix("-- ") for line in said.splitlines() if line.startswith("-- ")]
    assert text(found, comments) == said

    # The contents of frames are where the text says.
    image = built.image.read_bytes()
    for frame in distribution.of(Frame):
        fills: list[Fill] = found.objects[frame.name].parameters.pop("fill", [])
        assert len(fills) == len(frame.fills)
        for fill, meant in zip(fills, frame.fills, strict=True):
            assert fill.file == built.image.name
            assert image[fill.file_offset : fill.file_offset + fill.length] == meant.data
    assert found == final_state(distribution)

    # And the state says what the distribution does, each thing in its own place.
    objects = found.objects
    for cnode in distribution.of(CNode):
        if cnode.name != build_spec.KEPT_NAME:
            assert {s: (c.object, c.badge) for s, c in objects[cnode.name].slots.items()} == {
                slot: (cap.object, cap.badge) for slot, cap in cnode.slots.items()
            }
    for thread in distribution.of(Tcb):
        slots = objects[thread.name].slots
        assert slots[TCB_SLOTS["vspace"]].object == thread.vspace.object
        assert slots[TCB_SLOTS["sc_slot"]].object == thread.sched_context.object
        assert objects[thread.name].parameters["prio"] == thread.priority
    for handler in distribution.of(IrqHandler):
        assert found.irqs[handler.irq] == handler.name
        assert objects[handler.name].notes == {"trigger": handler.trigger.value}
    # Identifiers are given in the order of names; 0 is nobody's, and 1 was the initialiser's.
    spaces = sorted(each.name for each in distribution.of(VSpace))
    assert identifiers(found) == dict(enumerate(spaces, 2))
    # The kernel has made no object of these: upstream's loader would refuse it.
    assert {each.kind for each in objects.values()} <= {*KINDS} - {"ut", "asid_pool"}
    for mapping in distribution.mappings:
        assert mapped(found, mapping) == mapping.frame
    # Every object is kept by exactly one capability that is not a further one of a mapping.
    kept = [cap.object for cap in objects[build_spec.KEPT_NAME].slots.values()]
    assert set(kept) == set(objects)
    assert len(kept) - len(objects) == len(distribution.mappings) - len({m.frame for m in distribution.mappings})


def mapped(found: object, mapping: FrameMapping) -> str:
    """What the page tables of the state have at an address, level by level."""
    objects = found.objects  # type: ignore[attr-defined]
    name = mapping.vspace
    for bits in (30, 21, 12):
        name = objects[name].slots[mapping.vaddr >> bits & 511].object
        if objects[name].kind == "frame":
            return str(name)
    raise AssertionError(mapping)
