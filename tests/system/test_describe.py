# SPDX-License-Identifier: BSD-2-Clause
"""Descriptions written in Python: what is written is read back as it was meant; mistakes have Python's lines."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.system.describe import System
from tessera.system.model import CapKind, Permissions, Trigger, Variable


def here() -> int:
    """The line of the caller."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def everything() -> System:
    """A system that uses every argument once."""
    system = System("a comment")
    ring = system.memory_region("ring", 0x20_0000, page_size=0x1000, phys_addr=0x9000_0000)
    text = system.memory_region("text", prefill_path="text.bin")
    system.memory_region("tree", prefill_bootinfo="fdt")
    high, low = system.domain("high"), system.domain("low", 7)
    system.schedule([(high, 1000), ("low", 20), None], unit="ticks", start_index=1, index_shift=2)
    upper = system.protection_domain(
        "upper", "upper.elf", priority=200, budget=500, period=2000, passive=True, stack_size=0x4000, cpu=0, fpu=False,
        domain=high, path_for_symbols="full.elf",
    )  # fmt: skip
    upper.map(ring, 0x400_0000, "rwx", cached=False, setvar_vaddr="v", setvar_size="s")
    upper.map(text, 0x500_0000, "r", setvar_prefill_size="p")
    upper.setvar("address", region_paddr=ring)
    lower = upper.protection_domain("lower", "lower.elf", setvar_id="child", domain=low, priority=1)
    third = upper.protection_domain("third", "lower.elf", 5, domain="low")
    assert (lower.id, third.id) == (0, 5)
    assert upper.irq(10, trigger="edge", setvar_id="line") == 0
    assert upper.irq(11, 3) == 3
    upper.capability("tcb", lower, 1)
    upper.capability("sc", "third", 2)
    lower.capability("vspace", lower, 63)
    call = system.channel(lower, upper, pp="a", notify="none", setvar_id_a="n", setvar_id_b="m")
    assert (call.id_a, call.id_b) == (0, 1)
    assert system.channel(upper, lower, notify="b", id_b=9).id_a == 2
    assert system.channel(upper, lower).id_a == 4
    return system


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "text.bin").write_bytes(b"text")
    written = everything()
    found = written.write(tmp_path / "made.system")
    assert (tmp_path / "made.system").read_text() == written.text()
    upper, lower, third = found.domains()
    assert (upper.name, upper.priority, upper.budget, upper.period) == ("upper", 200, 500, 2000)
    assert (upper.passive, upper.stack_size, upper.fpu, upper.domain) == (True, 0x4000, False, "high")
    assert (upper.program_image, upper.symbols) == ("upper.elf", "full.elf")
    ring, text = upper.maps
    assert (ring.mr, ring.vaddr, str(ring.perms), ring.cached) == ("ring", 0x400_0000, "rwx", False)
    assert (text.mr, text.perms) == ("text", Permissions.READ)
    assert [(irq.irq, irq.id, irq.trigger) for irq in upper.irqs] == [(10, 0, Trigger.EDGE), (11, 3, Trigger.LEVEL)]
    kinds = {variable.symbol: variable.kind for variable in found.variables(upper)}
    assert kinds == {
        "v": Variable.VADDR,
        "s": Variable.SIZE,
        "p": Variable.PREFILL_SIZE,
        "address": Variable.REGION_PADDR,
        "child": Variable.ID,
        "line": Variable.ID,
        "m": Variable.ID,
    }
    assert [(cap.kind, cap.pd, cap.slot) for cap in upper.caps] == [
        (CapKind.TCB, "lower", 1),
        (CapKind.SCHED_CONTEXT, "third", 2),
    ]
    assert [(cap.kind, cap.slot) for cap in lower.caps] == [(CapKind.VSPACE, 63)]
    assert (lower.parent, lower.id, third.id, third.domain) == ("upper", 0, 5, "low")
    ends = [[(e.pd, e.id, e.pp, e.notify) for e in (channel.a, channel.b)] for channel in found.channels]
    assert ends == [
        [("lower", 0, True, False), ("upper", 1, False, False)],
        [("upper", 2, False, False), ("lower", 9, False, True)],
        [("upper", 4, False, True), ("lower", 1, False, True)],
    ]
    regions = {region.name: region for region in found.memory_regions}
    assert (regions["ring"].size, regions["ring"].phys_addr) == (0x20_0000, 0x9000_0000)
    assert (regions["text"].prefill, regions["tree"].bootinfo) == (b"text", "fdt")
    schedule = found.schedule
    assert schedule is not None
    assert (schedule.start, schedule.shift) == (1, 2)
    assert [(e.domain, e.duration, e.in_ticks) for e in schedule.entries[:2]] == [
        ("high", 1000, True),
        ("low", 20, True),
    ]
    assert [domain.id for domain in schedule.domains] == [0, 7]


def test_names_are_written_so_that_they_are_read_back(tmp_path: Path) -> None:
    system = System()
    system.protection_domain("<a & 'b' \"c\">", "x.elf")
    (pd,) = system.write(tmp_path / "made.system").domains()
    assert pd.name == "<a & 'b' \"c\">"


def test_mistakes_are_told_at_the_lines_of_python(tmp_path: Path) -> None:
    system = System()
    system.memory_region("ring", 0x1000)
    one = system.protection_domain("one", "one.elf")
    first = here() - 1
    one.map("rnig", 0x100_0000)
    wrong_map = here() - 1
    system.protection_domain("one", "other.elf")
    second = here() - 1
    with pytest.raises(Diagnostics) as caught:
        system.write(tmp_path / "made.system")
    told = {error.rule: error for error in caught.value.errors}
    assert {rule: (error.location.file, error.location.line) for rule, error in told.items()} == {
        "unknown-region": (__file__, wrong_map),
        "duplicate-domain": (__file__, second),
    }
    assert told["duplicate-domain"].why == f"the first is at {__file__}:{first}"
    assert told["unknown-region"].fix == "did you mean 'ring'?"
    assert not (tmp_path / "made.system").exists()


def test_one_mistake_alone() -> None:
    system = System()
    with pytest.raises(Diagnostic) as caught:
        system.check()
    assert caught.value.rule == "no-domains"
    assert caught.value.location.file == __file__
