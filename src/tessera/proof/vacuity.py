# SPDX-License-Identifier: BSD-2-Clause
"""States of a running kernel fulfil what proofs assume: no set of assumptions is empty."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from tessera.ir.nodes import Function
from tessera.ir.values import to_raw
from tessera.kernel import derivation
from tessera.kernel.layout import Slot
from tessera.lang import address_of, at
from tessera.lang.types import NAMED, is_packed, is_struct
from tessera.proof.concrete import Predicates
from tessera.proof.models import Model, model_of
from tessera.smt.reading import keeps_invariants
from tessera.smt.session import World

# More tuples of objects than this are not tried with one invariant.
MOST_TUPLES = 5_000


@dataclass(frozen=True)
class Broken:
    """Something that proofs assume, and that a state does not fulfil."""

    what: str
    values: tuple[str, ...]


@dataclass
class Checked:
    """What came of it: broken assumptions, and how often each invariant's premises were true."""

    broken: list[Broken] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)


def check_invariants(world: World, model: Model) -> Checked:
    """Every invariant that proofs use, for all objects of the state; of very many tuples, evenly spread ones."""
    run = model.predicates(world)
    found = Checked()
    for invariant in world.invariants:
        if invariant.of_field is not None:
            continue
        _check(found, run, model, invariant.function, _tuples(model, invariant.function))
    for base, functions in world.of_packed.items():
        for function in functions:
            _check(found, run, model, function, _packed(model, base))
    _check_life(found, model)
    return found


def _check(
    found: Checked, run: Predicates, model: Model, function: Function, tuples: Iterator[tuple[int, ...]]
) -> None:
    for values in tuples:
        found.tried[function.name] += 1
        if not run.holds(function, values):
            found.broken.append(Broken(function.name, _told(function, values)))
        if run.met:
            found.met[function.name] += 1


def _tuples(model: Model, function: Function) -> Iterator[tuple[int, ...]]:
    choices = []
    for _, type_ in function.parameters:
        if type_ is Slot and len(function.parameters) > 1:
            # Empty slots are all alike: pairs have some of them.
            used = [int(address_of(slot)) for slot in model.slots if not derivation.is_empty(slot)]
            empty = [int(address_of(slot)) for slot in model.slots if derivation.is_empty(slot)]
            choices.append([*used, *empty[:4]])
        else:
            choices.append(model.live.of(type_) if is_struct(type_) else model.words)
    count = 1
    for one in choices:
        count *= len(one)
    step = max(1, count // MOST_TUPLES)
    # A step without a factor in common with the lists' lengths goes through all of each.
    while step > 1 and any(len(one) % step == 0 for one in choices):
        step += 1
    yield from itertools.islice(itertools.product(*choices), 0, None, step)


def _packed(model: Model, base: Any) -> Iterator[tuple[int, ...]]:
    fields = [
        (NAMED[name], one)
        for name in model.live.single
        for one in NAMED[name].__struct__.layout().fields.values()
        if is_packed(one.type) and one.type.__packed__.base is base
    ]
    for struct, one in fields:
        for address in model.live.of(struct):
            yield (model.memory.load(address + one.offset, base.__packed__.word.width // 8),)


def _told(function: Function, values: tuple[int, ...]) -> tuple[str, ...]:
    told = []
    for (name, type_), value in zip(function.parameters, values, strict=True):
        text = f"{name}={value:#x}"
        if type_ is Slot:
            text += f" {at(Slot, value).capability}"
        told.append(text)
    return tuple(told)


def _check_life(found: Checked, model: Model) -> None:
    """What the prover takes from an object's being live: it is aligned, inside of the address space, canonical."""
    for name in {*model.live.single, *model.live.spans}:
        layout = NAMED[name].__struct__.layout()
        for address in model.live.of(NAMED[name]):
            found.tried["live"] += 1
            canonical = address + layout.size <= 1 << 38 or address >= (1 << 64) - (1 << 38)
            if address % layout.alignment or not canonical:
                found.broken.append(Broken("live", (f"{name} at {address:#x}",)))


# Real calls


@dataclass
class Watch:
    """Looks at calls of functions under proof while the kernel runs: what proofs assume at entry must hold there."""

    world: World
    targets: list[Function]
    root: Slot
    root_bits: int
    others: tuple[tuple[Any, int], ...] = ()
    most: int = 1
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this lasts, the first calls of each function are looked at."""
        by_code = {function.info.function.__code__: function for function in self.targets}

        def entered(frame: FrameType, event: str, _: Any) -> None:
            function = by_code.get(frame.f_code) if event == "call" else None
            if function is None or self.seen[function.name] >= self.most:
                return
            self.seen[function.name] += 1
            sys.setprofile(None)
            try:
                self._look(function, frame)
            finally:
                sys.setprofile(entered)

        sys.setprofile(entered)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _look(self, function: Function, frame: FrameType) -> None:
        model = model_of(self.root, self.root_bits, self.others)
        run = model.predicates(self.world)
        names = {name: to_raw(type_, frame.f_locals[name]) for name, type_ in function.parameters}
        for contract in function.contracts:
            if contract.kind == "requires":
                for one in contract.expressions:
                    if not run.condition(function, one, names):
                        told = tuple(f"{name}={value:#x}" for name, value in names.items())
                        self.broken.append(Broken(f"{function.name} requires {contract.text}", told))
        if keeps_invariants(function):
            for found in check_invariants(self.world, model).broken:
                self.broken.append(Broken(f"{found.what} at a call of {function.name}", found.values))
