/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers signals. */
#include <microkit.h>

void init(void)
{
    microkit_dbg_puts("worker: awake\n");
}

void notified(microkit_channel ch)
{
    microkit_dbg_puts("worker: signalled\n");
    microkit_notify(ch);
}
