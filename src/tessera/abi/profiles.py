# SPDX-License-Identifier: BSD-2-Clause
"""Profiles: the configuration of a kernel that user level can see, as data."""

from __future__ import annotations

from dataclasses import dataclass

from tessera.abi.boards import GIB
from tessera.abi.bootinfo import MAX_UNTYPED_CAPS
from tessera.abi.choice import choose
from tessera.abi.objects import RETYPE_FAN_OUT_LIMIT
from tessera.lang.diagnostics import Location


@dataclass(frozen=True)
class Profile:
    """One configuration. Sizes in bytes, times in microseconds."""

    name: str
    description: str
    # The root CNode has 2**root_cnode_bits slots.
    root_cnode_bits: int
    domains: int
    domain_schedule_entries: int
    # RAM of the machine that the image is built for, the firmware's part included.
    memory_size: int
    boot_time_slice_us: int = 5_000
    max_bootinfo_untyped_caps: int = MAX_UNTYPED_CAPS
    retype_fan_out_limit: int = RETYPE_FAN_OUT_LIMIT
    priorities: int = 256
    max_nodes: int = 1
    # The bound of the kernel's own time: once for the way in, once for the way out. The least budget follows from it;
    # what is measured is in docs/kernel-time.md.
    kernel_wcet_us: int = 10
    kernel_wcet_scale: int = 1
    # 0: no limit but that of the clock.
    static_max_period_us: int = 0

    @property
    def min_budget_us(self) -> int:
        """The least budget that a scheduling context can have: what the kernel may need until it looks at the clock."""
        return 2 * self.kernel_wcet_us * self.kernel_wcet_scale


MICROKIT = Profile(
    name="microkit",
    description="systems described by a .system file",
    root_cnode_bits=17,
    domains=16,
    domain_schedule_entries=100,
    memory_size=2 * GIB,
)

SEL4TEST = Profile(
    name="sel4test",
    description="what upstream's test suite is built against",
    root_cnode_bits=13,
    domains=1,
    domain_schedule_entries=2,
    memory_size=3 * GIB,
)

PROFILES: dict[str, Profile] = {entry.name: entry for entry in (MICROKIT, SEL4TEST)}


def profile(name: str, where: Location | None = None) -> Profile:
    """The profile of this name. Raises :class:`Diagnostic` (``unknown-profile``) that lists the known ones."""
    return choose("profile", name, PROFILES, where)
