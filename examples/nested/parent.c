/* SPDX-License-Identifier: BSD-2-Clause */
/* Told of a fault of its child, it lets the child begin again. */
#include <microkit.h>

void init(void)
{
}

void notified(microkit_channel channel)
{
    (void)channel;
}

seL4_Bool fault(microkit_child child, microkit_msginfo info, microkit_msginfo *reply)
{
    microkit_dbg_puts("parent: child ");
    microkit_dbg_put32(child);
    microkit_dbg_puts(" has a fault of kind ");
    microkit_dbg_put32(microkit_msginfo_get_label(info));
    microkit_dbg_puts(" at address ");
    microkit_dbg_put32(microkit_mr_get(seL4_VMFault_Addr));
    microkit_dbg_puts("\n");
    /* The image begins with its start code. */
    microkit_pd_restart(child, 0x200000);
    *reply = microkit_msginfo_new(0, 0);
    return seL4_False;
}
