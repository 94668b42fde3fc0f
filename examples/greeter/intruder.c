/* SPDX-License-Identifier: BSD-2-Clause */
/* The intruder: knows where the server maps its page, and reads there. In its own address space nothing is mapped at that
 * address, so this is as far as it gets: the monitor says who it was, what it touched, and on which line. */

#include <microkit.h>

#define SECRET 0x4000000

void init(void)
{
    microkit_dbg_puts("intruder: asleep\n");
}

void notified(microkit_channel channel)
{
    (void)channel;
    microkit_dbg_puts("intruder: let me see what the server hides\n");
    seL4_Word stolen = *(volatile seL4_Word *)SECRET;
    microkit_dbg_puts(stolen != 0 ? "intruder: I have it!\n" : "intruder: it is empty\n");
}
