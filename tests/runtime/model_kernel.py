# SPDX-License-Identifier: BSD-2-Clause
"""A kernel of a few objects, for running the initialiser under CPython: it does what is asked of it and writes it down.

It knows what capabilities are held where and which of them are derived from nothing; it knows no time and no threads.
Arguments are taken out of messages by the table of invocations, so that a stub and this model share no mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tessera.abi.errors import Error
from tessera.abi.invocations import BY_LABEL, Invocation
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import IpcBuffer, MessageInfo
from tessera.abi.objects import ObjectType, object_size_bits
from tessera.abi.syscalls import Syscall
from tessera.lang import from_word, to_word
from tessera.lang.memory import MEMORY_BASE, memory


@dataclass(eq=False)
class Thing:
    """An object: its kind, size and physical address, what it holds, and what was said of it."""

    kind: str
    bits: int = 0
    address: int = 0
    used_to: int = 0
    device: bool = False
    slots: dict[int, Held] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, eq=False)
class Held:
    """A capability; ``mapped`` is (address space, address, rights, attributes) of a frame or page table."""

    thing: Thing
    rights: int = 15
    data: int = 0
    mapped: tuple[Any, ...] | None = None


class HandedOver(Exception):
    """The initialiser has asked the monitor to remove it."""


class ModelError(Exception):
    """A call that the real kernel would refuse."""


KINDS = {
    ObjectType.UNTYPED: "untyped",
    ObjectType.TCB: "tcb",
    ObjectType.ENDPOINT: "endpoint",
    ObjectType.NOTIFICATION: "notification",
    ObjectType.CAP_TABLE: "cnode",
    ObjectType.SCHED_CONTEXT: "sched_context",
    ObjectType.REPLY: "reply",
    ObjectType.PAGE: "frame",
    ObjectType.MEGA_PAGE: "frame",
    ObjectType.PAGE_TABLE: "page_table",
}


class ModelKernel:
    """The kernel as the caller with the CNode ``root`` sees it; ``buffer`` is the caller's."""

    def __init__(self, root: Thing, buffer: IpcBuffer) -> None:
        self.root = root
        self.buffer = buffer
        self.printed = bytearray()
        self.handover: tuple[int, MessageInfo] | None = None
        self.resumed: list[Thing] = []
        self.handed: tuple[int, int] = (0, 0)

    def __call__(
        self, number: Syscall, cap: int, info: int, words: tuple[int, ...], reply: int, second: int
    ) -> tuple[int, ...]:
        if number is Syscall.DEBUG_PUT_CHAR:
            self.printed.append(cap)
            return (0, 0, 0, 0, 0, 0)
        if number is Syscall.DEBUG_NAME_THREAD:
            start = int(self.buffer._address) + 8 - MEMORY_BASE  # type: ignore[attr-defined]
            self.cap(cap).thing.facts["thread_name"] = memory().data[start:].split(b"\0")[0].decode()
            return (0, 0, 0, 0, 0, 0)
        assert number is Syscall.CALL, number
        shape = from_word(MessageInfo, info)
        held = self.cap(cap)
        if held.thing.kind == "endpoint":
            self.handover = (held.data, shape)
            self.handed = words[0], words[1]
            raise HandedOver
        what = BY_LABEL[InvocationLabel(int(shape.label))]
        assert int(shape.length) == what.message_length
        arguments = self._arguments(what, words)
        method = getattr(self, what.c_name.removeprefix("seL4_").lower())
        result = method(cap, held, **arguments)
        label = result if isinstance(result, Error) else Error.NO_ERROR
        return (0, int(to_word(MessageInfo(label=label))), 0, 0, 0, 0)

    def _arguments(self, what: Invocation, words: tuple[int, ...]) -> dict[str, Any]:
        message = [*words, *(int(self.buffer.message[i]) for i in range(4, 64))]
        arguments: dict[str, Any] = {}
        for place in what.placements:
            if place.parameter.type.by_reference:
                arguments[place.parameter.name] = message[place.word : place.word + 32]
            else:
                arguments[place.parameter.name] = message[place.word] >> place.low & (1 << place.width) - 1
        for index, parameter in enumerate(what.extra_caps):
            slot = int(self.buffer.caps[index])
            arguments[parameter.name] = self.root.slots.get(slot) if slot else None
        return arguments

    def cap(self, slot: int) -> Held:
        """What the caller has in a slot of its CNode."""
        if slot not in self.root.slots:
            raise ModelError(f"the caller's slot {slot} is empty")
        return self.root.slots[slot]

    def _change(self, slot: int, **changes: Any) -> None:
        self.root.slots[slot] = replace(self.root.slots[slot], **changes)

    # Untyped memory and CNodes

    def untyped_retype(self, cap: int, held: Held, **a: Any) -> Error | None:
        assert held.thing.kind == "untyped" and a["root"].thing is self.root and a["node_depth"] == 0
        assert a["num_objects"] == 1 and a["node_offset"] not in self.root.slots
        kind = ObjectType(a["type"])
        bits = object_size_bits(kind, a["size_bits"])
        start = -(-held.thing.used_to >> bits) << bits
        if start + (1 << bits) > held.thing.address + (1 << held.thing.bits):
            return Error.NOT_ENOUGH_MEMORY
        assert not held.thing.device or KINDS[kind] in ("untyped", "frame")
        held.thing.used_to = start + (1 << bits)
        made = Thing(KINDS[kind], a["size_bits"] or bits, start, start, held.thing.device)
        if made.kind == "frame":
            made.bits = bits
        self.root.slots[a["node_offset"]] = Held(made)
        return None

    def _target(self, held: Held, index: int, depth: int) -> tuple[Thing, int]:
        assert held.thing.kind == "cnode"
        if held.thing is self.root:
            assert depth in (64, held.thing.bits)
        else:
            assert depth == held.thing.bits and index < 1 << depth
        return held.thing, index

    def _derive(self, held: Held, a: dict[str, Any], data: int) -> None:
        target, index = self._target(held, a["dest_index"], a["dest_depth"])
        source, place = self._target(a["src_root"], a["src_index"], a["src_depth"])
        if index in target.slots:
            raise ModelError(f"slot {index} is taken")
        original = source.slots[place]
        assert original.thing.kind != "page_table" or original.thing.facts.get("asid") or original.mapped
        target.slots[index] = Held(original.thing, original.rights & a["rights"], data or original.data)

    def cnode_copy(self, cap: int, held: Held, **a: Any) -> None:
        self._derive(held, a, 0)

    def cnode_mint(self, cap: int, held: Held, **a: Any) -> None:
        self._derive(held, a, a["badge"])

    def cnode_move(self, cap: int, held: Held, **a: Any) -> None:
        target, index = self._target(held, a["dest_index"], a["dest_depth"])
        source, place = self._target(a["src_root"], a["src_index"], a["src_depth"])
        assert index not in target.slots
        target.slots[index] = source.slots.pop(place)

    def cnode_delete(self, cap: int, held: Held, index: int, depth: int) -> None:
        target, place = self._target(held, index, depth)
        target.slots.pop(place, None)

    # Address spaces

    def riscv_asidpool_assign(self, cap: int, held: Held, vspace: Held) -> None:
        assert held.thing.kind == "asid_pool" and vspace.thing.kind == "page_table"
        assert "asid" not in vspace.thing.facts
        vspace.thing.facts["asid"] = True

    def riscv_pagetable_map(self, cap: int, held: Held, vspace: Held, vaddr: int, attr: int) -> None:
        assert held.thing.kind == "page_table" and held.mapped is None and vspace.thing.facts["asid"]
        self._change(cap, mapped=(vspace.thing, vaddr))

    def riscv_page_map(self, cap: int, held: Held, vspace: Held, vaddr: int, rights: int, attr: int) -> None:
        assert held.thing.kind == "frame" and held.mapped is None
        assert vaddr % (1 << held.thing.bits) == 0 and vspace.thing.facts["asid"]
        self._change(cap, mapped=(vspace.thing, vaddr, rights & held.rights, attr))
        if vspace.thing.facts.get("own"):
            start = vaddr - MEMORY_BASE
            size = 1 << held.thing.bits
            memory().data[start : start + size] = held.thing.content.ljust(size, b"\0")

    def riscv_page_unmap(self, cap: int, held: Held | None = None) -> None:
        if held is not None and held.mapped is not None and held.mapped[0].facts.get("own"):
            start, size = held.mapped[1] - MEMORY_BASE, 1 << held.thing.bits
            held.thing.content[:] = memory().data[start : start + size]
        self._change(cap, mapped=None)

    # Threads, time, interrupts

    def tcb_configure(self, cap: int, held: Held, **a: Any) -> None:
        assert held.thing.kind == "tcb" and a["vspace_root"].thing.facts["asid"]
        held.thing.facts |= {
            "cspace": (a["cspace_root"].thing, a["cspace_root_data"]),
            "vspace": a["vspace_root"].thing,
            "ipc_buffer": (a["bufferFrame"].thing, a["buffer"]),
        }

    def tcb_setschedparams(self, cap: int, held: Held, **a: Any) -> None:
        assert a["authority"].thing.kind == "tcb"
        held.thing.facts |= {"priority": a["priority"], "max_priority": a["mcp"]}
        held.thing.facts["sched_context"] = a["sched_context"].thing
        held.thing.facts["fault_endpoint"] = a["fault_ep"]

    def tcb_bindnotification(self, cap: int, held: Held, notification: Held) -> None:
        held.thing.facts["bound_notification"] = notification.thing

    def tcb_setflags(self, cap: int, held: Held, **a: Any) -> None:
        held.thing.facts["flags"] = a["set"]

    def tcb_writeregisters(self, cap: int, held: Held, **a: Any) -> None:
        assert a["count"] == 32 and not a["resume_target"]
        held.thing.facts["registers"] = a["regs"]

    def domainset_set(self, cap: int, held: Held, domain: int, thread: Held) -> None:
        assert held.thing.kind == "domain" and thread.thing not in self.resumed
        thread.thing.facts["domain"] = domain

    def domainset_scheduleconfigure(self, cap: int, held: Held, **a: Any) -> None:
        assert held.thing.kind == "domain"
        held.thing.facts.setdefault("schedule", []).append((a["index"], a["domain"], a["duration"]))

    def domainset_schedulesetstart(self, cap: int, held: Held, index: int) -> None:
        assert held.thing.kind == "domain"
        held.thing.facts["start"] = index

    def tcb_resume(self, cap: int, held: Held) -> None:
        self.resumed.append(held.thing)

    def schedcontrol_configureflags(self, cap: int, held: Held, **a: Any) -> None:
        assert held.thing.kind == "sched_control"
        a.pop("schedcontext").thing.facts.update(a)

    def irqcontrol_gettrigger(self, cap: int, held: Held, **a: Any) -> None:
        assert held.thing.kind == "irq_control"
        target, index = self._target(a["root"], a["index"], a["depth"])
        handler = Thing("irq_handler", facts={"irq": a["irq"], "trigger": a["trigger"]})
        target.slots[index] = Held(handler)

    def irqhandler_setnotification(self, cap: int, held: Held, notification: Held) -> None:
        held.thing.facts["notification"] = notification
