# SPDX-License-Identifier: BSD-2-Clause
"""Random user programs: whoever runs makes a system call, with well-formed or hostile arguments.

Arguments are drawn from the table of invocations: capabilities of the right kind mostly, and of any kind otherwise;
words from small pools of values that matter.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from tessera.abi.invocations import BY_LABEL, INVOCATIONS, Invocation, pack
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.messages import MAX_EXTRA_CAPS
from tessera.abi.objects import PAGE_BITS
from tessera.abi.syscalls import Syscall
from tessera.arch import machine
from tessera.spec import capability as caps
from tessera.spec import messages
from tessera.spec.capability import Capability, CNodeCap, ContextCap, FrameCap, UntypedCap
from tessera.spec.messages import MESSAGE_REGISTERS, Info
from tessera.spec.objects import Node, Thread
from tessera.spec.step import InstructionFault, Interrupt, SystemCall
from tessera.suites.fuzz import purposes
from tessera.suites.fuzz.arguments import (
    ABOUT,
    CALLS,
    CAUSES,
    HELP,
    KIND_OF_INTERFACE,
    KIND_OF_PARAMETER,
    LONG,
    MANAGER_PRIORITY,
    MESSAGING,
    OWN,
    PATIENT,
    ROOT,
    SMALL_WORDS,
    THREAD,
    WEAR,
    WORDS,
)
from tessera.suites.fuzz.world import Attempt, World

T = TypeVar("T")


class Chance(random.Random):
    """Choices among few, made quickly."""

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        """One of them."""
        return seq[int(self.random() * len(seq))]


class Generator:
    """Attempts for whoever runs in a world; they depend on the seed and the state alone."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = Chance(seed)
        self.found: dict[type, list[int]] = {}
        self.is_manager = False
        # Whether no more time passes than must.
        self.hurries = False
        # The version of the world's slots that was looked at last.
        self.seen = -1

    @property
    def node(self) -> Node | None:
        """The CNode that addresses are drawn from: the root's, as long as it is there."""
        found = self.world.k.objects.get(self.world.root)
        return found if isinstance(found, Node) else None

    def look(self) -> bool:
        """Note which slots hold what; false if there is no root CNode any more."""
        node = self.node
        if node is None:
            return False
        if self.seen == self.world.version:
            return True
        self.seen = self.world.version
        self.found = {}
        for index, cap in node.slots.items():
            self.found.setdefault(type(cap), []).append(index)
        return True

    def pick(self, *kinds: type) -> int:
        """The address of a slot that holds a capability of one of the kinds, now and then of any kind."""
        chance = self.chance
        if chance.random() < 0.04:
            # The manager is not to end in a fault.
            return chance.randrange(256) if self.is_manager else chance.choice((chance.randrange(256), 1 << 50))
        choices = self.found.get(chance.choice(kinds)) if kinds else None
        if not choices:
            return chance.randrange(256)
        found = chance.choice(choices)
        # The root task's own thread and budget are needed longer than others.
        return found if found not in OWN or chance.random() < 0.1 else chance.choice(choices)

    def pick_memory(self) -> int:
        """Untyped memory, mostly such that objects can be made of."""
        node = self.node
        assert node is not None
        choices = []
        for index in self.found.get(UntypedCap, ()):
            cap = node.slots[index]
            if isinstance(cap, UntypedCap) and not cap.is_device and cap.watermark < 1 << cap.size_bits:
                choices.append(index)
        return self.chance.choice(choices) if choices and self.chance.random() < 0.9 else self.pick(UntypedCap)

    def victim(self) -> int:
        """A slot that may be emptied: mostly none that the manager needs."""
        index = self.pick(*self.found)
        return index if index >= 16 or self.chance.random() < 0.05 else self.chance.randrange(16, 256)

    def free(self) -> int:
        """The address of a slot that is mostly empty."""
        node = self.node
        if node is None or self.chance.random() < 0.05:
            return self.chance.randrange(256)
        for _ in range(8):
            index = self.chance.randrange(16, 256)
            if index not in node.slots:
                return index
        return index

    def at(self, cap: Capability | None, index: int) -> tuple[int, int]:
        """The address of a slot below a CNode capability, and its depth."""
        if not isinstance(cap, CNodeCap) or self.chance.random() < 0.06:
            return index, self.chance.choice((64, 8, 4, 0, 65))
        return cap.guard << cap.node.radix | index % (1 << cap.node.radix), cap.guard_size + cap.node.radix

    def time(self) -> int:
        """When the next event is: soon, mostly."""
        if self.hurries:
            return machine.Model.time + 1
        return machine.Model.time + self.chance.choice((1, 10, 50, 100, 300, 300, 3000, 3000, 8000))

    def attempt(self) -> Attempt:
        """The next one."""
        chance, k = self.chance, self.world.k
        if k.current is None:
            later = chance.choice((1000, 20_000, 100_000))
            return Attempt("timer", Interrupt(max(self.time(), machine.Model.time + later), 0, True))
        kind = chance.random()
        if kind < 0.005:
            # Nothing is there to be claimed.
            return Attempt("spurious", Interrupt(self.time()), spurious=True)
        if kind < 0.04:
            late = k.deadline if k.deadline < self.time() + 100_000 else self.time()
            return Attempt("timer", Interrupt(max(self.time(), late), 0, True))
        if kind < 0.08:
            irq = chance.choice(sorted(k.irqs_in_use) or [1])
            if irq not in k.unacknowledged and (irq in k.irqs_in_use or chance.random() < 0.2):
                return Attempt("interrupt", Interrupt(self.time(), irq))
        if not self.look():
            return Attempt("yield", SystemCall(self.time()), {"a7": int(Syscall.YIELD)})
        pc = chance.randrange(0x1000, 0x40_0000, 4)
        # The one that keeps the others going: it does nothing that stops it, mostly.
        self.is_manager = k.current.priority <= MANAGER_PRIORITY and chance.random() < 0.98
        if kind < 0.1 and not self.is_manager:
            return Attempt(
                "exception",
                InstructionFault(self.time(), chance.choice(CAUSES), chance.getrandbits(32)),
                {"pc": pc, "next_pc": pc},
            )
        return self.system_call(k.current, {"pc": pc, "next_pc": pc + 4})

    def system_call(self, thread: Thread, registers: dict[str, int]) -> Attempt:
        """A random system call of a thread."""
        chance = self.chance
        if chance.random() < (0.9 if self.is_manager else 0.4):
            name, address, label, words, extra = self.invocation()
            number = Syscall.CALL if self.is_manager or chance.random() < 0.85 else chance.choice(CALLS)
            # What goes into the first phase of a send that receives afterwards.
            registers["t0"] = registers["a6"] = address
        elif not self.is_manager and (waiting := self.answerable(thread)) is not None and chance.random() < 0.4:
            # A server answers, mostly the caller that it works for.
            number = chance.choice((Syscall.REPLY_RECV, Syscall.REPLY_RECV, Syscall.SEND, Syscall.NB_SEND))
            receives = number == Syscall.REPLY_RECV
            name, address, label = (
                number.name,
                self.pick(caps.EndpointCap) if receives else waiting,
                chance.randrange(2),
            )
            words = [chance.getrandbits(64) for _ in range(chance.choice((0, 2, 4, 5, 35)))]
            extra = [self.pick(*self.found)] if chance.random() < 0.2 else []
            registers["t0"] = registers["a6"] = waiting
        else:
            number = chance.choice(PATIENT if self.is_manager else CALLS)
            kinds: tuple[type, ...] = (
                MESSAGING[:1] if number in (Syscall.CALL, Syscall.RECV, Syscall.REPLY_RECV) else MESSAGING[:2]
            )
            if number in ABOUT:
                kinds = ABOUT[number] or tuple(self.found)
            name, address, label = number.name, self.pick(*kinds), chance.randrange(4)
            words = [chance.getrandbits(64) for _ in range(chance.choice((0, 1, 3, 4, 6, 120)))]
            extra = [self.pick(*self.found) for _ in range(chance.choice((0, 0, 0, 1, 2, 3)))]
            registers["t0"] = self.pick(*MESSAGING)
            registers["a6"] = self.pick(caps.ReplyCap) if chance.random() < 0.95 else self.pick(*MESSAGING)
        return self.message(thread, name, number, address, label, words, extra, registers)

    def answerable(self, thread: Thread) -> int | None:
        """The slot of the reply object that the thread's caller waits with."""
        node = self.node
        return None if node is None else purposes.answerable(node, self.found, thread)

    def message(
        self,
        thread: Thread,
        name: str,
        number: int,
        address: int,
        label: int,
        words: list[int],
        extra: list[int],
        registers: dict[str, int],
    ) -> Attempt:
        """Registers and buffer for a system call."""
        buffer = messages.buffer_of(thread, True)
        info = Info(label, min(len(words), 127), min(len(extra), MAX_EXTRA_CAPS))
        registers |= {"a0": address, "a1": info.word, "a7": int(number)}
        registers |= dict(zip(MESSAGE_REGISTERS, words, strict=False))
        stores: list[tuple[int, int]] = []
        if buffer is not None:
            stores = [(buffer + messages.WORDS + 8 * i, words[i]) for i in range(4, min(len(words), 120))]
            stores += [(buffer + messages.CAPS + 8 * i, value) for i, value in enumerate(extra)]
            slot = self.free()
            root = next(iter(self.found.get(CNodeCap, ())), 2)
            stores += [
                (buffer + messages.RECEIVE_CNODE, root if self.chance.random() < 0.1 else 2),
                (buffer + messages.RECEIVE_INDEX, slot),
                (buffer + messages.RECEIVE_DEPTH, 64),
            ]
        stops = label in LONG and number == Syscall.CALL and "pc" in registers and self.chance.random() < 0.8
        return Attempt(name, SystemCall(self.time()), registers, tuple(stores), stops)

    def label(self) -> Label:
        """Which invocation."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.35:
            return chance.choice(HELP)
        label = chance.choice(INVOCATIONS).label
        return label if label not in WEAR or chance.random() < 0.3 else chance.choice(HELP)

    def invocation(self) -> tuple[str, int, int, list[int], list[int]]:
        """One invocation: its name, address, label, message words and extra capabilities."""
        chance = self.chance
        if chance.random() < 0.15 and (node := self.node) is not None:
            found = purposes.wish(self.world.k, node, self.found, chance, self.free)
            if found is not None:
                return self.wished(found)
        call = BY_LABEL[self.label()]
        address = self.pick_memory() if call.interface == "Untyped" else self.pick(KIND_OF_INTERFACE[call.interface])
        if call.interface == "CNode" and chance.random() < 0.7:
            address = ROOT
        if self.is_manager and address == THREAD:
            address = self.pick(KIND_OF_INTERFACE[call.interface])
        extra = []
        for parameter in call.extra_caps:
            kinds = KIND_OF_PARAMETER[parameter.name]
            slot = self.pick_memory() if parameter.name == "untyped" else self.pick(*kinds)
            if kinds == (CNodeCap,) and chance.random() < 0.7:
                slot = ROOT
            if parameter.name in ("fault_ep", "timeout_fault_ep", "sched_context") and chance.random() < 0.2:
                slot = self.free()
            if chance.random() < 0.02:
                slot = self.pick(UntypedCap)
            extra.append(slot)
        values = self.values(call, address, extra)
        words = pack(call.placements, values)
        label = int(call.label)
        if chance.random() < 0.04:
            words, extra = words[: chance.randrange(len(words) + 1)], extra[: chance.randrange(len(extra) + 1)]
        if chance.random() < 0.02:
            label = chance.randrange(50)
        return f"{call.interface}_{call.method}", address, label, words, extra

    def wished(self, wish: purposes.Wish) -> tuple[str, int, int, list[int], list[int]]:
        """An invocation with a purpose; words that do not matter are drawn as always."""
        call = BY_LABEL[wish.label]
        values = {}
        for placement in call.placements:
            name = placement.parameter.name
            value = wish.values.get(name, self.chance.choice(WORDS.get(name, SMALL_WORDS)))
            values[name] = value & ((1 << placement.width) - 1)
        words = pack(call.placements, values)
        return f"{call.interface}_{call.method}", wish.address, int(call.label), words, list(wish.extra)

    def values(self, call: Invocation, address: int, extra: list[int]) -> dict[str, int]:
        """Values for an invocation's words by name."""
        chance = self.chance
        node = self.node
        slots: dict[int, Capability] = {} if node is None else node.slots
        values: dict[str, int] = {}
        for placement in call.placements:
            name = placement.parameter.name
            values[name] = chance.choice(WORDS.get(name, SMALL_WORDS)) & ((1 << placement.width) - 1)
        invoked, first = slots.get(address), slots.get(extra[0]) if extra else None
        second = slots.get(extra[1]) if len(extra) > 1 else None
        where: dict[str, tuple[Any, int]] = {}
        if call.interface == "CNode":
            existing = call.label in (Label.CNODE_REVOKE, Label.CNODE_DELETE, Label.CNODE_CANCEL_BADGED_SENDS)
            where = {"": (invoked, self.victim())} if existing else {"dest_": (invoked, self.free())}
            if call.label == Label.CNODE_REVOKE and chance.random() < 0.3:
                # What much was made of.
                where = {"": (invoked, self.pick(UntypedCap))}
            if call.label == Label.CNODE_ROTATE:
                where |= {"pivot_": (first, self.victim()), "src_": (second, self.victim())}
            elif not existing:
                taken = call.label in (Label.CNODE_MOVE, Label.CNODE_MUTATE)
                where["src_"] = (first, self.victim() if taken else self.pick(*self.found))
        elif call.label == Label.RISCV_ASID_CONTROL_MAKE_POOL:
            where = {"": (second, self.free())}
        elif call.label in (Label.IRQ_CONTROL_GET, Label.RISCV_IRQ_CONTROL_GET_TRIGGER):
            where = {"": (first, self.free())}
        elif call.label == Label.UNTYPED_RETYPE:
            values |= {"node_index": 0, "node_depth": 0, "node_offset": self.free()}
            if chance.random() < 0.1:
                where = {"node_": (first, self.pick(CNodeCap))}
                values["node_offset"] = chance.randrange(20)
        for prefix, (cap, index) in where.items():
            values[f"{prefix}index"], depth = self.at(cap, index)
            values[f"{prefix}depth"] = depth & 255
        self.improve(call, values, invoked, extra, slots)
        return values

    def improve(
        self, call: Invocation, values: dict[str, int], invoked: Any, extra: list[int], slots: dict[int, Capability]
    ) -> None:
        """Mostly, arguments that fit together."""
        if self.chance.random() < 0.25:
            return
        match call.label:
            case Label.RISCV_ASID_CONTROL_MAKE_POOL if extra:
                pages = [i for i in self.found.get(UntypedCap, ()) if _is_page(slots.get(i))]
                extra[0] = self.chance.choice(pages) if pages else extra[0]
            case Label.SCHED_CONTROL_CONFIGURE_FLAGS:
                values["budget"] = min(values["budget"], values["period"])
            case Label.RISCV_PAGE_MAP if isinstance(invoked, FrameCap) and invoked.asid:
                values["vaddr"] = invoked.address
            case Label.TCB_SET_SCHED_PARAMS | Label.SCHED_CONTEXT_BIND:
                free = [i for i in self.found.get(ContextCap, ()) if _is_unbound(slots.get(i))]
                if call.label == Label.TCB_SET_SCHED_PARAMS and free and len(extra) > 1:
                    extra[1] = self.chance.choice(free)
            case _:
                pass


def _is_unbound(cap: Capability | None) -> bool:
    return isinstance(cap, ContextCap) and cap.context.thread is None


def _is_page(cap: Capability | None) -> bool:
    return isinstance(cap, UntypedCap) and cap.size_bits == PAGE_BITS and not cap.is_device
