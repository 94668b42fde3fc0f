# SPDX-License-Identifier: BSD-2-Clause
"""Ends the run: channel 0 with success, any other without."""

from __future__ import annotations

from tessera.abi.boards import TEST_DEVICE_FAIL, TEST_DEVICE_PASS
from tessera.lang import at, compiled, static, struct, u32
from tessera.runtime.microkit import Variable

EXIT_CODE_SHIFT = 16

test_device_vaddr: Variable = static(Variable, name="test_device_vaddr")


@struct
class TestDevice:
    """The register that ends the run."""

    command: u32


@compiled
def notified(channel: u32) -> None:
    good = channel == 0
    at(TestDevice, test_device_vaddr.value).command = (
        TEST_DEVICE_PASS if good else TEST_DEVICE_FAIL | (channel << EXIT_CODE_SHIFT)
    )
