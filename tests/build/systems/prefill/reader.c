/* SPDX-License-Identifier: BSD-2-Clause */
/* Adds up the bytes of both regions, those behind the contents included: they must be zero. */
#include <microkit.h>

seL4_Word small_vaddr;
seL4_Word large_vaddr;
seL4_Word large_bytes;

static void tell(const char *name, seL4_Word address, seL4_Word size)
{
    seL4_Word sum = 0;
    for (seL4_Word i = 0; i < size; i++) {
        sum = (sum * 31 + ((const volatile unsigned char *)address)[i]) & 0xffffffff;
    }
    microkit_dbg_puts(name);
    microkit_dbg_puts(" ");
    microkit_dbg_put32((seL4_Uint32)sum);
    microkit_dbg_puts("\n");
}

void init(void)
{
    tell("small", small_vaddr, 0x3000);
    tell("large", large_vaddr, 0x400000);
    microkit_dbg_put32((seL4_Uint32)large_bytes);
    microkit_dbg_puts(" bytes\n");
    microkit_notify(1);
}

void notified(microkit_channel channel)
{
    (void)channel;
}
