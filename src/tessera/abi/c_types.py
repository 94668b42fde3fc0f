# SPDX-License-Identifier: BSD-2-Clause
"""C types and constants, from the tables."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from tessera.abi import bootinfo, capabilities, layout, messages, objects
from tessera.abi.c_names import (
    BOOT_INFO_FIELDS,
    BOOT_INFO_HEADER_FIELDS,
    FAULT_REGISTER_NAMES,
    INITIAL_SLOT_NAMES,
    OBJECT_TYPE_NAMES,
    PACKED_NAMES,
    SLOT_REGION_FIELDS,
    UNTYPED_FIELDS,
    PackedName,
    error_name,
    fault_name,
    lookup_failure_name,
    mixed_case,
    syscall_name,
)
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.faults import CAP_FAULT_GUARD_FOUND, FAULT_MESSAGE, USER_CONTEXT, Fault
from tessera.abi.invocations import INVOCATIONS
from tessera.abi.labels import FIRST_ARCHITECTURE_LABEL, INVOCATION_COUNT
from tessera.abi.syscalls import Syscall, signed_number
from tessera.lang import offset_of, size_of


def enumeration(name: str, members: Iterable[tuple[str, int]], *, word_sized: bool = False, tag: str = "") -> str:
    """A C enumeration; ``word_sized`` gives it the size of a word."""
    lines = [f"    {member} = {value},\n" for member, value in members]
    if word_sized:
        lines.append(f"    SEL4_FORCE_LONG_ENUM({name}),\n")
    return f"typedef enum {tag + ' ' if tag else ''}{{\n{''.join(lines)}}} {name};\n"


def define(name: str, value: object) -> str:
    """One macro."""
    return f"#define {name} {value}\n"


def errors() -> str:
    """``sel4/errors.h``."""
    members = [(error_name(error), int(error)) for error in Error]
    return enumeration("seL4_Error", [*members, ("seL4_NumErrors", len(members))])


def object_types() -> str:
    """``sel4/objecttype.h``: the types of every architecture, then those of this one."""
    first = objects.ObjectType.GIGA_PAGE
    members = [(OBJECT_TYPE_NAMES[kind], int(kind)) for kind in objects.ObjectType]
    common = [(name, value) for name, value in members if value < first]
    return "\n".join(
        [
            "#include <sel4/simple_types.h>\n",
            enumeration("seL4_ObjectType", [*common, ("seL4_NonArchObjectTypeCount", int(first))], tag="api_object"),
            enumeration(
                "seL4_ArchObjectType",
                [
                    *((name, value) for name, value in members if value >= first),
                    ("seL4_ObjectTypeCount", objects.OBJECT_TYPE_COUNT),
                ],
                tag="_object",
            ),
            "typedef seL4_Word api_object_t;\ntypedef seL4_Word object_t;\n",
        ]
    )


def labels() -> str:
    """``sel4/invocation.h``: the symbols of invocation labels."""
    common = [(call.symbol, int(call.label)) for call in INVOCATIONS if call.label < FIRST_ARCHITECTURE_LABEL]
    own = [(call.symbol, int(call.label)) for call in INVOCATIONS if call.label >= FIRST_ARCHITECTURE_LABEL]
    return "\n".join(
        [
            enumeration(
                "seL4_InvocationLabel",
                [("InvalidInvocation", 0), *common, ("nInvocationLabels", int(FIRST_ARCHITECTURE_LABEL))],
                tag="invocation_label",
            ),
            enumeration(
                "seL4_ArchInvocationLabel",
                [*own, ("nArchInvocationLabels", INVOCATION_COUNT)],
                tag="arch_invocation_label",
            ),
        ]
    )


def syscalls() -> str:
    """``sel4/syscall.h``."""
    members = [(syscall_name(call), signed_number(int(call))) for call in Syscall]
    return "#include <sel4/macros.h>\n\n" + enumeration("seL4_Syscall_ID", members, word_sized=True)


def limits() -> str:
    """``sel4/constants.h``."""
    return "\n".join(
        [
            "#include <sel4/macros.h>\n#include <sel4/sel4_arch/constants.h>\n",
            "enum priorityConstants {\n    seL4_InvalidPrio = -1,\n    seL4_MinPrio = 0,\n"
            "    seL4_MaxPrio = CONFIG_NUM_PRIORITIES - 1,\n};\n",
            f"enum seL4_MsgLimits {{\n    seL4_MsgLengthBits = 7,\n    seL4_MsgExtraCapBits = 2,\n"
            f"    seL4_MsgMaxLength = {messages.MAX_MESSAGE_LENGTH},\n}};\n",
            define("seL4_MsgMaxExtraCaps", messages.MAX_EXTRA_CAPS)
            + define("seL4_CapRightsBits", 4)
            + define("seL4_UntypedRetypeMaxObjects", "CONFIG_RETYPE_FAN_OUT_LIMIT"),
            enumeration(
                "seL4_LookupFailureType",
                [(lookup_failure_name(failure), int(failure)) for failure in LookupFailure],
                word_sized=True,
            ),
            enumeration(
                "seL4_TCBFlag",
                [
                    ("seL4_TCBFlag_NoFlag", 0),
                    ("seL4_TCBFlag_fpuDisabled", capabilities.TCB_FLAG_FPU_DISABLED),
                    ("seL4_TCBFlag_MASK", capabilities.TCB_FLAG_FPU_DISABLED),
                ],
                word_sized=True,
            ),
            enumeration(
                "seL4_SchedContextFlag",
                [("seL4_SchedContext_NoFlag", 0), ("seL4_SchedContext_Sporadic", capabilities.SCHED_CONTEXT_SPORADIC)],
                word_sized=True,
            ),
            define("seL4_MinSchedContextBits", objects.MIN_SCHED_CONTEXT_BITS)
            + define("seL4_CoreSchedContextBytes", f"{objects.SCHED_CONTEXT_CORE_BYTES}ul")
            + define("seL4_RefillSizeBytes", f"{objects.REFILL_BYTES}ul"),
            "/* Refills beyond two that a scheduling context of 2^size bytes has room for. */\n"
            "static inline unsigned long seL4_MaxExtraRefills(unsigned long size)\n{\n"
            "    return (LIBSEL4_BIT(size) - seL4_CoreSchedContextBytes) / seL4_RefillSizeBytes;\n}\n",
        ]
    )


def architecture_constants() -> str:
    """``sel4/sel4_arch/constants.h``: sizes, the end of user memory, and the registers of fault messages."""
    sizes = {
        "WordBits": objects.WORD_BITS,
        "WordSizeBits": 3,
        "SlotBits": objects.SLOT_BITS,
        "TCBBits": objects.TCB_BITS,
        "EndpointBits": objects.ENDPOINT_BITS,
        "NotificationBits": objects.NOTIFICATION_BITS,
        "ReplyBits": objects.REPLY_BITS,
        "IPCBufferSizeBits": objects.IPC_BUFFER_BITS,
        "PageTableEntryBits": objects.PAGE_TABLE_ENTRY_BITS,
        "PageTableIndexBits": objects.PAGE_TABLE_INDEX_BITS,
        "PageBits": objects.PAGE_BITS,
        "LargePageBits": objects.MEGA_PAGE_BITS,
        "HugePageBits": objects.GIGA_PAGE_BITS,
        "PageTableBits": objects.PAGE_TABLE_BITS,
        "VSpaceBits": objects.VSPACE_BITS,
        "NumASIDPoolsBits": objects.ASID_POOL_COUNT_BITS,
        "ASIDPoolIndexBits": objects.ASID_POOL_INDEX_BITS,
        "ASIDPoolBits": objects.ASID_POOL_BITS,
        "MinUntypedBits": objects.MIN_UNTYPED_BITS,
        "MaxUntypedBits": objects.MAX_UNTYPED_BITS,
    }
    parts = ["#include <sel4/macros.h>\n", "".join(define(f"seL4_{name}", value) for name, value in sizes.items())]
    parts.append(
        define("seL4_UserTop", f"{layout.USER_TOP:#018x}") + define("seL4_UserVSpaceTop", "(seL4_UserTop - 1)")
    )
    parts.append("#ifndef __ASSEMBLER__\n")
    for fault, registers in FAULT_MESSAGE.items():
        parts.append(_fault_registers(fault_name(fault), registers))
    replies = {"pc": "FaultIP", "ra": "LR", "sp": "SP", "gp": "GP", "tp": "TP"}
    parts.append(
        enumeration(
            "seL4_TimeoutReply_Msg",
            [
                *((f"seL4_TimeoutReply_{replies.get(name, name)}", i) for i, name in enumerate(USER_CONTEXT)),
                ("seL4_TimeoutReply_Length", len(USER_CONTEXT)),
            ],
        )
    )
    parts.append("#endif\n")
    return "\n".join(parts)


def fault_register_name(register: IntEnum) -> str:
    """The C name of one register of a fault message, behind the fault's name."""
    return FAULT_REGISTER_NAMES.get(register.name, mixed_case(register.name))


def _fault_registers(fault: str, registers: type[IntEnum]) -> str:
    members = [(f"seL4_{fault}_{fault_register_name(register)}", int(register)) for register in registers]
    if fault == "CapFault":
        members.append(("seL4_CapFault_GuardMismatch_GuardFound", CAP_FAULT_GUARD_FOUND))
    return enumeration(f"seL4_{fault}_Msg", [*members, (f"seL4_{fault}_Length", len(registers))])


def packed_types() -> str:
    """``sel4/shared_types_gen.h``: words with named bits, each in a structure of its own."""
    return "#include <sel4/simple_types.h>\n\n" + "\n".join(_packed_type(entry) for entry in PACKED_NAMES)


def _packed_type(entry: PackedName) -> str:
    fields = entry.packed.__packed__.fields()  # type: ignore[attr-defined]
    kind = f"{entry.name}_t"
    lines = [f"typedef struct {entry.name} {{\n    seL4_Word words[1];\n}} {kind};\n"]
    arguments = ", ".join(f"seL4_Word {c_name}" for _, c_name in entry.fields)
    masks = {c_name: (1 << fields[name].width) - 1 for name, c_name in entry.fields}
    lows = {c_name: fields[name].low for name, c_name in entry.fields}
    value = " | ".join(f"({c_name} & {masks[c_name]:#x}ul) << {lows[c_name]}" for _, c_name in entry.fields)
    lines.append(
        f"LIBSEL4_INLINE_FUNC {kind} CONST {entry.name}_new({arguments})\n{{\n"
        f"    {kind} value = {{{{{value}}}}};\n    return value;\n}}\n"
    )
    for _, c_name in entry.fields:
        mask, low = f"{masks[c_name]:#x}ul", lows[c_name]
        put = f"(value->words[0] & ~({mask} << {low})) | (({c_name} & {mask}) << {low})"
        lines.append(
            f"LIBSEL4_INLINE_FUNC seL4_Word CONST {entry.name}_get_{c_name}({kind} value)\n{{\n"
            f"    return value.words[0] >> {low} & {mask};\n}}\n\n"
            f"LIBSEL4_INLINE_FUNC seL4_Word PURE {entry.name}_ptr_get_{c_name}({kind} *value)\n{{\n"
            f"    return value->words[0] >> {low} & {mask};\n}}\n\n"
            f"LIBSEL4_INLINE_FUNC void {entry.name}_ptr_set_{c_name}({kind} *value, seL4_Word {c_name})\n{{\n"
            f"    value->words[0] = {put};\n}}\n\n"
            f"LIBSEL4_INLINE_FUNC {kind} CONST {entry.name}_set_{c_name}({kind} value, seL4_Word {c_name})\n{{\n"
            f"    {entry.name}_ptr_set_{c_name}(&value, {c_name});\n    return value;\n}}\n"
        )
    return "\n".join(lines)


def fault_types() -> str:
    """``sel4/sel4_arch/types_gen.h``: a fault as a value. Word 0 is its kind, word i + 1 its i-th register."""
    longest = max(len(registers) for registers in FAULT_MESSAGE.values())
    parts = [
        "#include <sel4/simple_types.h>\n",
        enumeration(
            "seL4_Fault_tag_t",
            [(f"seL4_Fault_{fault_name(fault)}", int(fault)) for fault in Fault],
            tag="seL4_Fault_tag",
        ),
        f"typedef struct seL4_Fault {{\n    seL4_Word words[{longest + 1}];\n}} seL4_Fault_t;\n",
        "LIBSEL4_INLINE_FUNC seL4_Word CONST seL4_Fault_get_seL4_FaultType(seL4_Fault_t fault)\n{\n"
        "    return fault.words[0];\n}\n",
        "LIBSEL4_INLINE_FUNC seL4_Bool CONST seL4_Fault_seL4_FaultType_equals(seL4_Fault_t fault, seL4_Word kind)\n{\n"
        "    return fault.words[0] == kind;\n}\n",
        "LIBSEL4_INLINE_FUNC seL4_Fault_t CONST seL4_Fault_NullFault_new(void)\n{\n"
        "    seL4_Fault_t fault = {{seL4_Fault_NullFault}};\n    return fault;\n}\n",
    ]
    lengths = "".join(
        f"    case seL4_Fault_{fault_name(fault)}:\n        return {len(registers)};\n"
        for fault, registers in FAULT_MESSAGE.items()
    )
    parts.append(
        "/* How many registers the message of a fault has; 0 for what is no fault. */\n"
        "LIBSEL4_INLINE_FUNC seL4_Word CONST __sel4_fault_words(seL4_Fault_tag_t kind)\n{\n"
        f"    switch (kind) {{\n{lengths}    default:\n        return 0;\n    }}\n}}\n"
    )
    for fault, registers in FAULT_MESSAGE.items():
        parts.append(_fault_type(fault_name(fault), registers))
    return "\n".join(parts)


def _fault_type(fault: str, registers: type[IntEnum]) -> str:
    # As values, the registers of a capability fault whose meaning varies have neutral names.
    names = [fault_register_name(register) for register in registers]
    if fault == "CapFault":
        names[4:] = ["MR4", "MR5", "MR6"]
    elif fault == "Timeout":
        names = [name.lower() for name in names]
    arguments = ", ".join(f"seL4_Word {name}" for name in names)
    parts = [
        f"LIBSEL4_INLINE_FUNC seL4_Fault_t CONST seL4_Fault_{fault}_new({arguments})\n{{\n"
        f"    seL4_Fault_t fault = {{{{seL4_Fault_{fault}, {', '.join(names)}}}}};\n    return fault;\n}}\n"
    ]
    for number, name in enumerate(names, start=1):
        parts.append(
            f"LIBSEL4_INLINE_FUNC seL4_Word CONST seL4_Fault_{fault}_get_{name}(seL4_Fault_t fault)\n{{\n"
            f"    return fault.words[{number}];\n}}\n\n"
            f"LIBSEL4_INLINE_FUNC seL4_Fault_t CONST seL4_Fault_{fault}_set_{name}(seL4_Fault_t fault, "
            f"seL4_Word {name})\n{{\n    fault.words[{number}] = {name};\n    return fault;\n}}\n"
        )
    return "\n".join(parts)


def architecture_types() -> str:
    """``sel4/arch/types.h``."""
    caps = "".join(
        f"typedef seL4_CPtr seL4_RISCV_{name};\n" for name in ("Page", "PageTable", "ASIDControl", "ASIDPool")
    )
    registers = "".join(f"    seL4_Word {name};\n" for name in USER_CONTEXT)
    return "\n".join(
        [
            "#include <sel4/simple_types.h>\n",
            caps,
            "/* In the order in which registers are read and written. */\n"
            f"typedef struct seL4_UserContext_ {{\n{registers}}} seL4_UserContext;\n",
            enumeration(
                "seL4_RISCV_VMAttributes",
                [
                    ("seL4_RISCV_Default_VMAttributes", 0),
                    ("seL4_RISCV_ExecuteNever", capabilities.EXECUTE_NEVER),
                ],
                word_sized=True,
            ),
        ]
    )


def _structure(name: str, struct: type, fields: Iterable[tuple[str, str, str]], lengths: dict[str, object]) -> str:
    lines, checks = [], []
    for field, c_type, c_name in fields:
        length = f"[{lengths[field]}]" if field in lengths else ""
        lines.append(f"    {c_type}{'' if c_type.endswith('*') else ' '}{c_name}{length};\n")
        offset = f"__builtin_offsetof({name}, {c_name})"
        checks.append(f"SEL4_COMPILE_ASSERT({name}_{c_name}, {offset} == {offset_of(struct, field)})\n")
    return f"typedef struct {name} {{\n{''.join(lines)}}} {name};\n\n{''.join(checks)}"


def boot_info() -> str:
    """``sel4/bootinfo_types.h``. The offsets are checked against the layout that the kernel uses."""
    slots = "".join(f"    {name} = {int(slot)},\n" for slot, name in INITIAL_SLOT_NAMES.items())
    slots += f"    seL4_NumInitialCaps = {capabilities.FIRST_DYNAMIC_SLOT},\n"
    chunk = bootinfo.BootInfoChunk
    chunks = [
        ("SEL4_BOOTINFO_HEADER_PADDING", chunk.PADDING),
        ("SEL4_BOOTINFO_HEADER_X86_VBE", chunk.X86_VBE),
        ("SEL4_BOOTINFO_HEADER_X86_MBMMAP", chunk.X86_MEMORY_MAP),
        ("SEL4_BOOTINFO_HEADER_X86_ACPI_RSDP", chunk.X86_ACPI_RSDP),
        ("SEL4_BOOTINFO_HEADER_X86_FRAMEBUFFER", chunk.X86_FRAMEBUFFER),
        ("SEL4_BOOTINFO_HEADER_X86_TSC_FREQ", chunk.X86_TSC_FREQUENCY),
        ("SEL4_BOOTINFO_HEADER_FDT", chunk.DEVICE_TREE),
        ("SEL4_BOOTINFO_HEADER_NUM", len(chunk)),
    ]
    lengths: dict[str, object] = {"untyped_list": "CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS"}
    padding: dict[str, object] = {"padding": 6}
    return "\n".join(
        [
            "#include <sel4/types.h>\n",
            f"enum seL4_RootCNodeCapSlots {{\n{slots}}};\n",
            "typedef seL4_Word seL4_SlotPos;\n",
            _structure("seL4_SlotRegion", bootinfo.SlotRegion, SLOT_REGION_FIELDS, {}),
            _structure("seL4_UntypedDesc", bootinfo.UntypedDescription, UNTYPED_FIELDS, padding),
            _structure("seL4_BootInfo", bootinfo.BootInfo, BOOT_INFO_FIELDS, lengths),
            f"SEL4_COMPILE_ASSERT(seL4_BootInfo_size, sizeof(seL4_BootInfo) == {size_of(bootinfo.BootInfo)})\n",
            define("seL4_BootInfoFrameBits", bootinfo.BOOT_INFO_FRAME_BITS)
            + define("seL4_BootInfoFrameSize", "LIBSEL4_BIT(seL4_BootInfoFrameBits)"),
            enumeration("seL4_BootInfoID", [(name, int(value)) for name, value in chunks], word_sized=True),
            _structure("seL4_BootInfoHeader", bootinfo.BootInfoHeader, BOOT_INFO_HEADER_FIELDS, {}),
        ]
    )


def component_slots() -> str:
    """``microkit_slots.h``: a component's CNode, and limits."""
    c = capabilities
    return "".join(
        define(name, value)
        for name, value in (
            ("MONITOR_EP", c.COMPONENT_MONITOR_ENDPOINT),
            ("TCB_CAP", c.COMPONENT_TCB),
            ("BASE_OUTPUT_NOTIFICATION_CAP", c.BASE_OUTPUT_NOTIFICATION),
            ("BASE_ENDPOINT_CAP", c.BASE_OUTPUT_ENDPOINT),
            ("BASE_IRQ_CAP", c.BASE_IRQ_HANDLER),
            ("BASE_TCB_CAP", c.BASE_CHILD_TCB),
            ("BASE_VM_TCB_CAP", c.BASE_VM_TCB),
            ("BASE_VCPU_CAP", c.BASE_VCPU),
            ("BASE_IOPORT_CAP", c.BASE_IO_PORT),
            ("BASE_USER_CAPS", c.BASE_USER_CAPS),
            ("PD_ROOT_CAP_BITS", c.COMPONENT_ROOT_BITS),
            ("PD_ROOT_CAP_SIZE", "(1ul << PD_ROOT_CAP_BITS)"),
            ("MICROKIT_MAX_USER_CAPS", c.MAX_USER_CAPS),
            ("MICROKIT_MAX_CHANNELS", c.MAX_CHANNELS),
            ("MICROKIT_PD_NAME_LENGTH", c.COMPONENT_NAME_BYTES),
        )
    )
