# SPDX-License-Identifier: BSD-2-Clause
"""`tessera check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def system(repository: Path, tmp_path: Path) -> Path:
    """The system of the rejected policies, in the working directory."""
    (tmp_path / "test.system").write_text((repository / "tests/rejected/policy/test.system").read_text())
    return tmp_path / "test.system"


def test_without_a_policy_authority_is_told(tessera: Command, system: Path) -> None:
    result = tessera("check", "test.system")
    assert (result.returncode, result.stdout) == (0, "")
    assert "    maps 'nic_regs' (rw) (test.system:21)\n" in result.stderr
    assert "    drives the device 'virtio0', which reaches all physical memory by itself (DMA) (test.system:21)\n" in (
        result.stderr
    )
    assert result.stderr.endswith("no policy: test.policy is not there\n")


def test_a_policy_beside_the_description(tessera: Command, system: Path) -> None:
    policy = system.with_suffix(".policy")
    policy.write_text("assume dma nic_regs -> buffers\ndeny reach network keys\n")
    result = tessera("check", "test.system")
    assert (result.returncode, result.stdout) == (0, "")
    assert "test.policy:2: yes: deny reach network keys\n" in result.stderr
    assert "    relies on test.policy:1: assume dma nic_regs -> buffers\n" in result.stderr
    policy.write_text("deny flow keys -> network\n")
    result = tessera("check", "test.system", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    (line,) = told["policy"]
    assert (line["line"], line["number"], line["holds"]) == ("deny flow keys -> network", 1, False)
    assert line["path"][0]["line"] == 21 and "DMA" in line["path"][0]["text"]
    assert ("card", "read", "keys") in {(each["holder"], each["right"], each["target"]) for each in told["authority"]}


def test_mistakes(tessera: Command, system: Path) -> None:
    result = tessera("check", "test.system", "--policy", "absent.policy", "--json")
    assert result.returncode == 2 and json.loads(result.stdout)["errors"][0]["rule"] == "policy-missing"
    (system.parent / "bad.policy").write_text("deny raech network keys\n")
    result = tessera("check", "test.system", "--policy", "bad.policy")
    assert result.returncode == 2
    assert "bad.policy:1:6: error: 'raech'" in result.stderr and "did you mean 'reach'?" in result.stderr
    assert tessera("check", "absent.system").returncode == 2
    assert tessera("check", "test.system", "--against", "absent.system").returncode == 2


def test_differences(tessera: Command, system: Path) -> None:
    text = system.read_text()
    (system.parent / "new.system").write_text(
        text.replace('<map mr="serial_regs"', '<map mr="keys" vaddr="0x6000000" perms="r" /><map mr="serial_regs"')
    )
    result = tessera("check", "new.system", "--against", "test.system", "--json")
    assert result.returncode == 0
    assert "+ new.system:27: 'console' maps 'keys' (r) [read]\n" in result.stderr
    told = json.loads(result.stdout)["differences"]
    assert [(each["holder"], each["target"]) for each in told["gained"]] == [("console", "keys")] and not told["lost"]
    result = tessera("check", "test.system", "--against", "test.system")
    assert result.stderr == "nobody can do anything else than in test.system\n"
