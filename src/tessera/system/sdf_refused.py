# SPDX-License-Identifier: BSD-2-Clause
"""Reads what is valid in Microkit and impossible on this board, so that its mistakes are told too, and refuses it.

A virtual machine needs a processor and a kernel with the hypervisor extension; an input/output address space needs a
unit that checks the addresses of devices; an input/output port is a thing of x86-64.
"""

from __future__ import annotations

from tessera.system import environment
from tessera.system.schema import REFUSED, check_names, not_supported
from tessera.system.sdf_memory import MemoryReader
from tessera.system.xmltree import Element

WHY_VCPUS = "a domain finds its virtual processors and children in 62 slots of its own"
WHY_PORTS = "a domain knows its ports by 62 bits of a word"


def refuse_in_domain(e: Element, reader: MemoryReader) -> None:
    """Virtual machines and ports in a protection domain."""
    for child in e.children:
        if child.tag == "virtual_machine":
            _virtual_machine(child, reader)
        elif child.tag == "ioport":
            check_names(child, reader.errors)
            reader.number_below(child, "id", environment.CHANNELS, WHY_PORTS)
            reader.number(child, "addr")
            reader.number(child, "size")
            _refuse(child, reader)


def _virtual_machine(e: Element, reader: MemoryReader) -> None:
    check_names(e, reader.errors)
    reader.text(e, "name")
    priority = reader.number(e, "priority", 0)
    budget = reader.number(e, "budget", environment.BUDGET_DEFAULT)
    reader.check_numbers(e, priority, budget, reader.number(e, "period", budget), None)
    processors = [child for child in e.children if child.tag == "vcpu"]
    for vcpu in processors:
        check_names(vcpu, reader.errors)
        reader.number_below(vcpu, "id", environment.CHANNELS, WHY_VCPUS)
        reader.number(vcpu, "cpu", 0)
    for child in e.children:
        if child.tag == "map":
            reader.map(child)
    if not processors:
        reader.errors.error(
            "vcpu-missing",
            e.location,
            "the virtual machine has no 'vcpu'",
            why="nothing would run in it",
            fix='add <vcpu id="0" />',
        )
    _refuse(e, reader)


def refuse_io_address_space(e: Element, reader: MemoryReader) -> None:
    """An address space of a device."""
    check_names(e, reader.errors)
    reader.text(e, "name")
    reader.text(e, "peripheral_id")
    reader.number(e, "domain_id")
    for child in e.children:
        if child.tag == "iomap":
            check_names(child, reader.errors)
            reader.text(child, "mr")
            reader.number(child, "iovaddr")
            _device_permissions(child, reader)
    _refuse(e, reader)


def _device_permissions(e: Element, reader: MemoryReader) -> None:
    letters = e.attributes.get("perms", "rw")
    if not letters or not set(letters) <= {"r", "w"}:
        reader.errors.error(
            "perms",
            e.place("perms"),
            f"perms is '{letters}'",
            why="a device reads and writes memory, and executes none of it",
            fix='write perms="rw", "r" or "w"',
        )


def _refuse(e: Element, reader: MemoryReader) -> None:
    not_supported(f"the element '{e.tag}'", REFUSED[e.tag], e.location, reader.errors)
