# SPDX-License-Identifier: BSD-2-Clause
"""Reads scheduling domains and their schedule."""

from __future__ import annotations

from collections.abc import Sequence

from tessera.abi.configuration import configuration
from tessera.system.collect import did_you_mean, one_of
from tessera.system.model import DomainSchedule, ScheduleEntry, SchedulingDomain
from tessera.system.schema import check_names
from tessera.system.values import Values
from tessera.system.xmltree import Element

UNITS = ("us", "ticks")
# The kernel keeps the rest of an entry's word for the domain.
LONGEST_TICKS = (1 << 56) - 1


class ScheduleReader(Values):
    """A method returns None where the element cannot be used; the reason has been reported."""

    def schedule(self, root: Element) -> DomainSchedule | None:
        """The schedule of a system, if it has one."""
        found = [c for c in root.children if c.tag == "domains"]
        for extra in found[1:]:
            self.errors.error(
                "domains-twice",
                extra.location,
                "the system has a second 'domains'",
                why="the kernel has one domain schedule",
                fix="put all domains and their schedule into the first",
            )
        return self.domains(found[0]) if found else None

    def domains(self, e: Element) -> DomainSchedule | None:
        check_names(e, self.errors)
        domains = self.scheduling_domains([c for c in e.children if c.tag == "domain"], e)
        schedules = [c for c in e.children if c.tag == "domain_schedule"]
        for extra in schedules[1:]:
            self.errors.error(
                "schedule-twice",
                extra.location,
                "there is a second 'domain_schedule'",
                why="the kernel goes through one schedule",
                fix="remove one",
            )
        if not schedules:
            self.errors.error(
                "schedule-missing",
                e.location,
                "the domains have no 'domain_schedule'",
                why="a thread runs only in the parts of the schedule that are its domain's",
                fix='add <domain_schedule> with a <schedule_entry domain="..." duration="1000 us" /> for each domain',
            )
            return None
        return self.domain_schedule(schedules[0], domains, e)

    def scheduling_domains(self, elements: Sequence[Element], whole: Element) -> tuple[SchedulingDomain, ...]:
        """The domains with their numbers; those without one get the smallest that are free, in order."""
        limit = self.profile.domains
        names: dict[str, Element] = {}
        numbers: dict[int, Element] = {}
        numbered: dict[str, int] = {}
        for e in elements:
            check_names(e, self.errors)
            name = self.text(e, "name")
            number = self.number(e, "id") if "id" in e.attributes else None
            if name is None:
                continue
            if name in names:
                self.errors.error(
                    "duplicate-scheduling-domain",
                    e.place("name"),
                    f"there are two domains called '{name}' in the schedule",
                    why=f"the first is at {names[name].location}",
                    fix="give one of them another name",
                )
            names.setdefault(name, e)
            if number is None:
                continue
            if number >= limit:
                self.errors.error(
                    "scheduling-domain-id",
                    e.place("id"),
                    f"'id' is {number}, and the highest is {limit - 1}",
                    why=f"the kernel is built for {limit} domains",
                    fix=f"use one from 0 to {limit - 1}, or leave it out",
                )
            elif number in numbers:
                self.errors.error(
                    "duplicate-scheduling-domain-id",
                    e.place("id"),
                    f"'{name}' has the number {number} of another domain",
                    why=f"it is also used at {numbers[number].place('id')}",
                    fix="use another number, or leave it out",
                )
            numbers.setdefault(number, e)
            numbered.setdefault(name, number)
        if len(names) > limit:
            self.errors.error(
                "too-many-scheduling-domains",
                whole.location,
                f"there are {len(names)} domains, and there can be {limit}",
                why=f"the kernel is built for {limit} domains",
                fix="let protection domains that need no separation in time share a domain",
            )
        free = (number for number in range(max(limit, len(names))) if number not in numbers)
        return tuple(
            SchedulingDomain(name, numbered[name] if name in numbered else next(free, limit), e.location)
            for name, e in names.items()
        )

    def domain_schedule(
        self, e: Element, domains: tuple[SchedulingDomain, ...], whole: Element
    ) -> DomainSchedule | None:
        check_names(e, self.errors)
        start = self.number(e, "start_index", 0)
        shift = self.number(e, "index_shift", 0)
        names = [domain.name for domain in domains]
        tags = ("schedule_entry", "schedule_end_marker")
        entries = [self.schedule_entry(c, names) for c in e.children if c.tag in tags]
        if start is None or shift is None:
            return None
        if not entries:
            self.errors.error(
                "schedule-empty",
                e.location,
                "the domain schedule has no entries",
                why="no thread would ever run",
                fix='add <schedule_entry domain="..." duration="1000 us" /> for each domain',
            )
            return None
        self.schedule_places(e, start, shift, len(entries))
        present = [entry for entry in entries if entry is not None]
        if len(present) < len(entries):
            return None
        for index in {0, start}:
            if index < len(present) and present[index].domain is None:
                self.errors.error(
                    "schedule-start",
                    present[index].location,
                    "the domain schedule begins with 'schedule_end_marker'",
                    why="at the mark the schedule begins again: nothing stands between",
                    fix="put an entry before it" if index == 0 else "choose another start_index",
                )
        return DomainSchedule(domains, tuple(present), start, shift, whole.location)

    def schedule_places(self, e: Element, start: int, shift: int, length: int) -> None:
        """Whether the entries and their start are inside the kernel's table. Its last entry is the kernel's."""
        room = self.profile.domain_schedule_entries - 1
        if length + shift > room:
            self.errors.error(
                "schedule-too-long",
                e.place("index_shift") if length <= room else e.location,
                f"the last of {length} entries would be at {shift + length - 1} of the kernel's table, "
                f"and can be at {room - 1}",
                why=f"the kernel is built for a schedule of {room} entries",
                fix="make the schedule shorter" if length > room else f'write index_shift="{room - length}", or less',
            )
        if start >= length:
            self.errors.error(
                "schedule-start",
                e.place("start_index"),
                f"start_index is {start}, and the last entry is {length - 1}",
                why="entries are counted from 0",
                fix=f"write a number from 0 to {length - 1}",
            )

    def schedule_entry(self, e: Element, names: Sequence[str]) -> ScheduleEntry | None:
        check_names(e, self.errors)
        if e.tag == "schedule_end_marker":
            return ScheduleEntry(None, 0, True, e.location)
        domain = self.text(e, "domain")
        if domain is not None and domain not in names:
            self.errors.error(
                "unknown-scheduling-domain",
                e.place("domain"),
                f"there is no domain '{domain}' in 'domains'",
                why=f"there are {one_of(names, 'and')}" if names else "'domains' names no domain",
                fix=did_you_mean(domain, names) or f'add <domain name="{domain}" />',
            )
        duration = self.duration(e)
        return ScheduleEntry(domain, *duration, e.location) if domain is not None and duration is not None else None

    def duration(self, e: Element) -> tuple[int, bool] | None:
        """How long an entry is, and whether it counts ticks."""
        text = self.text(e, "duration")
        if text is None:
            return None
        number, _, unit = text.partition(" ")
        if unit not in UNITS:
            self.errors.error(
                "schedule-duration",
                e.place("duration"),
                f"'duration' is '{text}'",
                why="it is a number, one blank, and the unit 'us' (microseconds) or 'ticks' (of the timer)",
                fix=f'write duration="{number} us"' if number.isdecimal() else 'write duration="1000 us", for example',
            )
            return None
        value = self.number_of(e, "duration", number)
        if value is None:
            return None
        ticks = value if unit == "ticks" else value * configuration.ticks_per_us
        if not 0 < ticks <= LONGEST_TICKS:
            self.errors.error(
                "schedule-duration",
                e.place("duration"),
                f"'duration' is '{text}'",
                why="an entry that takes no time means nothing"
                if value == 0
                else f"the kernel counts to {LONGEST_TICKS} ticks",
                fix="remove the entry" if value == 0 else "write a shorter time",
            )
            return None
        return value, unit == "ticks"
