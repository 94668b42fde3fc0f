# SPDX-License-Identifier: BSD-2-Clause
"""`tessera run --verify-caps`: what it says, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command, environment

pytestmark = pytest.mark.qemu


def test_a_system_that_is_exact_runs_on(tessera: Command, repository: Path, tmp_path: Path) -> None:
    cache = str(repository / "build" / "cache")
    system = repository / "examples" / "passive" / "passive.system"
    arguments = ("run", system, "-o", tmp_path / "p.elf", "--verify-caps", "--timeout", "60")
    result = tessera(*arguments, TESSERA_CACHE=cache)
    assert result.returncode == 0, result.stderr
    assert "server: signalled on channel 13, the total is 1266\n" in result.stdout
    assert "capabilities are exactly those of the distribution (" in result.stderr
    result = tessera(*arguments, "--json", TESSERA_CACHE=cache)
    told = json.loads(result.stdout)
    assert (told["ok"], told["result"]) == (True, 0)
    found = told["capabilities"]
    assert found["exact"] is True and found["differences"] == [] and found["capabilities"] > found["objects"] > 50


def test_differences_end_the_run_with_their_own_code(tessera: Command, repository: Path, tmp_path: Path) -> None:
    """The text says something else than the image that it belongs to."""
    cache = str(repository / "build" / "cache")
    system = repository / "examples" / "passive" / "passive.system"
    arguments = ("run", system, "-o", tmp_path / "p.elf", "--timeout", "60")
    assert tessera(*arguments, TESSERA_CACHE=cache).returncode == 0
    # A build would make the text anew, so the stamp has to be that of the changed one.
    code = (
        "import sys; from pathlib import Path; from tessera.build.cache import digest; import json\n"
        "stamp = Path('p.elf.inputs'); told = json.loads(stamp.read_text())\n"
        "text = Path('p-report.cdl'); text.write_text(text.read_text().replace('prio: 250, max', 'prio: 249, max'))\n"
        "files = ['p.elf', 'p-report.txt', 'p-report.json', 'p-report.html', 'p-report.cdl']\n"
        "told['results'] = digest([], [Path.cwd() / name for name in files]); stamp.write_text(json.dumps(told))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True)
    result = tessera(*arguments, "--verify-caps", TESSERA_CACHE=cache)
    assert result.returncode == 126, result.stderr
    assert "thread of component 'end': the priority is 250, and should be 249\n" in result.stderr
    assert "server:" not in result.stdout
