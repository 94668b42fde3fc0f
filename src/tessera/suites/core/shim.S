/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel needs of machine mode on a bare core, and no more: the way to supervisor mode by the load contract,
   reading the clock, the timer (SBI legacy), and the end. The core has no register `time`: reading it traps, and the
   value is the cycle counter divided. TICK_BITS as in bench.cpp. */

#define CLOCK_COMPARE 0x02004000
#define TEST_DEVICE 0x00100000
#define READ_TIME 0xc0102073

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    la      t0, trap
    csrw    mtvec, t0
    la      t0, saved
    csrw    mscratch, t0
    /* All memory for all modes; counters for all modes; what can be delegated goes to the kernel at once. */
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    li      t0, 7
    csrw    mcounteren, t0
    csrw    scounteren, t0
    li      t0, -1
    csrw    medeleg, t0
    csrw    mideleg, t0
    csrw    mie, zero
    la      t0, root_table
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 0x1800
    csrc    mstatus, t0
    li      t0, 0x0800
    csrs    mstatus, t0
    li      t0, KERNEL_ENTRY
    csrw    mepc, t0
    li      a0, IMAGE_START
    li      a1, IMAGE_END
    li      a2, IMAGE_VIRTUAL_OFFSET
    li      a3, IMAGE_ENTRY
    li      a4, 0
    li      a5, 0
    mret

/* The clock first, as nearly every entry of the kernel reads it. */
    .p2align 4
trap:
    csrrw   t0, mscratch, t0
    sd      t1, 0(t0)
    sd      t2, 8(t0)
    csrr    t1, mtval
    li      t2, READ_TIME
    xor     t1, t1, t2
    /* What is left is the number of the register, 7 bits up; `readers` has 16 bytes of code for each. */
    andi    t2, t1, 0x7f
    bnez    t2, other
    srli    t2, t1, 12
    bnez    t2, other
    csrr    t2, mcause
    addi    t2, t2, -2
    bnez    t2, other
    srli    t1, t1, 3
    la      t2, readers
    add     t2, t2, t1
    jr      t2

    .option push
    .option norvc
    .p2align 4
readers:
    .irp n, 0,1,2,3,4
    csrr    x\n, mcycle
    srli    x\n, x\n, TICK_BITS
    j       skip
    nop
    .endr
    /* t0 is in mscratch, t1 and t2 are in memory. */
    csrr    t1, mcycle
    srli    t1, t1, TICK_BITS
    csrw    mscratch, t1
    j       skip
    csrr    t1, mcycle
    srli    t1, t1, TICK_BITS
    sd      t1, 0(t0)
    j       skip
    csrr    t1, mcycle
    srli    t1, t1, TICK_BITS
    sd      t1, 8(t0)
    j       skip
    .irp n, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    csrr    x\n, mcycle
    srli    x\n, x\n, TICK_BITS
    j       skip
    nop
    .endr
    .option pop

skip:
    csrr    t1, mepc
    addi    t1, t1, 4
    csrw    mepc, t1
leave:
    ld      t1, 0(t0)
    ld      t2, 8(t0)
    csrrw   t0, mscratch, t0
    mret

other:
    csrr    t1, mcause
    bltz    t1, timer
    li      t2, 9
    bne     t1, t2, reflect
    /* A call of the kernel. */
    beqz    a7, set_timer
    li      t2, 8
    beq     a7, t2, power_off
    li      a0, -2
    j       skip

set_timer:
    li      t1, CLOCK_COMPARE
    sd      a0, 0(t1)
    li      t1, 1 << 5
    csrc    mip, t1
    li      t1, 1 << 7
    csrs    mie, t1
    li      a0, 0
    j       skip

timer:
    li      t1, 1 << 7
    csrc    mie, t1
    li      t1, 1 << 5
    csrs    mip, t1
    j       leave

/* What cannot be delegated is handed to the kernel as if it had been. */
reflect:
    csrw    scause, t1
    csrr    t1, mtval
    csrw    stval, t1
    csrr    t1, mepc
    csrw    sepc, t1
    csrr    t1, stvec
    csrw    mepc, t1
    csrr    t1, mstatus
    /* SPP is the mode that it comes from, SPIE what SIE was; then SIE is off. Bit 11 of MPP is set for the kernel. */
    li      t2, 1 << 8 | 1 << 5
    csrc    mstatus, t2
    srli    t2, t1, 11
    andi    t2, t2, 1
    slli    t2, t2, 8
    csrs    mstatus, t2
    slli    t2, t1, 4
    andi    t2, t2, 1 << 5
    csrs    mstatus, t2
    li      t2, 1 << 1
    csrc    mstatus, t2
    li      t2, 0x0800
    csrs    mstatus, t2
    j       leave

power_off:
    li      t1, TEST_DEVICE
    li      t2, 0x5555
    sw      t2, 0(t1)
    j       .

/* Two words, which t0 leads to in a trap. */
    .data
    .balign 64
saved:
    .quad   0, 0

/* The kernel's window, as the load contract has it: pieces of 2 MiB from its start to the end of the gigabyte. */
#define LEAF 0xcf
    .section .tables, "aw", @progbits
    .balign 4096
root_table:
    .set index, 0
    .rept 512
    .if index == 510
    .quad ((SHIM_START + SHIM_TABLE + 4096) >> 12 << 10) | 1
    .else
    .quad 0
    .endif
    .set index, index + 1
    .endr
window_table:
    .set index, 0
    .rept 512
    .if index >= ((KERNEL_START >> 21) & 511)
    .quad (((KERNEL_START >> 30 << 30) + (index << 21)) >> 12 << 10) | LEAF
    .else
    .quad 0
    .endif
    .set index, index + 1
    .endr
