# SPDX-License-Identifier: BSD-2-Clause
"""From a system description to an image that boots: the whole build, and the check whether anything has to be done.

An image and its report lie in ``build/<name of the system>/<board>-<config>`` beside the description unless said
otherwise; everything that was compiled on the way is kept by content (build/cache.py).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tessera.abi.configuration import configuration
from tessera.abi.profiles import MICROKIT
from tessera.build.cache import cached, digest, source_files
from tessera.build.components import Component, build_components, compiler_files, files_of
from tessera.build.kernel import KernelBuild, Phases, build_kernel, select
from tessera.build.outputs import check_outputs, writing
from tessera.build.reports import report_files, write_reports
from tessera.system.model import System

Progress = Callable[[str, float], None]

IMAGE_NAME = "image.elf"
REPORT_NAME = "report.txt"
STAMP_SUFFIX = ".inputs"
CAPDL_COMMENTS = (
    "All kernel objects and capabilities when the initialiser is gone, in the language of capDL-tool.",
    "The contents of frames are in the image; offsets are those of its file.",
)


class Answering(Protocol):
    """What is answered about a system in its report, and what that depends on: files, and whatever else."""

    @property
    def inputs(self) -> Sequence[Path]: ...

    @property
    def said(self) -> str: ...

    def facts(self) -> Mapping[str, Any]: ...


class NoAnswers:
    """A report without answers."""

    inputs: Sequence[Path] = ()
    said = "no answers"

    def facts(self) -> Mapping[str, Any]:
        return {}


@dataclass
class ImageBuild:
    """A built system. Phases in seconds; ``cached`` says that nothing had to be done; ``warnings`` as they are told."""

    image: Path
    report: Path
    kernel: KernelBuild
    components: dict[str, Path]
    phases: dict[str, float] = field(default_factory=dict)
    cached: bool = False
    warnings: list[str] = field(default_factory=list)


def build_system(
    system: Path,
    board: str,
    config: str,
    search_paths: list[Path],
    output: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
    *,
    answers: Answering | None = None,
) -> ImageBuild:
    """Build the image of a system. The folder of ``system`` and the current one are searched last. ``answers`` are for
    the report.

    Raises :class:`Diagnostic` or :class:`Diagnostics` for every mistake of the user.
    """
    from tessera.system.locate import search_folders
    from tessera.system.sdf import parse

    phases = Phases(progress)
    select(MICROKIT.name, board, config)
    known = configuration.board
    folder = system.parent / "build" / system.stem / f"{known.name}-{config}"
    image = output or folder / IMAGE_NAME
    told = report or (output.parent / f"{output.stem}-{REPORT_NAME}" if output else folder / REPORT_NAME)
    search = search_folders(search_paths, system)

    def make_kernel() -> KernelBuild:
        return build_kernel(MICROKIT.name, known.name, config, None, progress)

    description = parse(system, search_path=search, board=known, profile=MICROKIT)
    phases.done("description")
    stamp = image.with_name(image.name + STAMP_SUFFIX)
    files = _files(system, description, search)
    results = {"the image": image, **report_files(told)}
    check_outputs({**results, "the stamp of the image": stamp}, files)
    more = answers if answers is not None else NoAnswers()
    check_outputs({**results, "the stamp of the image": stamp}, more.inputs)
    inputs = _inputs([*files, *more.inputs], more.said)
    warnings = [str(warning).replace(": error: ", ": warning: ", 1) for warning in description.warnings]
    if _is_current(stamp, inputs, results.values()):
        paths = {name: Path(path) for name, path in json.loads(stamp.read_text())["components"].items()}
        phases.done("check")
        return ImageBuild(image, told, make_kernel(), paths, phases.seconds, True, warnings)

    # The kernel is compiled by a program of its own, so that it takes no time from what is done here meanwhile.
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(make_kernel)
        components = build_components(description, search, pool)
        phases.done("components")
        asked = pool.submit(more.facts)
        roots = {name: root_program(name) for name in ("initialiser", "monitor")}
        phases.done("initialiser and monitor")
        kernel = pending.result()
    phases.done("kernel")
    _make(description, components, roots, kernel, search, image, told, phases, asked.result())
    paths = {name: component.elf for name, component in components.items()}
    made = {
        "inputs": inputs,
        "results": digest([], results.values()),
        "components": {n: str(path) for n, path in paths.items()},
    }
    stamp.write_text(json.dumps(made))
    # Domains may share a program, whose warnings are told once.
    warnings += dict.fromkeys(line for component in components.values() for line in component.warnings)
    return ImageBuild(image, told, kernel, paths, phases.seconds, False, warnings)


def _files(system: Path, description: System, search: list[Path]) -> list[Path]:
    """Every file of the user that the image is made from."""
    files = [system, *files_of(description, search)]
    files += [path for region in description.memory_regions if (path := _found(region.prefill_path, search))]
    return files + [path for pd in description.domains() if (path := _found(pd.symbols, search))]


def _inputs(files: list[Path], said: str) -> str:
    """A digest of everything that the image and the report are made from."""
    texts = [repr(asdict(configuration)), said, *(str(path) for path in files[1:])]
    return digest(texts, [*files, *source_files("kernel", "system", "build"), *compiler_files()])


def _found(name: str | None, search: list[Path]) -> Path | None:
    from tessera.system.locate import find

    return find(name, search) if name else None


def _is_current(stamp: Path, inputs: str, results: Collection[Path]) -> bool:
    """Whether the results are what the last build has made from the same inputs."""
    if not os.path.isfile(stamp) or not all(os.path.isfile(path) for path in results):
        return False
    try:
        made = json.loads(stamp.read_text())
        return bool(made["inputs"] == inputs and made["results"] == digest([], results))
    except (ValueError, KeyError, TypeError):
        return False


def root_program(name: str) -> Path:
    """The initialiser or the monitor as an ELF file, for the configuration in use."""

    def make(work: Path) -> None:
        from tessera.abi.layout import COMPONENT_IMAGE
        from tessera.arch.riscv64.target import USER
        from tessera.build.components import RUNTIME, link_component, start_file
        from tessera.build.python_component import compile_roots
        from tessera.llvm.compile import assemble
        from tessera.runtime import initialiser, monitor, violation
        from tessera.runtime.spec import INITIALISER_BASE

        is_root = name == "initialiser"
        roots = [initialiser.main if is_root else monitor.main, violation.violation]
        compile_roots(roots, work / f"{name}.o")
        start = start_file()
        if is_root:
            start = assemble(RUNTIME / "initialiser_start.S", work / "start.o", target=USER)
        base = INITIALISER_BASE if is_root else COMPONENT_IMAGE
        link_component([start, work / f"{name}.o"], work / f"{name}.elf", RUNTIME / f"{name}.py", base=base)

    key = digest([repr(asdict(configuration))], compiler_files())
    return cached(f"runtime-{name}", key, make)[0] / f"{name}.elf"


def _make(
    system: System,
    components: dict[str, Component],
    roots: dict[str, Path],
    kernel: KernelBuild,
    search: list[Path],
    image: Path,
    told: Path,
    phases: Phases,
    answers: Mapping[str, Any],
) -> None:
    from tessera.build import monitor, spec
    from tessera.build.boot_image import make_boot_image
    from tessera.build.final_state import final_state
    from tessera.build.plan import plan_image
    from tessera.system import capdl_write, environment
    from tessera.system.allocate import allocate
    from tessera.system.distribute import distribute
    from tessera.system.elf import read_program
    from tessera.system.faultmap import fault_map
    from tessera.system.images import read_images
    from tessera.system.report import report as system_report

    space = environment.USER_SPACE
    images = read_images(system, {name: each.elf for name, each in components.items()}, search, space)
    faults = fault_map(system, images)
    watcher = read_program(roots["monitor"], space, system.location, "monitor.elf")
    images[environment.MONITOR_NAME] = monitor.with_tables(watcher, monitor.encode(system, faults, images))
    initialiser = roots["initialiser"]

    board = configuration.board
    distribution = distribute(system, images, board=board, profile=MICROKIT)
    complete = spec.with_kept_cnode(distribution)
    content = spec.encode(complete)
    plan = plan_image(kernel.elf, initialiser, len(content), system)
    slots = len(plan.empty) - spec.WORKING_SLOTS
    allocation = allocate(complete, system, plan.untypeds, slots=slots, board=board)
    phases.done("distribution")

    with writing(image.parent, "choose another place for the image with -o"):
        image.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=image.parent, prefix=".new-")
    with temporary as folder:
        work = Path(folder) / image.name
        made = make_boot_image(kernel.elf, initialiser, work, board, appended=content, memory_size=MICROKIT.memory_size)
        places = spec.fill_places(complete, content, work.read_bytes().find(content))
        with writing(image.parent, "choose another place for the image with -o"):
            work.replace(image)
    phases.done("image")
    facts = system_report(system, images, distribution, allocation, board=board, profile=MICROKIT)
    facts["answers"] = answers
    facts["description"] = Path(system.file).read_text(encoding="utf-8", errors="replace")
    config = "debug" if configuration.debug else "release"
    facts["configuration"] = {"board": board.name, "config": config, "profile": MICROKIT.name}
    facts["image"] = {
        "kernel": {"start": made.kernel_start, "end": made.kernel_end, "text": kernel.text},
        "initialiser": {"start": made.image_start, "end": made.image_end, "distribution_bytes": len(content)},
        "programs": {name: {"source": str(each.source), "kind": each.kind.value} for name, each in components.items()},
    }
    state = capdl_write.text(final_state(complete, places, image.name), CAPDL_COMMENTS)
    with writing(told.parent, "choose another place for the report with -r"):
        write_reports(report_files(told).values(), facts, state)
    phases.done("report")
