# SPDX-License-Identifier: BSD-2-Clause
"""Which ways a path can take, as far as a quick look tells: what cannot happen need not be read."""

from __future__ import annotations

import z3

from tessera.smt import quick
from tessera.smt.terms import Term

# z3's steps for one look; what it cannot tell within them is possible.
STEPS = 150_000


class Pruning:
    """Looks at conditions one after another. Most paths begin as the one before did: what is common stays asserted."""

    def __init__(self) -> None:
        self._solver = z3.SimpleSolver()
        self._solver.set("rlimit", STEPS)
        # Of z3's two solvers for arithmetic the older one: as many ways are found impossible, in half of the time.
        self._solver.set("arith.solver", 2)
        self._asserted: list[Term] = []

    def is_possible(self, facts: list[Term], condition: list[Term]) -> bool:
        """Whether all of ``condition`` can be true where ``facts`` are, the older ones first."""
        solver, asserted = self._solver, self._asserted
        common = 0
        for one, other in zip(facts, asserted, strict=False):
            if not quick.same(one, other):
                break
            common += 1
        if common < len(asserted):
            solver.pop(len(asserted) - common)
            del asserted[common:]
        for fact in facts[common:]:
            solver.push()
            solver.add(fact)
            asserted.append(fact)
        solver.push()
        solver.add(*condition)
        result = solver.check()
        solver.pop()
        return bool(result != z3.unsat)
