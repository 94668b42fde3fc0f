/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The smallest guest: prints MESSAGE through the firmware, then ends the run with EXIT_CODE by QEMU's test device.
 * With EXIT_CODE undefined it goes on for ever.
 */
    .section .text
    .globl _start
_start:
    la s0, message
next:
    lbu a0, 0(s0)
    beqz a0, end
    li a7, 1            /* SBI: legacy console putchar */
    ecall
    addi s0, s0, 1
    j next
end:
#ifdef EXIT_CODE
    li t0, 0x100000     /* the test device: code << 16 | 0x3333 is a failure, 0x5555 success */
    li t1, (EXIT_CODE << 16) | 0x3333
    .if EXIT_CODE == 0
    li t1, 0x5555
    .endif
    sw t1, 0(t0)
#endif
forever:
    j forever

message:                /* beside the code: the firmware enters the image at its lowest address */
    .asciz MESSAGE
