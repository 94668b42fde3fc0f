# SPDX-License-Identifier: BSD-2-Clause
"""Holds another component back, lets it go on, and reads how much time it has used."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.lang import compiled, u32
from tessera.runtime.console import put_line
from tessera.runtime.microkit import cspace_slot, notify
from tessera.runtime.threads import sched_context_consumed, tcb_resume, tcb_suspend

WORKER = 4
END = 1


@compiled
def init() -> None:
    """The worker has not run yet: it is in another domain, whose time has not come."""
    if tcb_suspend(cspace_slot(1)) != Error.NO_ERROR:
        put_line(b"manager: cannot suspend")
    if tcb_resume(cspace_slot(2)) == Error.NO_ERROR:
        put_line(b"manager: an empty slot has a thread")
    notify(WORKER)
    put_line(b"manager: the worker waits")
    if tcb_resume(cspace_slot(1)) != Error.NO_ERROR:
        put_line(b"manager: cannot resume")


@compiled
def notified(channel: u32) -> None:
    answer = sched_context_consumed(cspace_slot(63))
    if answer.error == Error.NO_ERROR and answer.value > 0:
        put_line(b"manager: the worker has used time of its own")
    notify(END)
