# SPDX-License-Identifier: BSD-2-Clause
"""The variables of a program that are given their values before it starts."""

from __future__ import annotations

from tessera.lang.diagnostics import Diagnostic
from tessera.system.elf import ProgramImage, require_symbol
from tessera.system.model import ProtectionDomain, SetVar, System, Variable

WORD = 8


def patched(pd: ProtectionDomain, image: ProgramImage, system: System, addresses: dict[str, int]) -> ProgramImage:
    """``image`` with the platform's own variables and those that the description sets.

    ``addresses``: the physical address of each memory region of which one is asked. The platform's variables may be
    missing in a program that does not use the library; a variable of the description may not. Raises
    :class:`Diagnostic` for a variable that is missing or has another size.
    """
    if not image.symbols:
        raise Diagnostic(
            "image-stripped",
            pd.image_location,
            f"'{image.file}' has no symbols",
            why="the program learns its name and its channels from variables, which are found and set by their names",
            fix="link it without -s, and do not strip it",
        )
    for name, value in platform_variables(pd, system).items():
        if name in image.symbols:
            symbol = image.symbols[name]
            require_symbol(image, name, max(symbol.size, len(value)), pd.image_location, "value for this domain")
            image = image.with_variable(symbol, value.ljust(symbol.size, b"\0"))
    for variable in system.variables(pd):
        symbol = require_symbol(image, variable.symbol, WORD, variable.location, variable.kind.value)
        number = value_of(variable, system, addresses)
        image = image.with_variable(symbol, number.to_bytes(WORD, "little"))
    return image


def platform_variables(pd: ProtectionDomain, system: System) -> dict[str, bytes]:
    """The variables by which the library knows its own domain. Masks have one bit per channel."""
    notifications = calls = 0
    for channel in system.channels:
        for end, _ in channel.directions():
            if end.pd == pd.name:
                notifications |= int(end.notify) << end.id
                calls |= int(end.pp) << end.id
    irqs = sum(1 << irq.id for irq in pd.irqs)
    return {
        # A library may have less room than the longest name takes.
        "microkit_name": pd.name.encode() + b"\0",
        "microkit_passive": bytes([pd.passive]),
        "microkit_irqs": irqs.to_bytes(WORD, "little"),
        "microkit_notifications": notifications.to_bytes(WORD, "little"),
        "microkit_pps": calls.to_bytes(WORD, "little"),
    }


def value_of(variable: SetVar, system: System, addresses: dict[str, int]) -> int:
    """The value of a variable of the description."""
    if variable.value is not None:
        return variable.value
    assert variable.region is not None
    region = system.region(variable.region)
    if variable.kind is Variable.SIZE:
        return region.size
    if variable.kind is Variable.PREFILL_SIZE:
        return len(region.prefill)
    return addresses[region.name]
