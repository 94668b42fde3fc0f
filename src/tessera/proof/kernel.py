# SPDX-License-Identifier: BSD-2-Clause
"""The kernel as the prover reads it: all its functions with their contracts, and its invariants."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence

import tessera.kernel
from tessera.arch import paging
from tessera.ir.build import build_program
from tessera.ir.nodes import Function, Program, Promise
from tessera.lang.functions import FUNCTIONS, FunctionInfo, info_of
from tessera.proof.refinement import promises
from tessera.smt.first import First
from tessera.smt.invariants import invariants_of
from tessera.smt.objects import Objects
from tessera.smt.session import World
from tessera.smt.writes import Writes


def kernel_modules() -> list[str]:
    """The names of the kernel's modules, all imported."""
    names = sorted(module.name for module in pkgutil.walk_packages(tessera.kernel.__path__, "tessera.kernel."))
    for name in names:
        importlib.import_module(name)
    return names


def kernel_functions() -> list[FunctionInfo]:
    """Every function of the kernel's modules, in the order of their names; not those that only contracts use."""
    names = kernel_modules()
    return sorted(
        (info for info in FUNCTIONS.values() if info.function.__module__ in names and info.kind == "compiled"),
        key=lambda info: info.name,
    )


def kernel_world(
    invariants: list[FunctionInfo], opaque: set[str], promised: Mapping[str, Sequence[Promise]] | None = None
) -> World:
    """Everything that proofs of kernel functions have in common.

    ``promised``: what functions are to keep besides what they say; from the abstract kernel where it is not given.
    """
    promised = promises() if promised is None else promised
    program = build_program([*kernel_functions(), *invariants], specification=True, promises=promised)
    world = world_of(program, [program.functions[info.name] for info in invariants], opaque | opaque_specifications())
    world.first = First("tessera.kernel.entry.start", paging.IMAGE_OFFSET + paging.IMAGE_PHYSICAL_GIGABYTE)
    return world


def opaque_specifications() -> set[str]:
    """The functions that modules of the kernel name in a tuple ``OPAQUE`` (:mod:`tessera.smt.opaque`)."""
    found = [function for name in kernel_modules() for function in getattr(sys.modules[name], "OPAQUE", ())]
    infos = [info_of(function) for function in found]
    return {info.name for info in infos if info is not None}


def world_of(program: Program, invariants: list[Function], opaque: set[str]) -> World:
    """What proofs about a program have in common."""
    objects = Objects(program)
    memory, of_packed = invariants_of(invariants, objects.structs)
    return World(program, objects, Writes(program.functions, objects), opaque, memory, of_packed)
