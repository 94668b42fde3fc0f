/* SPDX-License-Identifier: BSD-2-Clause */
/* A station: takes the token from the page before it, counts, and puts it into the page behind it. */
#include <microkit.h>
#include <stdint.h>

uintptr_t in_vaddr;
uintptr_t out_vaddr;
seL4_Word next_channel;
seL4_Word counter_channel;

void init(void)
{
}

void notified(microkit_channel ch)
{
    (void)ch;
    seL4_Word token = *(volatile seL4_Word *)in_vaddr;
    microkit_mr_set(0, 1);
    microkit_ppcall(counter_channel, microkit_msginfo_new(0, 1));
    *(volatile seL4_Word *)out_vaddr = token + 1;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    microkit_deferred_notify(next_channel);
}
