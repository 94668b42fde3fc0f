# SPDX-License-Identifier: BSD-2-Clause
"""The C headers that are data: written into a build folder, beside the hand-written ones of the run-time.

A C component is compiled with the generated folder and ``runtime/include`` as include folders.
"""

from __future__ import annotations

from pathlib import Path

from tessera.abi import c_types
from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.c_stubs import client_header
from tessera.abi.kernel_options import kernel_options, switches_off
from tessera.abi.profiles import MICROKIT, Profile

_SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"


def _forward(path: str) -> str:
    return f"#include <{path}>\n"


def configuration_header(profile: Profile, board: Board, *, debug: bool) -> str:
    """``kernel/gen_config.h``, without the lines at its top. Build scripts look for its lines, spaces included."""
    values = kernel_options(profile, board, debug=debug)
    lines = [f"#define CONFIG_{name}  {int(v) if isinstance(v, bool) else v}\n" for name, v in values.items()]
    lines += [f"/* disabled: CONFIG_{name} */\n" for name in switches_off(profile, board, debug=debug)]
    return "".join(lines)


def header_texts(
    profile: Profile = MICROKIT, board: Board = QEMU_VIRT_RISCV64, *, debug: bool = True
) -> dict[str, str]:
    """Every generated header by its path below an include folder."""
    architecture_objects = _forward("sel4/objecttype.h")
    contents = {
        "autoconf.h": _forward("kernel/gen_config.h") + _forward("sel4/gen_config.h"),
        "kernel/gen_config.h": configuration_header(profile, board, debug=debug),
        "sel4/gen_config.h": c_types.define("CONFIG_LIB_SEL4_INLINE_INVOCATIONS", 1),
        "sel4/errors.h": c_types.errors(),
        "sel4/objecttype.h": c_types.object_types(),
        "sel4/arch/objecttype.h": architecture_objects,
        "sel4/sel4_arch/objecttype.h": architecture_objects,
        "sel4/invocation.h": c_types.labels(),
        "sel4/arch/invocation.h": _forward("sel4/invocation.h"),
        "sel4/sel4_arch/invocation.h": _forward("sel4/invocation.h"),
        "sel4/syscall.h": c_types.syscalls(),
        "sel4/constants.h": c_types.limits(),
        "sel4/sel4_arch/constants.h": c_types.architecture_constants(),
        "sel4/shared_types_gen.h": c_types.packed_types(),
        "sel4/sel4_arch/types_gen.h": c_types.fault_types(),
        "sel4/arch/types.h": c_types.architecture_types(),
        "sel4/bootinfo_types.h": c_types.boot_info(),
        "interfaces/sel4_client.h": client_header(),
        "microkit_slots.h": c_types.component_slots(),
    }
    return {
        path: f"{_SPDX}/* Written by tessera.abi.headers; edit the tables there. */\n#pragma once\n\n{text}"
        for path, text in contents.items()
    }


def write_headers(
    folder: Path, profile: Profile = MICROKIT, board: Board = QEMU_VIRT_RISCV64, *, debug: bool = True
) -> None:
    """Write the generated headers below ``folder``. A file that is already right is left alone, to keep its time."""
    for path, text in header_texts(profile, board, debug=debug).items():
        target = folder / path
        if target.is_file() and target.read_text() == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
