# SPDX-License-Identifier: BSD-2-Clause
"""How calls of a function are read: its body in place, or its contract."""

from __future__ import annotations

from tessera.ir.nodes import Function
from tessera.lang.types import TEXT
from tessera.smt.walk import expressions_of
from tessera.smt.writes import loops_in

# A function with more expressions than this, those that it calls included, is not read in place.
MAX_INLINED = 2500
# What holds when a function returns: what it says itself, and what the abstract kernel says of it.
PROMISES = ("ensures", "refines")


def keeps_invariants(function: Function) -> bool:
    """Whether a function may be called only where the invariants hold, and returns where they do."""
    return not any(contract.kind == "without_invariants" for contract in function.contracts)


def size_of(functions: dict[str, Function], name: str, sizes: dict[str, int]) -> int:
    """Expressions of a function, with those of all that it calls."""
    if name not in sizes:
        function = functions.get(name)
        total = 0
        if function is not None:
            for node in expressions_of(function, contracts=False):
                total += 1
                if node.operation == "call":
                    total += size_of(functions, node.data.name, sizes)
        sizes[name] = total
    return sizes[name]


def has_contract(function: Function) -> bool:
    """Whether callers need not read the body."""
    return any(c.kind in ("ensures", "modifies", "without_invariants") for c in function.contracts)


def refines(function: Function) -> bool:
    """Whether it is compared with the abstract kernel."""
    return any(c.kind == "refines" for c in function.contracts)


def has_loop(function: Function) -> bool:
    """Whether there is a loop in the body itself."""
    return any(True for _ in loops_in(function))


def takes_text(function: Function) -> bool:
    """Whether a parameter is constant text: there are no unknown ones, so calls read the body, loops and all."""
    return any(type_ is TEXT for _, type_ in function.parameters)
