/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel entry, and the few routines that the language cannot say. The load contract: Sv39 is on, the kernel's window is
   mapped, a0..a5 hold the user image (physical start and end, physical minus virtual offset, entry) and the device tree
   (address, size). No stack is given. */

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    la      sp, kernel_stack_top
    csrw    sscratch, zero
    la      t0, trap_entry
    csrw    stvec, t0
    call    boot
    j       resume_thread

    .text
    .globl set_trap_vector
set_trap_vector:
    la      t0, trap_entry
    csrw    stvec, t0
    ret

/* u64 probe_timer_compare(): reading stimecmp traps on a hart without it; the trap comes back to 1f with a0 = 0. */
    .globl probe_timer_compare
probe_timer_compare:
    la      t0, 1f
    csrrw   t1, stvec, t0
    li      a0, 0
    csrr    t2, 0x14d
    li      a0, 1
    .p2align 2
1:
    csrw    stvec, t1
    ret

    .globl kernel_end
kernel_end:
    la      a0, ki_end
    ret

    .globl read_device
read_device:
    lw      a0, 0(a0)
    slli    a0, a0, 32
    srli    a0, a0, 32
    fence   i, r
    ret

    .globl write_device
write_device:
    fence   w, o
    sw      a1, 0(a0)
    ret

    .option push
    .option arch, +d
    .globl save_fpu
save_fpu:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, 8*\n(a0)
    .endr
    frcsr   t0
    sd      t0, 256(a0)
    ret

    .globl load_fpu
load_fpu:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, 8*\n(a0)
    .endr
    ld      t0, 256(a0)
    fscsr   t0
    ret
    .option pop

/* void tessera_violation(const char *text): a broken rule of the language in the kernel itself (debug builds). */
    .globl tessera_violation
tessera_violation:
    mv      s3, a0
    la      s0, violation_text
2:
    lbu     a0, 0(s0)
    beqz    a0, 3f
    li      a7, 1
    ecall
    addi    s0, s0, 1
    j       2b
3:
    beqz    s3, 4f
    mv      s0, s3
    li      s3, 0
    j       2b
4:
    li      a0, 10
    li      a7, 1
    ecall
    call    stop_failed
    j       .

    .section .rodata
violation_text:
    .asciz  "\nKERNEL|VIOLATION: "

    .bss
    .p2align 12
    .globl kernel_stack_top
kernel_stack:
    .zero   16384
kernel_stack_top:
