# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of threads, time and interrupts (manual: Threads and Execution; Hardware I/O).

``service`` is the capability that is invoked; the other arguments are those of ``abi.invocations``, in that order.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.abi.messages import UserContext
from tessera.lang import compiled, u64
from tessera.runtime.invoke import Answer, ask, invoke, put_context, read_context
from tessera.runtime.sel4 import environment


@compiled
def tcb_read_registers(service: u64, suspend_source: bool, arch_flags: u64, count: u64, regs: UserContext) -> Error:
    """Read the first registers of a thread."""
    return read_context(service, suspend_source, arch_flags, count, regs)


@compiled
def tcb_write_registers(service: u64, resume_target: bool, arch_flags: u64, count: u64, regs: UserContext) -> Error:
    """Set the first registers of a thread."""
    put_context(regs, 2)
    return invoke(
        service,
        InvocationLabel.TCB_WRITE_REGISTERS,
        0,
        34,
        u64(resume_target) | (arch_flags << 8),
        count,
        regs.pc,
        regs.ra,
    )


@compiled
def tcb_copy_registers(
    service: u64,
    source: u64,
    suspend_source: bool,
    resume_target: bool,
    transfer_frame: bool,
    transfer_integer: bool,
    arch_flags: u64,
) -> Error:
    """Copy registers from one thread to another."""
    message = environment.ipc_buffer
    message.caps[0] = source
    return invoke(
        service,
        InvocationLabel.TCB_COPY_REGISTERS,
        1,
        1,
        u64(suspend_source)
        | (u64(resume_target) << 1)
        | (u64(transfer_frame) << 2)
        | (u64(transfer_integer) << 3)
        | (arch_flags << 8),
        0,
        0,
        0,
    )


@compiled
def tcb_configure(
    service: u64,
    cspace_root: u64,
    cspace_root_data: u64,
    vspace_root: u64,
    vspace_root_data: u64,
    buffer: u64,
    buffer_frame: u64,
) -> Error:
    """Set the spaces and the IPC buffer of a thread."""
    message = environment.ipc_buffer
    message.caps[0] = cspace_root
    message.caps[1] = vspace_root
    message.caps[2] = buffer_frame
    return invoke(service, InvocationLabel.TCB_CONFIGURE, 3, 3, cspace_root_data, vspace_root_data, buffer, 0)


@compiled
def tcb_set_priority(service: u64, authority: u64, priority: u64) -> Error:
    """Set the priority."""
    message = environment.ipc_buffer
    message.caps[0] = authority
    return invoke(service, InvocationLabel.TCB_SET_PRIORITY, 1, 1, priority, 0, 0, 0)


@compiled
def tcb_set_mc_priority(service: u64, authority: u64, mcp: u64) -> Error:
    """Set the maximum controlled priority."""
    message = environment.ipc_buffer
    message.caps[0] = authority
    return invoke(service, InvocationLabel.TCB_SET_MC_PRIORITY, 1, 1, mcp, 0, 0, 0)


@compiled
def tcb_set_sched_params(
    service: u64, authority: u64, mcp: u64, priority: u64, sched_context: u64, fault_ep: u64
) -> Error:
    """Set priorities, scheduling context and fault handler."""
    message = environment.ipc_buffer
    message.caps[0] = authority
    message.caps[1] = sched_context
    message.caps[2] = fault_ep
    return invoke(service, InvocationLabel.TCB_SET_SCHED_PARAMS, 3, 2, mcp, priority, 0, 0)


@compiled
def tcb_set_timeout_endpoint(service: u64, timeout_fault_ep: u64) -> Error:
    """Set the endpoint that receives timeout faults."""
    message = environment.ipc_buffer
    message.caps[0] = timeout_fault_ep
    return invoke(service, InvocationLabel.TCB_SET_TIMEOUT_ENDPOINT, 1, 0, 0, 0, 0, 0)


@compiled
def tcb_set_ipc_buffer(service: u64, buffer: u64, buffer_frame: u64) -> Error:
    """Set the IPC buffer."""
    message = environment.ipc_buffer
    message.caps[0] = buffer_frame
    return invoke(service, InvocationLabel.TCB_SET_IPC_BUFFER, 1, 1, buffer, 0, 0, 0)


@compiled
def tcb_set_space(
    service: u64, fault_ep: u64, cspace_root: u64, cspace_root_data: u64, vspace_root: u64, vspace_root_data: u64
) -> Error:
    """Set the fault handler and the spaces."""
    message = environment.ipc_buffer
    message.caps[0] = fault_ep
    message.caps[1] = cspace_root
    message.caps[2] = vspace_root
    return invoke(service, InvocationLabel.TCB_SET_SPACE, 3, 2, cspace_root_data, vspace_root_data, 0, 0)


@compiled
def tcb_suspend(service: u64) -> Error:
    """Stop a thread and cancel what it waits for."""
    return invoke(service, InvocationLabel.TCB_SUSPEND, 0, 0, 0, 0, 0, 0)


@compiled
def tcb_resume(service: u64) -> Error:
    """Let a stopped thread go on."""
    return invoke(service, InvocationLabel.TCB_RESUME, 0, 0, 0, 0, 0, 0)


@compiled
def tcb_bind_notification(service: u64, notification: u64) -> Error:
    """Bind a notification, so that its signals also end a receive on an endpoint."""
    message = environment.ipc_buffer
    message.caps[0] = notification
    return invoke(service, InvocationLabel.TCB_BIND_NOTIFICATION, 1, 0, 0, 0, 0, 0)


@compiled
def tcb_unbind_notification(service: u64) -> Error:
    """Undo the binding of a notification."""
    return invoke(service, InvocationLabel.TCB_UNBIND_NOTIFICATION, 0, 0, 0, 0, 0, 0)


@compiled
def tcb_set_tls_base(service: u64, tls_base: u64) -> Error:
    """Set the thread pointer register."""
    return invoke(service, InvocationLabel.TCB_SET_TLS_BASE, 0, 1, tls_base, 0, 0, 0)


@compiled
def tcb_set_flags(service: u64, clear: u64, set: u64) -> Answer:
    """Clear and then set flags of a thread."""
    return ask(service, InvocationLabel.TCB_SET_FLAGS, 0, 2, clear, set, 0, 0)


@compiled
def sched_control_configure_flags(
    service: u64, schedcontext: u64, budget: u64, period: u64, extra_refills: u64, badge: u64, flags: u64
) -> Error:
    """Give a scheduling context its budget and period."""
    message = environment.ipc_buffer
    message.caps[0] = schedcontext
    message.message[4] = flags
    return invoke(service, InvocationLabel.SCHED_CONTROL_CONFIGURE_FLAGS, 1, 5, budget, period, extra_refills, badge)


@compiled
def sched_context_bind(service: u64, cap: u64) -> Error:
    """Bind a thread or a notification to a scheduling context."""
    message = environment.ipc_buffer
    message.caps[0] = cap
    return invoke(service, InvocationLabel.SCHED_CONTEXT_BIND, 1, 0, 0, 0, 0, 0)


@compiled
def sched_context_unbind(service: u64) -> Error:
    """Undo all bindings of a scheduling context."""
    return invoke(service, InvocationLabel.SCHED_CONTEXT_UNBIND, 0, 0, 0, 0, 0, 0)


@compiled
def sched_context_unbind_object(service: u64, cap: u64) -> Error:
    """Undo the binding of one object."""
    message = environment.ipc_buffer
    message.caps[0] = cap
    return invoke(service, InvocationLabel.SCHED_CONTEXT_UNBIND_OBJECT, 1, 0, 0, 0, 0, 0)


@compiled
def sched_context_consumed(service: u64) -> Answer:
    """Read the time used, and start counting anew."""
    return ask(service, InvocationLabel.SCHED_CONTEXT_CONSUMED, 0, 0, 0, 0, 0, 0)


@compiled
def sched_context_yield_to(service: u64) -> Answer:
    """Let the thread of a scheduling context run next among those of its priority."""
    return ask(service, InvocationLabel.SCHED_CONTEXT_YIELD_TO, 0, 0, 0, 0, 0, 0)


@compiled
def domain_set_set(service: u64, domain: u64, thread: u64) -> Error:
    """Put a thread into a domain."""
    message = environment.ipc_buffer
    message.caps[0] = thread
    return invoke(service, InvocationLabel.DOMAIN_SET_SET, 1, 1, domain, 0, 0, 0)


@compiled
def domain_set_schedule_configure(service: u64, index: u64, domain: u64, duration: u64) -> Error:
    """Set an entry of the domain schedule. Domain 0 with duration 0 ends the schedule there."""
    return invoke(service, InvocationLabel.DOMAIN_SET_SCHEDULE_CONFIGURE, 0, 3, index, domain, duration, 0)


@compiled
def domain_set_schedule_set_start(service: u64, index: u64) -> Error:
    """Let the domain schedule begin at another entry, and go there at once."""
    return invoke(service, InvocationLabel.DOMAIN_SET_SCHEDULE_SET_START, 0, 1, index, 0, 0, 0)


@compiled
def irq_control_get(service: u64, irq: u64, root: u64, index: u64, depth: u64) -> Error:
    """Make a handler capability for an interrupt."""
    message = environment.ipc_buffer
    message.caps[0] = root
    return invoke(service, InvocationLabel.IRQ_CONTROL_GET, 1, 3, irq, index, depth, 0)


@compiled
def irq_control_get_trigger(service: u64, irq: u64, trigger: u64, root: u64, index: u64, depth: u64) -> Error:
    """Make a handler capability for an interrupt, and choose its trigger."""
    message = environment.ipc_buffer
    message.caps[0] = root
    return invoke(service, InvocationLabel.RISCV_IRQ_CONTROL_GET_TRIGGER, 1, 4, irq, trigger, index, depth)


@compiled
def irq_handler_ack(service: u64) -> Error:
    """Acknowledge an interrupt, so that it can be delivered again."""
    return invoke(service, InvocationLabel.IRQ_HANDLER_ACK, 0, 0, 0, 0, 0, 0)


@compiled
def irq_handler_set_notification(service: u64, notification: u64) -> Error:
    """Set the notification that an interrupt signals."""
    message = environment.ipc_buffer
    message.caps[0] = notification
    return invoke(service, InvocationLabel.IRQ_HANDLER_SET_NOTIFICATION, 1, 0, 0, 0, 0, 0)


@compiled
def irq_handler_clear(service: u64) -> Error:
    """Remove the notification of an interrupt."""
    return invoke(service, InvocationLabel.IRQ_HANDLER_CLEAR, 0, 0, 0, 0, 0, 0)
