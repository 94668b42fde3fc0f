# SPDX-License-Identifier: BSD-2-Clause
"""What the root task does first: it makes objects of all kinds, and threads that share its address spaces."""

from __future__ import annotations

from collections.abc import Iterator

from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall
from tessera.spec.capability import SchedControlCap, UntypedCap
from tessera.suites.fuzz.arguments import IRQ_CONTROL, MANAGER_PRIORITY, ROOT, SPACE, THREAD
from tessera.suites.fuzz.generator import Generator
from tessera.suites.fuzz.world import IMAGE_VIRTUAL, Attempt

# Threads that do as they like, then two servers that get time from their clients, then one that gets it with a signal.
WORKERS = 4
SERVERS = 2
THREADS = WORKERS + SERVERS + 1
SERVER_PRIORITY = 75
BUFFER_ADDRESS = IMAGE_VIRTUAL + 0x2000
# Slots that are filled here.
FIRST_SLOT = 160
EACH = 5


def populate(generator: Generator) -> Iterator[Attempt]:
    """The calls of the root task; each has to be done before the next one is asked for."""
    world = generator.world
    generator.hurries = True

    def call(label: Label, address: int, words: list[int], extra: list[int] | None = None) -> Attempt:
        current = world.k.current
        assert current is not None
        generator.look()
        return generator.message(current, label.name, Syscall.CALL, address, int(label), words, extra or [], {})

    def wait(number: Syscall, address: int, reply: int) -> Attempt:
        current = world.k.current
        assert current is not None
        generator.look()
        registers = {"a6": reply, "pc": IMAGE_VIRTUAL, "next_pc": IMAGE_VIRTUAL + 4}
        return generator.message(current, number.name, number, address, 0, [], [], registers)

    def memory(least: int) -> int:
        node = generator.node
        assert node is not None
        for index, cap in sorted(node.slots.items()):
            if isinstance(cap, UntypedCap) and not cap.is_device:
                if (1 << cap.size_bits) - cap.watermark >= least:
                    return index
        raise MemoryError("no memory left for the random system")

    def make(kind: ObjectType, slot: int, bits: int = 0, count: int = 1) -> Attempt:
        return call(Label.UNTYPED_RETYPE, memory(3 << 12), [kind, bits, 0, 0, slot, count], [ROOT])

    generator.look()
    (control,) = generator.found[SchedControlCap]
    endpoints, notifications, replies, spare = (FIRST_SLOT + THREADS * EACH + 5 * i for i in range(4))
    yield make(ObjectType.ENDPOINT, endpoints, 0, 2)
    yield make(ObjectType.NOTIFICATION, notifications, 0, 2)
    yield make(ObjectType.REPLY, replies, 0, 4)
    yield make(ObjectType.CAP_TABLE, spare, 4)
    yield make(ObjectType.PAGE_TABLE, spare + 1, 0, 2)
    yield make(ObjectType.SCHED_CONTEXT, spare + 3, 8, 2)
    yield make(ObjectType.UNTYPED, spare + 5, 12, 2)
    yield call(Label.CNODE_MINT, ROOT, [endpoints + 2, 64, endpoints, 64, 15, 7], [ROOT])
    yield call(Label.CNODE_MINT, ROOT, [notifications + 2, 64, notifications, 64, 15, 2], [ROOT])
    yield call(Label.IRQ_CONTROL_GET, IRQ_CONTROL, [3, spare + 7, 64], [ROOT])
    yield call(Label.IRQ_HANDLER_SET_NOTIFICATION, spare + 7, [], [notifications + 2])
    for number in range(THREADS):
        slot = FIRST_SLOT + number * EACH
        yield make(ObjectType.TCB, slot)
        yield make(ObjectType.PAGE, slot + 1)
        yield make(ObjectType.SCHED_CONTEXT, slot + 2, 8)
        period = 10_000 if number % 2 else 2000
        budget = [2000, 2000, period, 500, 1000, 1000, 1000][number]
        words = [budget, max(period, budget), 2, number, number // 2 & 1]
        yield call(Label.SCHED_CONTROL_CONFIGURE_FLAGS, control, words, [slot + 2])
        yield call(Label.TCB_CONFIGURE, slot, [0, 0, BUFFER_ADDRESS], [ROOT, SPACE, slot + 1])
        context = slot + 2 if number != WORKERS - 1 else 0
        handler = endpoints + 2 if number % 2 else 0
        priority = 60 + 5 * (number % 2) if number < WORKERS else SERVER_PRIORITY
        yield call(Label.TCB_SET_SCHED_PARAMS, slot, [255, priority], [THREAD, context, handler])
        if number == 1:
            yield call(Label.TCB_SET_TIMEOUT_ENDPOINT, slot, [], [endpoints])
    # Servers run until they wait; then they have no time of their own any more.
    servers = [FIRST_SLOT + number * EACH for number in range(WORKERS, THREADS)]
    for slot in servers:
        yield call(Label.TCB_RESUME, slot, [])
    yield call(Label.TCB_SET_PRIORITY, THREAD, [MANAGER_PRIORITY], [THREAD])
    for number in range(SERVERS):
        yield wait(Syscall.RECV, endpoints + number, replies + number)
    yield wait(Syscall.WAIT, notifications + 1, 0)
    for slot in servers:
        yield call(Label.SCHED_CONTEXT_UNBIND, slot + 2, [])
    yield call(Label.SCHED_CONTEXT_BIND, servers[-1] + 2, [], [notifications + 1])
    yield call(Label.TCB_SET_PRIORITY, THREAD, [255], [THREAD])
    for number in range(WORKERS):
        yield call(Label.TCB_RESUME, FIRST_SLOT + number * EACH, [])
    yield call(Label.TCB_SET_PRIORITY, THREAD, [MANAGER_PRIORITY], [THREAD])
