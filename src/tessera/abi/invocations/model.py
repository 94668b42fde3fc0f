# SPDX-License-Identifier: BSD-2-Clause
"""What an invocation is, and how its arguments are packed into a message.

Scalars are laid into message words in their order. One that is narrower than a word is aligned to its own width, so
neighbours share a word: two flags take bits 0 and 1, a byte behind them bits 8 to 15. Capabilities travel beside the
message, in their order, except for the first one, which is invoked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tessera.abi.errors import Error
from tessera.abi.faults import USER_CONTEXT
from tessera.abi.labels import InvocationLabel
from tessera.abi.objects import WORD_BITS


@dataclass(frozen=True)
class ParameterType:
    """``bits`` in a message; ``c_type`` in C. ``is_cap``: passed as a capability, not as a word."""

    name: str
    c_type: str
    bits: int
    is_cap: bool = False

    @property
    def by_reference(self) -> bool:
        """Whether C passes a pointer: it takes several words."""
        return self.bits > WORD_BITS


WORD = ParameterType("word", "seL4_Word", 64)
TIME = ParameterType("time", "seL4_Time", 64)
BYTE = ParameterType("byte", "seL4_Uint8", 8)
FLAG = ParameterType("flag", "seL4_Bool", 1)
RIGHTS = ParameterType("rights", "seL4_CapRights_t", 64)
ATTRIBUTES = ParameterType("attributes", "seL4_RISCV_VMAttributes", 64)
CONTEXT = ParameterType("registers", "seL4_UserContext", len(USER_CONTEXT) * WORD_BITS)


def cap(c_type: str = "seL4_CPtr") -> ParameterType:
    """A capability that goes along with the message."""
    return ParameterType("capability", c_type, WORD_BITS, is_cap=True)


CAP = cap()
CNODE = cap("seL4_CNode")
TCB = cap("seL4_TCB")
UNTYPED = cap("seL4_Untyped")
SCHED_CONTEXT = cap("seL4_SchedContext")
PAGE_TABLE = cap("seL4_RISCV_PageTable")


@dataclass(frozen=True)
class Parameter:
    """An argument or a result."""

    name: str
    type: ParameterType
    meaning: str


@dataclass(frozen=True)
class Placement:
    """``width`` bits of a parameter at bit ``low`` of message word ``word``."""

    parameter: Parameter
    word: int
    low: int
    width: int


def place(parameters: Iterable[Parameter]) -> tuple[Placement, ...]:
    """Where scalars lie in a message. A parameter of several words starts at ``word`` and fills the following ones."""
    placements = []
    used = 0
    for parameter in parameters:
        width = parameter.type.bits
        step = min(width, WORD_BITS)
        used = -(-used // step) * step
        placements.append(Placement(parameter, used // WORD_BITS, used % WORD_BITS, width))
        used += width
    return tuple(placements)


def pack(placements: Iterable[Placement], values: Mapping[str, int]) -> list[int]:
    """The message words that carry these values, by the names of the parameters.

    A parameter of several words takes a number of as many bits, the first word lowest. Raises :class:`ValueError` for
    a value that does not fit.
    """
    placements = tuple(placements)
    message = 0
    for placement in placements:
        value = values[placement.parameter.name]
        if value >> placement.width:
            raise ValueError(f"{value:#x} does not fit the {placement.width} bits of {placement.parameter.name}")
        message |= value << (placement.word * WORD_BITS + placement.low)
    return [message >> (i * WORD_BITS) & ((1 << WORD_BITS) - 1) for i in range(words_used(placements))]


def words_used(placements: Iterable[Placement]) -> int:
    """How many message words the placements fill."""
    return max((-(-(p.word * WORD_BITS + p.low + p.width) // WORD_BITS) for p in placements), default=0)


@dataclass(frozen=True)
class Cause:
    """One way to get an error."""

    error: Error
    when: str


@dataclass(frozen=True)
class Invocation:
    """One call on a kernel object. ``symbol`` is the C name of its label, ``interface`` the C name of the object."""

    label: InvocationLabel
    symbol: str
    interface: str
    method: str
    purpose: str
    parameters: tuple[Parameter, ...] = ()
    results: tuple[Parameter, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def c_name(self) -> str:
        """The C function."""
        return f"seL4_{self.interface}_{self.method}"

    @cached_property
    def extra_caps(self) -> tuple[Parameter, ...]:
        """Capabilities in the order in which they travel."""
        return tuple(p for p in self.parameters if p.type.is_cap)

    @property
    def scalars(self) -> tuple[Parameter, ...]:
        """Arguments that lie in the message."""
        return tuple(p for p in self.parameters if not p.type.is_cap)

    @cached_property
    def placements(self) -> tuple[Placement, ...]:
        """Where the scalars lie."""
        return place(self.scalars)

    @property
    def message_length(self) -> int:
        """Words of the message, as the stub announces them."""
        return words_used(self.placements)

    @property
    def result_placements(self) -> tuple[Placement, ...]:
        """Where the results lie in the reply."""
        return place(self.results)

    def errors(self) -> tuple[Cause, ...]:
        """Every error the call can return with its cause, the ones that all calls share included."""
        shared = [
            Cause(Error.INVALID_CAPABILITY, "the invoked slot is empty"),
            Cause(Error.ILLEGAL_OPERATION, "the invoked capability is to another kind of object"),
        ]
        if self.parameters:
            shared.append(Cause(Error.TRUNCATED_MESSAGE, "the message has fewer words or capabilities than needed"))
        return (*shared, *self.causes)


def failures(*pairs: tuple[Error, str]) -> tuple[Cause, ...]:
    """Causes from pairs of an error and when it is returned."""
    return tuple(Cause(error, when) for error, when in pairs)


# Wordings that several calls share.
DEPTH_RANGE = (Error.RANGE_ERROR, "a depth is 0 or greater than 64")
SLOT_NOT_FOUND = (Error.FAILED_LOOKUP, "the address does not lead to a slot at this depth")
OCCUPIED = (Error.DELETE_FIRST, "the destination slot is occupied")
