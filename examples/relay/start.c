/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends the token on its way. */
#include <microkit.h>
#include <stdint.h>

uintptr_t out_vaddr;
seL4_Word next_channel;

void init(void)
{
    *(volatile seL4_Word *)out_vaddr = 1000;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    microkit_dbg_puts("start: the token is on its way\n");
    microkit_notify(next_channel);
}

/* Nobody notifies it. */
void notified(microkit_channel ch)
{
    (void)ch;
}
