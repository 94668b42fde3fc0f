# SPDX-License-Identifier: BSD-2-Clause
"""The C headers that are data: written into a build folder, beside the hand-written ones of the run-time.

A C component is compiled with the generated folder and ``runtime/include`` as include folders.
"""

from __future__ import annotations

from pathlib import Path

from tessera.abi import c_types, objects
from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.c_stubs import client_header
from tessera.abi.profiles import MICROKIT, Profile

_SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"


def _forward(path: str) -> str:
    return f"#include <{path}>\n"


def kernel_configuration(profile: Profile, board: Board, *, debug: bool) -> dict[str, object]:
    """The configuration of a kernel under upstream's names, without the prefix ``CONFIG_``."""
    values: dict[str, object] = {
        "ARCH_RISCV": 1,
        "ARCH_RISCV64": 1,
        "SEL4_ARCH": "riscv64",
        "SEL4_ARCH_RISCV64": 1,
        "PLAT": "qemu-riscv-virt",
        "PLAT_QEMU_RISCV_VIRT": 1,
        "WORD_SIZE": objects.WORD_BITS,
        "PT_LEVELS": objects.PAGE_TABLE_LEVELS,
        "KERNEL_MCS": 1,
        "HAVE_FPU": 1,
        "RISCV_EXT_F": 1,
        "RISCV_EXT_D": 1,
        "FASTPATH": 1,
        "SET_TLS_BASE_SELF": 1,
        "ROOT_CNODE_SIZE_BITS": profile.root_cnode_bits,
        "MAX_NUM_BOOTINFO_UNTYPED_CAPS": profile.max_bootinfo_untyped_caps,
        "RETYPE_FAN_OUT_LIMIT": profile.retype_fan_out_limit,
        "NUM_DOMAINS": profile.domains,
        "NUM_DOMAIN_SCHEDULES": profile.domain_schedule_entries,
        "NUM_PRIORITIES": profile.priorities,
        "MAX_NUM_NODES": profile.max_nodes,
        "BOOT_THREAD_TIME_SLICE": profile.boot_time_slice_us // 1000,
        "KERNEL_WCET_SCALE": profile.kernel_wcet_scale,
        "KERNEL_STATIC_MAX_PERIOD_US": profile.static_max_period_us,
        "MAX_NUM_WORK_UNITS_PER_PREEMPTION": objects.PREEMPTION_WORK_UNITS,
        "RESET_CHUNK_BITS": objects.RESET_CHUNK_BITS,
        "TIMER_FREQUENCY": board.timer_frequency,
        "PADDR_USER_DEVICE_TOP": f"{board.device_top}ul",
        "FIRST_HART_ID": 0,
    }
    if debug:
        values |= {"DEBUG_BUILD": 1, "PRINTING": 1}
    return values


def _configuration_header(profile: Profile, board: Board, *, debug: bool) -> str:
    values = kernel_configuration(profile, board, debug=debug)
    return "".join(c_types.define(f"CONFIG_{name}", value) for name, value in values.items())


def header_texts(
    profile: Profile = MICROKIT, board: Board = QEMU_VIRT_RISCV64, *, debug: bool = True
) -> dict[str, str]:
    """Every generated header by its path below an include folder."""
    architecture_objects = _forward("sel4/objecttype.h")
    contents = {
        "autoconf.h": _forward("kernel/gen_config.h") + _forward("sel4/gen_config.h"),
        "kernel/gen_config.h": _configuration_header(profile, board, debug=debug),
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
