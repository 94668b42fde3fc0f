# SPDX-License-Identifier: BSD-2-Clause
"""The functions under proof, in groups."""

from __future__ import annotations

from dataclasses import dataclass


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
            "kernel.message.available_length",
            "kernel.message.copy_buffer",
            "kernel.message.copy_registers",
            "kernel.message.set_reply_word",
            "kernel.invocation.collect_extra_caps",
            "kernel.invocation.reply_with_error",
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
            "kernel.thread.restart",
            "kernel.thread.retire",
            "kernel.thread.set_priority",
            "kernel.thread.is_blocked",
            "kernel.scheduler.move_to_domain",
            "kernel.vspace.activate",
        ),
    ),
    Group(
        "faults",
        "Faults",
        (
            "kernel.fault.deliver",
            "kernel.fault.handle_fault",
            "kernel.fault.capability_fault",
            "kernel.fault.unknown_syscall",
            "kernel.fault.user_exception",
            "kernel.fault.vm_fault",
            "kernel.fault.timeout_fault",
            "kernel.faultmessage.write",
            "kernel.faultmessage.write_capability_fault",
        ),
    ),
    Group(
        "entries",
        "The ways into the kernel, and out of it",
        (
            "kernel.entry.choose",
            "kernel.entry.leave",
            "kernel.entry.handle_any_call",
            "kernel.entry.handle_exception",
            "kernel.entry.handle_interrupt",
            "kernel.vspace.is_in_use",
        ),
    ),
    Group(
        "system-calls",
        "System calls, up to the operation that they ask for",
        (
            "kernel.answer.do_reply",
            "kernel.answer.resume_caller",
            "kernel.invocation.finish",
            "kernel.invocation.send_message",
            "kernel.invocation.invoke",
            "kernel.invocation.decode",
            "kernel.invocation.prepare",
            "kernel.invocation.handle_invocation",
            "kernel.invocation.handle",
            "kernel.fastpath.slot_of",
            "kernel.syscall.send",
            "kernel.syscall.send_far",
            "kernel.syscall.receive",
            "kernel.syscall.receive_with_reply",
            "kernel.syscall.receive_with",
            "kernel.syscall.receive_far",
            "kernel.syscall.receive_from",
            "kernel.syscall.receive_with_far",
            "kernel.syscall.refuse_to_receive",
            "kernel.syscall.send_then_receive",
            "kernel.syscall.dispatch",
            "kernel.syscall.name_thread",
        ),
    ),
    Group(
        "end-of-turn",
        "The end of a budget, and the choice of who runs",
        (
            "kernel.budget.head_amount",
            "kernel.timeslice.is_settled",
            "kernel.timeslice.end_turn",
            "kernel.timeslice.charge_budget",
            "kernel.timeslice.check_budget",
            "kernel.timeslice.check_budget_restart",
            "kernel.timeslice.settle_preempted",
            "kernel.timeslice.yield_now",
            "kernel.scheduler.schedule",
            "kernel.scheduler.preemption_point",
        ),
    ),
    Group(
        "ending",
        "Objects that end with their last capability",
        (
            "kernel.deletion.finalise_thread",
            "kernel.deletion.finalise_notification",
            "kernel.deletion.finalise_object",
            "kernel.deletion.clear_notification",
        ),
    ),
    Group(
        "interrupts",
        "Interrupts and domains",
        (
            "kernel.interrupt.deliver_pending",
            "kernel.invoke.domain.decode",
            "kernel.invoke.sched.decode_domain",
        ),
    ),
    Group(
        "threads",
        "Invocations of threads and scheduling contexts",
        (
            "kernel.invoke.tcb_registers.copy_registers",
            "kernel.invoke.tcb_registers.decode_read",
            "kernel.invoke.tcb_registers.decode_write",
            "kernel.invoke.tcb_registers.decode_copy",
            "kernel.invoke.tcb_scheduling.decode_set_priority",
            "kernel.invoke.tcb.decode_bind_notification",
            "kernel.invoke.tcb.decode_unbind_notification",
            "kernel.invoke.tcb.decode_set_tls_base",
            "kernel.invoke.tcb.decode_set_flags",
            "kernel.invoke.tcb.decode",
            "kernel.invoke.sched.decode_bind",
            "kernel.invoke.sched.decode_context",
        ),
    ),
    Group(
        "boot",
        "Boot",
        (
            "kernel.boot_memory.add_piece",
            "kernel.boot_memory.cut",
            "kernel.boot_memory.insert_behind",
            "kernel.boot_memory.place_root_objects",
            "kernel.boot_plan.tables_needed",
            "kernel.boot_plan.choose_extra",
            "kernel.boot_plan.choose_windows",
            "kernel.boot_plan.place_objects",
            "kernel.boot_plan.slots_needed",
            "kernel.boot_plan.lay_out",
        ),
    ),
    Group(
        "debug",
        "What a debug kernel tells",
        (
            "kernel.console.write_hex",
            "kernel.console.write_thread",
            "kernel.console.stop_failed",
            "kernel.identify.number_of",
            "kernel.entry.handle_kernel_trap",
        ),
    ),
)
