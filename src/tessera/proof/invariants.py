# SPDX-License-Identifier: BSD-2-Clause
"""Which invariants proofs use: every ``@invariant`` of the kernel that its module does not name as an exception.

A module may name, in tuples of functions: ``AT_EXIT``, invariants that hold only when the kernel is left, so that its
functions neither assume nor keep them; ``EXECUTED_ONLY``, predicates with loops, which only run on concrete states.
"""

from __future__ import annotations

import sys

from tessera.lang.functions import FUNCTIONS, FunctionInfo, info_of
from tessera.proof.kernel import kernel_modules


def proof_invariants() -> list[FunctionInfo]:
    """The invariants that every function assumes and keeps, in the order of their names."""
    modules = kernel_modules()
    left_out: set[str] = set()
    for name in modules:
        module = sys.modules[name]
        for function in (*getattr(module, "AT_EXIT", ()), *getattr(module, "EXECUTED_ONLY", ())):
            info = info_of(function)
            if info is None:
                raise TypeError(f"{name}: {function!r} is not an invariant")
            left_out.add(info.name)
    return sorted(
        (
            info
            for info in FUNCTIONS.values()
            if info.kind == "invariant" and info.function.__module__ in modules and info.name not in left_out
        ),
        key=lambda info: info.name,
    )
