# SPDX-License-Identifier: BSD-2-Clause
"""Values of attributes: numbers, truth values, and the limits that concern one element alone."""

from __future__ import annotations

from tessera.abi.configuration import configuration
from tessera.abi.profiles import Profile
from tessera.system import environment
from tessera.system.collect import Collector, size_text
from tessera.system.environment import AddressSpace
from tessera.system.xmltree import Element


class Values:
    """Reads attributes. A method returns None where the value cannot be used; the reason has been reported."""

    def __init__(self, errors: Collector, space: AddressSpace, profile: Profile) -> None:
        self.errors = errors
        self.space = space
        self.profile = profile

    def text(self, element: Element, name: str) -> str | None:
        """A required attribute."""
        value = element.attributes.get(name)
        if value is None:
            self.errors.error(
                "missing-attribute",
                element.location,
                f"'{element.tag}' needs the attribute '{name}'",
                why="nothing is assumed for it",
                fix=f'add {name}="..."',
            )
        elif not value:
            self.errors.error(
                "empty-attribute",
                element.place(name),
                f"the attribute '{name}' is empty",
                why="without a value it says nothing",
                fix="give it a value, or remove it where it is optional",
            )
            return None
        return value

    def symbol(self, element: Element, name: str) -> str | None:
        """An optional attribute that names a variable of a program."""
        return self.text(element, name) if name in element.attributes else None

    def number(self, element: Element, name: str, default: int | None = None) -> int | None:
        """A number, decimal or hexadecimal, `_` between digits allowed; required where no default is given."""
        if default is not None and name not in element.attributes:
            return default
        text = self.text(element, name)
        return None if text is None else self.number_of(element, name, text)

    def number_of(self, element: Element, name: str, text: str) -> int | None:
        """The number that ``text``, the attribute ``name`` or a part of it, says."""
        digits = text.strip().replace("_", "")
        try:
            if not digits.isascii():
                raise ValueError
            value = int(digits, 16) if digits.lower().startswith(("0x", "-0x")) else int(digits, 10)
        except ValueError:
            self.errors.error(
                "bad-number",
                element.place(name),
                f"'{name}' is not a number: '{text}'",
                why="numbers have no units or other signs, only _ between digits",
                fix='write it in decimal, "4096", or in hexadecimal, "0x1000"',
            )
            return None
        if not 0 <= value < 1 << self.space.word_bits:
            why = "numbers here are not negative" if value < 0 else f"it has more than {self.space.word_bits} bits"
            self.errors.error(
                "number-range",
                element.place(name),
                f"'{name}' is out of range: {text}",
                why=why,
                fix="write a smaller number" if value > 0 else "write a number from 0 on",
            )
            return None
        return value

    def number_below(self, element: Element, name: str, limit: int, why: str, more: str = "") -> int | None:
        value = self.number(element, name)
        if value is not None and value >= limit:
            self.errors.error(
                "id-range",
                element.place(name),
                f"'{name}' is {value}, and the highest is {limit - 1}",
                why=why,
                fix=f"use one from 0 to {limit - 1} that is still free{more}",
            )
            return None
        return value

    def boolean(self, element: Element, name: str, default: bool) -> bool:
        value = element.attributes.get(name, "true" if default else "false")
        if value not in ("true", "false"):
            self.errors.error(
                "bad-boolean",
                element.place(name),
                f"'{name}' is '{value}'",
                why="it is a truth value",
                fix=f'write {name}="true" or {name}="false"',
            )
        return value == "true"

    def region_size(self, e: Element, size: int, page_size: int, filled: int) -> None:
        if size == 0 or size % page_size:
            up = max(page_size, -(-size // page_size) * page_size)
            self.errors.error(
                "region-size",
                e.place("size"),
                f"size {size:#x} is not a multiple of the page size {page_size:#x}",
                why="memory is given out in whole pages",
                fix=f'write size="{up:#x}"',
            )
        elif filled > size:
            self.errors.error(
                "prefill-size",
                e.place("prefill_path"),
                f"the contents have {filled:#x} bytes and the region has {size:#x}",
                why="what does not fit would be lost",
                fix="make the region larger, or leave 'size' out: it then follows the file",
            )

    def region_address(self, e: Element, phys_addr: int | None, page_size: int, size: int) -> None:
        if phys_addr is None:
            return
        if phys_addr % page_size:
            self.errors.error(
                "phys-addr-alignment",
                e.place("phys_addr"),
                f"phys_addr {phys_addr:#x} is not aligned to the page size {page_size:#x}",
                why="a page begins at a multiple of its size",
                fix=f'write phys_addr="{phys_addr - phys_addr % page_size:#x}" and find the device inside the page',
            )
        elif phys_addr + size > 1 << self.space.word_bits:
            self.errors.error(
                "number-range",
                e.place("phys_addr"),
                "the region ends beyond the last address",
                why=f"addresses have {self.space.word_bits} bits",
                fix="make it smaller, or place it lower",
            )

    def check_numbers(
        self, e: Element, priority: int | None, budget: int | None, period: int | None, stack_size: int | None
    ) -> None:
        """Ranges of a domain's scheduling parameters and stack."""
        if priority is not None and priority > environment.PRIORITY_MAX:
            self.errors.error(
                "priority-range",
                e.place("priority"),
                f"priority is {priority}, and the highest is {environment.PRIORITY_MAX}",
                why=f"{environment.MONITOR_PRIORITY} is the monitor's",
                fix=f'write priority="{environment.PRIORITY_MAX}", or less',
            )
        if budget is not None and period is not None and budget > period:
            self.errors.error(
                "budget-period",
                e.place("budget"),
                f"budget ({budget} us) is larger than period ({period} us)",
                why="the budget is the part of every period in which the domain may run",
                fix="make the period at least as long as the budget",
            )
        least = self.profile.min_budget_us
        if budget is not None and budget < least:
            self.errors.error(
                "budget-least",
                e.place("budget"),
                f"budget is {budget} us, and the least is {least} us",
                why=f"the kernel may need {least} us itself until it looks at the clock again (docs/kernel-time.md); a "
                "thread that has less left is not let in: it could not make one system call",
                fix=f'write budget="{least}", or more',
            )
        longest = self.profile.static_max_period_us or configuration.max_period_us
        if period is not None and period > longest:
            self.errors.error(
                "period-longest",
                e.place("period"),
                f"period is {period} us, and the longest is {longest} us",
                why="the kernel's clock counts no further",
                fix="write a shorter period",
            )
        low, high = environment.STACK_MIN, environment.STACK_MAX
        if stack_size is not None and not low <= stack_size <= high:
            self.errors.error(
                "stack-size",
                e.place("stack_size"),
                f"stack_size is {stack_size:#x} bytes",
                why=f"it must be between {low:#x} ({size_text(low)}) and {high:#x} ({size_text(high)})",
                fix=f'write stack_size="{environment.STACK_DEFAULT:#x}", for example',
            )
        elif stack_size is not None and stack_size % self.space.page:
            self.errors.error(
                "stack-size",
                e.place("stack_size"),
                f"stack_size {stack_size:#x} is not a multiple of the page size {self.space.page:#x}",
                why="memory is given out in whole pages",
                fix=f'write stack_size="{-(-stack_size // self.space.page) * self.space.page:#x}"',
            )
