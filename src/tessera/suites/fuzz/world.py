# SPDX-License-Identifier: BSD-2-Clause
"""A booted kernel as native code on the host, with the abstract one beside it, and what user programs do to both."""

from __future__ import annotations

import copy
import copyreg
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tessera.abi import boards, objects, profiles
from tessera.abi.configuration import configuration
from tessera.arch import machine
from tessera.build.kernel_memory import Words, fields_of
from tessera.ir.build import build_program
from tessera.kernel import boot, boot_slots, entry, scheduler
from tessera.kernel.layout import Tcb, ThreadState
from tessera.kernel.state import kernel
from tessera.lang import MEMORY_BASE, Memory, address_of, clear_ghosts, u32, u64
from tessera.lang.memory import static_size
from tessera.llvm.host import HostModule
from tessera.llvm.instrumented import Instruments, Outcome
from tessera.llvm.shadow import Shadow
from tessera.llvm.watch import called
from tessera.spec import scheduling
from tessera.spec.capability import Capability
from tessera.spec.objects import NEXT_PC, REGISTERS, State, Thread
from tessera.spec.state import Kernel
from tessera.spec.step import Event, InstructionFault, Interrupt, SystemCall, step
from tessera.suites.fuzz import plans
from tessera.suites.fuzz.abstraction import REGISTER_INDEX
from tessera.suites.fuzz.agreement import abstract, compare
from tessera.suites.fuzz.lives import SavedWatch
from tessera.suites.fuzz.mirror import Mirror
from tessera.suites.fuzz.restarts import Abandoned, slots_of_call
from tessera.suites.fuzz.watch import Watch

MIB = 1 << 20
RAM = MIB
ROOT_BITS = 8
IMAGE_PAGES = 2
KERNEL_BYTES = 0x4000
IMAGE_VIRTUAL = 0x40_0000
ENTRIES = ("handle_system_call", "handle_exception", "handle_interrupt")
DOMAINS = 2
# A long operation is done after so many entries.
MOST_ENTRIES = 1000
# What native code has of the machine: words that it loads or stores, and instructions that change nothing here.
CELLS = ("time", "pending", "deadline", "address space", "status")
MODELS = (
    ("read_time", "load", "time"),
    ("read_pending", "load", "pending"),
    ("read_status", "load", "status"),
    ("write_timer_compare", "store", "deadline"),
    ("write_address_space", "store", "address space"),
)
SILENT = (
    *("save_fpu", "load_fpu", "set_status", "clear_status", "firmware_call"),
    *("flush_page", "flush_space", "flush_translations", "flush_instructions", "memory_fence"),
)
RELEASES_PER_ENTRY = 2
_TCB = fields_of(Tcb)
_PLACE = dict(zip(REGISTERS, REGISTER_INDEX, strict=True))


def memory_size() -> int:
    """Bytes of host memory: statics, then RAM."""
    return -(-static_size() // MIB) * MIB + RAM


@contextmanager
def small_configuration() -> Iterator[None]:
    """A board with little RAM, which lies behind the statics, and a root CNode of 256 slots.

    One entry wakes fewer threads than elsewhere, so that more are due than that now and then.
    """
    before = (configuration.profile, configuration.physical_window)
    board = boards.QEMU_VIRT_RISCV64
    window = MEMORY_BASE + memory_size() - RAM
    configuration.profile = replace(
        profiles.SEL4TEST,
        name="small",
        root_cnode_bits=ROOT_BITS,
        memory_size=board.kernel_start - board.memory_start + RAM,
        max_bootinfo_untyped_caps=60,
        domains=DOMAINS,
        domain_schedule_entries=4,
    )
    configuration.physical_window = (window - board.kernel_start) % (1 << 64)
    _wake(RELEASES_PER_ENTRY)
    try:
        yield
    finally:
        configuration.profile, configuration.physical_window = before
        _wake(objects.RELEASES_PER_ENTRY)


def _wake(count: int) -> None:
    """Let the kernels that are read and run from now on wake so many threads at each entry."""
    modules: tuple[Any, ...] = (scheduler, scheduling)
    for module in modules:
        module.RELEASES_PER_ENTRY = count


def machine_name(name: str) -> str:
    """The full name of a function of the machine."""
    return f"{machine.__name__}.{name}"


@dataclass
class Controller:
    """The interrupt controller: what waits, what was claimed and is not complete, and what is let through."""

    waiting: int = 0
    claimed: set[int] = field(default_factory=set)
    enabled: dict[int, int] = field(default_factory=dict)

    def read(self, address: u64) -> u32:
        """Load a register; the claim register hands out what waits."""
        if int(address) != machine.PLIC_CLAIM:
            return u32(self.enabled.get(int(address), 0))
        irq, self.waiting = self.waiting, 0
        if not self.is_enabled(irq):
            return u32(0)
        self.claimed.add(irq)
        return u32(irq)

    def write(self, address: u64, value: u32) -> None:
        """Store to a register; the completion of what is not let through is ignored."""
        if int(address) != machine.PLIC_CLAIM:
            self.enabled[int(address)] = int(value)
        elif self.is_enabled(int(value)):
            self.claimed.discard(int(value))

    def is_enabled(self, irq: int) -> bool:
        """Whether an interrupt is let through."""
        return self.enabled.get(machine.PLIC_ENABLE + 4 * (irq // 32), 0) >> irq % 32 & 1 == 1


class Native:
    """The kernel's entry points as native code. Needs :func:`small_configuration`.

    Its long operations look for interrupts after each ``work_units`` steps: more often than a kernel for users.
    """

    def __init__(self, checked: bool = True, work_units: int = 3) -> None:
        functions = [getattr(entry, name) for name in ENTRIES]
        self.plans = plans.plans()
        constants: Any = scheduler
        before = constants.PREEMPTION_WORK_UNITS
        try:
            constants.PREEMPTION_WORK_UNITS = work_units
            program = build_program([*functions, *plans.invariants()], specification=True)
        finally:
            constants.PREEMPTION_WORK_UNITS = before
        names = [f"tessera.kernel.entry.{name}" for name in ENTRIES]
        counted = called(program, names, ghosts=False)
        shadow = Shadow(memory_size())
        cells = shadow.reserve("machine", 8 * len(CELLS))
        self.cells = shadow.view(cells, 8 * len(CELLS)).cast("Q")
        native = {machine_name(name): (what, cells + 8 * CELLS.index(cell)) for name, what, cell in MODELS}
        native |= {machine_name(name): ("", 0) for name in SILENT}
        self.instruments = Instruments(shadow, counted, plans.STEPS, native)
        self.module = HostModule(
            program,
            checked=checked,
            memory_size=memory_size(),
            entries=names,
            optimise=1,
            instruments=self.instruments,
            plans=self.plans,
        )
        self.call = {name: self.module.function(f) for name, f in zip(ENTRIES, functions, strict=True)}
        self.controller = Controller()
        models: dict[str, Any] = {"read_device": self.controller.read, "write_device": self.controller.write}
        for info in program.externals.values():
            short = info.name.rsplit(".", 1)[-1]
            if short in models:
                info.function = models[short]

    def branches(self) -> dict[Outcome, bool]:
        """The ways that branches of the kernel's functions can go, and whether they ever did."""
        taken = self.instruments.shadow.view(self.instruments.taken, len(self.instruments.outcomes))
        return dict(zip(self.instruments.outcomes, (byte == 1 for byte in taken), strict=True))


@dataclass(frozen=True)
class Attempt:
    """What a user program does: it sets its registers and words of its buffer; then something enters the kernel."""

    name: str
    event: Event
    registers: dict[str, int] = field(default_factory=dict)
    words: tuple[tuple[int, int], ...] = ()
    # Whether an interrupt waits meanwhile, so that long operations stop in between.
    stops: bool = False
    # Of an interrupt: the controller has none to claim.
    spurious: bool = False


def _reduced(cap: Capability) -> tuple[Any, ...]:
    return type(cap), tuple(getattr(cap, name) for name in cap.__slots__)


# Worlds are restored often, and most of what there is to restore are capabilities.
for _kind in Capability.__args__:
    copyreg.pickle(_kind, _reduced)


@dataclass(frozen=True)
class Saved:
    """A moment: memory, abstract state, interrupt controller, and the clock, the timer, the address space in use."""

    memory: bytes
    k: bytes
    controller: dict[str, Any]
    outside: tuple[int, int, int]
    watch: SavedWatch


class World:
    """Both kernels after boot. Use within ``native.module.memory``."""

    k: Kernel
    mirror: Mirror
    watch: Watch

    def __init__(self, native: Native) -> None:
        self.native = native
        self.memory: Memory = native.module.memory
        # How often a long operation stopped.
        self.stopped = 0
        # Grows with each change of what slots hold.
        self.version = 0
        self.boot()

    def save(self) -> Saved:
        """Both states, to come back to."""
        controller = self.native.controller
        outside = (machine.Model.time, machine.Model.deadline, machine.Model.address_space)
        return Saved(
            bytes(self.memory.data),
            pickle.dumps(self.k),
            copy.deepcopy(controller.__dict__),
            outside,
            self.watch.save(),
        )

    def restore(self, saved: Saved) -> None:
        """Go back to a saved state."""
        self.memory.data[:] = saved.memory
        self.k = pickle.loads(saved.k)
        self.native.controller.__dict__.update(copy.deepcopy(saved.controller))
        machine.Model.time, machine.Model.deadline, machine.Model.address_space = saved.outside
        self.watch.restore(saved.watch)
        self.mirror = Mirror(self.k, self.memory, self.watch)
        self.version += 1

    def boot(self) -> None:
        """Both begin anew: the abstract state is that of the booted kernel."""
        self.memory.data[:] = bytes(len(self.memory.data))
        clear_ghosts(self.memory)
        machine.Model.time = 1000
        machine.Model.pending = 0
        machine.features.has_timer_compare = True
        self.native.controller.__init__()  # type: ignore[misc]
        entry.make_kernel_space()
        scheduler.initialise()
        start = configuration.memory_start + KERNEL_BYTES
        offset = (start - IMAGE_VIRTUAL) % (1 << 64)
        if not boot.make_root_task(start, start + IMAGE_PAGES * 4096, offset, 0, 0, start):
            raise MemoryError("the root task does not fit")
        boot.start_root_task(IMAGE_VIRTUAL)
        entry.leave()
        self.words = Words(self.memory)
        self.root = self.words.name(int(address_of(boot_slots.root_task.slots))) or 0
        self.k = abstract(self.memory, {self.root: ("Node", ROOT_BITS)})
        self.watch = Watch(self.native.module, self.native.instruments, self.native.plans)
        self.watch.boot(self.k)
        self.native.cells[2], self.native.cells[3] = machine.Model.deadline, machine.Model.address_space
        self.mirror = Mirror(self.k, self.memory, self.watch)
        self.version += 1

    def enter(self, attempt: Attempt, again: Thread | None = None) -> None:
        """The running kernel alone: what the user program sets, and the event.

        ``again``: the thread that makes its call again; the abstract kernel may let another one run already.
        """
        event = attempt.event
        current = again or self.k.current
        if current is not None:
            start = self.words.named(current.name)
            for name, value in attempt.registers.items():
                self.words.words[start + _PLACE[name]] = value
            for address, value in attempt.words:
                self.words.words[self.words.named(address)] = value
        machine.Model.time = event.time
        cells = self.native.cells
        cells[0], cells[1] = event.time, machine.EXTERNAL_PENDING if attempt.stops else 0
        match event:
            case SystemCall():
                assert current is not None
                asked = [self.words.words[start + _PLACE[name]] for name in ("a0", "a1", "a7")]
                self.native.call["handle_system_call"].raw(*asked)
            case InstructionFault(_, cause, value):
                self.native.call["handle_exception"].raw(cause, value)
            case Interrupt(_, irq, timer):
                self.native.controller.waiting = irq
                bits = (machine.TIMER_PENDING if timer else 0) | (
                    machine.EXTERNAL_PENDING if irq or attempt.spurious else 0
                )
                cells[1] = bits
                self.native.call["handle_interrupt"].raw()
        machine.Model.deadline, machine.Model.address_space = cells[2], cells[3]

    def specify(self, attempt: Attempt) -> None:
        """The abstract kernel alone."""
        current = self.k.current
        if current is not None:
            current.registers.update(attempt.registers)
            for address, value in attempt.words:
                self.k.write_word(address, value)
        step(self.k, attempt.event)

    def do(self, attempt: Attempt) -> list[str]:
        """Both. Gives the differences of the states that they are in then."""
        caller = self.k.current
        needed = slots_of_call(self.words, caller, attempt.registers) if caller is not None and attempt.stops else []
        self.enter(attempt)
        self.specify(attempt)
        self.version += bool(self.k.touched)
        told = self.look(not attempt.stops)
        if told or caller is None or not attempt.stops:
            return told or self.differences(self.mirror.check())
        told = self.finish(attempt, caller, needed)
        if told:
            return told
        told = self.look(True) or self.differences(self.mirror.check())
        if told and caller.state is State.INACTIVE:
            # It stopped itself on the way, so that nobody makes the call again: what it would have ended is there.
            raise Abandoned
        return told

    def look(self, settled: bool) -> list[str]:
        """The invariants that do not hold after an entry. ``settled``: nothing is half done."""
        changes = self.watch.sort(self.watch.take())
        self.mirror.note(changes)
        try:
            return self.watch.look(changes, self.k, settled)
        except OverflowError:
            raise Abandoned from None

    def finish(self, attempt: Attempt, caller: Thread, needed: list[int]) -> list[str]:
        """Let an operation that stopped in between go on: the thread makes its call again, until nothing is left.

        What a call does in several entries is what is specified for one; but it may take from itself what it
        ``needed``, and then nobody goes on with it. Gives the invariants that do not hold in between.
        """
        if caller.state is State.RESTART or caller.registers[NEXT_PC] == attempt.registers["pc"]:
            return []  # the call is made again in the specification, too: there was no time for it
        start = self.words.named(caller.name)
        for _ in range(MOST_ENTRIES):
            if self.words.words[start + _PLACE[NEXT_PC]] != attempt.registers["pc"]:
                if self.is_restarting(start):
                    raise Abandoned
                return []
            self.stopped += 1
            if self.words.name(int(address_of(kernel.current))) != caller.name:
                raise Abandoned
            if not all(self.words.words[place] for place in needed):
                raise Abandoned
            self.enter(replace(attempt, stops=False), caller)
            told = self.look(False)
            if told:
                return told
        return []

    def is_restarting(self, start: int) -> bool:
        """Whether a thread that does not run will make its call again."""
        return self.words.read(start, _TCB["state"]) == ThreadState.RESTART

    def differences(self, found: list[str] | None = None) -> list[str]:
        """How the states of the two differ: looks at everything, unless that was done."""
        if found is None:
            found = compare(self.k, self.memory)
        if self.native.controller.claimed != self.k.unacknowledged:
            found.append(f"/unacknowledged: {self.k.unacknowledged}, found {self.native.controller.claimed}")
        return found
