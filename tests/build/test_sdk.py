# SPDX-License-Identifier: BSD-2-Clause
"""`tessera sdk`: what upstream's tool computes from its files is what the kernel in it does."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tessera.abi.boards import QEMU_VIRT_RISCV64
from tessera.abi.configuration import configuration
from tessera.build.boot_image import make_boot_image
from tessera.build.sdk import KEPT, KERNEL, LABELS, THEIRS, lay_into, lay_out
from tessera.lang.diagnostics import Diagnostic
from tests.build.boot_facts import BoardFolder

BOARD = QEMU_VIRT_RISCV64.name
MEMORY = 2 << 30


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # The configuration that a build chooses is put back for the tests of other modules.
    before = vars(configuration).copy()
    folder = tmp_path_factory.mktemp("laid-out") / "sdk"
    lay_out(folder, "qemu-riscv-virt", None)
    yield folder
    vars(configuration).update(before)


def folder_of(sdk: Path, config: str = "debug") -> Path:
    return sdk / "board" / BOARD / config


def root_task(folder: Path, virtual: int, size: int) -> Path:
    """A root task of ``size`` bytes, linked at ``virtual``, that fills its first word with ones and stays there."""
    tool = [sys.executable, "-m", "ziglang"]
    source, made, elf = folder / "root.S", folder / "root.o", folder / "root.elf"
    code = "li t0, -1; auipc t1, 0; sd t0, -12(t1); 1: j 1b"
    source.write_text(f".option norvc\n.dword 0\n.global _start\n_start: {code}\n.space {size - 24}\n")
    target = ["--target=riscv64-unknown-elf", "-march=rv64imac"]
    subprocess.run([*tool, "clang", *target, "-c", "-o", str(made), str(source)], check=True)
    place = ["-N", f"-Ttext={virtual:#x}", "-e", "_start"]
    subprocess.run([*tool, "ld.lld", *place, "-o", str(elf), str(made)], check=True)
    return elf


class Machine:
    """A booted image whose memory can be read."""

    def __init__(self, image: Path, folder: Path) -> None:
        command = QEMU_VIRT_RISCV64.qemu_command(str(image), MEMORY)
        command = [*(word for word in command if word != "-nographic"), "-display", "none", "-serial", "null"]
        self._folder = folder
        self._process = subprocess.Popen(
            [*command, "-monitor", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def read(self, start: int, size: int) -> bytes:
        """Physical memory."""
        found = self._folder / "memory"
        found.unlink(missing_ok=True)
        assert self._process.stdin is not None
        self._process.stdin.write(f'pmemsave {start:#x} {size:#x} "{found}"\n')
        self._process.stdin.flush()
        while not found.exists() or found.stat().st_size < size:
            assert self._process.poll() is None
            time.sleep(0.05)
        return found.read_bytes()

    def wait_for_root_task(self, image_start: int) -> None:
        """Until the root task has run its first instructions."""
        for _ in range(200):
            if self.read(image_start, 8) == b"\xff" * 8:
                return
            time.sleep(0.1)
        raise AssertionError("the kernel does not start the root task")


@pytest.mark.qemu
@pytest.mark.parametrize(
    "config, virtual, pages", [("debug", 0x20_0000, 1), ("release", 0x20_0000, 53), ("release", 0x3FFE_D000, 700)]
)
def test_boot_information_is_what_the_tool_expects(
    sdk: Path, tmp_path: Path, config: str, virtual: int, pages: int
) -> None:
    folder = BoardFolder(folder_of(sdk, config))
    task = root_task(tmp_path, virtual, pages * 0x1000 - 0x80)
    made = make_boot_image(folder.elf, task, tmp_path / "image", QEMU_VIRT_RISCV64, memory_size=MEMORY)
    # Upstream's loader puts the root task where ours does: right behind the kernel.
    assert (made.kernel_start, made.kernel_end) == folder.kernel and made.image_start == folder.kernel[1]
    expected = folder.expect((made.image_start, made.image_end), virtual)

    with Machine(made.path, tmp_path) as machine:
        machine.wait_for_root_task(made.image_start)
        memory = machine.read(expected.objects[0], expected.objects[1] - expected.objects[0])
    # The boot information is the page that says where the IPC buffer is; it lies among the root task's objects.
    buffer = virtual + pages * 0x1000
    starts = [
        at for at in range(0, len(memory), 0x1000) if struct.unpack_from("<5Q", memory, at) == (0, 0, 1, 0, buffer)
    ]
    (start,) = starts
    info = memory[start : start + 0x1000]

    def slots(offset: int) -> tuple[int, int]:
        first, last = struct.unpack_from("<2Q", info, offset)
        return first, last

    root_slots = 1 << int(folder.options["ROOT_CNODE_SIZE_BITS"])
    assert slots(40) == (expected.first_free, root_slots)
    assert slots(72) == expected.image_frames
    assert slots(88) == expected.page_tables
    assert slots(152) == expected.sched_control
    assert slots(168) == expected.untyped
    listed = [struct.unpack_from("<QBB6x", info, 184 + 16 * i) for i in range(len(expected.untypeds))]
    assert [(place, bits, device == 1) for place, bits, device in listed] == expected.untypeds
    # The root CNode is at the start of the objects: each of its slots up to the last one is in use, none behind.
    used = [any(memory[32 * i : 32 * i + 32]) for i in range(root_slots)]
    assert all(used[16 : expected.first_free]) and not any(used[expected.first_free :])


def test_what_is_said_about_the_kernel(sdk: Path) -> None:
    debug, release = (BoardFolder(folder_of(sdk, config)) for config in ("debug", "release"))
    for folder, on in ((debug, True), (release, False)):
        options = folder.options
        assert options["DEBUG_BUILD"] is on and options["PRINTING"] is on
        assert options["KERNEL_MCS"] is True and options["ENABLE_SMP_SUPPORT"] is False and options["HAVE_FPU"] is True
        # Everything that is no switch is text.
        assert {type(value) for value in options.values()} == {bool, str}
        numbers = ["WORD_SIZE", "RETYPE_FAN_OUT_LIMIT", "MAX_NUM_BOOTINFO_UNTYPED_CAPS", "NUM_DOMAINS"]
        numbers += ["NUM_DOMAIN_SCHEDULES", "PADDR_USER_DEVICE_TOP"]
        assert [int(options[name]) for name in numbers] == [64, 256, 230, 16, 100, 1 << 39]
    text = (folder_of(sdk) / "include" / "kernel" / "gen_config.h").read_text()
    # Makefiles of upstream's examples look for this line, with its two spaces.
    assert "#define CONFIG_SEL4_ARCH  riscv64\n" in text and "#define CONFIG_PRINTING  1\n" in text
    assert json.loads((folder_of(sdk) / LABELS).read_text()) == json.loads(THEIR_LABELS)
    space = json.loads((folder_of(sdk) / "address_space_constants.json").read_text())
    assert space == {"page_table_index_bits": 9, "vspace_user_top": 0x3F_FFFF_EFFF}


# As upstream's file has it for seL4 16: the labels count from 1, in this order.
THEIR_LABELS = json.dumps(
    {
        name: number
        for number, name in enumerate(
            """UntypedRetype TCBReadRegisters TCBWriteRegisters TCBCopyRegisters TCBConfigure TCBSetPriority
            TCBSetMCPriority TCBSetSchedParams TCBSetTimeoutEndpoint TCBSetIPCBuffer TCBSetSpace TCBSuspend TCBResume
            TCBBindNotification TCBUnbindNotification TCBSetTLSBase TCBSetFlags CNodeRevoke CNodeDelete
            CNodeCancelBadgedSends CNodeCopy CNodeMint CNodeMove CNodeMutate CNodeRotate IRQIssueIRQHandler IRQAckIRQ
            IRQSetIRQHandler IRQClearIRQHandler DomainSetSet DomainScheduleConfigure DomainScheduleSetStart
            SchedControlConfigureFlags SchedContextBind SchedContextUnbind SchedContextUnbindObject SchedContextConsumed
            SchedContextYieldTo RISCVPageTableMap RISCVPageTableUnmap RISCVPageMap RISCVPageUnmap RISCVPageGetAddress
            RISCVASIDControlMakePool RISCVASIDPoolAssign RISCVIRQIssueIRQHandlerTrigger""".split(),
            start=1,
        )
    }
)


def upstream(folder: Path, *configs: str, board: str = BOARD) -> Path:
    """What is needed of an SDK of upstream, with a text as each file."""
    for config in configs:
        for path in (KERNEL, *THEIRS, LABELS, Path("lib") / "libmicrokit.a"):
            target = folder / "board" / board / config / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(THEIR_LABELS if path == LABELS else f"upstream's {path.name}")
            target.chmod(0o444)
    return folder


def relabelled(folder: Path, text: str) -> None:
    """An SDK whose numbers of invocations are others."""
    target = folder_of(upstream(folder, "debug")) / LABELS
    target.chmod(0o644)
    target.write_text(text)


def test_the_rest_of_an_sdk_stays(sdk: Path, tmp_path: Path) -> None:
    theirs = upstream(tmp_path / "microkit-sdk", "debug", "release", "benchmark")
    built = lay_into(theirs, BOARD, None)
    assert [(one.config, one.missing) for one in built.folders] == [("debug", []), ("release", [])]
    for config in ("debug", "release"):
        ours, mixed = folder_of(sdk, config), folder_of(theirs, config)
        assert (mixed / KERNEL).read_bytes() == (ours / KERNEL).read_bytes()
        assert (mixed / "object_sizes.json").read_text() == (ours / "object_sizes.json").read_text()
        assert (mixed / KEPT / KERNEL).read_text() == "upstream's sel4.elf"
        assert (mixed / KEPT / LABELS).read_text() == THEIR_LABELS
        for path in (*THEIRS, Path("lib") / "libmicrokit.a"):
            assert (mixed / path).read_text() == f"upstream's {path.name}"
    assert (folder_of(theirs, "benchmark") / KERNEL).read_text() == "upstream's sel4.elf"
    # Once more: what is kept is still upstream's.
    assert [one.kept for one in lay_into(theirs, BOARD, ["debug"]).folders] == [[]]
    assert (folder_of(theirs) / KEPT / KERNEL).read_text() == "upstream's sel4.elf"
    # Another SDK was unpacked over it: its kernel is kept.
    (folder_of(theirs) / KERNEL).write_text("a newer one")
    assert [KERNEL in one.kept for one in lay_into(theirs, BOARD, ["debug"]).folders] == [True]
    assert (folder_of(theirs) / KEPT / KERNEL).read_text() == "a newer one"


def test_a_folder_of_ours_is_written_again(sdk: Path) -> None:
    stale = folder_of(sdk) / "platform_gen.json"
    before = stale.read_text()
    stale.write_text("{}")
    built = lay_out(sdk, BOARD, ["debug"])
    assert stale.read_text() == before
    assert [one.missing for one in built.folders] == [list(THEIRS)]


REFUSED = {
    "sdk-place-none": [],
    "sdk-place-both": ["-o", "empty", "--into", "other"],
    "output-is-file": ["-o", "file"],
    "output-not-empty": ["-o", "full"],
    "output-not-empty-sdk": ["-o", "other"],
    "not-writable": ["-o", "file/below"],
    "unknown-board": ["-o", "empty", "--board", "qemu_virt_riscv32"],
    "not-an-sdk": ["--into", "empty"],
    "not-an-sdk-file": ["--into", "file"],
    "not-an-sdk-missing": ["--into", "nowhere"],
    "sdk-board-missing": ["--into", "other"],
    "sdk-config-missing": ["--into", "bare", "--config", "debug"],
    "sdk-config-missing-none": ["--into", "smp"],
    "sdk-kernel-missing": ["--into", "bare"],
    "sdk-interface-moved": ["--into", "moved"],
    "sdk-interface-absent": ["--into", "older"],
    "sdk-interface-more": ["--into", "newer"],
    "sdk-interface-unreadable": ["--into", "damaged"],
}
GOLDEN = Path(__file__).parent.parent / "rejected" / "sdk"


def refused(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tessera.cli", "sdk", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "full" / "something").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    upstream(tmp_path / "other", "debug", board="star64")
    upstream(tmp_path / "smp", "smp-debug")
    bare = upstream(tmp_path / "bare", "release")
    (folder_of(bare, "release") / KERNEL).unlink()
    labels = json.loads(THEIR_LABELS)
    relabelled(tmp_path / "moved", json.dumps(labels | {"TCBSuspend": 13, "TCBResume": 12}))
    relabelled(tmp_path / "older", json.dumps({name: one for name, one in labels.items() if name != "TCBSetFlags"}))
    relabelled(tmp_path / "newer", json.dumps(labels | {"TCBSetColour": len(labels) + 1}))
    relabelled(tmp_path / "damaged", "[" * 100_000)
    before = sorted(tmp_path.rglob("*"))

    done = refused(tmp_path, REFUSED[case])
    golden = GOLDEN / f"{case}.err"
    if os.environ.get("TESSERA_UPDATE_GOLDENS") == "1":
        golden.write_text(done.stderr)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", golden.read_text())
    assert "\n  why: " in done.stderr and "\n  fix: " in done.stderr
    assert case.startswith(done.stderr.splitlines()[0].rpartition("[")[2].removesuffix("]"))
    assert sorted(path for path in tmp_path.rglob("*") if "build" not in path.parts) == before


def test_every_refusal_has_its_golden() -> None:
    assert {path.stem for path in GOLDEN.glob("*.err")} == set(REFUSED)


@pytest.mark.parametrize("option", ["-o", "--into"])
def test_names_that_the_system_does_not_take_are_refused(option: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("x" * 3000, "loop", "loop/below"):
        done = refused(tmp_path, [option, name])
        assert done.returncode == 2 and "\n  fix: " in done.stderr


def test_unknown_configurations_are_refused(tmp_path: Path) -> None:
    done = refused(tmp_path, ["-o", "new", "--config", "benchmark"])
    assert done.returncode == 2 and "'debug', 'release'" in done.stderr and not (tmp_path / "new").exists()


def test_force_writes_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(Diagnostic, match="other files"):
        lay_out(tmp_path, BOARD, ["release"])
    before = vars(configuration).copy()
    lay_out(tmp_path, BOARD, ["release"], force=True)
    vars(configuration).update(before)
    assert (folder_of(tmp_path, "release") / KERNEL).is_file() and (tmp_path / "mine").read_text() == "kept"
