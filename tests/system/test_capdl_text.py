# SPDX-License-Identifier: BSD-2-Clause
"""Capability distributions in upstream's language: what is written is read again, and mistakes are told."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.lang.diagnostics import Diagnostic
from tessera.system.capdl_model import Fill, Schedule, Spec, SpecCap, SpecObject
from tessera.system.capdl_read import read
from tessera.system.capdl_write import identifier, name_of, text


def everything() -> Spec:
    """A specification with every kind of object, parameter and capability that is written."""
    fill = Fill(4, 0x20, "a b.elf", 0x1000)
    made = [
        SpecObject("an ep", "ep"),
        SpecObject("objects", "notification"),
        SpecObject("domain", "rtreply"),
        SpecObject("7", "sc", {"period": 10, "budget": 5, "data": 0x100, "bits": 8}),
        SpecObject("größe", "frame", {"size": 0x1000, "paddr": 0x8000_0000, "fill": [fill, fill]}),
        SpecObject("mega", "frame", {"size": 0x20_0000}),
        SpecObject("pt", "pt", {}, {0: SpecCap("größe", "RWX"), 511: SpecCap("mega", "R", cached=False)}),
        SpecObject("pool", "asid_pool", {"asid_high": 0}, {2: SpecCap("pt")}),
        SpecObject("irq", "irq", {}, {0: SpecCap("objects", "W", 1 << 61)}, {"trigger": "edge"}),
        SpecObject("cnode", "cnode", {"bits": 4}),
        SpecObject("tcb", "tcb", {"addr": 0x1000, "ip": 0, "sp": 16, "prio": 254, "max_prio": 254, "affinity": 0}),
    ]
    made[-1].parameters |= {"resume": True, "fpu_disabled": False, "dom": 3, "init": [1, 0xFFFF_FFFF_FFFF_FFFF]}
    made[-1].slots = {0: SpecCap("cnode", guard=5, guard_size=60), 1: SpecCap("pt"), 8: SpecCap("objects", "RW")}
    made[-2].slots = {
        1: SpecCap("an ep", "RWGP", 1 << 63),
        2: SpecCap("größe", "RW", mapping=("pt", 0)),
        3: SpecCap("tcb"),
        15: SpecCap("sched_control", core=0),
    }
    parents = {("tcb", 0): ("cnode", 3), ("tcb", 8): ("cnode", 1), ("irq", 0): ("cnode", 1)}
    return Spec("riscv", {each.name: each for each in made}, {10: "irq"}, parents, Schedule([(0, 10), (3, 5)], 1, 2))


def test_what_is_written_is_read() -> None:
    spec = everything()
    said = text(spec, ["a comment"])
    assert read(said) == spec
    assert text(read(said), ["a comment"]) == said


def test_the_text_is_upstreams_language() -> None:
    """These lines were accepted by capDL-tool (revision of May 2026), which understands them as is meant here."""
    lines = text(everything()).splitlines()
    assert "  an@20ep = ep" in lines
    assert "  x@@objects = notification" in lines
    assert "  x@@7 = sc (period: 10, budget: 5, data: 0x100, 8 bits)" in lines
    assert "  irq = irq --@ trigger: edge" in lines
    assert "    0x1ff: mega (R, uncached)" in lines
    assert "    0x1: an@20ep (RWGP, badge: 0x8000000000000000)" in lines
    assert "    0x2: gr@c3@b6@c3@9fe (RW, mapping: (pt, 0x0))" in lines
    assert "    cspace: cnode (guard: 0x5, guard_size: 60)" in lines
    assert "  schedule: [(0, 10), (3, 5)]" in lines


@given(st.text(min_size=1))
def test_every_name_has_an_identifier(name: str) -> None:
    word = identifier(name)
    assert name_of(word) == name
    assert word[0].isalpha() and word.isascii() and all(each.isalnum() or each in "-_@." for each in word)


def test_what_upstreams_tool_prints_is_read() -> None:
    """Its printer separates sections and words otherwise, and writes large badges as negative numbers."""
    said = """arch riscv

objects {
  a = ep
  n = cnode (4 bits)
  t = tcb (init: [1, 2])
} caps {

  n {
    1: a (badge: -9223372036854775808, WP)
    a (R)
    4: t /* a comment /* in a comment */ */
  }
  t { cspace: n (guard_size: 60) }
} cdt {

  (n, 1) {(n, 2)}
} irq maps {

}
domains { schedule: [(0, 10), (1, 0x20)] domain_set_start: no_start index_shift: 1 }
"""
    spec = read(said)
    caps = {1: SpecCap("a", "WP", 1 << 63), 2: SpecCap("a", "R"), 4: SpecCap("t")}
    assert spec.objects["n"].slots == caps
    assert spec.objects["t"].parameters == {"init": [1, 2]}
    assert spec.parents == {("n", 2): ("n", 1)}
    assert spec.schedule == Schedule([(0, 10), (1, 32)], None, 1)


C = "objects { c = cnode (4 bits) }"


@pytest.mark.parametrize(
    "said, place, rule, what",
    [
        ("", "1:1", "capdl-syntax", "expected 'arch' and found 'the end of the text'"),
        ("arch riscv", "1:11", "capdl-syntax", "a section is missing"),
        ("arch riscv\nobjects {\n  a = thing\n}", "3:7", "capdl-syntax", "'thing' is no kind of object"),
        ("arch riscv objects { a = ep a = ep }", "1:29", "capdl-duplicate", "there are two objects 'a'"),
        ("arch riscv objects { a[4] = ep }", "1:23", "capdl-shorthand", "arrays, ranges and paths"),
        ("arch riscv objects { u = ut (8 bits) { a = ep } }", "1:38", "capdl-shorthand", "objects inside"),
        (
            "arch riscv objects { c = cnode (4 bits) } caps { c { 1: b } }",
            "1:57",
            "capdl-unknown-object",
            "no object 'b'",
        ),
        ("arch riscv objects { } caps { c { } }", "1:31", "capdl-unknown-object", "there is no object 'c'"),
        (
            f"arch riscv {C} caps {{ c {{ 1: c 1: c }} }}",
            "1:59",
            "capdl-duplicate",
            "filled twice",
        ),
        (f"arch riscv {C} caps {{ c {{ 1: <c> }} }}", "1:57", "capdl-shorthand", "copies"),
        ("arch riscv objects { a = ep", "1:28", "capdl-syntax", "expected a name and found 'the end of the text'"),
        ("arch riscv /* objects", "1:12", "capdl-unfinished", "this is not closed"),
        ("arch riscv \N{SNOWMAN}", "1:12", "capdl-character", "is no token"),
        (
            "arch riscv objects { f = frame (4k, fill: [{0 4 CDL_FrameFill_BootInfo x}]) }",
            "1:37",
            "capdl-shorthand",
            "",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(said: str, place: str, rule: str, what: str) -> None:
    with pytest.raises(Diagnostic) as caught:
        read(said, "x.cdl")
    assert (caught.value.rule, str(caught.value.location)) == (rule, f"x.cdl:{place}")
    assert what in caught.value.what


@given(st.text(alphabet="arch objectscaps{}()[]=:;,-<>/* 0123x\n", max_size=200))
def test_no_text_is_a_surprise(said: str) -> None:
    with suppress(Diagnostic):
        read("arch riscv " + said)
