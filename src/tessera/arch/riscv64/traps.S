/* SPDX-License-Identifier: BSD-2-Clause */
/* The trap entry and the way back to user level. TCB_* offsets come from the kernel's layout (build/kernel.py).
   While a thread runs sscratch holds its TCB; in the kernel it is 0, so a trap of the kernel itself is told apart. */

    .text
    .p2align 2
    .globl trap_entry
trap_entry:
    csrrw   t0, sscratch, t0
    beqz    t0, kernel_trapped
    .irp n, 1,2,3,4,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, (TCB_REGISTERS + 8*\n)(t0)
    .endr
    csrrw   t1, sscratch, zero
    sd      t1, (TCB_REGISTERS + 8*5)(t0)
    csrr    t1, sepc
    sd      t1, (TCB_REGISTERS + 8*TCB_FAULT_PC)(t0)
    csrr    t2, scause
    la      sp, kernel_stack_top
    li      t3, 8
    bne     t2, t3, not_system_call
    /* A system call goes on behind its instruction. a0, a1 are the capability and MessageInfo already. */
    addi    t1, t1, 4
    sd      t1, (TCB_REGISTERS + 8*TCB_NEXT_PC)(t0)
    mv      a2, a7
    jal     handle_system_call

/* a0 is the thread to run; 0 when there is none: wait. An interrupt that is pending ends wfi although it is masked. */
    .globl resume_thread
resume_thread:
    beqz    a0, wait
    csrw    sscratch, a0
    ld      t0, (TCB_REGISTERS + 8*TCB_NEXT_PC)(a0)
    csrw    sepc, t0
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, (TCB_REGISTERS + 8*\n)(a0)
    .endr
    ld      a0, (TCB_REGISTERS + 8*10)(a0)
    sret

not_system_call:
    sd      t1, (TCB_REGISTERS + 8*TCB_NEXT_PC)(t0)
    bltz    t2, interrupted
    mv      a0, t2
    csrr    a1, stval
    call    handle_exception
    j       resume_thread

interrupted:
    call    handle_interrupt
    j       resume_thread

wait:
    la      sp, kernel_stack_top
    wfi
    j       interrupted

kernel_trapped:
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    la      sp, kernel_stack_top
    call    handle_kernel_trap
    j       .
