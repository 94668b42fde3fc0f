# SPDX-License-Identifier: BSD-2-Clause
"""Slots of the root CNode and of a component's CNode, rights and badges (manual: Bootstrapping; Microkit manual)."""

from __future__ import annotations

from enum import IntEnum

from tessera.lang import u64, word


@word(u64)
class InitialSlot(IntEnum):
    """Fixed slots of the root CNode. What this platform does not have is a null capability."""

    NULL = 0
    TCB = 1
    CNODE = 2
    VSPACE = 3
    IRQ_CONTROL = 4
    ASID_CONTROL = 5
    ASID_POOL = 6
    IO_PORT_CONTROL = 7
    IO_SPACE = 8
    BOOT_INFO_FRAME = 9
    IPC_BUFFER = 10
    DOMAIN = 11
    SMMU_SID_CONTROL = 12
    SMMU_CB_CONTROL = 13
    SCHED_CONTEXT = 14
    SMC = 15


# The first slot that the boot code fills as needed.
FIRST_DYNAMIC_SLOT = 16

# Rights, as bits of the word that Copy, Mint and Page Map take.
RIGHT_WRITE = 1
RIGHT_READ = 2
RIGHT_GRANT = 4
RIGHT_GRANT_REPLY = 8
ALL_RIGHTS = 15

# Attributes of a mapping.
EXECUTE_NEVER = 1

# Flags of a TCB and of a scheduling context.
TCB_FLAG_FPU_DISABLED = 1
SCHED_CONTEXT_SPORADIC = 1

# The word that Mint takes for a CNode: guard above, number of guard bits in the low six bits.
GUARD_SIZE_BITS = 6

# A component's CNode, as Microkit's tool and library agree on it.
COMPONENT_CNODE_BITS = 9
COMPONENT_INPUT = 1
COMPONENT_FAULT_ENDPOINT = 2
COMPONENT_VSPACE = 3
COMPONENT_REPLY = 4
COMPONENT_MONITOR_ENDPOINT = 5
COMPONENT_TCB = 6
COMPONENT_SMC = 7
BASE_OUTPUT_NOTIFICATION = 10
BASE_OUTPUT_ENDPOINT = 74
BASE_IRQ_HANDLER = 138
BASE_CHILD_TCB = 202
BASE_VM_TCB = 266
BASE_VCPU = 330
BASE_IO_PORT = 394
BASE_USER_CAPS = 458

# User capabilities lie in a CNode of their own, below a small root of this many slots.
COMPONENT_ROOT_BITS = 6
MAX_USER_CAPS = 128

# Badges that a component receives: a set of channels, unless one of the two top bits is set.
BADGE_PROTECTED_CALL_BIT = 63
BADGE_FAULT_BIT = 62
MAX_CHANNELS = 62
COMPONENT_NAME_BYTES = 64
