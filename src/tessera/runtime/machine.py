# SPDX-License-Identifier: BSD-2-Clause
"""What user level needs of the machine: the instruction that enters the kernel, and fences.

This is the only place of the run-time with assembly; everything else is the same on every architecture. The Python
bodies are models for the host: a test that plays the kernel puts a function into :attr:`Host.kernel`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tessera.abi.messages import MessageInfo
from tessera.abi.syscalls import Syscall
from tessera.lang import from_word, intrinsic, record, to_word, u64


@record
class Received:
    """What a system call returns: the sender's badge, the shape of the message, and its first four words."""

    badge: u64
    info: MessageInfo
    word0: u64
    word1: u64
    word2: u64
    word3: u64


class HostError(Exception):
    """A system call without a kernel."""


class Host:
    """Who answers system calls when the run-time is executed by Python itself.

    ``kernel`` gets the call, its capability, message info, four words, reply object and second destination, and gives
    badge, message info and four words.
    """

    kernel: ClassVar[Callable[[Syscall, int, int, tuple[int, ...], int, int], tuple[int, ...]] | None] = None

    @classmethod
    def call(
        cls, number: int, cap: int, info: MessageInfo, words: tuple[int, ...], reply: int, second: int
    ) -> Received:
        """Hand a system call to the model of the kernel."""
        name = Syscall(int(number))
        if cls.kernel is None:
            raise HostError(
                f"the system call {name.name} was made on the host, where no kernel answers it: "
                "set tessera.runtime.machine.Host.kernel to a function that does"
            )
        given = tuple(int(word) for word in words)
        answer = cls.kernel(name, int(cap), int(to_word(info)), given, int(reply), int(second))
        badge, shape, *rest = answer
        word0, word1, word2, word3 = rest
        return Received(badge, from_word(MessageInfo, shape), word0, word1, word2, word3)


# Inputs and outputs in the order of the parameters: a0, a1, a2..a5 both ways; a7 is the number of the call, a6 the
# reply object, t0 the second destination. The kernel keeps all other registers.
_OUT = "={x10},={x11},={x12},={x13},={x14},={x15}"
_IN = "{x10},{x11},{x12},{x13},{x14},{x15},{x17}"


@intrinsic(assembly="ecall", constraints=f"{_OUT},{_IN},~{{memory}}")
def system_call(
    cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64, number: Syscall
) -> Received:
    """Enter the kernel with a capability and a message."""
    return Host.call(number, cap, info, (word0, word1, word2, word3), 0, 0)


@intrinsic(assembly="ecall", constraints=f"{_OUT},{_IN},{{x16}},~{{memory}}")
def system_call_reply(
    cap: u64, info: MessageInfo, word0: u64, word1: u64, word2: u64, word3: u64, number: Syscall, reply: u64
) -> Received:
    """Enter the kernel with a reply object besides."""
    return Host.call(number, cap, info, (word0, word1, word2, word3), reply, 0)


@intrinsic(assembly="ecall", constraints=f"{_OUT},{_IN},{{x16}},{{x5}},~{{memory}}")
def system_call_send(
    cap: u64,
    info: MessageInfo,
    word0: u64,
    word1: u64,
    word2: u64,
    word3: u64,
    number: Syscall,
    reply: u64,
    destination: u64,
) -> Received:
    """Enter the kernel with a reply object and a second capability, to which the message is sent."""
    return Host.call(number, cap, info, (word0, word1, word2, word3), reply, destination)


@intrinsic(assembly="ecall", constraints="={x10},{x10},{x17},~{memory}")
def debug_call(argument: u64, number: Syscall) -> u64:
    """Enter the kernel with one number; for the debugging calls, and for yield."""
    return Host.call(number, argument, MessageInfo(), (0, 0, 0, 0), 0, 0).badge


@intrinsic(assembly="fence rw, w", constraints="~{memory}")
def release_fence() -> None:
    """All accesses before come before all stores behind: what was written is there before it is announced."""


@intrinsic(assembly="fence r, rw", constraints="~{memory}")
def acquire_fence() -> None:
    """All loads before come before all accesses behind: what was announced is read after the announcement."""


@intrinsic(assembly="fence rw, rw", constraints="~{memory}")
def full_fence() -> None:
    """All accesses before come before all accesses behind."""


@intrinsic(assembly="fence.i", constraints="~{memory}")
def instruction_fence() -> None:
    """Code that was stored is what this hart fetches from now on, for every program that runs on it."""


@intrinsic(assembly="ebreak", constraints="~{memory}")
def stop() -> None:
    """Stop this thread with a breakpoint exception, which its fault handler is told."""
    raise HostError("the program stopped itself")


@intrinsic(assembly="rdtime $0", constraints="=r")
def read_time() -> u64:
    """The clock, in timer ticks."""
    return u64(0)
