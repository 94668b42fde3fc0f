/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes through a pointer of which the compiler knows that it is null. */
#include <microkit.h>

void init(void)
{
    int *nowhere = 0;
    microkit_dbg_puts("null: before\n");
    *nowhere = 1; /* line 9 */
    microkit_dbg_puts("null: behind\n");
}

void notified(microkit_channel channel)
{
    (void)channel;
}
