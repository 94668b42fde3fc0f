# SPDX-License-Identifier: BSD-2-Clause
"""Every invocation of a kernel object: arguments, results and errors.

The stubs of both languages, the decoders and the documentation are derived from this table.
"""

from __future__ import annotations

from tessera.abi.invocations.hardware import HARDWARE_INVOCATIONS
from tessera.abi.invocations.memory import MEMORY_INVOCATIONS
from tessera.abi.invocations.model import (
    Cause,
    Invocation,
    Parameter,
    ParameterType,
    Placement,
    pack,
    place,
    words_used,
)
from tessera.abi.invocations.threads import THREAD_INVOCATIONS
from tessera.abi.invocations.time import TIME_INVOCATIONS
from tessera.abi.labels import InvocationLabel

__all__ = [
    "BY_LABEL",
    "INVOCATIONS",
    "Cause",
    "Invocation",
    "Parameter",
    "ParameterType",
    "Placement",
    "invocation",
    "pack",
    "place",
    "words_used",
]

# In the order of their labels.
INVOCATIONS: tuple[Invocation, ...] = tuple(
    sorted(
        (*MEMORY_INVOCATIONS, *THREAD_INVOCATIONS, *TIME_INVOCATIONS, *HARDWARE_INVOCATIONS),
        key=lambda item: item.label,
    )
)

BY_LABEL: dict[InvocationLabel, Invocation] = {item.label: item for item in INVOCATIONS}


def invocation(label: InvocationLabel) -> Invocation:
    """The invocation with this label."""
    return BY_LABEL[label]
