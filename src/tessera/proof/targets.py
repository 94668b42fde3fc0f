# SPDX-License-Identifier: BSD-2-Clause
"""The functions under proof, and how the command line names functions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.proof.claims import PACKAGE, short
from tessera.smt.session import Session, World


@dataclass(frozen=True)
class Group:
    """Functions under proof that belong together. ``functions`` are named without the package's name.

    ``name`` is how the command line knows the group.
    """

    name: str
    title: str
    functions: tuple[str, ...]

    @property
    def slow(self) -> frozenset[str]:
        """Those of them that a quick run leaves out."""
        return frozenset(self.functions) - QUICK


# What a quick run proves: enough to notice that the prover, the laws or the invariants broke, in about a minute.
QUICK = frozenset(
    {
        "kernel.cspace.lookup",
        "kernel.cspace.lookup_slot",
        "kernel.cspace.lookup_capability",
        "kernel.cspace.lookup_target_slot",
        "kernel.queue.mark_occupied",
        "kernel.queue.mark_empty",
        "kernel.queue.highest_of_four",
        "kernel.budget.next_index",
        "kernel.budget.refill_at",
        "kernel.budget.head_time",
        "kernel.untyped.aligned_offset",
        "kernel.untyped.clear_bytes",
        "kernel.invoke.untyped.check_kind",
        "kernel.invoke.untyped.check_window",
    }
)


GROUPS: tuple[Group, ...] = (
    Group(
        "lookup",
        "Capability lookup with guards",
        (
            "kernel.cspace.lookup",
            "kernel.cspace.lookup_slot",
            "kernel.cspace.lookup_capability",
            "kernel.cspace.lookup_target_slot",
        ),
    ),
    Group(
        "tree",
        "Derivation tree",
        (
            "kernel.derivation.insert",
            "kernel.derivation.insert_handler",
            "kernel.derivation.insert_original",
            "kernel.derivation.take_all",
            "kernel.derivation.move",
            "kernel.derivation.remove",
            "kernel.derivation.has_children",
            "kernel.derivation.is_parent_of",
            "kernel.derivation.ensure_empty",
            "kernel.derivation.ensure_no_children",
        ),
    ),
    Group(
        "ready-queues",
        "Ready queues",
        (
            "kernel.queue.prepend_ready",
            "kernel.queue.append_ready",
            "kernel.queue.remove_ready",
            "kernel.queue.mark_occupied",
            "kernel.queue.mark_empty",
            "kernel.queue.highest_bit",
            "kernel.queue.highest_of_four",
            "kernel.queue.highest_priority",
            "kernel.queue.has_ready",
            "kernel.queue.has_ready_above",
        ),
    ),
    Group(
        "release-queue",
        "Release queue, and who runs next",
        (
            "kernel.release_tree.number_of",
            "kernel.release_queue.insert",
            "kernel.release_queue.sink",
            "kernel.release_queue.remove",
            "kernel.scheduler.leave_queues",
            "kernel.scheduler.postpone",
            "kernel.scheduler.reschedule_required",
            "kernel.scheduler.possible_switch_to",
            "kernel.scheduler.consider_candidate",
            "kernel.scheduler.choose_thread",
            "kernel.scheduler.change_thread",
            "kernel.scheduler.awaken",
        ),
    ),
    Group(
        "refills",
        "Refills of a thread that wakes",
        (
            "kernel.budget.next_index",
            "kernel.budget.refill_at",
            "kernel.budget.head_time",
            "kernel.budget.unblock",
            "kernel.budget.unblock_sporadic",
        ),
    ),
    Group(
        "retype",
        "`Untyped_Retype` and reset",
        (
            "kernel.untyped.aligned_offset",
            "kernel.untyped.clear_bytes",
            "kernel.untyped.clear_up_to",
            "kernel.untyped.create_object",
            "kernel.untyped.make_object",
            "kernel.untyped.make_objects",
            "kernel.untyped.reset",
            "kernel.untyped.retype",
            "kernel.invoke.untyped.check_kind",
            "kernel.invoke.untyped.check_window",
            "kernel.invoke.untyped.find_destination",
            "kernel.invoke.untyped.decode",
        ),
    ),
    Group(
        "mint",
        "`CNode_Mint`",
        (
            "kernel.invoke.cnode.decode",
            "kernel.invoke.cnode.find_source",
            "kernel.invoke.cnode.transfer",
            "kernel.invoke.cnode.cancel_badged_sends",
            "kernel.rights.derive",
            "kernel.rights.mask_rights",
            "kernel.rights.update_data",
        ),
    ),
    Group(
        "mapping",
        "Mapping and unmapping a page",
        (
            "kernel.vspace.walk",
            "kernel.vspace.unmap_frame",
            "kernel.invoke.vspace.named_space",
            "kernel.invoke.vspace.map_frame",
            "kernel.invoke.vspace.decode_frame",
        ),
    ),
    Group(
        "tables",
        "Tables and identifiers that go out of use",
        (
            "kernel.vspace.map_kernel",
            "kernel.vspace.new_pool",
            "kernel.vspace.unmap_page_table",
            "kernel.vspace.delete_space",
            "kernel.vspace.delete_pool",
            "kernel.vspace.finalise_page_table",
        ),
    ),
    Group(
        "notifications",
        "Notifications, and leaving what a thread waits for",
        (
            "kernel.waiting.wait_at_notification",
            "kernel.waiting.leave_notification",
            "kernel.notification.wake",
            "kernel.notification.take_signals",
            "kernel.notification.receive",
            "kernel.notification.signal",
            "kernel.notification.cancel_all",
            "kernel.notification.bind",
            "kernel.notification.unbind_tcb",
            "kernel.ipc.cancel_all",
            "kernel.ipc.cancel_badged",
            "kernel.blocking.leave_notification_queue",
            "kernel.blocking.leave_endpoint_queue",
            "kernel.blocking.cancel_ipc",
            "kernel.schedcontext.lend_for_signal",
            "kernel.schedcontext.return_to_notification",
        ),
    ),
    Group(
        "messages",
        "Messages",
        (
            "kernel.message.buffer_of",
            "kernel.message.copy_buffer",
            "kernel.message.copy_registers",
            "kernel.message.set_reply_word",
        ),
    ),
    Group(
        "send",
        "A `Send` that finds a waiting receiver",
        (
            "kernel.ipc.send",
            "kernel.transfer.transfer",
            "kernel.transfer.look_up_extra",
            "kernel.transfer.move_caps",
            "kernel.transfer.receive_slot",
            "kernel.reply.push",
            "kernel.schedcontext.donate",
            "kernel.waiting.leave_endpoint",
            "kernel.waiting.place_behind",
            "kernel.waiting.wait_at_endpoint",
        ),
    ),
    Group(
        "receiving",
        "Receiving",
        (
            "kernel.ipc.wake",
            "kernel.ipc.block_sender",
            "kernel.ipc.accept",
            "kernel.ipc.block_receiver",
            "kernel.ipc.receive",
            "kernel.ipc.restart_waiting",
            "kernel.reply.withdraw",
            "kernel.reply.offer",
        ),
    ),
    Group(
        "time",
        "Binding, lending and giving back time; threads that stop",
        (
            "kernel.schedcontext.resume",
            "kernel.schedcontext.bind_tcb",
            "kernel.schedcontext.unbind_tcb",
            "kernel.schedcontext.bind_notification",
            "kernel.schedcontext.unbind_notification",
            "kernel.schedcontext.unbind_reply",
            "kernel.schedcontext.unbind_all",
            "kernel.schedcontext.cancel_yield_to",
            "kernel.schedcontext.yield_to",
            "kernel.schedcontext.complete_yield_to",
            "kernel.schedcontext.complete_yield_from",
            "kernel.schedcontext.retire",
            "kernel.reply.cut",
            "kernel.reply.give_back",
            "kernel.reply.finish",
            "kernel.reply.abandon",
            "kernel.reply.remove",
            "kernel.thread.activate",
            "kernel.thread.suspend",
            "kernel.scheduler.move_to_domain",
            "kernel.vspace.activate",
        ),
    ),
)

LAWS = "laws"

# What the rest stands on: how capabilities are found, copied, made and deleted; a mapping, a message, a queue.
CORE = "core"
CORE_GROUPS = ("lookup", "tree", "ready-queues", "retype", "mint", "mapping", "send")


def all_targets(quick: bool = False) -> list[str]:
    """The full names of all functions under proof, or of those that are proved quickly."""
    return [PACKAGE + name for group in GROUPS for name in group.functions if not (quick and name in group.slow)]


def group_of(name: str) -> str:
    """The title of a function's group; empty if it is not under proof."""
    return next((group.title for group in GROUPS if short(name) in group.functions), "")


def check_groups(world: World) -> None:
    """Raise Diagnostic if a function under proof does not exist any more: it would be left out in silence."""
    for name in all_targets():
        if name not in world.program.functions:
            raise _unknown(world, short(name), "src/tessera/proof/targets.py")


def resolve(world: World, names: Iterable[str]) -> list[str]:
    """The functions that a user means: ``kernel/cspace.py:lookup``, ``kernel/cspace.py``, ``kernel.cspace.lookup``.

    The name of a group stands for its functions, ``core`` for those of some groups. A file stands for its functions
    that are proved by themselves: those under proof, and those that callers know by their contract. Raises Diagnostic,
    with close matches, where there is no such function.
    """
    found: dict[str, None] = {}
    session = Session(world)
    for name in names:
        if name == LAWS:
            continue
        groups = [group for group in GROUPS if group.name == name or (name == CORE and group.name in CORE_GROUPS)]
        if groups:
            found.update((PACKAGE + each, None) for group in groups for each in group.functions)
            continue
        dotted = _dotted(name)
        if PACKAGE + dotted in world.program.functions:
            found[PACKAGE + dotted] = None
            continue
        inside = [
            each
            for each, function in sorted(world.program.functions.items())
            if function.info.kind == "compiled"
            and function.info.function.__module__ == PACKAGE + dotted
            and (group_of(each) or not session.is_inlined(function))
        ]
        if not inside:
            raise _unknown(world, name, name)
        found.update(dict.fromkeys(inside))
    return list(found)


def _dotted(name: str) -> str:
    path, _, function = name.replace("\\", "/").partition(":")
    path = path.removeprefix("./").removeprefix("src/").removeprefix("tessera/")
    if path.endswith(".py"):
        path = path.removesuffix(".py").replace("/", ".")
    dotted = f"{path}.{function}" if function else path
    return dotted.removeprefix(PACKAGE)


def _unknown(world: World, name: str, where: str) -> Diagnostic:
    known = [short(each) for each, function in world.program.functions.items() if function.info.kind == "compiled"]
    known += sorted({each.rpartition(".")[0] for each in known})
    known += [CORE, LAWS, *(group.name for group in GROUPS)]
    wanted = _dotted(name)
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    last = wanted.rpartition(".")[2]
    close += [each for each in known if each.rpartition(".")[2] == last and each not in close][: 3 - len(close)]
    return Diagnostic(
        "unknown-function",
        Location(where),
        f"the kernel has no function or file {name}",
        why="only functions of the kernel can be proved",
        fix=f"did you mean {' or '.join(close)}?" if close else "name one as in kernel/cspace.py:lookup; see --list",
    )
