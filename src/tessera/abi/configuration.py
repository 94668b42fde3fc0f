# SPDX-License-Identifier: BSD-2-Clause
"""What is being compiled: one live object whose attributes are constants to the language.

A build selects profile, board and configuration before it reads the kernel; sizes of statics do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tessera.abi.boards import QEMU_VIRT_RISCV64, Board
from tessera.abi.profiles import MICROKIT, Profile


@dataclass
class Configuration:
    """``debug`` kernels have asserts, named threads and a console; ``physical_window`` is where address 0 is mapped."""

    profile: Profile = field(default=MICROKIT)
    board: Board = field(default=QEMU_VIRT_RISCV64)
    debug: bool = True
    physical_window: int = 0xFFFF_FFC0_0000_0000

    @property
    def ticks_per_us(self) -> int:
        """Timer ticks in a microsecond."""
        return self.board.timer_frequency // 1_000_000

    @property
    def kernel_wcet_ticks(self) -> int:
        """The time reserved for the kernel itself at the end of a budget."""
        return self.profile.kernel_wcet_us * self.profile.kernel_wcet_scale * self.ticks_per_us

    @property
    def min_budget_ticks(self) -> int:
        """The least budget of a scheduling context, in timer ticks."""
        return self.profile.min_budget_us * self.ticks_per_us

    @property
    def profile_name(self) -> bytes:
        """The profile's name, as a constant of the language."""
        return self.profile.name.encode()

    @property
    def test_device(self) -> int:
        """Physical address of the device that ends the machine with an exit code; 0 if the board has none."""
        found = [device.region.start for device in self.board.devices if device.name == "test"]
        return found[0] if found else 0

    @property
    def memory_start(self) -> int:
        """First physical address of RAM that the kernel manages."""
        return self.board.memory(self.profile.memory_size).start

    @property
    def memory_end(self) -> int:
        """First physical address behind RAM."""
        return self.board.memory(self.profile.memory_size).end

    @property
    def device_gaps(self) -> tuple[tuple[int, int], ...]:
        """Physical addresses handed out as device memory, as (start, end), in ascending order."""
        return tuple((gap.start, gap.end) for gap in self.board.device_gaps(self.profile.memory_size))

    @property
    def max_period_us(self) -> int:
        """The longest period that the clock's arithmetic allows, in microseconds."""
        return ((1 << 64) - 1) // self.ticks_per_us // 8


configuration = Configuration()
