# SPDX-License-Identifier: BSD-2-Clause
"""Programs with damaged tables, from the file to the distribution: an image is made, or a message is given."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tessera.arch.riscv64.target import USER
from tessera.build import monitor, spec
from tessera.build.components import link_component, start_file
from tessera.lang.diagnostics import Diagnostic, Diagnostics, Location
from tessera.llvm.compile import compile_c
from tessera.system import environment as env
from tessera.system.distribute import distribute
from tessera.system.elf import read_program
from tessera.system.faultmap import fault_map
from tests.system.systems import described, domain, image

SYSTEM = described(domain("only"))
HERE = Location("test.system", 1, 1)
SOURCE = """\
static inline __attribute__((always_inline)) int twice(volatile int *place) { return *place + *place; }
unsigned long microkit_pps;
volatile int words[64];
int main(void)
{
    for (int i = 0; i < 64; i++)
        words[i] = twice(&words[63 - i]);
    return (int)microkit_pps;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "only.c").write_text(SOURCE)
    compile_c(folder / "only.c", folder / "only.o", target=USER)
    link_component([start_file(), folder / "only.o"], folder / "only.elf", folder / "only.c")
    return (folder / "only.elf").read_bytes()


def damaged(good: bytes, random: Random) -> bytes:
    made = bytearray(good)
    for _ in range(random.choice((1, 2, 6, 12))):
        at = random.randrange(len(made))
        if random.random() < 0.3:
            made[at : at + 8] = random.choice((b"\xff" * 8, bytes(8), (1 << 40).to_bytes(8, "little"), b"\x7f" * 8))
        else:
            made[at] = random.randrange(256)
    return bytes(made)


def test_no_damage_ends_in_anything_but_a_message(compiled: bytes, tmp_path: Path) -> None:
    path = tmp_path / "only.elf"
    random = Random(3)
    complete = refused = 0
    for _ in range(150):
        path.write_bytes(damaged(compiled, random))
        try:
            images = {"only": read_program(path, env.USER_SPACE, HERE), env.MONITOR_NAME: image()}
            monitor.encode(SYSTEM, fault_map(SYSTEM, images), images)
            spec.encode(spec.with_kept_cnode(distribute(SYSTEM, images)))
            complete += 1
        except (Diagnostic, Diagnostics):
            refused += 1
    assert complete > 30 and refused > 8
