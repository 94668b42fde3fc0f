# SPDX-License-Identifier: BSD-2-Clause
"""Checks of scheduling domains across the elements of a description: who belongs where, and who ever runs."""

from __future__ import annotations

from collections.abc import Iterable

from tessera.lang.diagnostics import Diagnostic
from tessera.system import environment
from tessera.system.collect import Collector, did_you_mean, one_of
from tessera.system.model import System


def check_scheduling_domains(system: System, errors: Collector) -> None:
    """With a schedule every protection domain names its scheduling domain; without one none does."""
    schedule = system.schedule
    names = [domain.name for domain in schedule.domains] if schedule is not None else []
    for pd in system.domains():
        if schedule is None and pd.domain is not None:
            errors.error(
                "domain-without-schedule",
                pd.location,
                f"'{pd.name}' belongs to the domain '{pd.domain}', and the system has no domain schedule",
                why="a thread runs only in the parts of the schedule that are its domain's",
                fix="remove domain, or add <domains> with a <domain_schedule>",
            )
        elif schedule is not None and pd.domain is None:
            errors.error(
                "missing-attribute",
                pd.location,
                f"'{pd.name}' needs the attribute 'domain'",
                why=f"the system has a domain schedule, at {schedule.location}",
                fix=f'add domain="{names[0]}", for example' if names else "name its domain in <domains> first",
            )
        elif pd.domain is not None and pd.domain not in names:
            errors.error(
                "unknown-scheduling-domain",
                pd.location,
                f"'{pd.name}' belongs to the domain '{pd.domain}', which is not in 'domains'",
                why=f"there are {one_of(names, 'and')}" if names else "'domains' names no domain",
                fix=did_you_mean(pd.domain, names) or f'add <domain name="{pd.domain}" /> and a part of the schedule',
            )


def schedule_warnings(system: System) -> Iterable[Diagnostic]:
    """Threads that never get a part of the schedule."""
    schedule = system.schedule
    if schedule is None:
        return
    served = {entry.domain for entry in schedule.repeated()}
    for pd in system.domains():
        if pd.domain not in served:
            yield Diagnostic(
                "never-runs",
                pd.location,
                f"'{pd.name}' never runs: its domain '{pd.domain}' has no part of the schedule",
                why=f"the schedule at {schedule.location} goes through {one_of(sorted(filter(None, served)), 'and')}",
                fix=f'add <schedule_entry domain="{pd.domain}" duration="1000 us" />',
            )
    if all(schedule.id_of(name) != environment.MONITOR_DOMAIN for name in served if name is not None):
        yield Diagnostic(
            "monitor-never-runs",
            schedule.location,
            "faults are not told: the monitor never runs",
            why=f"it is in the domain {environment.MONITOR_DOMAIN}, which has no part of the schedule; passive domains "
            "stay on their own time for the same reason",
            fix=f'add <domain name="monitor" id="{environment.MONITOR_DOMAIN}" /> and a part of the schedule for it',
        )
