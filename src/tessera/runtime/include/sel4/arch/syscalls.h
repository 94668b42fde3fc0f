/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of RISC-V 64. Operands travel in registers: a0 capability in and badge out, a1 message info,
 * a2 to a5 the first four message words, a6 the reply object, t0 a second destination, a7 the number.
 */
#pragma once

#include <sel4/functions.h>
#include <sel4/syscall.h>

/* What goes into and comes out of a call: the capability or badge, the message info and four message words. */
struct __sel4_message {
    seL4_Word cap;
    seL4_Word info;
    seL4_Word mr[4];
};

#define __SEL4_LOAD(m)                              \
    register seL4_Word a0_ asm("a0") = (m)->cap;    \
    register seL4_Word a1_ asm("a1") = (m)->info;   \
    register seL4_Word a2_ asm("a2") = (m)->mr[0];  \
    register seL4_Word a3_ asm("a3") = (m)->mr[1];  \
    register seL4_Word a4_ asm("a4") = (m)->mr[2];  \
    register seL4_Word a5_ asm("a5") = (m)->mr[3];  \
    register seL4_Word a7_ asm("a7") = (seL4_Word)number

#define __SEL4_IN_OUT "+r"(a0_), "+r"(a1_), "+r"(a2_), "+r"(a3_), "+r"(a4_), "+r"(a5_)

#define __SEL4_STORE(m) \
    (m)->cap = a0_;     \
    (m)->info = a1_;    \
    (m)->mr[0] = a2_;   \
    (m)->mr[1] = a3_;   \
    (m)->mr[2] = a4_;   \
    (m)->mr[3] = a5_

/* A call without a reply object. The memory clobber orders it against accesses to the IPC buffer. */
LIBSEL4_INLINE_FUNC void __sel4_ecall(seL4_Syscall_ID number, struct __sel4_message *m)
{
    __SEL4_LOAD(m);
    asm volatile("ecall" : __SEL4_IN_OUT : "r"(a7_) : "memory");
    __SEL4_STORE(m);
}

LIBSEL4_INLINE_FUNC void __sel4_ecall_reply(seL4_Syscall_ID number, struct __sel4_message *m, seL4_Word reply)
{
    __SEL4_LOAD(m);
    register seL4_Word a6_ asm("a6") = reply;
    asm volatile("ecall" : __SEL4_IN_OUT : "r"(a6_), "r"(a7_) : "memory");
    __SEL4_STORE(m);
}

LIBSEL4_INLINE_FUNC void __sel4_ecall_send_reply(seL4_Syscall_ID number, struct __sel4_message *m, seL4_Word reply,
                                                 seL4_Word dest)
{
    __SEL4_LOAD(m);
    register seL4_Word a6_ asm("a6") = reply;
    register seL4_Word t0_ asm("t0") = dest;
    asm volatile("ecall" : __SEL4_IN_OUT : "r"(a6_), "r"(a7_), "r"(t0_) : "memory");
    __SEL4_STORE(m);
}

#undef __SEL4_LOAD
#undef __SEL4_IN_OUT
#undef __SEL4_STORE

/* A receive: nothing goes in but the capability. */
LIBSEL4_INLINE_FUNC void __sel4_ecall_receive(seL4_Syscall_ID number, struct __sel4_message *m)
{
    register seL4_Word a0_ asm("a0") = m->cap;
    register seL4_Word a1_ asm("a1");
    register seL4_Word a2_ asm("a2");
    register seL4_Word a3_ asm("a3");
    register seL4_Word a4_ asm("a4");
    register seL4_Word a5_ asm("a5");
    register seL4_Word a7_ asm("a7") = (seL4_Word)number;
    asm volatile("ecall"
                 : "+r"(a0_), "=r"(a1_), "=r"(a2_), "=r"(a3_), "=r"(a4_), "=r"(a5_)
                 : "r"(a7_)
                 : "memory");
    *m = (struct __sel4_message){a0_, a1_, {a2_, a3_, a4_, a5_}};
}

LIBSEL4_INLINE_FUNC void __sel4_ecall_receive_reply(seL4_Syscall_ID number, struct __sel4_message *m, seL4_Word reply)
{
    register seL4_Word a0_ asm("a0") = m->cap;
    register seL4_Word a1_ asm("a1");
    register seL4_Word a2_ asm("a2");
    register seL4_Word a3_ asm("a3");
    register seL4_Word a4_ asm("a4");
    register seL4_Word a5_ asm("a5");
    register seL4_Word a6_ asm("a6") = reply;
    register seL4_Word a7_ asm("a7") = (seL4_Word)number;
    asm volatile("ecall"
                 : "+r"(a0_), "=r"(a1_), "=r"(a2_), "=r"(a3_), "=r"(a4_), "=r"(a5_)
                 : "r"(a6_), "r"(a7_)
                 : "memory");
    *m = (struct __sel4_message){a0_, a1_, {a2_, a3_, a4_, a5_}};
}

/* A call without a message. */
LIBSEL4_INLINE_FUNC seL4_Word __sel4_ecall_plain(seL4_Syscall_ID number, seL4_Word argument, seL4_Word second)
{
    register seL4_Word a0_ asm("a0") = argument;
    register seL4_Word a1_ asm("a1") = second;
    register seL4_Word a7_ asm("a7") = (seL4_Word)number;
    asm volatile("ecall" : "+r"(a0_), "+r"(a1_) : "r"(a7_) : "memory");
    return a0_;
}
