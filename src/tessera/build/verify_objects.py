# SPDX-License-Identifier: BSD-2-Clause
"""What kernel objects of a machine hold besides capabilities, beside what the distribution says: entries of page
tables, priorities, time, who waits where, and the kernel's own tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from tessera.abi.capabilities import TCB_FLAG_FPU_DISABLED
from tessera.abi.configuration import configuration
from tessera.abi.objects import PAGE_BITS
from tessera.arch import paging, registers
from tessera.build.final_state import identifiers
from tessera.build.guest_memory import GuestWords
from tessera.build.kernel_memory import Place, fields_of
from tessera.build.spec import KEPT_NAME
from tessera.build.verify_caps import Namer
from tessera.build.verify_text import owner
from tessera.kernel.layout import NEXT_PC, Endpoint, Notification, SchedContext, Tcb, ThreadState
from tessera.kernel.state import ASID_POOLS, IRQ_SLOTS, PRIORITIES, DomainQueues, IrqState, KernelState, ReadyQueue
from tessera.lang import size_of
from tessera.system import capdl_model as model
from tessera.system.capdl_model import Spec, SpecObject
from tessera.system.environment import MONITOR_NAME, USER_SPACE

KERNEL, TCB, CONTEXT = fields_of(KernelState), fields_of(Tcb), fields_of(SchedContext)
ENDPOINT, NOTIFICATION = fields_of(Endpoint), fields_of(Notification)
DOMAIN, QUEUE = fields_of(DomainQueues), fields_of(ReadyQueue)
SP = registers.index_of("sp")
LONGEST_LIST = 1 << 12
READ, WRITE, EXECUTE = 2, 4, 8


def object_differences(spec: Spec, words: GuestWords, namer: Namer) -> list[str]:
    """Every difference, as sentences."""
    return list(_Objects(spec, words, namer).all())


class _Objects:
    def __init__(self, spec: Spec, words: GuestWords, namer: Namer) -> None:
        self.spec = spec
        self.words = words
        self.namer = namer
        self.kernel = words.static("kernel")

    def all(self) -> Iterator[str]:
        for each in self.spec.objects.values():
            if each.name not in self.namer.addresses:
                continue
            match each.kind:
                case model.TCB:
                    yield from self._thread(each)
                case model.SCHED_CONTEXT:
                    yield from self._context(each)
                case model.PAGE_TABLE:
                    yield from self._table(each)
                case model.ENDPOINT:
                    yield from self._waiting(each, ENDPOINT["head"])
                case model.NOTIFICATION:
                    yield from self._waiting(each, NOTIFICATION["head"])
        yield from self._pool()
        yield from self._queues()
        yield from self._tables()
        yield from self._schedule()

    def _field(self, each: SpecObject, field: Place) -> int:
        return self.words.read(self.namer.word(each.name), field)

    def _name(self, address: int) -> str | None:
        """The object that a reference leads to; None for no reference."""
        physical = self.words.name(address)
        if physical is None:
            return None
        return self.namer.names.get(physical, f"an object at {physical:#x} that is none of the distribution's")

    # Threads and time

    def _thread(self, each: SpecObject) -> Iterator[str]:
        said = each.parameters
        start = self.namer.word(each.name)
        flags = self._field(each, TCB["flags"])
        facts = {
            "priority": (self._field(each, TCB["priority"]), said["prio"]),
            "maximum priority": (self._field(each, TCB["maximum_priority"]), said["max_prio"]),
            "scheduling domain": (self._field(each, TCB["domain"]), said["dom"]),
            "address of the IPC buffer": (self._field(each, TCB["ipc_buffer"]), said["addr"]),
            "floating point": (not flags & TCB_FLAG_FPU_DISABLED, not said["fpu_disabled"]),
        }
        state = ThreadState(self._field(each, TCB["state"]))
        if each.name == f"{MONITOR_NAME}.tcb":
            if not self._is_in_turn(state):
                facts["state"] = (state, ThreadState.BLOCKED_ON_RECEIVE)
        else:
            # Nobody else has run yet.
            first = self.words.words[start + TCB["registers"][0] + NEXT_PC]
            facts["first instruction"] = (first, said["ip"])
            facts["stack pointer"] = (self.words.words[start + TCB["registers"][0] + SP], said["sp"])
            runs = state in (ThreadState.RUNNING, ThreadState.RESTART)
            facts["readiness"] = (runs, said["resume"])
        for what, (found, expected) in facts.items():
            if found != expected:
                yield f"thread of {owner(each.name)}: the {what} is {_text(found)}, and should be {_text(expected)}"
        for what, field, slot, back in (
            ("time", "scheduling_context", "sc_slot", CONTEXT["tcb"]),
            ("bound notification", "bound_notification", "bound_notification", NOTIFICATION["bound_tcb"]),
        ):
            cap = each.slots.get(model.TCB_SLOTS[slot])
            found_name = self._name(self._field(each, TCB[field]))
            expected_name = cap.object if cap is not None else None
            if found_name != expected_name:
                yield (
                    f"thread of {owner(each.name)}: its {what} is {found_name or 'nothing'},"
                    f" and should be {expected_name or 'nothing'}"
                )
            elif expected_name is not None and expected_name in self.namer.addresses:
                # The object knows its thread too.
                other = self._name(self._field(self.spec.objects[expected_name], back))
                if other != each.name:
                    yield f"'{expected_name}' belongs to {other or 'no thread'}, and should belong to {each.name}"

    def _is_in_turn(self, state: ThreadState) -> bool:
        """Whether the monitor may be in this state because starting the domain schedule has ended its turn."""
        return self.spec.schedule is not None and state in (ThreadState.RUNNING, ThreadState.RESTART)

    def _context(self, each: SpecObject) -> Iterator[str]:
        ticks = configuration.ticks_per_us
        said = each.parameters
        budget, period, badge = (self._field(each, CONTEXT[field]) for field in ("budget", "period", "badge"))
        # A budget that is all of its period is kept as one without a period.
        if (budget, period) not in (
            (said["budget"] * ticks, said["period"] * ticks),
            (said["budget"] * ticks, 0 if said["budget"] == said["period"] else -1),
        ):
            yield (
                f"time of {owner(each.name)}: the budget is {budget / ticks:g} us in every {period / ticks:g} us, and"
                f" should be {said['budget']} us in every {said['period']} us"
            )
        if badge != said.get("data", 0):
            yield f"time of {owner(each.name)}: the badge is {badge:#x}, and should be {said.get('data', 0):#x}"

    # Address spaces

    def _table(self, each: SpecObject) -> Iterator[str]:
        vspace, base, level = self.namer.tables.get(each.name, (each.name, 0, 0))
        start = self.namer.word(each.name)
        entries = self.words.words[start : start + paging.ENTRIES]
        if level == 0:
            kernel = self.words.static("kernel_page_table")
            own = self.words.words[kernel + paging.FIRST_KERNEL_ENTRY : kernel + paging.ENTRIES]
            if entries[paging.FIRST_KERNEL_ENTRY :] != own:
                yield f"address space of {owner(vspace)}: the kernel's part is not that of all others"
            entries = entries[: paging.FIRST_KERNEL_ENTRY]
        for index, word in enumerate(entries):
            cap = each.slots.get(index)
            if word == 0 and cap is None:
                continue
            where = f"address space of {owner(vspace)}, {base + (index << USER_SPACE.level_bits[level]):#x}"
            if not word & 1:
                yield f"{where}: nothing is mapped, and it should be '{cap.object}'" if cap else f"{where}: remains"
                continue
            physical = word >> 10 << PAGE_BITS
            found = self.namer.names.get(physical)
            rights = "".join(letter for bit, letter in ((READ, "R"), (WRITE, "W"), (EXECUTE, "X")) if word & bit)
            if cap is None:
                yield f"{where}: {_object_text(found, physical)} is mapped ({rights}), and nothing should be"
            elif found != cap.object:
                yield f"{where}: {_object_text(found, physical)} is mapped, and it should be '{cap.object}'"
            elif rights != cap.rights:
                yield f"{where}: '{found}' is mapped {rights}, and should be mapped {cap.rights}"

    def _pool(self) -> Iterator[str]:
        """The identifiers of address spaces, all of one pool."""
        if self.namer.pool is None:
            yield f"'{KEPT_NAME}' has no capability to the pool of address space identifiers"
            return
        start = self.namer.pool >> 3
        known = identifiers(self.spec)
        for index, address in enumerate(self.words.words[start : start + paging.ENTRIES]):
            found, expected = self._name(address), known.get(index)
            if found != expected:
                yield f"identifier {index} is {found or 'nobody'}'s, and should be {expected or 'nobody'}'s"

    # Who is there

    def _waiting(self, each: SpecObject, head: Place) -> Iterator[str]:
        first = self._field(each, head)
        for name in self._chain(first, TCB["wait_next"]):
            if each.name != f"{MONITOR_NAME}.endpoint" or name != f"{MONITOR_NAME}.tcb":
                yield f"'{name}' waits at '{each.name}', before a component has run"
        if each.name == f"{MONITOR_NAME}.endpoint" and first == 0 and self.spec.schedule is None:
            yield "the monitor does not wait for messages"

    def _chain(self, first: int, link: Place) -> Iterator[str]:
        for _ in range(LONGEST_LIST):
            if first == 0:
                return
            yield self._name(first) or ""
            first = self.words.read(self.words.index(first), link)

    def _queues(self) -> Iterator[str]:
        """All threads that can run are those of the distribution."""
        known = {each.name for each in self.spec.of(model.TCB)}
        found = [*self._chain(self.words.read(self.kernel, KERNEL["current"]), TCB["registers"])][:1]
        for domain in range(configuration.profile.domains):
            at = self.kernel + KERNEL["domains"][0] + domain * (int(size_of(DomainQueues)) >> 3)
            step = int(size_of(ReadyQueue)) >> 3
            queues = at + DOMAIN["queues"][0]
            heads = self.words.words[queues : queues + PRIORITIES * step : 1][::step]
            for head in heads:
                found += self._chain(head, TCB["queue_next"])
        if self.words.read(self.kernel, KERNEL["release_head"]):
            found.append(self._name(self.words.read(self.kernel, KERNEL["release_head"])) or "")
        for name in found:
            if name not in known:
                yield f"a thread can run that is none of the distribution's: {name}"
        ready = {*found, f"{MONITOR_NAME}.tcb"}
        for each in self.spec.of(model.TCB):
            if each.parameters["resume"] and each.name in self.namer.addresses and each.name not in ready:
                yield f"thread of {owner(each.name)}: it is not ready to run"

    def _tables(self) -> Iterator[str]:
        """The kernel's own tables: interrupts, and pools of identifiers."""
        states = self.kernel + KERNEL["irq_states"][0]
        for number, state in enumerate(self.words.words[states : states + IRQ_SLOTS]):
            taken = number in self.spec.irqs
            if (state == IrqState.SIGNAL) != taken:
                yield f"interrupt {number} is {'not ' if taken else ''}given out, and should{' not' * (not taken)} be"
        pools = self.kernel + KERNEL["asid_table"][0]
        for number, address in enumerate(self.words.words[pools : pools + ASID_POOLS]):
            if self.words.name(address) != (self.namer.pool if number == 0 else None):
                yield f"the pool of identifiers {number} is {'another one' if address else 'absent'}"

    def _schedule(self) -> Iterator[str]:
        said = self.spec.schedule
        if said is None:
            return
        start = self.kernel + KERNEL["domain_schedule"][0] + 2 * said.index_shift
        found = self.words.words[start : start + 2 * len(said.entries)]
        for number, entry in enumerate(said.entries):
            pair = (found[2 * number], found[2 * number + 1])
            if pair != entry:
                yield (
                    f"entry {said.index_shift + number} of the domain schedule is domain {pair[0]} for {pair[1]} ticks,"
                    f" and should be domain {entry[0]} for {entry[1]}"
                )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, ThreadState):
        return value.name.lower().replace("_", " ")
    return f"{value:#x}" if isinstance(value, int) and value > 255 else str(value)


def _object_text(name: str | None, physical: int) -> str:
    return f"'{name}'" if name else f"memory at {physical:#x} that is none of the distribution's"
