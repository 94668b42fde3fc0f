# SPDX-License-Identifier: BSD-2-Clause
"""Places of capabilities, told in the user's names."""

from __future__ import annotations

from tessera.build.spec import KEPT_NAME
from tessera.system import capdl_model as model
from tessera.system import environment as env
from tessera.system.capdl_model import Place, Spec

THREAD_PLACES = {
    "cspace": "the root of its capability space",
    "vspace": "its address space",
    "ipc_buffer_slot": "its IPC buffer",
    "fault_ep_slot": "where its faults go",
    "sc_slot": "its time",
    "bound_notification": "the notification bound to it",
}
OWN = {
    env.SLOT_INPUT: "what it waits for",
    env.SLOT_FAULT_ENDPOINT: "where its faults go",
    env.SLOT_VSPACE: "its address space",
    env.SLOT_REPLY: "its reply object",
    env.SLOT_MONITOR_ENDPOINT: "to the monitor",
    env.SLOT_TCB: "its own thread",
}
RANGES = (
    (env.SLOT_OUTPUT_NOTIFICATION, env.CHANNELS, "notification of channel"),
    (env.SLOT_OUTPUT_ENDPOINT, env.CHANNELS, "calls on channel"),
    (env.SLOT_IRQ, env.CHANNELS, "interrupt with id"),
    (env.SLOT_CHILD_TCB, env.SDK_SENDERS, "thread of the child with id"),
)


def place_text(spec: Spec, place: Place) -> str:
    """A slot, as in ``component 'client', slot 74 (calls on channel 0)``."""
    name, slot = place
    holder = spec.objects[name]
    if name == KEPT_NAME:
        return f"'{name}', slot {slot}"
    if holder.kind == model.TCB:
        return f"thread of {owner(name)}, {THREAD_PLACES.get(model.TCB_SLOT_NAMES.get(slot, ''), 'timeout handler')}"
    if holder.kind == model.IRQ:
        return f"interrupt of {owner(name)}, what it signals"
    if holder.kind == model.CNODE:
        what = _slot_text(name, slot)
        if not what and slot in holder.slots and slot >= env.SLOT_CHILD_TCB:
            what = f"thread of the child with id {slot - env.SLOT_CHILD_TCB}"
        return f"{owner(name)}, slot {slot}" + (f" ({what})" if what else "")
    return f"'{name}', entry {slot}"


def owner(name: str) -> str:
    """Whose object this is: its name without what we have added."""
    if ".irq." in name:
        name = name.rpartition(".irq.")[0]
    for suffix in (".cnode", ".cspace", ".tcb", ".vspace", ".sched_context"):
        name = name.removesuffix(suffix)
    return "the monitor" if name == env.MONITOR_NAME else f"component '{name}'"


def _slot_text(name: str, slot: int) -> str:
    if name == f"{env.MONITOR_NAME}.cnode":
        return ""
    if name.endswith(".cspace"):
        return "its own table" if slot == 0 else f"shared capability {slot}"
    if slot in OWN:
        return OWN[slot]
    return next((f"{what} {slot - low}" for low, count, what in RANGES if low <= slot < low + count), "")
