/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls the passive server three times. */
#include <microkit.h>

void init(void)
{
    for (seL4_Word i = 1; i <= 3; i++) {
        microkit_mr_set(0, i);
        microkit_msginfo answer = microkit_ppcall(1, microkit_msginfo_new(i, 1));
        microkit_dbg_puts("first: label ");
        microkit_dbg_put32(microkit_msginfo_get_label(answer));
        microkit_dbg_puts(", total ");
        microkit_dbg_put32(microkit_mr_get(0));
        microkit_dbg_puts("\n");
    }
}

void notified(microkit_channel channel)
{
    (void)channel;
}
