# SPDX-License-Identifier: BSD-2-Clause
"""Building the root task of a suite, and booting it directly on the kernel."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from tessera.abi.boards import board as find_board
from tessera.abi.configuration import configuration
from tessera.abi.profiles import profile as find_profile
from tessera.arch.riscv64.target import USER
from tessera.build.boot_image import BootImage, make_boot_image
from tessera.build.cache import PACKAGE, cache_folder, cached, digest, source_files
from tessera.build.kernel import build_kernel
from tessera.build.run import boot
from tessera.ir.build import build_program
from tessera.llvm.compile import assemble, compile_object, link
from tessera.llvm.emit import emit_module
from tessera.suites.guest import workers

GUEST = PACKAGE / "suites" / "guest"
BOARD = "qemu_virt_riscv64"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class SuiteImage:
    """A suite that can be booted: ``layout`` says where everything lies. Sizes in bytes."""

    kernel: Path
    kernel_text: int
    root_task: Path
    layout: BootImage
    memory_size: int

    @property
    def kernel_hash(self) -> str:
        """SHA-256 of the kernel's file: two suites with the same one ran on the same kernel, byte for byte."""
        return hashlib.sha256(self.kernel.read_bytes()).hexdigest()


def build_root_task(
    name: str, roots: Iterable[Any], options: Iterable[str], *, checked: bool, optimise: int = 2
) -> Path:
    """Compile a root task from functions of the language; ``options`` tell apart what the sources do not.

    A broken rule of the language ends the run with a message if ``checked``. Raises :class:`Diagnostics`.
    """

    def compile_(work: Path) -> None:
        program = build_program([*roots, workers.run_worker])
        text = emit_module(program, target="riscv64", checked=checked, code_target=USER)
        objects = [
            compile_object(text, work / "root.o", target=USER, optimise=optimise),
            assemble(GUEST / "start.S", work / "start.o", target=USER),
        ]
        link(objects, GUEST / "root.ld", work / "root.elf")

    files = source_files("lang", "abi", "arch", "ir", "llvm", "runtime", "suites")
    key = digest([repr(asdict(configuration)), str(checked), str(optimise), *options], files)
    return cached(f"suite-{name}", key, compile_)[0] / "root.elf"


def build_suite(
    name: str,
    roots: Iterable[Any],
    options: Iterable[str] = (),
    *,
    profile: str,
    config: str,
    checked: bool,
    progress: Progress | None = None,
) -> SuiteImage:
    """Build kernel, root task and image of a suite. Raises :class:`Diagnostic` for unknown names."""
    kernel = build_kernel(profile, BOARD, config, None, progress)
    configuration.profile = find_profile(profile)
    configuration.board = find_board(BOARD)
    configuration.debug = config == "debug"
    root_task = build_root_task(name, roots, options, checked=checked)
    memory_size = configuration.profile.memory_size
    output = cache_folder() / f"suite-{name}" / f"{profile}-{config}.elf"
    layout = make_boot_image(kernel.elf, root_task, output, configuration.board, memory_size=memory_size)
    return SuiteImage(kernel.elf, kernel.text, root_task, layout, memory_size)


class _Copy(io.StringIO):
    """Keeps the console's text, and passes it on to another stream if there is one."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
        return super().write(text)


def boot_suite(
    image: SuiteImage, *, timeout: float, stream: TextIO | None = None, processor: str = ""
) -> tuple[int, str]:
    """Boot a suite with exact instruction counts; the exit code and all that it printed. ``timeout`` in seconds.

    ``processor`` are properties of QEMU's processor.
    """
    console = _Copy(stream)
    result = boot(
        image.layout.path,
        BOARD,
        timeout=timeout,
        stream=console,
        icount=True,
        memory_size=image.memory_size,
        processor=processor,
    )
    return result, console.getvalue()
