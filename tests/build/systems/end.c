/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends the run with success when it is notified, or at once where nobody can notify it. */
#include <microkit.h>

seL4_Word test_device_vaddr;

static void end(void)
{
    *(volatile unsigned int *)test_device_vaddr = 0x5555;
}

void init(void)
{
    if (microkit_name[3] == '_') {
        end(); /* "end_last": the component of the lowest priority */
    }
}

void notified(microkit_channel channel)
{
    (void)channel;
    end();
}
