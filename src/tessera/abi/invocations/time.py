# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of scheduling contexts and domains (manual: Threads and Execution; Domains)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.invocations.model import (
    BYTE,
    CAP,
    SCHED_CONTEXT,
    TCB,
    TIME,
    WORD,
    Invocation,
    Parameter,
    failures,
)
from tessera.abi.labels import InvocationLabel as Label

_INDEX = Parameter("index", WORD, "number of the schedule entry")
_INDEX_RANGE = (Error.RANGE_ERROR, "the schedule has no such entry")
_CONSUMED = Parameter("consumed", TIME, "microseconds used since the last query")

TIME_INVOCATIONS: tuple[Invocation, ...] = (
    Invocation(
        Label.DOMAIN_SET_SET,
        "DomainSetSet",
        "DomainSet",
        "Set",
        "Put a thread into a domain.",
        (Parameter("domain", BYTE, "the domain"), Parameter("thread", TCB, "the thread")),
        causes=failures(
            (Error.INVALID_ARGUMENT, "there is no such domain"),
            (Error.INVALID_ARGUMENT, "the capability is not a thread"),
        ),
    ),
    Invocation(
        Label.DOMAIN_SET_SCHEDULE_CONFIGURE,
        "DomainScheduleConfigure",
        "DomainSet",
        "ScheduleConfigure",
        "Set an entry of the domain schedule. Domain 0 with duration 0 ends the schedule there.",
        (
            _INDEX,
            Parameter("domain", BYTE, "the domain that runs in this entry"),
            Parameter("duration", TIME, "ticks of the timer"),
        ),
        causes=failures(
            _INDEX_RANGE,
            (Error.RANGE_ERROR, "there is no such domain"),
            (Error.INVALID_ARGUMENT, "the duration is 0 in the first entry or with a domain other than 0"),
            (Error.INVALID_ARGUMENT, "the duration has more than 56 bits"),
        ),
    ),
    Invocation(
        Label.DOMAIN_SET_SCHEDULE_SET_START,
        "DomainScheduleSetStart",
        "DomainSet",
        "ScheduleSetStart",
        "Let the domain schedule begin at another entry, and go there at once.",
        (_INDEX,),
        causes=failures(_INDEX_RANGE, (Error.INVALID_ARGUMENT, "the entry is an end of the schedule")),
    ),
    Invocation(
        Label.SCHED_CONTROL_CONFIGURE_FLAGS,
        "SchedControlConfigureFlags",
        "SchedControl",
        "ConfigureFlags",
        "Give a scheduling context its budget and period.",
        (
            Parameter("schedcontext", SCHED_CONTEXT, "the scheduling context"),
            Parameter("budget", TIME, "microseconds in each period"),
            Parameter("period", TIME, "microseconds; equal to the budget for round robin"),
            Parameter("extra_refills", WORD, "refills beyond two"),
            Parameter("badge", WORD, "number that timeout faults carry"),
            Parameter("flags", WORD, "1: a sporadic server"),
        ),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the capability is not a scheduling context"),
            (Error.RANGE_ERROR, "the budget or the period is too small (docs/kernel-time.md) or too large"),
            (Error.RANGE_ERROR, "the budget is greater than the period"),
            (Error.RANGE_ERROR, "the scheduling context has no room for so many refills"),
        ),
    ),
    Invocation(
        Label.SCHED_CONTEXT_BIND,
        "SchedContextBind",
        "SchedContext",
        "Bind",
        "Bind a thread or a notification to a scheduling context.",
        (Parameter("cap", CAP, "the thread or the notification"),),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the capability is neither a thread nor a notification"),
            (Error.ILLEGAL_OPERATION, "one of the two is bound already"),
            (Error.ILLEGAL_OPERATION, "the thread is blocked and the scheduling context has no budget"),
        ),
    ),
    Invocation(
        Label.SCHED_CONTEXT_UNBIND,
        "SchedContextUnbind",
        "SchedContext",
        "Unbind",
        "Undo all bindings of a scheduling context.",
        causes=failures((Error.ILLEGAL_OPERATION, "the caller runs on it")),
    ),
    Invocation(
        Label.SCHED_CONTEXT_UNBIND_OBJECT,
        "SchedContextUnbindObject",
        "SchedContext",
        "UnbindObject",
        "Undo the binding of one object.",
        (Parameter("cap", CAP, "the thread or the notification"),),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the capability is neither a thread nor a notification"),
            (Error.ILLEGAL_OPERATION, "the object is not bound to it, or is the caller"),
        ),
    ),
    Invocation(
        Label.SCHED_CONTEXT_CONSUMED,
        "SchedContextConsumed",
        "SchedContext",
        "Consumed",
        "Read the time used, and start counting anew.",
        results=(_CONSUMED,),
    ),
    Invocation(
        Label.SCHED_CONTEXT_YIELD_TO,
        "SchedContextYieldTo",
        "SchedContext",
        "YieldTo",
        "Let the thread of a scheduling context run next among those of its priority.",
        results=(_CONSUMED,),
        causes=failures(
            (Error.ILLEGAL_OPERATION, "no thread is bound, or the bound thread is the caller"),
            (Error.ILLEGAL_OPERATION, "its priority is above the caller's maximum controlled priority"),
        ),
    ),
)
