# SPDX-License-Identifier: BSD-2-Clause
"""Worker threads: each does a list of steps, one system call or memory access each, and keeps what came back.

The root task has the highest priority and never waits for a worker, so a case writes the steps down, starts the
workers, and calls :func:`settle`, which comes back when no worker can run any more. A kernel that loses a thread
makes a case fail, never hang.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import IpcBuffer, MessageInfo
from tessera.abi.syscalls import Syscall
from tessera.lang import (
    Array,
    array,
    at,
    compiled,
    extern,
    from_word,
    inline,
    intrinsic,
    record,
    static,
    struct,
    to_word,
    u64,
    word,
)
from tessera.runtime.machine import read_time, system_call_send
from tessera.runtime.sel4 import signal, wait

STEPS = 36
WORKERS = 6
WORKER_BYTES = 12288


@word(u64)
class Action(IntEnum):
    """What a step does."""

    CALL_KERNEL = 0
    CALL_FUNCTION = 1
    SPIN = 2
    MEASURE = 3


class Probe(IntEnum):
    """Places in start.S, by their number."""

    WORKER_START = 0
    LOAD = 1
    STORE = 2
    ILLEGAL = 3
    BREAKPOINT = 4
    UNKNOWN_CALL = 5
    THREAD_POINTER = 6
    SET_FLOAT = 7
    GET_FLOAT = 8
    KEPT_REGISTERS = 9
    MEASURED_FAULT = 10
    THREAD_START = 11
    ONE_CALL = 12
    MEASURED_INTERRUPT = 13


@extern(symbol="probe_address")
def probe_address(number: u64) -> u64:
    """Where a probe begins."""
    return u64(0)


@extern(symbol="call_address")
def call_address(function: u64, first: u64, second: u64) -> u64:
    """Call code at any address."""
    return u64(0)


@record
class Measured:
    """What came back of a measured system call, and the instructions counted just before and just after it."""

    badge: u64
    info: MessageInfo
    word0: u64
    word1: u64
    word2: u64
    word3: u64
    before: u64
    after: u64


@intrinsic(
    assembly="rdinstret x30\n\tecall\n\trdinstret x31",
    constraints="={x10},={x11},={x12},={x13},={x14},={x15},={x30},={x31},"
    "{x10},{x11},{x12},{x13},{x14},{x15},{x17},{x16},{x5},~{memory}",
)
def measured_system_call(
    cap: u64,
    info: MessageInfo,
    word0: u64,
    word1: u64,
    word2: u64,
    word3: u64,
    number: Syscall,
    reply: u64,
    destination: u64,
) -> Measured:
    """A system call between two readings of the instruction counter."""
    received = system_call_send(cap, info, word0, word1, word2, word3, number, reply, destination)
    return Measured(received.badge, received.info, received.word0, received.word1, received.word2, received.word3, 0, 0)


@struct
class Step:
    """One step. ``result`` is the badge or the function's result; ``order`` counts finished steps of all workers.

    For a function ``cap`` is its address, ``words`` its arguments; for a spin ``words[0]`` is the time in ticks.
    """

    action: Action
    number: Syscall
    cap: u64
    reply: u64
    destination: u64
    info: MessageInfo
    words: Array[u64] = array(4)
    done: bool
    order: u64
    result: u64
    result_info: MessageInfo
    results: Array[u64] = array(4)
    # Of a measured call: the instructions counted just before it and just after it, in this thread.
    before: u64
    after: u64


@struct
class Order:
    """How many steps have been finished by all workers that know of it."""

    finished: u64


@struct(size=WORKER_BYTES, alignment=4096)
class Worker:
    """A worker: its IPC buffer, its steps, and its stack at the end. All on pages of its own.

    ``tcb`` and ``context`` are slots. ``trace`` is absent in other address spaces. ``endless`` starts over at the end.
    """

    buffer: IpcBuffer = inline()
    tcb: u64
    context: u64
    trace: Order | None
    endless: bool
    count: u64
    position: u64
    steps: Array[Step] = array(STEPS)


@struct
class Workers:
    """The workers of a case; the last one tells when the others have come to rest."""

    entries: Array[Worker] = array(WORKERS)


@struct
class Rest:
    """Notifications between the root task and the worker of lowest priority; both slots."""

    ask: u64
    answer: u64


workers: Workers = static(Workers)
order: Order = static(Order)
rest: Rest = static(Rest)

# The worker that runs when no other one can.
LAST = WORKERS - 1


@compiled
def perform(step: Step) -> None:
    """Do one step, and keep what came back."""
    match step.action:
        case Action.CALL_KERNEL:
            received = system_call_send(
                step.cap,
                step.info,
                step.words[0],
                step.words[1],
                step.words[2],
                step.words[3],
                step.number,
                step.reply,
                step.destination,
            )
            step.result = received.badge
            step.result_info = received.info
            step.results[0] = received.word0
            step.results[1] = received.word1
            step.results[2] = received.word2
            step.results[3] = received.word3
        case Action.CALL_FUNCTION:
            step.result = call_address(step.cap, step.words[0], step.words[1])
        case Action.MEASURE:
            measured = measured_system_call(
                step.cap,
                step.info,
                step.words[0],
                step.words[1],
                step.words[2],
                step.words[3],
                step.number,
                step.reply,
                step.destination,
            )
            step.before = measured.before
            step.after = measured.after
            step.result_info = measured.info
        case Action.SPIN:
            start = read_time()
            while read_time() - start < step.words[0]:
                pass
        case _:
            pass


@compiled(symbol="run_worker")
def run_worker(worker: Worker) -> NoReturn:
    """Do all steps, then stop for good."""
    while True:
        if worker.position < worker.count:
            step = worker.steps[worker.position]
            perform(step)
            trace = worker.trace
            if trace is not None:
                trace.finished += 1
                step.order = trace.finished
            step.done = True
            worker.position += 1
        elif worker.endless:
            worker.position = 0
        else:
            suspend = MessageInfo(label=u64(InvocationLabel.TCB_SUSPEND))
            system_call_send(worker.tcb, suspend, 0, 0, 0, 0, Syscall.CALL, 0, 0)


# Writing steps down. Each gives the step, so that the case can set words and read results.


@compiled
def add_step(worker: Worker, action: Action) -> Step:
    """An empty step behind the others."""
    step = worker.steps[worker.count]
    worker.count += 1
    step.action = action
    step.number = Syscall.YIELD
    step.cap = 0
    step.reply = 0
    step.destination = 0
    step.info = MessageInfo()
    step.done = False
    step.order = 0
    step.result = 0
    step.result_info = MessageInfo()
    for i in (0, 1, 2, 3):
        step.words[i] = 0
        step.results[i] = 0
    return step


@compiled
def add_call(worker: Worker, number: Syscall, cap: u64, length: u64) -> Step:
    """A system call with a message of ``length`` words, all 0."""
    step = add_step(worker, Action.CALL_KERNEL)
    step.number = number
    step.cap = cap
    step.info = MessageInfo(length=length)
    return step


@compiled
def add_receive(worker: Worker, number: Syscall, cap: u64, reply: u64) -> Step:
    """A system call that receives, with a reply object."""
    step = add_call(worker, number, cap, 0)
    step.reply = reply
    return step


@compiled
def add_function(worker: Worker, function: u64, first: u64, second: u64) -> Step:
    """A call of code at an address, with two arguments."""
    step = add_step(worker, Action.CALL_FUNCTION)
    step.cap = function
    step.words[0] = first
    step.words[1] = second
    return step


@compiled
def add_load(worker: Worker, address: u64) -> Step:
    """A load of a word."""
    return add_function(worker, probe_address(Probe.LOAD), address, 0)


@compiled
def add_store(worker: Worker, address: u64, value: u64) -> Step:
    """A store of a word."""
    return add_function(worker, probe_address(Probe.STORE), address, value)


@compiled
def add_measured(worker: Worker, number: Syscall, cap: u64, length: u64) -> Step:
    """A system call that is measured."""
    step = add_call(worker, number, cap, length)
    step.action = Action.MEASURE
    return step


@compiled
def add_spin(worker: Worker, ticks: u64) -> Step:
    """Keep the processor busy until so many ticks of the clock have gone by."""
    step = add_step(worker, Action.SPIN)
    step.words[0] = ticks
    return step


@compiled
def set_message_label(step: Step, label: u64) -> None:
    """Give the message of a step a label."""
    step.info = step.info.replace(label=label)


@compiled
def set_message_caps(step: Step, count: u64) -> None:
    """Let the message of a step carry the capabilities that are in the worker's IPC buffer."""
    step.info = step.info.replace(extra_caps=count)


@compiled
def settle() -> None:
    """Let all workers run until none of them can."""
    signal(rest.ask)
    wait(rest.answer)


@struct
class Word:
    """A word in memory."""

    value: u64


@compiled
def memory_word(address: u64) -> Word:
    """The word at an address of the root task."""
    return at(Word, address)


@compiled
def info_word(info: MessageInfo) -> u64:
    """A message info as a number, for comparing."""
    return to_word(info)


@compiled
def info_of_word(value: u64) -> MessageInfo:
    """A number as a message info."""
    return from_word(MessageInfo, value)
