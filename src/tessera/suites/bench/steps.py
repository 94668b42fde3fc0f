# SPDX-License-Identifier: BSD-2-Clause
"""The steps that the instructions of an operation are told by, and the functions that each step is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

USER = "user: the instruction that enters the kernel"
FIRMWARE = "firmware"
ENTRY = "traps.S: store all registers, tell the cause"
EXIT = "traps.S: load all registers, leave"

# Functions by module and name, or all of a module. What stands in none of them counts to the function it was compiled
# into; where that has no step either, to the part of the kernel that its module is.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (ENTRY, ("trap_entry", "not_system_call", "interrupted")),
    (EXIT, ("resume_thread",)),
    ("read the clock, tell the system call", ("scheduler.update_time", "handle_system_call", "handle_exception")),
    (
        "look up capabilities",
        ("fastpath.reaches", "fastpath.slot_of", "fastpath.endpoint_at", "fastpath.reply_at", "cspace"),
    ),
    (
        "conditions: rights, states, length, time left",
        ("fastpath.can_call", "fastpath.can_reply_receive", "fastpath.is_short", "timeslice"),
    ),
    ("may the other thread run at once", ("fastpath.can_go_on", "queue.has_ready_above", "vspace.is_valid_root")),
    ("queue of the endpoint or notification", ("waiting",)),
    ("message and badge", ("fastpath.deliver", "message", "transfer")),
    ("reply object and call stack", ("reply",)),
    ("scheduling context", ("schedcontext", "fastpath.go_on")),
    ("address space", ("vspace.enter", "vspace.space_word", "vspace.activate", "vspace.is_in_use", "paging")),
    (
        "FPU",
        ("entry.needs_fpu_switch", "entry.go_on", "entry.go_on_with_fpu", "entry.switch_fpu", "save_fpu", "load_fpu"),
    ),
    ("choose and switch threads", ("scheduler", "queue", "entry.choose", "entry.leave", "thread.activate")),
    ("budgets and the timer", ("budget", "release_queue", "machine.set_deadline", "machine.write_timer_compare")),
)
_STEP_OF = {name: step for step, names in _STEPS for name in names}


def step_of(functions: Sequence[str]) -> str:
    """The step of an instruction, from the functions that it is of, the innermost last."""
    for function in reversed(functions):
        *modules, name = function.split(".")
        module = modules[-1] if modules else ""
        for key in (f"{module}.{name}" if module else name, module):
            if key in _STEP_OF:
                return _STEP_OF[key]
    return f"kernel: {functions[0].removeprefix('tessera.kernel.')}"


def in_order(steps: Iterable[str]) -> list[str]:
    """Steps as they usually follow each other; those of no list at the end."""
    known = [USER, *(step for step, _ in _STEPS if step != EXIT)]
    place = {step: index for index, step in enumerate(known)} | {FIRMWARE: len(known) + 1, EXIT: len(known) + 2}
    return sorted(steps, key=lambda step: (place.get(step, len(known)), step))
