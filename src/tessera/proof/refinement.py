# SPDX-License-Identifier: BSD-2-Clause
"""Refinement: what functions of the kernel change is what steps of the abstract kernel change.

A step is run on a state of which nothing is known (:mod:`abstract_runs`); what it does is turned into promises of the
kernel's function, which are proved like those that it makes itself. So the text of ``spec/`` is what is proved.
Everything that is compared (:mod:`abstract_view`) and that the step does not write stays as it is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any
from unittest.mock import patch

from tessera.ir.nodes import Promise
from tessera.proof.abstract_caps import KINDS, field_of, known_kind, text_of_capability
from tessera.proof.abstract_objects import Scene, Threads
from tessera.proof.abstract_promises import promises_of
from tessera.proof.abstract_runs import BROKEN, REFUSED, UNTOLD, Leaf, Run, Untold, Write, runs, text_of
from tessera.proof.abstract_values import Constant, KernelItself, Truth, Word
from tessera.spec import budget, derivation, ipc, messages, objects, scheduling
from tessera.spec.capability import EndpointCap
from tessera.spec.objects import Context, Endpoint, Notification, Reply, State, Thread
from tessera.spec.refusal import Refused

PREFIX = "tessera."
SPEC = "tessera.spec."


@dataclass(frozen=True)
class Refinement:
    """A function of the kernel and the step that it is compared with. ``call`` makes the step in a scene."""

    function: str
    step: str
    call: Callable[[Scene], Any]
    # What the function gives back (abstract_promises.OUTCOMES), and in which states it is compared, if not in all.
    outcome: str = ""
    guard: str = ""


def _on(step: str, *makers: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    """A call of a step: with the kernel's own state, and what the makers give."""
    module, _, name = step.rpartition(".")
    loaded = importlib.import_module(SPEC + module)

    def call(scene: Scene) -> Any:
        given = [make(scene) for make in makers]
        return getattr(loaded, name)(*given)

    return call


def _kernel(scene: Scene) -> Any:
    """The abstract kernel's own state, which steps of time look at."""
    return KernelItself(scene)


def _thing(cls: type, text: str) -> Callable[[Scene], Any]:
    return lambda scene: scene.thing(cls, text)


def _word(text: str) -> Callable[[Scene], Any]:
    return lambda scene: Word(scene, text)


def _flag(text: str) -> Callable[[Scene], Any]:
    return lambda scene: Truth(scene, text)


def _at_work(text: str) -> Callable[[Scene], Any]:
    """A thread that waits for nothing, as the kernel's function requires."""

    def make(scene: Scene) -> Any:
        thread = scene.thing(Thread, text)
        thread.sym_now["waits_at"] = thread.sym_now["reply"] = None
        return thread

    return make


def _waiting(text: str, at: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    """A thread that waits in a queue, as the kernel's function requires."""

    def make(scene: Scene) -> Any:
        thread = scene.thing(Thread, text)
        thread.sym_now["waits_at"] = at(scene)
        return thread

    return make


def _none(scene: Scene) -> Any:
    """What does not matter where a step is called."""
    return None


def _wait_state(scene: Scene) -> State:
    sends = scene.run.choose(["state == EndpointState.SENDING", "state == EndpointState.RECEIVING"]) == 0
    return State.SENDING if sends else State.RECEIVING


def _own_thread(scene: Scene) -> Any:
    """A thread that is not the idle one, which is no thread of the abstract kernel."""
    if scene.run.choose(["tcb.state == ThreadState.IDLE", "tcb.state != ThreadState.IDLE"]) == 0:
        raise Untold
    return _TCB(scene)


def _awaiting_signal(scene: Scene) -> State:
    return State.AWAITING_SIGNAL


def _state_without_waiting(scene: Scene) -> State:
    possible = (State.INACTIVE, State.RUNNING, State.RESTART)
    return possible[scene.run.choose([f"state == ThreadState.{one.name}" for one in possible])]


def _endpoint_cap(scene: Scene) -> EndpointCap:
    endpoint, badge = _thing(Endpoint, "endpoint")(scene), _word("badge")(scene)
    can_grant, can_grant_reply = (_flag(name)(scene) for name in ("can_grant", "can_grant_reply"))
    return EndpointCap(endpoint, badge, can_grant=can_grant, can_grant_reply=can_grant_reply)


def _first_sender(scene: Scene) -> Any:
    """The first thread that waits at the endpoint, to send."""
    sender = scene.thing(Thread, "sender")
    (sender.sym_now["waits_at"],) = scene.met[Endpoint]
    sender.sym_now["state"] = State.SENDING
    return sender


def _offered(scene: Scene) -> Any:
    return scene.one_of(Reply, "offered", True)


def _refinement(function: str, step: str, *makers: Callable[[Scene], Any], outcome: str = "") -> Refinement:
    return Refinement("kernel." + function, step, _on(step, *makers), outcome)


def _of_each_kind(
    function: str, step: str, outcome: str, before: Sequence[Any], after: Sequence[Any]
) -> list[Refinement]:
    """A function that makes a capability of another one, compared for each kind; ``cap`` stands between the makers."""
    module, _, name = step.rpartition(".")
    loaded = importlib.import_module(SPEC + module)

    def of(kind: type) -> Callable[[Scene], str]:
        def call(scene: Scene) -> str:
            cap = known_kind(scene, kind, "cap")
            given = [*(make(scene) for make in before), cap, *(make(scene) for make in after)]
            return text_of_capability(scene, getattr(loaded, name)(*given), cap, "cap")

        return call

    return [
        Refinement("kernel." + function, step, of(kind), outcome, f"isinstance(cap, {told})")
        for kind, (told, _) in KINDS.items()
    ]


def _not_followed(*_: Any) -> None:
    """Whether something is derived from a capability is not told here."""
    raise Untold


_TCB, _CALLER, _CALLEE = (_thing(Thread, name) for name in ("tcb", "caller", "callee"))
_SENDER, _RECEIVER, _CURRENT = _thing(Thread, "sender"), _thing(Thread, "receiver"), _at_work("tcb")
_REPLY, _ENDPOINT = _thing(Reply, "reply"), _thing(Endpoint, "endpoint")
_NOTIFICATION, _CONTEXT = _thing(Notification, "notification"), _thing(Context, "context")

REFINEMENTS: tuple[Refinement, ...] = (
    _refinement("notification.signal", "notifications.signal", _kernel, _NOTIFICATION, _word("badge")),
    _refinement("notification.take_signals", "notifications.take_signals", _kernel, _NOTIFICATION, _TCB),
    _refinement(
        "notification.receive",
        "notifications.wait",
        _kernel,
        _CURRENT,
        _thing(Notification, "cap.notification"),
        _flag("is_blocking"),
    ),
    _refinement("reply.offer", "replies.offer", _REPLY, _TCB),
    _refinement("reply.withdraw", "replies.withdraw", _TCB, outcome="reference"),
    _refinement("reply.push", "replies.push", _kernel, _CALLER, _CALLEE, _REPLY, _flag("can_donate")),
    _refinement("reply.finish", "replies.finish", _kernel, _REPLY, _CALLER),
    _refinement("reply.abandon", "replies.abandon", _CALLER),
    _refinement("reply.remove", "replies.end", _kernel, _REPLY),
    _refinement("waiting.wait_at_endpoint", "objects.start_waiting", _TCB, _ENDPOINT, _wait_state),
    _refinement("waiting.wait_at_notification", "objects.start_waiting", _TCB, _NOTIFICATION, _awaiting_signal),
    _refinement("waiting.leave_endpoint", "objects.stop_waiting", _waiting("tcb", _ENDPOINT), _state_without_waiting),
    _refinement(
        "waiting.leave_notification", "objects.stop_waiting", _waiting("tcb", _NOTIFICATION), _state_without_waiting
    ),
    _refinement("transfer.transfer", "ipc.transfer", _kernel, _SENDER, _none, _none, _none, _RECEIVER),
    _refinement("ipc.wake", "ipc.wake", _kernel, _TCB),
    _refinement(
        "ipc.send",
        "ipc.send",
        _kernel,
        _CURRENT,
        _endpoint_cap,
        _flag("is_blocking"),
        _flag("is_call"),
        _flag("can_donate"),
    ),
    _refinement("ipc.accept", "ipc._accept", _kernel, _CURRENT, _ENDPOINT, _first_sender, _offered),
    _refinement("ipc.restart_waiting", "ipc._restart_waiting", _kernel, _waiting("tcb", _ENDPOINT)),
    _refinement("blocking.cancel_ipc", "threads.cancel", _TCB),
    _refinement("thread.suspend", "threads.suspend", _kernel, _TCB),
    _refinement("thread.restart", "threads.resume", _kernel, _own_thread),
    _refinement("thread.activate", "threads.activate", _thing(Thread, "kernel.current")),
    _refinement("thread.set_priority", "threads.set_priority", _kernel, _TCB, _word("priority")),
    _refinement("schedcontext.bind_notification", "contexts.bind_notification", _CONTEXT, _NOTIFICATION),
    _refinement("schedcontext.unbind_notification", "contexts.unbind_notification", _CONTEXT),
    _refinement("schedcontext.unbind_all", "contexts.unbind_all", _kernel, _CONTEXT),
    _refinement("schedcontext.yield_to", "contexts.yield_to", _TCB, _CONTEXT),
    _refinement("schedcontext.cancel_yield_to", "contexts.cancel_yield", _TCB),
    _refinement("schedcontext.complete_yield_to", "contexts.complete_yield", _TCB),
    _refinement("schedcontext.complete_yield_from", "contexts.complete_yield_from", _CONTEXT),
    _refinement("schedcontext.retire", "contexts.end", _kernel, _CONTEXT),
    *_of_each_kind("rights.mask_rights", "derivation.with_rights", "capability", (), (_word("rights"),)),
    *_of_each_kind("rights.update_data", "derivation.with_data", "capability", (), (_word("data"), _flag("preserve"))),
    *_of_each_kind("rights.derive", "derivation.derived", "derived", (_kernel, _none), ()),
)


def steps() -> dict[str, str]:
    """The steps of the abstract kernel by the functions of the kernel that are compared with them."""
    return {one.function: one.step for one in REFINEMENTS}


@cache
def promises() -> dict[str, tuple[Promise, ...]]:
    """What functions of the kernel are to keep, by their full names."""
    found: dict[str, tuple[Promise, ...]] = {}
    for one in REFINEMENTS:
        told = tuple(promises_of(one.step, tree_of(one), one.outcome, one.guard))
        found[PREFIX + one.function] = (*found.get(PREFIX + one.function, ()), *told)
    return found


# Running a step


def tree_of(refinement: Refinement) -> Any:
    """All ways that the step can go."""

    now: list[Run] = []

    def step(run: Run) -> Leaf:
        now[:] = [run]
        scene = Scene(run)
        try:
            result = refinement.call(scene)
        except AssertionError:
            return Leaf(failure=(BROKEN,))
        except Untold:
            return Leaf(failure=(UNTOLD,))
        except Refused as why:
            return Leaf(failure=(REFUSED, why.error.name, *map(text_of, why.words)))
        effects = scene.effects()
        if refinement.outcome:
            effects |= {Write("", "result", "", result if isinstance(result, str) else text_of(result))}
        return Leaf(effects)

    with _without_time(lambda: now[0]):
        return runs(step)


def time_steps() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """The functions of the abstract kernel that are about time alone: their modules, names, and they themselves.

    What they change is not compared, and what they answer decides nothing that is; a test watches them.
    """
    for module in (budget, scheduling):
        for name, function in list(vars(module).items()):
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield module, name, function


def _without_time(run: Callable[[], Run]) -> ExitStack:
    """In runs, steps of time do nothing, and what they answer is not known. ``run`` gives the one that goes on."""

    def answer(*_: Any) -> bool:
        return run().choose(["", ""]) == 0

    def nothing(*_: Any) -> None:
        return None

    stack = ExitStack()
    for module, name, function in time_steps():
        is_question = function.__annotations__.get("return") == "bool"
        stack.enter_context(patch.object(module, name, answer if is_question else nothing))
    stack.enter_context(patch.object(ipc, "transfer", _hand_over))
    stack.enter_context(patch.object(messages.Info, "word", property(message_word)))
    stack.enter_context(patch.object(derivation, "ensure_childless", _not_followed))
    stack.enter_context(patch.object(derivation, "part", field_of))
    original = objects.by_priority
    for name, loaded in list(sys.modules.items()):
        if name.startswith(SPEC) and getattr(loaded, "by_priority", None) is original:
            stack.enter_context(patch.object(loaded, "by_priority", _by_priority))
    return stack


def _hand_over(k: Any, sender: Any, endpoint: Any, badge: Any, can_grant: Any, receiver: Any) -> None:
    """A message is delivered; what the receiver has then, the function that does it promises alone."""
    receiver.sym_scene.handed.append(receiver)


def message_word(info: messages.Info) -> Constant:
    """What a message register says of a message of known shape, as the kernel makes it."""
    parts = {
        "label": info.label,
        "length": info.length,
        "extra_caps": info.extra_caps,
        "caps_unwrapped": info.unwrapped,
    }
    told = ", ".join(f"{name}={value}" for name, value in parts.items() if value)
    return Constant(f"MessageInfo({told})")


def _by_priority(queue: Threads, thread: Thread) -> None:
    queue.insert_by_priority(thread)
