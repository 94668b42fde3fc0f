/* SPDX-License-Identifier: BSD-2-Clause */
/* The first instruction of a program that runs alone in machine mode: a stack, then main, then the machine ends. */
    .section .text.head, "ax"
    .global _start
_start:
    la      sp, stack_end
    la      t0, trap
    csrw    mtvec, t0
    call    main
    j       finish

/* An exception is a failure; the exit code is 100 plus its cause. */
    .align  2
trap:
    csrr    a0, mcause
    addi    a0, a0, 100
    .global finish
/* finish(code): ends the machine through the test device. */
finish:
    li      t0, 0x100000
    li      t1, 0x5555
    beqz    a0, 1f
    slli    a0, a0, 16
    li      t1, 0x3333
    or      t1, t1, a0
1:  sw      t1, 0(t0)
2:  wfi
    j       2b

    .section .bss.stack, "aw", @nobits
    .align  4
    .space  STACK_SIZE
stack_end:
