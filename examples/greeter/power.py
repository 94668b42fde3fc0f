# SPDX-License-Identifier: BSD-2-Clause
"""Ends the run: it alone has the board's test device, whose first word stops the machine with an exit code."""

from __future__ import annotations

from tessera.abi.boards import TEST_DEVICE_FAIL, TEST_DEVICE_PASS
from tessera.lang import at, compiled, static, struct, u32, u64
from tessera.runtime.console import put_line
from tessera.runtime.machine import full_fence
from tessera.runtime.microkit import Variable

# Channels: who has finished, and who found something wrong.
CLIENT = 0
VISITOR = 1
CLIENT_FAILED = 2
VISITOR_FAILED = 3

EXIT_CODE_SHIFT = 16

test_device_vaddr: Variable = static(Variable, name="test_device_vaddr")


@struct
class TestDevice:
    """The register that ends the run."""

    command: u32


@struct
class Finished:
    """One bit for each that has finished."""

    who: u64


finished: Finished = static(Finished)


@compiled
def end(command: u32) -> None:
    """Stop the machine."""
    at(TestDevice, test_device_vaddr.value).command = command
    full_fence()


@compiled
def init() -> None:
    put_line(b"power:    I switch off when client and visitor have finished")


@compiled
def notified(channel: u32) -> None:
    match channel:
        case 0 | 1:
            finished.who = finished.who | (u64(1) << u64(channel))
            if finished.who == 3:
                put_line(b"power:    both have finished, good night")
                end(TEST_DEVICE_PASS)
        case _:
            put_line(b"power:    somebody found an error, so this run has failed")
            end(TEST_DEVICE_FAIL | ((u32(1) + channel) << EXIT_CODE_SHIFT))
