/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader: entered by the firmware at its first byte, in supervisor mode with translation off. It copies the kernel
   and the root task's image down to their places, switches Sv39 on with the kernel's window and its own code mapped, and
   enters the kernel by the load contract. It lies above both places, so that copying upwards overwrites nothing. */

    .section .loader, "ax", @progbits
    .globl _start
_start:
    la      t0, payload
    li      t1, KERNEL_START
    li      t2, IMAGE_END
1:
    ld      t3, 0(t0)
    sd      t3, 0(t1)
    addi    t0, t0, 8
    addi    t1, t1, 8
    bltu    t1, t2, 1b
    fence.i
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

/* Kernel and image, one behind the other as they will lie in memory; whole pages each. */
payload:
    .incbin "payload.bin"
