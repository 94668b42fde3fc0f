# SPDX-License-Identifier: BSD-2-Clause
"""Policies are decided with reasons and shortest ways, and mistakes in them are told with their places.

Each `X.policy` in tests/rejected/policy is about `test.system` there, and has its message in `X.err`. Setting
TESSERA_UPDATE_GOLDENS=1 writes the messages anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessera.analysis.authority import derive
from tessera.analysis.check import Answer, decide
from tessera.analysis.differences import compare
from tessera.analysis.graph import Authority, NodeKind, Right, component
from tessera.analysis.lines import LONGEST_FILE, read_lines
from tessera.analysis.policy import Policy, read_policy
from tessera.analysis.standin import distribution_of
from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.system.model import System
from tessera.system.sdf import parse

FOLDER = Path(__file__).parent.parent / "rejected" / "policy"
CASES = sorted(FOLDER.glob("*.policy"))
SYSTEM = parse(FOLDER / "test.system", shown_as="test.system")
DISTRIBUTION = distribution_of(SYSTEM)


def authority(dma: dict[str, tuple[str, ...]] | None = None, system: System = SYSTEM) -> Authority:
    return derive(system, DISTRIBUTION if system is SYSTEM else distribution_of(system), dma=dma)


def read(path: Path) -> Policy:
    plain = authority()
    return read_policy(read_lines(path, path.name), SYSTEM, plain.nodes, plain.dma_regions)


def answers(tmp_path: Path, text: str) -> list[Answer]:
    path = tmp_path / "test.policy"
    path.write_text(text)
    return decide(read(path), authority)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path) -> None:
    with pytest.raises((Diagnostic, Diagnostics)) as caught:
        read(case)
    error = caught.value
    golden = case.with_suffix(".err")
    if os.environ.get("TESSERA_UPDATE_GOLDENS") == "1":
        golden.write_text(f"{error}\n")
    assert f"{error}\n" == golden.read_text()
    for each in error.errors if isinstance(error, Diagnostics) else [error]:
        assert each.location.file == case.name
        assert each.location.line > 0 and each.location.column > 0
        assert each.why and each.fix
        assert case.stem == "several" or case.stem.startswith(each.rule)


def test_every_message_has_its_policy() -> None:
    assert {path.stem for path in FOLDER.glob("*.err")} == {path.stem for path in CASES}
    assert len(CASES) >= 20


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Diagnostic, match="cannot read this file"):
        read_lines(tmp_path / "absent.policy")
    (tmp_path / "huge").write_bytes(b"#" * (LONGEST_FILE + 1))
    with pytest.raises(Diagnostic) as caught:
        read_lines(tmp_path / "huge")
    assert caught.value.rule == "file-too-long"


def test_dma_reaches_everything_unless_told_otherwise(tmp_path: Path) -> None:
    (no,) = answers(tmp_path, "deny reach network keys\n")
    assert not no.holds and len(no.path) == 1
    assert "DMA" in no.path[0].text and no.path[0].location.line == 21
    (yes,) = answers(tmp_path, "assume dma nic_regs -> buffers\ndeny reach network keys\n")
    assert yes.holds and [each.location.line for each in yes.rests_on] == [1]
    (other,) = answers(tmp_path, "assume dma nic_regs -> keys\ndeny reach network keys\n")
    assert not other.holds and "assumed to reach 'keys'" in other.path[0].text


ASSUMED = "assume dma nic_regs -> buffers\n"


def test_the_shortest_way_has_a_line_at_each_step(tmp_path: Path) -> None:
    (no,) = answers(tmp_path, ASSUMED + "deny flow keys -> nic_regs\n")
    assert not no.holds
    assert [(step.source.name, step.target.name, step.location.line) for step in no.path] == [
        ("keys", "card", 12),
        ("card", "filter", 31),
        ("filter", "buffers", 17),
        ("buffers", "network", 22),
        ("network", "nic_regs", 21),
    ]
    # Buffers go to the device without the driver's help, too; then it is its registers that learn of them.
    (device,) = answers(tmp_path, ASSUMED + "deny flow keys -> virtio0\n")
    assert [step.target.name for step in device.path] == ["card", "filter", "buffers", "virtio0"]


def test_trust_and_gateways(tmp_path: Path) -> None:
    (yes,) = answers(tmp_path, ASSUMED + "trust filter\ndeny flow component:card -> network\n")
    assert yes.holds and [each.text for each in yes.rests_on] == [ASSUMED.strip(), "trust filter"]
    assert "what 'card' has comes to 'filter', 'monitor', 'card', 'keys' alone" in yes.reason
    (only,) = answers(tmp_path, ASSUMED + "only flow filter, network -> nic_regs\n")
    assert only.holds
    (broken,) = answers(tmp_path, ASSUMED + "only flow network -> buffers\n")
    assert not broken.holds and [step.source.name for step in broken.path] == ["filter"]


def test_trust_does_not_help_against_control(tmp_path: Path) -> None:
    (no,) = answers(tmp_path, "trust filter\ndeny flow component:card -> console\n")
    assert not no.holds
    assert [step.target.name for step in no.path] == ["network", "console"] and no.path[0].holder == "network"
    (through,) = answers(tmp_path, "trust filter\ndeny flow component:card -> filter\n")
    assert through.notes == ("'filter' is trusted, but controlled by 'network'",)


def test_the_monitor_is_trusted_unless_said_otherwise(tmp_path: Path) -> None:
    deny = ASSUMED + "deny flow component:card -> console\n"
    (yes,) = answers(tmp_path, deny)
    assert yes.holds
    (no,) = answers(tmp_path, "distrust monitor\n" + deny)
    assert not no.holds and [step.target.name for step in no.path] == ["monitor", "console"]


def test_requirements_groups_and_all(tmp_path: Path) -> None:
    text = ASSUMED + (
        "require call component:card filter\nrequire call filter component:card\n"
        "group inside = keys, region:card\nonly reach component:card inside\ndeny control * *\n"
        "deny notify * *\nonly reach network irq:1\nonly write console uart0\ndeny flow * -> console # nobody\n"
    )
    got = answers(tmp_path, text)
    assert [answer.holds for answer in got] == [True, False, True, True, True, True, True, True]
    assert "no way from 'filter' to 'card'" in got[1].reason and "(the first of" in got[3].reason


def test_differences(tmp_path: Path) -> None:
    old = (FOLDER / "test.system").read_text()
    new = old.replace('<map mr="buffers" vaddr="0x4000000" />', '<map mr="buffers" vaddr="0x4000000" perms="r" />')
    new = new.replace('<map mr="serial_regs"', '<map mr="card" vaddr="0x6000000" perms="r" /><map mr="serial_regs"')
    path = tmp_path / "new.system"
    path.write_text(new.replace('name="console" priority', 'name="console" passive="false" priority'))
    after = authority({"nic_regs": ("buffers",)}, parse(path, shown_as="new.system"))
    before = authority({"nic_regs": ("buffers",)})
    found = compare(before, after, frozenset({"monitor"}))
    assert [(g.holder, g.right, g.target.name) for g in found.gained] == [("console", Right.READ, "card")]
    assert [(g.holder, g.right, g.target.name) for g in found.lost] == [("filter", Right.WRITE, "buffers")]
    gained = {(flow.source.name, flow.target.name) for flow in found.flows_gained}
    assert ("card", "console") in gained and all(flow.path for flow in found.flows_gained)
    assert (component("filter"), component("network")) in {(f.source, f.target) for f in found.flows_lost}
    assert compare(before, before, frozenset()).is_empty
    assert {f.target.kind for f in found.flows_gained} <= {NodeKind.COMPONENT, NodeKind.REGION, NodeKind.DEVICE}


def test_new_components_are_told_with_their_authority(tmp_path: Path) -> None:
    text = (FOLDER / "test.system").read_text()
    spy = '<protection_domain name="spy"><program_image path="s.elf" /><map mr="keys" vaddr="0x4000000" perms="r" />'
    path = tmp_path / "new.system"
    path.write_text(text.replace("    <channel>", f"{spy}</protection_domain><channel>"))
    found = compare(authority(), authority(system=parse(path)), frozenset({"monitor"}))
    assert found.added == ("spy",) and found.removed == ()
    assert [(g.holder, g.right, g.target.name) for g in found.gained] == [("spy", Right.READ, "keys")]


WORDS = [
    "deny",
    "only",
    "require",
    "trust",
    "assume",
    "group",
    "dma",
    "flow",
    "reach",
    "->",
    ",",
    "=",
    "*",
    '"',
    "#",
    ":",
]
NAMES = ["keys", "card", "filter", "network", "nic_regs", "nothing", "monitor", "region:card", "irq:1", "x"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, *NAMES, "\n", "\n"]) | st.text(max_size=3), max_size=14))
def test_whatever_is_written_is_decided_or_told(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.policy"
        path.write_bytes(" ".join(words).encode("utf-8", "surrogatepass"))
        try:
            got = decide(read(path), authority)
        except (Diagnostic, Diagnostics) as error:
            told = [one.location.line for one in getattr(error, "errors", [error])]
        else:
            told = [answer.demand.location.line for answer in got if answer.reason]
            assert len(told) == len(got)
        assert all(line > 0 for line in told)


def test_the_policy_of_the_greeter_holds(repository: Path) -> None:
    path = repository / "examples/greeter/greeter.system"
    system = parse(path)
    plain = authority(system=system)
    policy = read_policy(read_lines(path.with_suffix(".policy")), system, plain.nodes, plain.dma_regions)
    got = decide(policy, lambda dma: authority(dma, system))
    assert len(got) == 10 and all(answer.holds for answer in got)
    assert {answer.demand.text for answer in got if answer.rests_on} == {
        "deny flow secret -> ring",
        "deny flow secret -> power",
    }
