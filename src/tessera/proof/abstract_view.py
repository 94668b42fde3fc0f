# SPDX-License-Identifier: BSD-2-Clause
"""What of the kernel's state is compared with the abstract kernel: every field, but those that are named here.

``REPRESENTATION`` is how the kernel keeps what the abstract kernel says otherwise; ``TIME`` is who runs when and on
which budget, which proofs of refinement leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.messages import CapRights, CNodeData, IpcBuffer, MessageInfo
from tessera.kernel import state
from tessera.kernel.capability import Capability
from tessera.kernel.layout import (
    AsidPool,
    EndpointState,
    FaultKind,
    Notification,
    NotificationState,
    PageTable,
    Reply,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.request import Status, request
from tessera.kernel.state import KernelState
from tessera.lang import forall, from_word, implies, old, u64
from tessera.lang.structs import Inline
from tessera.lang.types import ArrayType, OptionalReference, is_struct

# What the names in promises mean.
NAMES: Mapping[str, Any] = {
    **{
        one.__name__: one
        for one in (EndpointState, FaultKind, NotificationState, ThreadState, forall, implies, old, u64)
    },
    **{one.__name__: one for one in (Tcb, Notification, Reply, SchedContext, Slot, PageTable, AsidPool, IpcBuffer)},
    **{
        one.__name__: one
        for one in (Error, CNodeData, CapRights, MessageInfo, LookupFailure, Status, from_word, isinstance)
    },
    **{kind.__name__: kind for kind in vars(Capability)["__packed__"].variants.values()},
    "kernel": state.kernel,
    "request": request,
}

# The queue of an endpoint or notification is the threads that wait there, by position; the tree of capabilities is the
# order of slots by ``low``, those derived lying inside.
REPRESENTATION: Mapping[type, str] = {
    Tcb: "wait_next wait_previous wait_run",
    Notification: "head tail state",
    Slot: "previous link",
    KernelState: "idle idle_context cancel_by cancel_next cancel_badge work_units",
}
TIME: Mapping[type, str] = {
    Tcb: "domain scheduling_context in_ready_queue in_release_queue queue_next queue_previous "
    "release_time release_number release_parent release_low release_high",
    Reply: "previous next scheduling_context",
    SchedContext: "tcb consumed reply refill_head refill_tail refills",
    KernelState: "current_context action candidate now charged_until reprogram deadline release_head releases "
    "current_domain domain_index domain_start domain_time domain_schedule domains",
}
# What is compared instead: a name, and how it is read.
MEANING: Mapping[type, tuple[tuple[str, str], ...]] = {
    Tcb: (("wait_position", "{}.wait_position"),),
    Notification: (("is_active", "({}.state == NotificationState.ACTIVE)"),),
    Slot: (
        ("is_original", "{}.link.revocable"),
        *((name, f"{{}}.{name}") for name in ("low", "high", "chain")),
    ),
}
STRUCTS: tuple[type, ...] = (Tcb, Notification, Reply, SchedContext, Slot, PageTable, AsidPool, IpcBuffer, KernelState)


@dataclass(frozen=True)
class Row:
    """A field that is compared: of which struct, its name, how it is read of an object, and how values are compared.

    ``length`` is that of an array, of which each element is compared.
    """

    struct: type
    name: str
    reading: str
    equal: str
    length: int | None = None

    def of(self, owner: str, index: int | str | None = None) -> str:
        """The expression for the field of an object."""
        return self.reading.format(owner) + ("" if self.length is None else f"[{index}]")

    @property
    def is_single(self) -> bool:
        """Whether there is only one object."""
        return self.struct is KernelState


@cache
def view() -> tuple[Row, ...]:
    """Everything that is compared."""
    rows: list[Row] = []
    for struct in STRUCTS:
        outside = {*REPRESENTATION.get(struct, "").split(), *TIME.get(struct, "").split()}
        fields: Any = struct.__struct__.layout().fields  # type: ignore[attr-defined]
        if unknown := outside - {*fields}:
            raise LookupError(f"{struct.__name__} has no {', '.join(sorted(unknown))}")
        for name, one in fields.items():
            type_ = one.type
            if name in outside or isinstance(type_, Inline):
                continue
            length = type_.length if isinstance(type_, ArrayType) else None
            element = type_.element if isinstance(type_, ArrayType) else type_
            equal = "is" if isinstance(element, OptionalReference) or is_struct(element) else "=="
            rows.append(Row(struct, name, f"{{}}.{name}", equal, length))
        rows += [Row(struct, name, reading, "==") for name, reading in MEANING.get(struct, ())]
    return tuple(rows)
