# SPDX-License-Identifier: BSD-2-Clause
"""The configuration of a kernel under upstream's names: for C sources as a header, for upstream's tools as JSON.

Upstream's tools read the JSON of the kernel that they build for: a switch that is off is there too, as ``false``;
numbers and names are strings.
"""

from __future__ import annotations

import json

from tessera.abi import objects
from tessera.abi.boards import Board
from tessera.abi.profiles import Profile

# A switch is a bool; everything else is a number or a name.
Value = bool | int | str

# Switches that upstream's kernel has and that are off in ours: for other machines, or for what this kernel lacks.
_ARCHITECTURES = "AARCH32 AARCH64 ARM_HYP RISCV32 X86_64 IA32 ARM X86 ARM_V7A ARM_V7VE ARM_V8A"
_PLATFORMS = """
    ALLWINNERA20 AM335X APQ8064 ARIANE BANANAPIF3 BCM2711 BCM2712 BCM2837 CHESHIRE EXYNOS4 EXYNOS5 FVP HIFIVE
    HIFIVE_P550 HIKEY IMX6 IMX7 IMX7_SABRE IMX8MM_EVK IMX8MP_EVK IMX8MQ_EVK IMX93 MAAXBOARD ODROIDC2 ODROIDC4 OMAP3 PC99
    POLARFIRE QEMU_ARM_VIRT QUARTZ64 RK3568 ROCKETCHIP ROCKPRO64 SPIKE STAR64 STM32MP2 TK1 TQMA8XQP1GB TX1 TX2 ZYNQ7000
    ZYNQMP
"""
_OTHERS = """
    AARCH64_SERROR_IGNORE ARM_CORTEX_A15 ARM_CORTEX_A35 ARM_CORTEX_A53 ARM_CORTEX_A55 ARM_CORTEX_A57 ARM_CORTEX_A7
    ARM_CORTEX_A72 ARM_CORTEX_A76 ARM_CORTEX_A8 ARM_CORTEX_A9 ARM_HIKEY_PREFETCHER_STBPFDIS
    ARM_HIKEY_PREFETCHER_STBPFRS BENCHMARK_GENERIC BENCHMARK_TRACEPOINTS BENCHMARK_TRACK_KERNEL_ENTRIES
    BENCHMARK_TRACK_UTILISATION BINARY_VERIFICATION_BUILD CLZ_32 CLZ_NO_BUILTIN CTZ_32 CTZ_NO_BUILTIN
    DANGEROUS_CODE_INJECTION DEBUG_DISABLE_PREFETCHERS ENABLE_BENCHMARKS ENABLE_SMP_SUPPORT EXCEPTION_FASTPATH
    EXPORT_PCNT_USER EXPORT_PTMR_USER EXPORT_VCNT_USER EXPORT_VTMR_USER HARDWARE_DEBUG_API
    KERNEL_FWHOLE_PROGRAM KERNEL_INVOCATION_REPORT_ERROR_IPC KERNEL_LOG_BUFFER KERNEL_OPT_LEVEL_O0 KERNEL_OPT_LEVEL_O1
    KERNEL_OPT_LEVEL_O3 KERNEL_OPT_LEVEL_OS RISCV_USE_CLINT_MTIME SIGNAL_FASTPATH VERIFICATION_BUILD
    VTIMER_UPDATE_VOFFSET
"""


def kernel_options(profile: Profile, board: Board, *, debug: bool) -> dict[str, Value]:
    """What is on, and what has a value, without the prefix ``CONFIG_``."""
    values: dict[str, Value] = {
        "ARCH": "riscv",
        "ARCH_RISCV": True,
        "ARCH_RISCV64": True,
        "SEL4_ARCH": "riscv64",
        "SEL4_ARCH_RISCV64": True,
        "PLAT": "qemu-riscv-virt",
        "PLAT_QEMU_RISCV_VIRT": True,
        "WORD_SIZE": objects.WORD_BITS,
        "PT_LEVELS": objects.PAGE_TABLE_LEVELS,
        "KERNEL_MCS": True,
        "HAVE_FPU": True,
        "RISCV_EXT_F": True,
        "RISCV_EXT_D": True,
        "FASTPATH": True,
        "SET_TLS_BASE_SELF": True,
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
        "PADDR_USER_DEVICE_TOP": board.device_top,
        "FIRST_HART_ID": 0,
    }
    if debug:
        values |= {"DEBUG_BUILD": True, "PRINTING": True}
    return values


def switches_off(profile: Profile, board: Board, *, debug: bool) -> list[str]:
    """The names of switches that are off, in alphabetical order."""
    names = [f"ARCH_{name}" for name in _ARCHITECTURES.split()]
    names += [f"PLAT_{name}" for name in _PLATFORMS.split()]
    names += [*_OTHERS.split(), "DEBUG_BUILD", "PRINTING", "IRQ_REPORTING", "COLOUR_PRINTING"]
    on = kernel_options(profile, board, debug=debug)
    return sorted(name for name in names if name not in on)


def options_json(profile: Profile, board: Board, *, debug: bool) -> str:
    """``gen_config.json``."""
    # What C sources do not ask for, but tools may: a kernel without benchmarks, and how it was compiled.
    only_here: dict[str, Value] = {
        "NO_BENCHMARKS": True,
        "KERNEL_BENCHMARK": "none",
        "MAX_NUM_TRACE_POINTS": 0,
        "KERNEL_OPT_LEVEL": "-O2",
        "KERNEL_OPT_LEVEL_O2": True,
    }
    off = switches_off(profile, board, debug=debug)
    values: dict[str, bool | str] = dict.fromkeys(off, False)
    values |= {
        name: value if isinstance(value, bool) else str(value)
        for name, value in (kernel_options(profile, board, debug=debug) | only_here).items()
    }
    return json.dumps(values, indent=4, sort_keys=True) + "\n"
