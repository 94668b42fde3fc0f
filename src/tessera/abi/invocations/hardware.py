# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of interrupts, paging objects and address-space identifiers (manual: Hardware I/O; Address Spaces)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.invocations.model import (
    ATTRIBUTES,
    BYTE,
    CAP,
    CNODE,
    DEPTH_RANGE,
    OCCUPIED,
    PAGE_TABLE,
    RIGHTS,
    SLOT_NOT_FOUND,
    UNTYPED,
    WORD,
    Invocation,
    Parameter,
    failures,
)
from tessera.abi.labels import InvocationLabel as Label

_IRQ = Parameter("irq", WORD, "number of the interrupt")
_TARGET = (
    Parameter("root", CNODE, "root of the capability space of the destination"),
    Parameter("index", WORD, "address of the destination slot, resolved from root"),
    Parameter("depth", BYTE, "number of bits of that address"),
)
_VSPACE = Parameter("vspace", PAGE_TABLE, "root page table of the address space")
_VADDR = Parameter("vaddr", WORD, "virtual address")
_ATTR = Parameter("attr", ATTRIBUTES, "1: never execute")

_IRQ_RANGE = (Error.RANGE_ERROR, "there is no such interrupt")
_IRQ_TAKEN = (Error.REVOKE_FIRST, "the interrupt has a handler already")
_NO_VSPACE = (Error.INVALID_CAPABILITY, "vspace is not the root of an address space with an identifier")
_STALE_VSPACE = (Error.FAILED_LOOKUP, "the identifier of the address space is no longer its own")
_KERNEL_ADDRESS = (Error.INVALID_ARGUMENT, "the address is not one of user level")

HARDWARE_INVOCATIONS: tuple[Invocation, ...] = (
    Invocation(
        Label.IRQ_CONTROL_GET,
        "IRQIssueIRQHandler",
        "IRQControl",
        "Get",
        "Make a handler capability for an interrupt.",
        (_IRQ, *_TARGET),
        causes=failures(_IRQ_RANGE, _IRQ_TAKEN, DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED),
    ),
    Invocation(
        Label.IRQ_HANDLER_ACK,
        "IRQAckIRQ",
        "IRQHandler",
        "Ack",
        "Acknowledge an interrupt, so that it can be delivered again.",
    ),
    Invocation(
        Label.IRQ_HANDLER_SET_NOTIFICATION,
        "IRQSetIRQHandler",
        "IRQHandler",
        "SetNotification",
        "Set the notification that an interrupt signals.",
        (Parameter("notification", CAP, "the notification"),),
        causes=failures((Error.INVALID_CAPABILITY, "the capability is not a notification with the write right")),
    ),
    Invocation(
        Label.IRQ_HANDLER_CLEAR,
        "IRQClearIRQHandler",
        "IRQHandler",
        "Clear",
        "Remove the notification of an interrupt.",
    ),
    Invocation(
        Label.RISCV_PAGE_TABLE_MAP,
        "RISCVPageTableMap",
        "RISCV_PageTable",
        "Map",
        "Map a page table at the first level that has none for an address.",
        (_VSPACE, _VADDR, _ATTR),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the page table is mapped already"),
            _NO_VSPACE,
            _STALE_VSPACE,
            _KERNEL_ADDRESS,
            (Error.DELETE_FIRST, "all page tables for the address are there, or a page is mapped at it"),
        ),
    ),
    Invocation(
        Label.RISCV_PAGE_TABLE_UNMAP,
        "RISCVPageTableUnmap",
        "RISCV_PageTable",
        "Unmap",
        "Remove a page table from its address space.",
        causes=failures(
            (Error.REVOKE_FIRST, "the page table is the root of an address space"),
            (Error.REVOKE_FIRST, "another capability to the page table exists"),
        ),
    ),
    Invocation(
        Label.RISCV_PAGE_MAP,
        "RISCVPageMap",
        "RISCV_Page",
        "Map",
        "Map a frame, or change rights and attributes of the mapping it has.",
        (_VSPACE, _VADDR, Parameter("rights", RIGHTS, "rights of the mapping, at most"), _ATTR),
        causes=failures(
            _NO_VSPACE,
            _STALE_VSPACE,
            _KERNEL_ADDRESS,
            (Error.ALIGNMENT_ERROR, "the address is not a multiple of the frame's size"),
            (Error.INVALID_ARGUMENT, "the frame is mapped at another address"),
            (Error.INVALID_CAPABILITY, "the frame is mapped in another address space"),
            (Error.FAILED_LOOKUP, "a page table is missing; word 2 of the reply has the bits left to translate"),
            (Error.DELETE_FIRST, "another page is mapped at the address"),
        ),
    ),
    Invocation(
        Label.RISCV_PAGE_UNMAP,
        "RISCVPageUnmap",
        "RISCV_Page",
        "Unmap",
        "Remove the mapping of a frame, if there is one.",
    ),
    Invocation(
        Label.RISCV_PAGE_GET_ADDRESS,
        "RISCVPageGetAddress",
        "RISCV_Page",
        "GetAddress",
        "Read the physical address of a frame.",
        results=(Parameter("paddr", WORD, "physical address"),),
    ),
    Invocation(
        Label.RISCV_ASID_CONTROL_MAKE_POOL,
        "RISCVASIDControlMakePool",
        "RISCV_ASIDControl",
        "MakePool",
        "Make a pool of address-space identifiers from untyped memory.",
        (Parameter("untyped", UNTYPED, "untyped memory of exactly 4 KiB"), *_TARGET),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the untyped memory has another size, or is device memory"),
            (Error.REVOKE_FIRST, "objects were made from the untyped memory"),
            (Error.DELETE_FIRST, "there are as many pools as there can be"),
            DEPTH_RANGE,
            SLOT_NOT_FOUND,
            OCCUPIED,
        ),
    ),
    Invocation(
        Label.RISCV_ASID_POOL_ASSIGN,
        "RISCVASIDPoolAssign",
        "RISCV_ASIDPool",
        "Assign",
        "Give a page table an identifier, which makes it the root of an address space.",
        (Parameter("vspace", CAP, "page table that is neither mapped nor a root"),),
        causes=failures(
            (Error.INVALID_CAPABILITY, "the page table is mapped, or has an identifier"),
            (Error.FAILED_LOOKUP, "the pool is no longer in use"),
            (Error.DELETE_FIRST, "the pool is full"),
        ),
    ),
    Invocation(
        Label.RISCV_IRQ_CONTROL_GET_TRIGGER,
        "RISCVIRQIssueIRQHandlerTrigger",
        "IRQControl",
        "GetTrigger",
        "Make a handler capability for an interrupt, and choose its trigger.",
        (_IRQ, Parameter("trigger", WORD, "1: edge, 0: level"), *_TARGET),
        causes=failures(_IRQ_RANGE, _IRQ_TAKEN, DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED),
    ),
)
