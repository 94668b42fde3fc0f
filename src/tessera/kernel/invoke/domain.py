# SPDX-License-Identifier: BSD-2-Clause
"""Domains: who belongs where, and the schedule (manual: Domains; seL4_DomainSet methods)."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.kernel import message, scheduler
from tessera.kernel.capability import ThreadCap
from tessera.kernel.request import Status, fail, invalid_argument, range_error, request, request_is_good
from tessera.kernel.state import LONGEST_DOMAIN_TIME, kernel
from tessera.lang import compiled, requires, u64


@compiled
def decode_set(length: u64) -> Status:
    """Set: put a thread into a domain."""
    requires(request_is_good())
    if length < 1:
        return fail(Error.TRUNCATED_MESSAGE)
    domain = message.argument(0)
    if domain >= configuration.profile.domains:
        return invalid_argument(0)
    slot = request.extra[0]
    if slot is None:
        return fail(Error.TRUNCATED_MESSAGE)
    cap = slot.capability
    if not isinstance(cap, ThreadCap):
        return invalid_argument(1)

    scheduler.move_to_domain(cap.tcb, domain)
    return Status.OK


@compiled
def decode_configure(length: u64) -> Status:
    """ScheduleConfigure: set an entry. Domain 0 for no time ends the schedule; the last entry always does."""
    requires(request_is_good())
    if length < 3:
        return fail(Error.TRUNCATED_MESSAGE)
    index = message.argument(0)
    domain = message.argument(1)
    duration = message.argument(2)
    if index >= configuration.profile.domain_schedule_entries - 1:
        return range_error(0, configuration.profile.domain_schedule_entries - 2)
    if domain >= configuration.profile.domains:
        return range_error(0, configuration.profile.domains - 1)
    if duration > LONGEST_DOMAIN_TIME:
        return invalid_argument(2)
    if duration == 0 and domain != 0:
        return invalid_argument(1)
    if duration == 0 and index == kernel.domain_start:
        return invalid_argument(2)

    kernel.domain_schedule[index].domain = domain
    kernel.domain_schedule[index].duration = duration
    return Status.OK


@compiled
def decode_set_start(length: u64) -> Status:
    """ScheduleSetStart: begin the schedule at another entry, at once."""
    requires(request_is_good())
    if length < 1:
        return fail(Error.TRUNCATED_MESSAGE)
    index = message.argument(0)
    if index >= configuration.profile.domain_schedule_entries:
        return range_error(0, configuration.profile.domain_schedule_entries - 1)
    if kernel.domain_schedule[index].duration == 0:
        return invalid_argument(0)

    scheduler.start_domain_schedule(index)
    return Status.OK


@compiled
def decode(label: u64, length: u64) -> Status:
    """Check and do an invocation of the domain capability."""
    requires(request_is_good())
    match label:
        case InvocationLabel.DOMAIN_SET_SET:
            return decode_set(length)
        case InvocationLabel.DOMAIN_SET_SCHEDULE_CONFIGURE:
            return decode_configure(length)
        case InvocationLabel.DOMAIN_SET_SCHEDULE_SET_START:
            return decode_set_start(length)
        case _:
            return fail(Error.ILLEGAL_OPERATION)
