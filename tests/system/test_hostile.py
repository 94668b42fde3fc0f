# SPDX-License-Identifier: BSD-2-Clause
"""Descriptions that are no descriptions: whatever the file has in it, the answer is a system or a message."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.system.sdf import parse
from tessera.system.xmltree import SIZE_MAX

# Every element and attribute that there is.
EVERYTHING = b"""<?xml version="1.0" encoding="UTF-8"?>
<system>
  <domains><domain name="a" id="0" /><domain name="b" />
    <domain_schedule start_index="0" index_shift="1">
      <schedule_entry domain="a" duration="10 us" /><schedule_entry domain="b" duration="0x10 ticks" />
      <schedule_end_marker />
    </domain_schedule></domains>
  <memory_region name="ring" size="0x200_000" page_size="0x1000" phys_addr="0x9000_0000" />
  <memory_region name="text" prefill_path="text.bin" />
  <memory_region name="tree" prefill_bootinfo="fdt" />
  <protection_domain name="upper" priority="254" budget="500" period="1000" passive="true" stack_size="0x2000" cpu="0"
      smc="false" fpu="false" domain="a">
    <program_image path="upper.elf" path_for_symbols="all.elf" />
    <map mr="ring" vaddr="0x4000000" perms="rwx" cached="false" setvar_vaddr="v" setvar_size="s" />
    <map mr="text" vaddr="0x5000000" perms="r" setvar_prefill_size="p" />
    <irq irq="10" id="61" trigger="edge" setvar_id="i" />
    <setvar symbol="q" region_paddr="ring" />
    <cspace><cap_tcb slot="1" pd="lower" /><cap_sc slot="2" pd="lower" /><cap_vspace slot="63" pd="lower" /></cspace>
    <protection_domain name="lower" priority="3" id="7" setvar_id="c" domain="b">
      <program_image path="x" /></protection_domain>
  </protection_domain>
  <channel><end pd="lower" id="1" pp="true" notify="false" setvar_id="n" /><end pd="upper" id="2" /></channel>
</system>
"""
REFUSED = b"""
    <virtual_machine name="vm" priority="3" budget="500" period="600"><vcpu id="0" cpu="0" setvar_id="z" />
      <map mr="ring" vaddr="0x4000000" perms="rwx" cached="true" /></virtual_machine>
    <ioport id="0" addr="0x3f8" size="8" setvar_id="y" setvar_addr="x" />
    <irq id="1" pin="1" ioapic="0" polarity="low" vector="3" /><irq id="2" pcidev="0:1.2" handle="0" vector="4" />
"""
TOKENS = (
    b"< > \" ' / = & &amp; &#0; &#x110000; <!-- --> <![CDATA[ ]]> <? ?> <!DOCTYPE a:b \\ 0x -1 \xff\xfe \xc3 \0 "
    b'xmlns:a="b" encoding="utf-7" encoding="rot13" encoding="utf-16" <system> </system> <domain <end pd= id="1" '
    b'slot="4" 99999999999999999999'
).split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.bin").write_bytes(b"text")
    return tmp_path


def outcome(path: Path, text: bytes) -> list[Diagnostic]:
    """The mistakes that are told of a file; any other exception is a failure of the test."""
    path.write_bytes(text)
    try:
        parse(path, search_path=[path.parent])
    except Diagnostic as error:
        return [error]
    except Diagnostics as errors:
        return list(errors.errors)
    return []


def test_the_whole_schema_is_read(folder: Path) -> None:
    assert outcome(folder / "all.system", EVERYTHING) == []
    told = outcome(folder / "all.system", EVERYTHING.replace(b"    <cspace>", REFUSED + b"    <cspace>"))
    assert {error.rule for error in told} == {"not-supported"}
    assert len(told) == 2 + 4 + 3


def edited(text: bytes, random: Random) -> bytes:
    """The file with a few bytes changed, removed, put in or copied from elsewhere."""
    made = bytearray(text)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(made))
        match random.randrange(4):
            case 0:
                made[at:at] = random.choice(TOKENS)
            case 1:
                made[at] = random.randrange(256)
            case 2:
                del made[at : at + random.randrange(1, 40)]
            case _:
                start = random.randrange(len(made))
                made[at:at] = made[start : start + random.randrange(1, 200)]
    return bytes(made)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_ends_in_anything_but_a_message(folder: Path, seed: int) -> None:
    random = Random(seed)
    whole = EVERYTHING.replace(b"    <cspace>", REFUSED + b"    <cspace>") if seed % 2 else EVERYTHING
    refused = 0
    for _ in range(400):
        told = outcome(folder / "damaged.system", edited(whole, random))
        refused += bool(told)
        for error in told:
            assert error.location.line > 0 and error.what and error.why and error.fix, error
    assert refused > 200


def words(text: bytes) -> list[bytes]:
    return [part.split(b'"')[1] for part in text.split(b"=")[1:] if part.count(b'"') > 1]


def test_no_value_ends_in_anything_but_a_message(folder: Path) -> None:
    """Every attribute has every value of another, and some that none should have."""
    values = sorted(
        {*words(EVERYTHING), b"", b"-1", b"0", b"62", b"1e3", b"\xd9\xa3", b"18446744073709551615", b"0x1p3"}
    )
    places = [at for at in range(len(EVERYTHING)) if EVERYTHING[at : at + 2] == b'="']
    random = Random(1)
    refused = 0
    for start in places:
        end = EVERYTHING.index(b'"', start + 2)
        for value in random.sample(values, 6):
            refused += bool(outcome(folder / "v.system", EVERYTHING[: start + 2] + value + EVERYTHING[end:]))
    assert refused > 100


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    (told,) = outcome(folder / "large.system", b"<system>" + b" " * SIZE_MAX + b"</system>")
    assert (told.rule, told.location.line) == ("file-too-large", 0)


def test_other_files_are_told_apart(folder: Path) -> None:
    for content in (
        b"",
        b"\0" * 100,
        b"\x7fELF\x02\x01\x01" + bytes(60),
        b"{}",
        b"# SPDX\nimport os\n",
        b"<html></html>",
    ):
        (told,) = outcome(folder / "other.system", content)
        assert told.rule in {"xml-syntax", "unknown-element", "xml-encoding"}
