/* SPDX-License-Identifier: BSD-2-Clause */
/* Adds up what it is called with; says so and ends the run when it is notified. */
#include <microkit.h>

static seL4_Word total;

void init(void)
{
    microkit_dbg_puts("server: passive from now on\n");
}

microkit_msginfo protected(microkit_channel channel, microkit_msginfo info)
{
    total += microkit_mr_get(0) * channel;
    microkit_mr_set(0, total);
    return microkit_msginfo_new(microkit_msginfo_get_label(info) + 1, 1);
}

void notified(microkit_channel channel)
{
    microkit_dbg_puts("server: signalled on channel ");
    microkit_dbg_put32(channel);
    microkit_dbg_puts(", the total is ");
    microkit_dbg_put32(total);
    microkit_dbg_puts("\n");
    microkit_deferred_notify(14);
}
