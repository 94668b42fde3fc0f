# SPDX-License-Identifier: BSD-2-Clause
"""Labels of invocations: the label of the message that ``Call`` sends to a kernel object.

The order below is the only declaration: the numbers follow from it, as they do upstream, where a configuration with
more calls inserts labels and so renumbers those behind.
"""

from __future__ import annotations

from enum import IntEnum, auto

from tessera.lang import u64, word


@word(u64)
class InvocationLabel(IntEnum):
    """Invocations in the order of their labels, from 1 (mixed-criticality, one core, no hardware debugging)."""

    UNTYPED_RETYPE = auto()
    TCB_READ_REGISTERS = auto()
    TCB_WRITE_REGISTERS = auto()
    TCB_COPY_REGISTERS = auto()
    TCB_CONFIGURE = auto()
    TCB_SET_PRIORITY = auto()
    TCB_SET_MC_PRIORITY = auto()
    TCB_SET_SCHED_PARAMS = auto()
    TCB_SET_TIMEOUT_ENDPOINT = auto()
    TCB_SET_IPC_BUFFER = auto()
    TCB_SET_SPACE = auto()
    TCB_SUSPEND = auto()
    TCB_RESUME = auto()
    TCB_BIND_NOTIFICATION = auto()
    TCB_UNBIND_NOTIFICATION = auto()
    TCB_SET_TLS_BASE = auto()
    TCB_SET_FLAGS = auto()
    CNODE_REVOKE = auto()
    CNODE_DELETE = auto()
    CNODE_CANCEL_BADGED_SENDS = auto()
    CNODE_COPY = auto()
    CNODE_MINT = auto()
    CNODE_MOVE = auto()
    CNODE_MUTATE = auto()
    CNODE_ROTATE = auto()
    IRQ_CONTROL_GET = auto()
    IRQ_HANDLER_ACK = auto()
    IRQ_HANDLER_SET_NOTIFICATION = auto()
    IRQ_HANDLER_CLEAR = auto()
    DOMAIN_SET_SET = auto()
    DOMAIN_SET_SCHEDULE_CONFIGURE = auto()
    DOMAIN_SET_SCHEDULE_SET_START = auto()
    SCHED_CONTROL_CONFIGURE_FLAGS = auto()
    SCHED_CONTEXT_BIND = auto()
    SCHED_CONTEXT_UNBIND = auto()
    SCHED_CONTEXT_UNBIND_OBJECT = auto()
    SCHED_CONTEXT_CONSUMED = auto()
    SCHED_CONTEXT_YIELD_TO = auto()
    RISCV_PAGE_TABLE_MAP = auto()
    RISCV_PAGE_TABLE_UNMAP = auto()
    RISCV_PAGE_MAP = auto()
    RISCV_PAGE_UNMAP = auto()
    RISCV_PAGE_GET_ADDRESS = auto()
    RISCV_ASID_CONTROL_MAKE_POOL = auto()
    RISCV_ASID_POOL_ASSIGN = auto()
    RISCV_IRQ_CONTROL_GET_TRIGGER = auto()


# Label 0 is no invocation; a message with a greater label than the last one is not one either.
INVALID_INVOCATION = 0
INVOCATION_COUNT = len(InvocationLabel) + 1

# Labels from here on belong to the architecture.
FIRST_ARCHITECTURE_LABEL = InvocationLabel.RISCV_PAGE_TABLE_MAP
