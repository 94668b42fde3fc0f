/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of a root task, which is given no stack: a0 is the BootInfo. Besides, what the language cannot say: the
   addresses of functions, and instructions that fault at a known place. */

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    la      sp, root_stack_top
    call    main
1:  j       1b

/* A worker thread starts here with its own stack; a0 is its Worker. */
worker_start:
    call    run_worker
1:  j       1b

/* Other threads of a suite that has such start here; a0 is what the suite says. */
    .weak   run_thread
thread_start:
    call    run_thread
1:  j       1b

    .text
/* u64 call_address(u64 function, u64 first, u64 second) */
    .globl call_address
call_address:
    mv      t1, a0
    mv      a0, a1
    mv      a1, a2
    jr      t1

/* u64 probe_address(u64 number): where the probe with this number (workers.Probe) begins. */
    .globl probe_address
probe_address:
    la      t1, probes
    slli    a0, a0, 3
    add     t1, t1, a0
    ld      a0, 0(t1)
    ret

    .globl guest_image_start
guest_image_start:
    la      a0, image_start
    ret

    .globl guest_shared_end
guest_shared_end:
    la      a0, shared_end
    ret

    .p2align 3
probe_load:
    ld      a0, 0(a0)
    ret
    .p2align 3
probe_store:
    sd      a1, 0(a0)
    ret
    .p2align 3
probe_illegal:
    .4byte  0xffffffff
    ret
    .p2align 3
probe_breakpoint:
    .option push
    .option norvc
    ebreak
    .option pop
    ret
    .p2align 3
/* An unknown system call with a0..a6 as numbers; its result is a0 + a1 as they are afterwards. */
probe_unknown_call:
    addi    a1, a0, 1
    addi    a2, a0, 2
    addi    a3, a0, 3
    addi    a4, a0, 4
    addi    a5, a0, 5
    addi    a6, a0, 6
    li      a7, 77
    ecall
    add     a0, a0, a1
    ret
    .p2align 3
probe_thread_pointer:
    mv      a0, tp
    ret
    .p2align 3
probe_set_float:
    .option push
    .option arch, +d
    fmv.d.x f9, a0
    ret
    .p2align 3
probe_get_float:
    fmv.x.d a0, f9
    ret
    .option pop
    .p2align 3
/* Writes 100 + n into each register xn that a system call keeps, makes the call -10 (a wait that does not block) on the
   capability a0, and counts the registers that have another value afterwards. */
probe_kept_registers:
    addi    sp, sp, -128
    .set    place, 0
    .irp n, 1,3,4,8,9,18,19,20,21,22,23,24,25,26,27
    sd      x\n, place(sp)
    .set    place, place + 8
    .endr
    .irp n, 1,3,4,5,6,7,8,9,16,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li      x\n, 100 + \n
    .endr
    li      a7, -10
    li      a1, 0
    ecall
    li      a0, 0
    .irp n, 1,3,4,5,6,7,8,9,16,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    addi    x\n, x\n, -(100 + \n)
    snez    x\n, x\n
    add     a0, a0, x\n
    .endr
    .set    place, 0
    .irp n, 1,3,4,8,9,18,19,20,21,22,23,24,25,26,27
    ld      x\n, place(sp)
    .set    place, place + 8
    .endr
    addi    sp, sp, 128
    ret

/* Faults between two readings of the instruction counter, which go to a0. The breakpoint is the second instruction. */
    .p2align 3
probe_measured_fault:
    .option push
    .option norvc
    rdinstret t5
    ebreak
    rdinstret t6
    .option pop
    sd      t5, 0(a0)
    sd      t6, 8(a0)
    ret

/* A system call as the registers say, of a thread without a stack. Where it comes back, the thread stops with a fault. */
    .p2align 3
probe_one_call:
    ecall
    .4byte  0xffffffff

/* Notes the instruction counter at a0, lets the device whose control register is at a1 interrupt when it can send,
   which is at once, and stops it. */
    .p2align 3
probe_measured_interrupt:
    li      t1, 2
    rdinstret t5
    sd      t5, 0(a0)
    sb      t1, 0(a1)
    sb      zero, 0(a1)
    ret

/* void tessera_violation(const char *text): a broken rule of the language in the suite itself. The serial port and the
   test device are where guest/console.py has them; exit code 3. */
    .globl tessera_violation
tessera_violation:
    li      t1, 0x5f1000
1:  lbu     t2, 0(a0)
    beqz    t2, 2f
    sb      t2, 0(t1)
    addi    a0, a0, 1
    j       1b
2:  li      t2, 10
    sb      t2, 0(t1)
    li      t1, 0x5f0000
    li      t2, 3 << 16 | 0x3333
    sw      t2, 0(t1)
    j       2b

    .section .rodata.probes, "a", @progbits
    .p2align 3
probes:
    .quad   worker_start, probe_load, probe_store, probe_illegal, probe_breakpoint, probe_unknown_call
    .quad   probe_thread_pointer, probe_set_float, probe_get_float, probe_kept_registers, probe_measured_fault
    .quad   thread_start, probe_one_call, probe_measured_interrupt

    .section .bss.stack, "aw", @nobits
    .p2align 4
    .skip   16384
root_stack_top:
