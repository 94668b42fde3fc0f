# SPDX-License-Identifier: BSD-2-Clause
"""From the running kernel's memory to the abstract state: what its words mean in the terms of ``spec``."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from tessera.abi.configuration import configuration
from tessera.abi.objects import PAGE_BITS
from tessera.arch import machine, paging, registers
from tessera.build import derivation_order
from tessera.build.kernel_memory import Words, fields_of, radix_of
from tessera.kernel import state as kernel_state
from tessera.kernel.layout import (
    THREAD_NAME_BYTES,
    AsidPool,
    Endpoint,
    FaultKind,
    Notification,
    NotificationState,
    Refill,
    Reply,
    SchedContext,
    Slot,
    Tcb,
    ThreadState,
)
from tessera.kernel.state import IRQ_SLOTS, DomainQueues, IrqState, KernelState, ReadyQueue
from tessera.lang import Memory, size_of
from tessera.spec.describe import Row
from tessera.spec.objects import REGISTERS, State
from tessera.spec.state import IRQ_NODE

STATES = {
    ThreadState.INACTIVE: State.INACTIVE,
    ThreadState.RUNNING: State.RUNNING,
    ThreadState.RESTART: State.RESTART,
    ThreadState.BLOCKED_ON_RECEIVE: State.RECEIVING,
    ThreadState.BLOCKED_ON_SEND: State.SENDING,
    ThreadState.BLOCKED_ON_REPLY: State.AWAITING_REPLY,
    ThreadState.BLOCKED_ON_NOTIFICATION: State.AWAITING_SIGNAL,
}
ENDPOINT_STATES = (None, State.SENDING.name, State.RECEIVING.name)
REGISTER_INDEX = [0 if name == "next_pc" else registers.index_of(name) for name in REGISTERS]
THREAD_SLOTS = 5
FAULT_WORDS = {FaultKind.UNKNOWN_SYSCALL: 1, FaultKind.USER_EXCEPTION: 2, FaultKind.TIMEOUT: 1, FaultKind.VM_FAULT: 3}
LOOKUP_WORDS = (0, 0, 1, 2, 3)
SLOT_WORDS = 4
# No list is longer; where one is, it leads back to itself.
LONGEST_LIST = 1000
# Where a thread's own slots begin.
CSPACE_WORD = fields_of(Tcb)["cspace_root"][0]
# What a capability leads to, by its kind: the kind of object.
KINDS = {
    "EndpointCap": "Endpoint",
    "NotificationCap": "Notification",
    "ReplyCap": "Reply",
    "CNodeCap": "Node",
    "ThreadCap": "Thread",
    "ContextCap": "Context",
    "TableCap": "Table",
    "PoolCap": "AsidPool",
}

_TCB, _ENDPOINT, _NOTIFICATION = fields_of(Tcb), fields_of(Endpoint), fields_of(Notification)
_REPLY, _CONTEXT, _REFILL = fields_of(Reply), fields_of(SchedContext), fields_of(Refill)
_SLOT, _KERNEL, _DOMAIN, _QUEUE = (
    fields_of(Slot),
    fields_of(KernelState),
    fields_of(DomainQueues),
    fields_of(ReadyQueue),
)
# Interrupts and pools stand side by side.
_TABLES = _KERNEL["irq_states"][0]
_TABLES_END = _KERNEL["asid_table"][0] + kernel_state.ASID_POOLS
_REGISTERS = itemgetter(*REGISTER_INDEX)


def _words(*names: str) -> tuple[int, ...]:
    return tuple(_TCB[name][0] for name in names)


# Fields of threads by the words that they fill, and flags by word and bit.
_TCB_WORDS, _NAME, _BADGE = _TCB["fpu"][0], _TCB["name"][0], _TCB["blocked_badge"][0]
_STATE = itemgetter(*_words("state", "blocked_endpoint", "blocked_notification", "fault"))
_REFERENCES = itemgetter(*_words("scheduling_context", "yield_to", "bound_notification", "reply"))
_NUMBERS = itemgetter(*_words("priority", "maximum_priority", "domain", "flags", "ipc_buffer"))
_SENDING = [_TCB[f"blocked_{name}"][:2] for name in ("is_call", "can_grant", "can_grant_reply")]
_QUEUED = [_TCB[name][:2] for name in ("in_ready_queue", "in_release_queue")]
_REFILL_WORDS = int(size_of(Refill)) >> 3
_DOMAIN_WORDS, _QUEUE_WORDS = int(size_of(DomainQueues)) >> 3, int(size_of(ReadyQueue)) >> 3


class Picture:
    """The abstract state that a kernel's memory stands for, in the form of ``spec.describe``."""

    def __init__(self, memory: Memory) -> None:
        self.words = Words(memory)
        self.kernel = self.words.of(kernel_state.kernel)
        self.idle = self.words.read(self.kernel, _KERNEL["idle"])
        self.idle_context = self.words.read(self.kernel, _KERNEL["idle_context"])
        # The bytes of the tables that seldom change, and what they say.
        self._tables: tuple[bytes, dict[str, Any]] = (b"", {})

    def _ref(self, start: int, field: tuple[int, int, int]) -> int | None:
        """The name of what a field refers to; the idle thread and its context are nothing."""
        address = self.words.read(start, field)
        return None if address in (self.idle, self.idle_context) else self.words.name(address)

    def _chain(self, first: int, link: tuple[int, int, int]) -> tuple[int, ...]:
        """The threads of a list, from an address on."""
        found: list[int] = []
        while first:
            if len(found) > LONGEST_LIST:
                raise ValueError("a list of threads has no end")
            found.append(self.words.name(first) or 0)
            first = self.words.read(self.words.index(first), link)
        return tuple(found)

    def slots(self, start: int, count: int) -> Row:
        """The occupied slots from a word on: capabilities, and whether they may have children."""
        words, cap, found = self.words.words, self.words.cap, []
        for index in range(count):
            at = start + index * SLOT_WORDS
            if words[at] or words[at + 1]:
                found.append((index, cap(at), words[at + 3] >> 1 & 1 == 1))
        return tuple(found)

    def thread(self, name: int) -> Row:
        """A thread, and its slots."""
        start = self.words.named(name)
        return ("Thread", self.thread_row(start), self.slots(start + _TCB["cspace_root"][0], THREAD_SLOTS))

    def thread_row(self, start: int) -> Row:
        """The thread that begins at a word."""
        raw = self.words.words[start : start + _TCB_WORDS].tolist()
        state, endpoint, notification, fault = _STATE(raw)
        told = STATES[state]
        sending = None
        if told is State.SENDING:
            sending = (raw[_BADGE], *(raw[at] >> shift & 1 for at, shift in _SENDING))
        names, hidden = self.words.name, (self.idle, self.idle_context)
        bound, time, signals, reply = (None if a in hidden else names(a) for a in _REFERENCES(raw))
        waits_at = names(endpoint or notification)
        title = self.words.words[start + _NAME : start + _NAME + THREAD_NAME_BYTES // 8].tobytes()
        return (
            _REGISTERS(raw),
            told.name,
            _NUMBERS(raw),
            (bound, time, signals, waits_at, reply),
            sending,
            self.fault(start, FaultKind(fault)) if fault else None,
            tuple(raw[at] >> shift & 1 for at, shift in _QUEUED),
            title.split(b"\0")[0],
        )

    def fault(self, start: int, kind: FaultKind) -> Row | None:
        """Why a thread cannot go on."""
        if kind == FaultKind.NONE:
            return None
        at = start + _TCB["fault_words"][0]
        if kind != FaultKind.CAP_FAULT:
            return int(kind), tuple(self.words.words[at : at + FAULT_WORDS[kind]].tolist())
        why = start + _TCB["lookup_failure"][0]
        details = LOOKUP_WORDS[self.words.words[why]]
        return 1, (*self.words.words[at : at + 2].tolist(), *self.words.words[why : why + 1 + details].tolist())

    def context(self, start: int) -> Row:
        """A scheduling context."""
        words = self.words

        def read(field: str) -> int:
            return words.read(start, _CONTEXT[field])

        limit, refills, place = read("refill_limit"), [], read("refill_head")
        while limit:
            at = start + _CONTEXT["refills"][0] + place * _REFILL_WORDS
            refills.append((words.read(at, _REFILL["time"]), words.read(at, _REFILL["amount"])))
            if place == read("refill_tail"):
                break
            if len(refills) > limit or limit > LONGEST_LIST:
                raise ValueError("the refills have no end")
            place = (place + 1) % limit
        newest = read("reply")
        calls: list[int | None] = []
        while newest:
            if len(calls) > LONGEST_LIST:
                raise ValueError("a list of calls has no end")
            calls.insert(0, words.name(newest))
            newest = words.read(words.index(newest), _REPLY["previous"])
        parameters = (limit, read("budget"), read("period"), read("sporadic"), read("badge")) if limit else None
        bound = tuple(self._ref(start, _CONTEXT[f]) for f in ("tcb", "notification", "yield_from"))
        return (parameters, read("consumed"), tuple(refills), bound, tuple(calls))

    def table(self, start: int) -> Row:
        """What a page table's entries lead to, without those of the kernel, which all roots have."""
        found: list[Row] = []
        words = self.words.words[start : start + paging.ENTRIES].tolist()
        if words[paging.FIRST_KERNEL_ENTRY :] == self._kernel_entries():
            words = words[: paging.FIRST_KERNEL_ENTRY]
        for index, word in enumerate(words):
            if word & 1:
                base = word >> 10 << PAGE_BITS
                rights = (word >> 1 & 1, word >> 2 & 1, word >> 3 & 1)
                found.append((index, base, *rights) if any(rights) else (index, base))
        return tuple(found)

    def _kernel_entries(self) -> list[int]:
        first = self.words.of(kernel_state.kernel_page_table)
        return self.words.words[first + paging.FIRST_KERNEL_ENTRY : first + paging.ENTRIES].tolist()

    def thing(self, kind: str, name: int, radix: int) -> Row:
        """An object."""
        words, start = self.words, self.words.named(name)
        match kind:
            case "Thread":
                return self.thread(name)
            case "Node":
                return ("Node", radix, self.slots(start, 1 << radix))
            case "Endpoint":
                state = ENDPOINT_STATES[words.read(start, _ENDPOINT["end"]) & 3]
                return ("Endpoint", state, self._chain(words.read(start, _ENDPOINT["head"]), _TCB["wait_next"]))
            case "Notification":
                active = words.read(start, _NOTIFICATION["state"]) == NotificationState.ACTIVE
                return (
                    "Notification",
                    words.read(start, _NOTIFICATION["signals"]) if active else None,
                    self._chain(words.read(start, _NOTIFICATION["head"]), _TCB["wait_next"]),
                    self._ref(start, _NOTIFICATION["bound_tcb"]),
                    self._ref(start, _NOTIFICATION["scheduling_context"]),
                )
            case "Reply":
                return ("Reply", self._ref(start, _REPLY["caller"]))
            case "Context":
                return ("Context", self.context(start))
            case "Table":
                return ("Table", self.table(start))
            case _:
                spaces = words.words[start : start + (int(size_of(AsidPool)) >> 3)].tolist()
                return ("AsidPool", tuple((i, words.name(root)) for i, root in enumerate(spaces) if root))

    def objects(self, known: dict[int, tuple[str, int]]) -> dict[int, Row]:
        """All objects: those known by name, kind and radix, and what their capabilities lead to."""
        found: dict[int, Row] = {}
        to_do = [*known.items(), *self._leads_to(self.words.of(kernel_state.irq_slots), self.interrupts())]
        while to_do:
            name, (kind, radix) = to_do.pop()
            if name not in found:
                row = found[name] = self.thing(kind, name, radix)
                if kind in ("Thread", "Node"):
                    to_do += self._leads_to(self._first_slot(name, kind), row[-1])
        calls: dict[int, int] = {
            reply: name for name, row in found.items() if row[0] == "Context" for reply in row[1][4]
        }
        for name, row in found.items():
            if row[0] == "Reply":
                found[name] = (*row, calls.get(name))
        return found

    def _leads_to(self, start: int, slots: Row) -> list[tuple[int, tuple[str, int]]]:
        """What the capabilities in these slots, which begin at a word, are to; of a CNode its radix, too."""
        found = []
        for index, cap, _original in slots:
            if cap is not None and cap[0] in KINDS:
                radix = radix_of(self.words.words[start + index * SLOT_WORDS])
                found.append((cap[1], (KINDS[cap[0]], radix if cap[0] == "CNodeCap" else 0)))
        return found

    def interrupts(self) -> Row:
        """The slots that say where interrupts are signalled."""
        return self.slots(self.words.of(kernel_state.irq_slots), IRQ_SLOTS)

    def globals_of(self) -> dict[str, Any]:
        """What is in no object."""
        return {"interrupts": self.interrupts(), **self.numbers()}

    def numbers(self) -> dict[str, Any]:
        """The same without slots."""
        words, kernel = self.words, self.kernel

        def read(field: str) -> int:
            return words.read(kernel, _KERNEL[field])

        tables = self.words.words[kernel + _TABLES : kernel + _TABLES_END].tobytes()
        if tables != self._tables[0]:
            self._tables = (tables, self.tables())
        return {
            **self._tables[1],
            "time": (read("now"), read("now") - read("charged_until"), machine.Model.deadline),
            "current": (self._ref(kernel, _KERNEL["current"]), self._ref(kernel, _KERNEL["current_context"])),
            "ready": self.ready(),
            "postponed": self.postponed(read("release_head")),
            "domain": (read("current_domain"), read("domain_time"), read("domain_index"), read("domain_start")),
            "schedule": self.schedule(),
            "fpu": (self._ref(kernel, _KERNEL["fpu_owner"]), read("fpu_on") == 1),
            "space": self.space(read("space_word")),
        }

    def postponed(self, first: int) -> tuple[int, ...]:
        """The threads of the release queue, in the order in which they leave it."""
        words = self.words
        found: list[tuple[int, int, int]] = []
        to_do = [first] if first else []
        while to_do:
            if len(found) > LONGEST_LIST:
                raise ValueError("the release queue has no end")
            address = to_do.pop()
            at = words.index(address)
            time, number = words.read(at, _TCB["release_time"]), words.read(at, _TCB["release_number"])
            found.append((time, number, words.name(address) or 0))
            to_do += [one for field in ("release_low", "release_high") if (one := words.read(at, _TCB[field]))]
        return tuple(name for _, _, name in sorted(found))

    def schedule(self) -> tuple[tuple[int, int], ...]:
        """The domain schedule."""
        entries = self.kernel + _KERNEL["domain_schedule"][0]
        words = self.words.words[entries : entries + 2 * configuration.profile.domain_schedule_entries].tolist()
        return tuple(zip(words[::2], words[1::2], strict=True))

    def tables(self) -> dict[str, Any]:
        """The tables of interrupts and of pools."""
        words, kernel = self.words, self.kernel
        states = kernel + _KERNEL["irq_states"][0]
        pools = kernel + _KERNEL["asid_table"][0]
        return {
            "interrupts in use": tuple(
                i for i, s in enumerate(words.words[states : states + IRQ_SLOTS].tolist()) if s == IrqState.SIGNAL
            ),
            "pools": tuple(
                (i, words.name(p))
                for i, p in enumerate(words.words[pools : pools + kernel_state.ASID_POOLS].tolist())
                if p
            ),
        }

    def ready(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """The ready queues that have threads."""
        found = {}
        for domain in range(configuration.profile.domains):
            at = self.kernel + _KERNEL["domains"][0] + domain * _DOMAIN_WORDS
            if self.words.read(at, _DOMAIN["summary"]) == 0:
                continue
            queues = at + _DOMAIN["queues"][0]
            raw = self.words.words[queues : queues + kernel_state.PRIORITIES * _QUEUE_WORDS].tolist()
            if not any(raw):
                continue
            for priority, head in enumerate(raw[::_QUEUE_WORDS]):
                if head:
                    found[domain, priority] = self._chain(head, _TCB["queue_next"])
        return found

    def space(self, word: int) -> tuple[int, int] | None:
        """The address space in use, by its root and identifier; the kernel's own has identifier 0."""
        asid = word >> paging.SATP_ASID_SHIFT & 0xFFFF
        return None if asid == 0 else ((word & ((1 << paging.SATP_ASID_SHIFT) - 1)) << PAGE_BITS, asid)

    def describe(self, known: dict[int, tuple[str, int]]) -> dict[str, Any]:
        """Everything, as ``spec.describe.describe`` has it; ``known`` objects are looked at in any case."""
        objects = self.objects(known)
        order = derivation_order.Order(self.words, self._slot_names(objects))
        return {
            "objects": objects,
            **self.globals_of(),
            "parents": order.parents,
            "children": order.children,
            "memory": self.memory(objects),
        }

    def _first_slot(self, name: int, kind: str) -> int:
        """The word that the slots of a CNode or a thread begin at."""
        return self.words.named(name) + (_TCB["cspace_root"][0] if kind == "Thread" else 0)

    def _slot_names(self, objects: dict[int, Row]) -> dict[int, tuple[int, int]]:
        """The occupied slots by the word that they begin at."""
        found = {
            self.words.of(kernel_state.irq_slots) + row[0] * SLOT_WORDS: (IRQ_NODE, row[0]) for row in self.interrupts()
        }
        for name, row in objects.items():
            if row[0] in ("Thread", "Node"):
                start = self._first_slot(name, row[0])
                found.update({start + slot[0] * SLOT_WORDS: (name, slot[0]) for slot in row[-1]})
        return found

    def memory(self, objects: dict[int, Row]) -> dict[int, int]:
        """The words of all frames that are not zero, by physical address. Device memory is not there to be read."""
        found = {}
        bases = set()
        for row in objects.values():
            if row[0] in ("Thread", "Node"):
                bases |= {(c[1], c[2]) for _, c, _ in row[-1] if c is not None and c[0] == "FrameCap" and not c[3]}
        for base, level in bases:
            start = self.words.named(base)
            for index, word in enumerate(
                self.words.words[start : start + (1 << paging.PAGE_BITS + 9 * level - 3)].tolist()
            ):
                if word:
                    found[base + 8 * index] = word
        return found
