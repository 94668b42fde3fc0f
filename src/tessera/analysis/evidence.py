# SPDX-License-Identifier: BSD-2-Clause
"""Why a component has a capability: the line of the description that gives it, and how a person says so."""

from __future__ import annotations

from dataclasses import dataclass

from tessera.lang.diagnostics import Location
from tessera.system import environment as env
from tessera.system.capdl import (
    Cap,
    Endpoint,
    Frame,
    FrameMapping,
    IrqHandler,
    KernelObject,
    Notification,
    Rights,
    SchedContext,
    Tcb,
    VSpace,
)
from tessera.system.holdings import owner
from tessera.system.model import CapKind, System

SHARED = {CapKind.TCB: Tcb, CapKind.SCHED_CONTEXT: SchedContext, CapKind.VSPACE: VSpace}


@dataclass(frozen=True)
class Told:
    """``how``: a sentence without its subject. ``is_fault``: the capability is for the component's faults alone."""

    how: str
    location: Location
    detail: str = ""
    is_fault: bool = False


class Evidence:
    """Looks up the elements of a description. What it does not find there is told at the component's own line."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.domains = {pd.name: pd for pd in system.domains()}
        self.names = [env.MONITOR_NAME, *self.domains]

    def line(self, name: str) -> Location:
        """Where a component is described."""
        return self.domains[name].location if name in self.domains else self.system.location

    def of(self, holder: str, cap: Cap, target: KernelObject, place: str) -> Told:
        """Why ``holder`` has ``cap``, at ``place`` in its CSpace or its thread."""
        whose = owner(target.name, self.names)
        faulting = self.domains.get(holder)
        if isinstance(target, Endpoint) and faulting is not None and not cap.badge & env.BADGE_CALL:
            handler = faulting.parent or env.MONITOR_NAME
            if whose == handler and place.rpartition(".")[2] in ("fault_endpoint", str(env.SLOT_FAULT_ENDPOINT)):
                return Told(f"has its faults handled by '{whose}'", faulting.location, is_fault=True)
            if whose == handler and faulting.passive:
                return Told(f"tells '{whose}' that its init has returned (passive)", faulting.location)
        if isinstance(target, Endpoint) and Rights.WRITE in cap.rights:
            return self._of_channel(holder, whose, cap.badge ^ env.BADGE_CALL, "calls")
        if isinstance(target, Notification) and Rights.WRITE in cap.rights and holder in self.domains:
            return self._of_channel(holder, whose, cap.badge.bit_length() - 1, "notifies")
        if isinstance(target, IrqHandler):
            return Told(f"receives interrupt {target.irq}", self.of_interrupt(target.irq))
        if isinstance(target, Tcb) and whose in self.domains and self.domains[whose].parent == holder:
            return Told(f"is the parent of '{whose}', and controls its thread", self.line(whose))
        if holder == env.MONITOR_NAME:
            return Told(f"has a capability to {_kind(target)} of '{whose}'", self.line(whose))
        return self._of_extra(holder, whose, target)

    def of_mapping(self, name: str, region: str, mapping: FrameMapping) -> Told:
        """Why a component has a frame of a memory region in its address space."""
        for each in self.domains[name].maps if name in self.domains else ():
            size = self.system.region(each.mr).size
            if each.mr == region and each.vaddr <= mapping.vaddr < each.vaddr + size:
                return Told(f"maps '{region}' ({mapping.perms})", each.location, f"{each.vaddr:#x} {mapping.perms}")
        return Told(f"maps '{region}' ({mapping.perms})", self.line(name), f"{mapping.vaddr:#x} {mapping.perms}")

    def of_interrupt(self, irq: int) -> Location:
        """The line that gives an interrupt away."""
        lines = (each.location for pd in self.domains.values() for each in pd.irqs if each.irq == irq)
        return next(lines, self.system.location)

    def _of_channel(self, holder: str, whose: str, other_id: int, verb: str) -> Told:
        for channel in self.system.channels:
            for end, other in channel.directions():
                if (end.pd, other.pd, other.id) == (holder, whose, other_id):
                    return Told(f"{verb} '{whose}' (channel {end.id})", end.location, str(end.id))
        return Told(f"{verb} '{whose}'", self.line(holder))

    def _of_extra(self, holder: str, whose: str, target: KernelObject) -> Told:
        """A capability beside channels, maps and interrupts, such as those of an element `cspace`."""
        how = f"has a capability to {_kind(target)} of '{whose}'"
        if holder in self.domains:
            for each in self.domains[holder].caps:
                if each.pd == whose and SHARED[each.kind] is type(target):
                    return Told(how, each.location, target.word)
        return Told(how, self.line(holder), target.word)


def _kind(target: KernelObject) -> str:
    if isinstance(target, Frame):
        return "memory"
    words = {"tcb": "the thread", "vspace": "the address space", "sched_context": "the scheduling context"}
    return words.get(target.word, f"the {target.word}")
