/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader: entered by the firmware in supervisor mode with translation off; everything is in place already.
   It switches Sv39 on with the kernel's window and its own code mapped, and enters the kernel by the load contract. */

    .section .loader, "ax", @progbits
    .globl _start
_start:
    la      t0, loader_root
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    sfence.vma
    csrw    satp, t0
    sfence.vma
    li      a0, IMAGE_START
    li      a1, IMAGE_END
    li      a2, IMAGE_VIRTUAL_OFFSET
    li      a3, IMAGE_ENTRY
    li      a4, 0
    li      a5, 0
    li      a6, 0
    li      a7, 0
    li      t0, KERNEL_ENTRY
    jr      t0

/* Leaf entries: valid, read, write, execute, accessed, dirty. */
#define LEAF 0xcf
    .balign 4096
loader_root:
    .set index, 0
    .rept 512
    .if index == (LOADER_START >> 30)
    .quad ((LOADER_START >> 30) << 28) | LEAF
    .elseif index == 510
    .quad ((LOADER_START + 8192) >> 12 << 10) | 1
    .else
    .quad 0
    .endif
    .set index, index + 1
    .endr

/* The kernel's window: pieces of 2 MiB from its start to the end of the gigabyte. */
loader_window:
    .set index, 0
    .rept 512
    .if index >= ((KERNEL_START >> 21) & 511)
    .quad (((KERNEL_START >> 30 << 30) + (index << 21)) >> 12 << 10) | LEAF
    .else
    .quad 0
    .endif
    .set index, index + 1
    .endr

    .section .kernel, "a", @progbits
    .incbin "kernel.bin"

    .section .image, "a", @progbits
    .incbin "image.bin"
