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
