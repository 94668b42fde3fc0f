# SPDX-License-Identifier: BSD-2-Clause
"""What the machine can do beyond computing: control registers, timer, interrupt controller, firmware, fences.

Every function is one instruction, or an assembly routine of head.S; its Python body is the model for the host.
(RISC-V privileged specification 1.12; SBI legacy extensions; PLIC specification 1.0.)
"""

from __future__ import annotations

from tessera.lang import compiled, extern, intrinsic, range, static, struct, u32, u64


class Model:
    """The machine as the host's readers see it; tests set and read these. Times are timer ticks."""

    time = 0
    cause = 0
    trap_value = 0
    pending = 0
    deadline = 0
    address_space = 0
    status = 0
    console = bytearray()


# Bits of the pending-interrupts register, and the code of an interrupt in the cause register (top bit set).
TIMER_PENDING = 1 << 5
EXTERNAL_PENDING = 1 << 9
INTERRUPT_CAUSE = 1 << 63
TIMER_CAUSE = INTERRUPT_CAUSE | 5
EXTERNAL_CAUSE = INTERRUPT_CAUSE | 9

# Exceptions of the cause register.
SYSTEM_CALL_CAUSE = 8
INSTRUCTION_ACCESS_FAULT = 1
LOAD_ACCESS_FAULT = 5
STORE_ACCESS_FAULT = 7
INSTRUCTION_PAGE_FAULT = 12
LOAD_PAGE_FAULT = 13
STORE_PAGE_FAULT = 15


@struct
class Features:
    """What this hart has, found out at boot."""

    has_timer_compare: bool


features: Features = static(Features)


@intrinsic(assembly="csrr $0, scause", constraints="=r")
def read_cause() -> u64:
    """Why the kernel was entered."""
    return u64(Model.cause)


@intrinsic(assembly="csrr $0, stval", constraints="=r")
def read_trap_value() -> u64:
    """The address or instruction that an exception is about."""
    return u64(Model.trap_value)


@intrinsic(assembly="csrr $0, sip", constraints="=r")
def read_pending() -> u64:
    """Interrupts that are pending, as bits."""
    return u64(Model.pending)


@intrinsic(assembly="rdtime $0", constraints="=r")
def read_time() -> u64:
    """The clock, in timer ticks."""
    return u64(Model.time)


@intrinsic(assembly="csrw 0x14d, $0", constraints="r")
def write_timer_compare(time: u64) -> None:
    """Interrupt when the clock reaches ``time`` (Sstc)."""
    Model.deadline = int(time)


@intrinsic(assembly="csrw satp, $0", constraints="r,~{memory}")
def write_address_space(value: u64) -> None:
    """Switch the address space: mode, identifier and root table in one word."""
    Model.address_space = int(value)


@intrinsic(assembly="sfence.vma", constraints="~{memory}")
def flush_translations() -> None:
    """Forget all translations."""


@intrinsic(assembly="sfence.vma x0, $0", constraints="r,~{memory}")
def flush_space(asid: u64) -> None:
    """Forget the translations of one address space."""


@intrinsic(assembly="sfence.vma $0, $1", constraints="r,r,~{memory}")
def flush_page(address: u64, asid: u64) -> None:
    """Forget the translation of one page."""


@intrinsic(assembly="fence.i", constraints="~{memory}")
def flush_instructions() -> None:
    """Make stores visible to instruction fetch."""


@intrinsic(assembly="fence rw, rw", constraints="~{memory}")
def memory_fence() -> None:
    """Order all memory accesses before with all after."""


@intrinsic(assembly="csrr $0, sstatus", constraints="=r")
def read_status() -> u64:
    """The status register."""
    return u64(Model.status)


@intrinsic(assembly="csrs sstatus, $0", constraints="r")
def set_status(bits: u64) -> None:
    """Set bits of the status register."""
    Model.status |= int(bits)


@intrinsic(assembly="csrc sstatus, $0", constraints="r")
def clear_status(bits: u64) -> None:
    """Clear bits of the status register."""
    Model.status &= ~int(bits)


@intrinsic(assembly="csrs sie, $0", constraints="r")
def enable_interrupt_sources(bits: u64) -> None:
    """Let these kinds of interrupts through to the kernel."""


# Legacy firmware calls: the number is in a7, the argument and the result in a0.
@intrinsic(assembly="ecall", constraints="={x10},{x10},{x17},~{memory}")
def firmware_call(argument: u64, number: u64) -> u64:
    """Call the firmware (SBI legacy)."""
    if number == SBI_PUT_CHARACTER:
        Model.console.append(int(argument) & 255)
    elif number == SBI_SET_TIMER:
        Model.deadline = int(argument)
    return u64(0)


SBI_SET_TIMER = 0
SBI_PUT_CHARACTER = 1
SBI_SHUTDOWN = 8

# sstatus: floating-point state (off 0, initial 1, clean 2, dirty 3), previous privilege.
STATUS_FPU = 3 << 13
# Between clean and dirty.
STATUS_FPU_CHANGED = 1 << 13
STATUS_PREVIOUS_SUPERVISOR = 1 << 8
# Supervisor access to user pages stays off: the kernel reads user memory through its own window.
STATUS_USER_ACCESS = 1 << 18


@extern(symbol="probe_timer_compare")
def probe_timer_compare() -> u64:
    """1 if the hart has ``stimecmp``; reading it traps otherwise, and head.S catches that."""
    return u64(1)


@extern(symbol="save_fpu")
def save_fpu(registers: u64) -> None:
    """Store the 32 floating-point registers and fcsr at an address."""


@extern(symbol="load_fpu")
def load_fpu(registers: u64) -> None:
    """Load the 32 floating-point registers and fcsr from an address."""


@extern(symbol="set_trap_vector")
def set_trap_vector() -> None:
    """Send traps to the kernel's trap entry."""


@extern(symbol="read_device")
def read_device(address: u64) -> u32:
    """Load a device register of 32 bits."""
    return u32(0)


@extern(symbol="write_device")
def write_device(address: u64, value: u32) -> None:
    """Store to a device register of 32 bits."""


@compiled
def put_character(character: u64) -> None:
    """Write one byte to the firmware's console."""
    firmware_call(character, SBI_PUT_CHARACTER)


@compiled
def set_deadline(time: u64) -> None:
    """Interrupt when the clock reaches ``time``, in timer ticks; a time that has passed interrupts at once."""
    if features.has_timer_compare:
        write_timer_compare(time)
    else:
        firmware_call(time, SBI_SET_TIMER)


@compiled
def shutdown() -> None:
    """Switch the machine off."""
    firmware_call(0, SBI_SHUTDOWN)


@compiled
def initialise() -> None:
    """What has to be set once on this hart."""
    features.has_timer_compare = probe_timer_compare() != 0
    set_trap_vector()
    clear_status(STATUS_PREVIOUS_SUPERVISOR | STATUS_USER_ACCESS)
    clear_status(STATUS_FPU)
    enable_interrupt_sources(TIMER_PENDING | EXTERNAL_PENDING)
    set_deadline(~u64(0))


# The interrupt controller, in the kernel's device window (ABI: kernel address map).
PLIC_WINDOW = 0xFFFF_FFFF_C020_0000
PLIC_ENABLE = PLIC_WINDOW + 0x2000 + 0x80
# Threshold and claim lie at 0x20_1000 from the controller's start; the window keeps its pieces of 2 MiB in order.
PLIC_THRESHOLD = PLIC_WINDOW + 0x20_1000
PLIC_CLAIM = PLIC_THRESHOLD + 4


@compiled
def initialise_interrupts(last: u64) -> None:
    """Mask all interrupts of the controller, give each priority 1, and accept all priorities."""
    # Bounded by the interrupts of the board; at boot alone.
    for word_index in range(last // 32 + 1):
        write_device(PLIC_ENABLE + 4 * word_index, 0)
    # Bounded by the interrupts of the board; at boot alone.
    for irq in range(1, last + 1):
        write_device(PLIC_WINDOW + 4 * irq, 1)
    write_device(PLIC_THRESHOLD, 0)


@compiled
def mask_interrupt(irq: u64, masked: bool) -> None:
    """Switch delivery of one interrupt off or on."""
    place = PLIC_ENABLE + 4 * (irq // 32)
    bit = u32(1) << u32(irq % 32)
    if masked:
        write_device(place, read_device(place) & ~bit)
    else:
        write_device(place, read_device(place) | bit)


@compiled
def claim_interrupt() -> u64:
    """The number of the pending interrupt with the highest priority, 0 if there is none."""
    return u64(read_device(PLIC_CLAIM))


@compiled
def complete_interrupt(irq: u64) -> None:
    """Tell the controller that an interrupt was handled."""
    write_device(PLIC_CLAIM, u32(irq))
