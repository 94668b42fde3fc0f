/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of a component. The initialiser has set the stack pointer; main does not return. */

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    call    main
    unimp

/* Calls what C has marked as a constructor, in the order of the linker. */
    .section .text.run_constructors, "ax", @progbits
    .globl run_constructors
    .type run_constructors, @function
run_constructors:
    addi    sp, sp, -32
    sd      ra, 24(sp)
    sd      s0, 16(sp)
    sd      s1, 8(sp)
    la      s0, __init_array_start
    la      s1, __init_array_end
1:  bgeu    s0, s1, 2f
    ld      t0, 0(s0)
    addi    s0, s0, 8
    jalr    t0
    j       1b
2:  ld      s1, 8(sp)
    ld      s0, 16(sp)
    ld      ra, 24(sp)
    addi    sp, sp, 32
    ret
    .size run_constructors, . - run_constructors
