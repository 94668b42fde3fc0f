# SPDX-License-Identifier: BSD-2-Clause
"""What the interface's names are called in C: upstream's identifiers, so that upstream's sources compile.

Most are the Python name in mixed case behind a prefix; the irregular ones are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from tessera.abi.capabilities import InitialSlot
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.faults import Fault
from tessera.abi.messages import CapRights, CNodeData, MessageInfo
from tessera.abi.objects import ObjectType
from tessera.abi.syscalls import Syscall

_KEPT_UPPER = {"NB", "IP", "SP", "RA", "FSR", "VM", "TLS", "IPI", *(f"A{i}" for i in range(7))}
_SHORT = {"ADDRESS": "Addr", "FAULT_IP": "FaultIP"}


def mixed_case(name: str) -> str:
    """``NO_ERROR`` as ``NoError``; abbreviations stay in upper case."""
    if name in _SHORT:
        return _SHORT[name]
    return "".join(part if part in _KEPT_UPPER else part.capitalize() for part in name.split("_"))


def error_name(error: Error) -> str:
    """``seL4_NoError`` and so on."""
    return f"seL4_{mixed_case(error.name)}"


def lookup_failure_name(failure: LookupFailure) -> str:
    """``seL4_InvalidRoot`` and so on."""
    return f"seL4_{mixed_case(failure.name)}"


def syscall_name(syscall: Syscall) -> str:
    """``seL4_SysCall`` and so on."""
    return f"seL4_Sys{mixed_case(syscall.name)}"


def fault_name(fault: Fault) -> str:
    """``VMFault``, which follows ``seL4_Fault_`` or stands before a register's name."""
    return mixed_case(fault.name)


# The registers of a capability fault that carry two names in one.
FAULT_REGISTER_NAMES: dict[str, str] = {
    "DEPTH_MISMATCH_BITS_FOUND": "DepthMismatch_BitsFound",
    "GUARD_MISMATCH_BITS_FOUND": "GuardMismatch_BitsFound",
}

OBJECT_TYPE_NAMES: dict[ObjectType, str] = {
    ObjectType.UNTYPED: "seL4_UntypedObject",
    ObjectType.TCB: "seL4_TCBObject",
    ObjectType.ENDPOINT: "seL4_EndpointObject",
    ObjectType.NOTIFICATION: "seL4_NotificationObject",
    ObjectType.CAP_TABLE: "seL4_CapTableObject",
    ObjectType.SCHED_CONTEXT: "seL4_SchedContextObject",
    ObjectType.REPLY: "seL4_ReplyObject",
    ObjectType.GIGA_PAGE: "seL4_RISCV_Giga_Page",
    ObjectType.PAGE: "seL4_RISCV_4K_Page",
    ObjectType.MEGA_PAGE: "seL4_RISCV_Mega_Page",
    ObjectType.PAGE_TABLE: "seL4_RISCV_PageTableObject",
}

INITIAL_SLOT_NAMES: dict[InitialSlot, str] = {
    InitialSlot.NULL: "seL4_CapNull",
    InitialSlot.TCB: "seL4_CapInitThreadTCB",
    InitialSlot.CNODE: "seL4_CapInitThreadCNode",
    InitialSlot.VSPACE: "seL4_CapInitThreadVSpace",
    InitialSlot.IRQ_CONTROL: "seL4_CapIRQControl",
    InitialSlot.ASID_CONTROL: "seL4_CapASIDControl",
    InitialSlot.ASID_POOL: "seL4_CapInitThreadASIDPool",
    InitialSlot.IO_PORT_CONTROL: "seL4_CapIOPortControl",
    InitialSlot.IO_SPACE: "seL4_CapIOSpace",
    InitialSlot.BOOT_INFO_FRAME: "seL4_CapBootInfoFrame",
    InitialSlot.IPC_BUFFER: "seL4_CapInitThreadIPCBuffer",
    InitialSlot.DOMAIN: "seL4_CapDomain",
    InitialSlot.SMMU_SID_CONTROL: "seL4_CapSMMUSIDControl",
    InitialSlot.SMMU_CB_CONTROL: "seL4_CapSMMUCBControl",
    InitialSlot.SCHED_CONTEXT: "seL4_CapInitThreadSC",
    InitialSlot.SMC: "seL4_CapSMC",
}


@dataclass(frozen=True)
class PackedName:
    """A packed word in C: its name, and its fields from the top bit down as (field of the class, name in C)."""

    name: str
    packed: type
    fields: tuple[tuple[str, str], ...]


PACKED_NAMES: tuple[PackedName, ...] = (
    PackedName(
        "seL4_MessageInfo",
        MessageInfo,
        (
            ("label", "label"),
            ("caps_unwrapped", "capsUnwrapped"),
            ("extra_caps", "extraCaps"),
            ("length", "length"),
        ),
    ),
    PackedName(
        "seL4_CapRights",
        CapRights,
        (
            ("grant_reply", "capAllowGrantReply"),
            ("grant", "capAllowGrant"),
            ("read", "capAllowRead"),
            ("write", "capAllowWrite"),
        ),
    ),
    PackedName("seL4_CNode_CapData", CNodeData, (("guard", "guard"), ("guard_size", "guardSize"))),
)

# Fields of the BootInfo structures, in order, with their C types. The Python layout gives the offsets.
SLOT_REGION_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("start", "seL4_SlotPos", "start"),
    ("end", "seL4_SlotPos", "end"),
)
UNTYPED_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("paddr", "seL4_Word", "paddr"),
    ("size_bits", "seL4_Uint8", "sizeBits"),
    ("is_device", "seL4_Uint8", "isDevice"),
    ("padding", "seL4_Uint8", "padding"),
)
BOOT_INFO_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("extra_length", "seL4_Word", "extraLen"),
    ("node_id", "seL4_NodeId", "nodeID"),
    ("node_count", "seL4_Word", "numNodes"),
    ("iopt_levels", "seL4_Word", "numIOPTLevels"),
    ("ipc_buffer", "seL4_IPCBuffer *", "ipcBuffer"),
    ("empty", "seL4_SlotRegion", "empty"),
    ("shared_frames", "seL4_SlotRegion", "sharedFrames"),
    ("user_image_frames", "seL4_SlotRegion", "userImageFrames"),
    ("user_image_paging", "seL4_SlotRegion", "userImagePaging"),
    ("io_space_caps", "seL4_SlotRegion", "ioSpaceCaps"),
    ("extra_boot_info_pages", "seL4_SlotRegion", "extraBIPages"),
    ("init_thread_cnode_size_bits", "seL4_Word", "initThreadCNodeSizeBits"),
    ("init_thread_domain", "seL4_Domain", "initThreadDomain"),
    ("sched_control", "seL4_SlotRegion", "schedcontrol"),
    ("untyped", "seL4_SlotRegion", "untyped"),
    ("untyped_list", "seL4_UntypedDesc", "untypedList"),
)
BOOT_INFO_HEADER_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("chunk", "seL4_Word", "id"),
    ("length", "seL4_Word", "len"),
)
