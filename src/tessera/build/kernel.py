# SPDX-License-Identifier: BSD-2-Clause
"""The kernel alone: from its Python sources to an ELF image, for one profile, board and configuration."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tessera.abi.boards import board as find_board
from tessera.abi.configuration import configuration
from tessera.abi.profiles import profile as find_profile
from tessera.build.cache import PACKAGE, cached, digest, source_files
from tessera.build.outputs import check_outputs, writing
from tessera.lang.diagnostics import Diagnostic, Location

CONFIGURATIONS = ("debug", "release")
Progress = Callable[[str, float], None]


@dataclass
class KernelBuild:
    """A built kernel: sizes in bytes, phases in seconds. ``cached`` says that nothing had to be compiled."""

    elf: Path
    text: int
    data: int
    bss: int
    phases: dict[str, float] = field(default_factory=dict)
    cached: bool = False


class Phases:
    """Measures the phases of a build and tells each when it ends."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._start = time.perf_counter()

    def done(self, name: str) -> None:
        """A phase ended; the next one begins."""
        now = time.perf_counter()
        self.seconds[name] = now - self._start
        self._start = now
        if self._progress is not None:
            self._progress(name, self.seconds[name])


def select(profile: str, board: str, config: str) -> None:
    """Choose what is built from now on. Raises :class:`Diagnostic` for unknown names."""
    if config not in CONFIGURATIONS:
        raise Diagnostic(
            "unknown-config",
            Location("--config"),
            f"there is no configuration {config!r}",
            why=f"the configurations are {' and '.join(CONFIGURATIONS)}",
        )
    configuration.profile = find_profile(profile)
    configuration.board = find_board(board)
    configuration.debug = config == "debug"


def build_kernel(
    profile: str, board: str, config: str, output: Path | None = None, progress: Progress | None = None
) -> KernelBuild:
    """Build the kernel, or take it from the cache. Raises :class:`Diagnostic` for unknown names and bad sources."""
    select(profile, board, config)
    phases = Phases(progress)
    key = digest(
        [repr(asdict(configuration)), config],
        source_files("lang", "abi", "arch", "ir", "llvm", "kernel") + [Path(__file__)],
    )
    folder, was_there = cached(f"kernel-{profile}-{config}", key, lambda work: compile_kernel(work, phases))
    elf = folder / "kernel.elf"
    if output is not None:
        check_outputs({"the kernel": output}, [])
        with writing(output.parent, "choose another place for the kernel with -o"):
            output.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(elf, output)
        elf = output
    if was_there:
        phases.done("cache")
    text, data, bss = _sizes(elf)
    return KernelBuild(elf, text, data, bss, phases.seconds, was_there)


def build_kernel_with_lines(profile: str, board: str, config: str) -> Path:
    """The same kernel with the lines and functions that its code comes from: the code is the same, byte for byte."""
    built = build_kernel(profile, board, config)
    key = digest([built.elf.parent.name], [Path(__file__)])
    folder, _ = cached(
        f"kernel-lines-{profile}-{config}", key, lambda work: compile_kernel(work, Phases(None), debug_info=True)
    )
    return folder / "kernel.elf"


def compile_kernel(work: Path, phases: Phases, *, debug_info: bool | None = None) -> None:
    """Compile the kernel of the configuration selected into ``work``, from its sources to ``kernel.elf``.

    It has debug information if it is a debug kernel, or as ``debug_info`` says.
    """
    # Imported here: an up-to-date kernel is found without loading the compiler.
    from tessera.arch.riscv64.target import KERNEL
    from tessera.ir.build import build_program
    from tessera.kernel import entry, layout
    from tessera.lang import offset_of
    from tessera.llvm.compile import assemble, compile_object, link
    from tessera.llvm.emit import emit_module

    phases.done("import")
    program = build_program(entry.ROOTS)
    phases.done("front end")
    if debug_info is None:
        debug_info = configuration.debug
    text = emit_module(
        program, target="riscv64", checked=configuration.debug, debug_info=debug_info, code_target=KERNEL
    )
    (work / "kernel.ll").write_text(text)
    phases.done("emit")
    compile_object(text, work / "kernel.o", target=KERNEL, optimise=2)
    phases.done("optimise")
    arch = PACKAGE / "arch" / "riscv64"
    defines = {
        "TCB_REGISTERS": offset_of(layout.Tcb, "registers"),
        "TCB_NEXT_PC": layout.NEXT_PC,
        "TCB_FAULT_PC": layout.FAULT_PC,
    }
    objects = [
        assemble(arch / name, work / f"{name}.o", target=KERNEL, defines=defines) for name in ("head.S", "traps.S")
    ]
    phases.done("assemble")
    link(
        [*objects, work / "kernel.o"],
        arch / "kernel.ld",
        work / "kernel.elf",
        symbols={"KERNEL_PHYSICAL": configuration.board.kernel_start},
    )
    phases.done("link")


def _sizes(elf: Path) -> tuple[int, int, int]:
    from tessera.llvm.compile import size_of_sections

    sizes = size_of_sections(elf)
    return sizes.get(".text", 0) + sizes.get(".rodata", 0), sizes.get(".data", 0), sizes.get(".bss", 0)
