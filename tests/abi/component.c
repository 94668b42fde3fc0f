/* SPDX-License-Identifier: BSD-2-Clause */
/* A component that uses every part of microkit.h, in the style of upstream's examples. */
#include <stdbool.h>
#include <stdint.h>
#include <microkit.h>

uint64_t counter_vaddr;

static bool started;

void init(void)
{
    started = true;
    microkit_dbg_puts(microkit_name);
    microkit_dbg_put8(7);
    microkit_mr_set(0, 42);
    microkit_msginfo reply = microkit_ppcall(1, microkit_msginfo_new(3, 1));
    if (microkit_msginfo_get_label(reply) == 0 && microkit_msginfo_get_count(reply) == 1) {
        *(volatile uint64_t *)counter_vaddr = microkit_mr_get(0);
    }
    microkit_notify(2);
}

void notified(microkit_channel ch)
{
    microkit_irq_ack(ch);
    microkit_deferred_irq_ack(ch);
    microkit_deferred_notify(ch);
}

microkit_msginfo protected(microkit_channel ch, microkit_msginfo msginfo)
{
    return microkit_msginfo_new(ch, microkit_msginfo_get_count(msginfo));
}

seL4_Bool fault(microkit_child child, microkit_msginfo msginfo, microkit_msginfo *reply_msginfo)
{
    seL4_Fault_t what = seL4_getFault(msginfo);
    if (seL4_Fault_get_seL4_FaultType(what) == seL4_Fault_VMFault && seL4_Fault_VMFault_get_Addr(what) == 0) {
        microkit_pd_stop(child);
        return seL4_False;
    }
    microkit_pd_restart(child, 0x200000);
    microkit_pd_resume(child);
    *reply_msginfo = microkit_msginfo_new(0, 0);
    return started ? seL4_True : seL4_False;
}
