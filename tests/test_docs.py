# SPDX-License-Identifier: BSD-2-Clause
"""What the documents say can be done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_kernel_can_be_stepped_through(repository: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (repository / "docs" / "kernel.md").read_text(), re.M | re.S)
    script = tmp_path / "step.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(repository)!r})\n{code}")
    commands = ["b unwrap(syscall.dispatch)", "b unwrap(untyped.retype)", "c", "a", "n"]
    commands += ["s", "s", "s", "p thread.state", "c", "w", "c", ""]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
        input="\n".join(commands),
    )
    assert done.stderr == ""
    told = done.stdout
    assert re.search(r"syscall\.py\(\d+\)dispatch\(\)", told)
    assert "number = u64(0xffffffffffffffff)" in told  # Call is -1
    assert "ThreadState.RUNNING" in told
    assert told.index("entry.py") < told.index("invoke/untyped.py") < told.rindex("untyped.py")
    assert told.endswith("(Pdb) ENDPOINT\n")


def test_the_example_of_contracts_runs_and_is_read_for_proofs(repository: Path, tmp_path: Path) -> None:
    (code,) = re.findall(
        r"^```python\n# contracts\.py\n(.*?)^```", (repository / "docs/language.md").read_text(), re.M | re.S
    )
    (tmp_path / "contracts.py").write_text(code)
    script = """
import contracts
from tessera.ir.build import build_program
from tessera.lang import Memory, at, MEMORY_BASE
with Memory(4096):
    other = at(contracts.Node, MEMORY_BASE + 1024)
    other.value, other.rank = 5, 1
    contracts.prepend(contracts.first, other)
    print(contracts.first.rank, contracts.ranks_fall(contracts.first), contracts.total(other))
roots = [contracts.prepend, contracts.total, contracts.ranks_fall]
for function in build_program(roots, specification=True).functions.values():
    print(function.info.function.__name__, *(contract.kind for contract in function.contracts))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "2 True 6",
        "prepend requires requires modifies ensures",
        "total ensures",
        "ranks_fall trigger",
        "is_behind",
    ]


def test_the_reading_order_names_every_file_of_the_kernel(repository: Path) -> None:
    text = (repository / "docs" / "kernel.md").read_text()
    files = {path.stem for path in (repository / "src/tessera/kernel").glob("*.py")} - {"__init__"}
    named = set(re.findall(r"`(\w+)`", text.partition("## How a call")[0]))
    assert {name for name in files if not name.endswith("_invariants")} <= named


def test_links_lead_somewhere(repository: Path) -> None:
    for page in [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.qemu
def test_the_tutorial_works_as_written(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "tutorial.md").read_text()
    files = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", text, re.M | re.S)
    assert [name for name, _ in files] == ["pingpong.system", "adder.py", "asker.c"]
    for name, content in files:
        (tmp_path / name).write_text(content)
    command = [sys.executable, "-m", "tessera.cli", "run", "pingpong.system", "--timeout", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["adder: ready", "asker: 40 + 2 is 42"]


def test_the_description_from_python_is_written(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs/microkit.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr == ""
    written = (tmp_path / "made.system").read_text()
    assert written.count("<protection_domain ") == 4 and written.count("<channel>") == 3
