# SPDX-License-Identifier: BSD-2-Clause
"""Whatever is in a user's files and on the command line: the answer is a result or a message, never a traceback.

The reader of descriptions alone is in tests/system/test_hostile.py, that of programs in
tests/build/test_hostile_programs.py.
Here are policies, timing files, command lines, and everything that is done with a description that was accepted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import pytest

from tessera.cli import main as command
from tessera.cli.answers import Answers
from tessera.cli.check import decide_file
from tessera.cli.options import INTERNAL
from tessera.cli.time import report_facts
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.system import capdl_read, capdl_write
from tessera.system.distribute import distribute
from tessera.system.html import as_html
from tessera.system.model import System
from tessera.system.report import as_text, report
from tessera.system.sdf import parse
from tests.system.systems import allocated, images
from tests.system.test_hostile import EVERYTHING, edited

BOARD = "qemu_virt_riscv64"
POLICY = """\
# What must hold.
group inside = component:card, filter
trust filter
distrust monitor
assume dma nic_regs -> buffers
deny flow region:card -> network
deny reach network keys, region:card
only write component:card, filter region:card
require call component:card filter
deny notify * "console"
require flow irq:1 -> network
"""
TIMING = """\
kernel 8us
interrupt bus 10 wcet 100us every 1ms deadline 500us
job control wcet 3ms every 20ms deadline 15ms calls filter x2
procedure filter wcet 400us
"""
WORDS = (
    'deny only require trust flow reach -> , " # * = job wcet every deadline calls x2 x999999999999 0us -1us 1e9s '
    "99999999999999999999s 0.0000001us inside component: irq: irq:99999 region: device:virtio0 \0 \x7f"
    " \ufffe nothing dma"
).split()


def damaged(text: str, random: Random) -> str:
    """The text with words changed, removed, doubled or put in, or with a line in another place."""
    parts = text.split(" ")
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(parts))
        match random.randrange(5):
            case 0:
                parts[at] = random.choice(WORDS)
            case 1:
                parts.insert(at, random.choice(WORDS))
            case 2:
                del parts[at]
            case 3:
                parts.insert(at, parts[random.randrange(len(parts))])
            case _:
                parts[at] = parts[at][: random.randrange(len(parts[at]) + 1)]
    return " ".join(parts)


def with_other_times(text: str, random: Random) -> str:
    """The text with other times and numbers in the places of some; many of them are possible."""
    some = "1us 7us 300us 999us 1ms 20ms 3s 0us 1ns 18446744073709551615us x1 x7 x1000".split()
    return " ".join(
        random.choice(some) if word[-1:] == "s" and word[:1].isdigit() and random.random() < 0.3 else word
        for word in text.split(" ")
    )


def with_other_values(text: bytes, random: Random) -> bytes:
    """The description with values of attributes that are likely to be accepted in the places of one or two."""
    made = text
    for _ in range(random.choice((1, 1, 2))):
        places = [at for at in range(len(made)) if made[at : at + 2] == b'="']
        start = random.choice(places) + 2
        values = (
            b"1",
            b"0x1000",
            b"0x8000",
            b"100",
            b"254",
            b"true",
            b"false",
            b"rw",
            b"r",
            b"a",
            b"b",
            b"ring",
            b"9",
        )
        made = made[:start] + random.choice(values) + made[made.index(b'"', start) :]
    return made


def mistakes(error: Diagnostic | Diagnostics) -> list[Diagnostic]:
    return list(error.errors) if isinstance(error, Diagnostics) else [error]


@pytest.fixture(scope="module")
def network(repository: Path) -> System:
    return parse(repository / "tests" / "rejected" / "policy" / "test.system")


@pytest.fixture(scope="module")
def vehicle(repository: Path) -> System:
    return parse(repository / "tests" / "analysis" / "systems" / "vehicle.system")


def test_no_policy_ends_in_anything_but_answers_or_a_message(network: System, tmp_path: Path) -> None:
    file = tmp_path / "a.policy"
    file.write_text(POLICY)
    assert len(decide_file(network, BOARD, file)[0]) == 6
    random, answered, refused = Random(1), 0, 0
    for _ in range(150):
        file.write_text(damaged(POLICY, random), encoding="utf-8", errors="surrogatepass")
        try:
            answered += bool(decide_file(network, BOARD, file)[0])
        except (Diagnostic, Diagnostics) as error:
            refused += 1
            for each in mistakes(error):
                assert each.location.line > 0 and each.what and each.why and each.fix, each
    assert answered > 5 and refused > 50


def test_no_timing_file_ends_in_anything_but_times_or_a_message(vehicle: System, tmp_path: Path) -> None:
    file = tmp_path / "a.timing"
    file.write_text(TIMING)
    assert report_facts(vehicle, BOARD, file)["promises"]
    random, answered, refused = Random(2), 0, 0
    for _ in range(250):
        text = damaged(TIMING, random) if random.random() < 0.5 else with_other_times(TIMING, random)
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            json.dumps(report_facts(vehicle, BOARD, file))
            answered += 1
        except (Diagnostic, Diagnostics) as error:
            refused += 1
            for each in mistakes(error):
                assert each.location.line > 0 and each.what and each.why and each.fix, each
    assert answered > 5 and refused > 50


@pytest.mark.parametrize("content", [b"\xff\xfe", b"deny \xc3", b"\x7fELF\x02\x01\x01", b"\0" * 64, b"a" * (1 << 21)])
@pytest.mark.parametrize("kind", ["policy", "timing"])
def test_other_files_are_told(network: System, tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes(content)
    with pytest.raises((Diagnostic, Diagnostics)):
        decide_file(network, BOARD, file) if kind == "policy" else report_facts(network, BOARD, file)


def test_all_that_is_done_with_an_accepted_description_ends_well(tmp_path: Path) -> None:
    """Authority, times, distribution and all forms of the report, for descriptions that were changed a little."""
    (tmp_path / "text.bin").write_bytes(b"text")
    path = tmp_path / "a.system"
    without = EVERYTHING.replace(b'<memory_region name="tree" prefill_bootinfo="fdt" />', b"").replace(
        b"0x200_000", b"0x4000"
    )
    random, done = Random(3), 0
    for round_ in range(120):
        change = edited if random.random() < 0.3 else with_other_values
        path.write_bytes(without if round_ == 0 else change(without, random))
        try:
            system = parse(path, search_path=[tmp_path])
            facts = whole_report(path, system)
        except (Diagnostic, Diagnostics):
            assert round_ > 0
            continue
        assert as_text(facts) and as_html(facts) and json.dumps(facts)
        done += 1
    assert done > 10


def whole_report(path: Path, system: System) -> dict[str, object]:
    from tessera.build.final_state import final_state
    from tessera.build.spec import with_kept_cnode

    programs = images(system)
    made = distribute(system, programs)
    state = final_state(with_kept_cnode(made))
    assert capdl_read.read(capdl_write.text(state)) == state
    facts = report(system, programs, made, allocated(made, system))
    facts["answers"] = Answers(path, BOARD, [path.parent], ignore_policy=True).facts()
    facts["description"] = path.read_text(errors="replace")
    return facts


# The command line

ARGUMENTS = (
    "build check time run swap-kernel kernel sdk doctor fuzz bench prove schedule conformance --help --version "
    "--json -v -o -r --report --output --board --config --search-path --policy --against --timing --kernel-time "
    "--timeout --ignore-policy --verify-caps --icount --profile debug release qemu_virt_riscv64 good.system "
    "bad.system absent.system folder binary 5us -1 1e400 nan - -- = '' --= -x --jsn --config=debug --timeout=nan "
    "x.html x.cdl /dev/null "
).split()
# Commands that do something by themselves are tried with arguments that end them before.
ALONE = {"kernel", "sdk", "fuzz", "bench", "prove", "schedule", "conformance", "doctor"}


def test_no_command_line_ends_in_anything_but_a_message(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tessera.build import image

    def refuse(*_: object, **__: object) -> None:
        raise Diagnostic("stand-in", Location("nothing"), "nothing is built here")

    monkeypatch.setattr(image, "build_system", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.system").write_text((repository / "examples" / "greeter" / "greeter.system").read_text())
    (tmp_path / "bad.system").write_text("<system><channel /></system>")
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 8)
    random = Random(4)
    codes = set()
    for _ in range(100):
        given = [random.choice(ARGUMENTS[:5])] if random.random() < 0.8 else []
        given += random.choices(ARGUMENTS, k=random.randrange(5))
        if ALONE & set(given):
            given.append("--no-such-option")
        monkeypatch.setattr(sys, "argv", ["tessera", *given])
        with pytest.raises(SystemExit) as ended:
            command.main()
        told = capsys.readouterr()
        assert ended.value.code != INTERNAL, (given, told.err)
        assert "Traceback" not in told.err and "internal error" not in told.err, (given, told.err)
        if ended.value.code == 2:
            assert told.err, given
        codes.add(ended.value.code)
    assert {0, 2} <= codes
