/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of the initialiser: the kernel gives no stack, and a0 is the address of BootInfo. The capability distribution
   lies behind the image, on the next page. */

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, initialiser_stack_top
    la      a1, image_end
    call    main
    unimp

    .section .bss.initialiser_stack, "aw", @nobits
    .p2align 12
    .zero   16384
initialiser_stack_top:
