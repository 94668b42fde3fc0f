/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends the run with success when it is notified: it alone has the board's test device. */
#include <microkit.h>
#include <stdint.h>

uintptr_t test_device_vaddr;

void init(void)
{
}

void notified(microkit_channel ch)
{
    (void)ch;
    *(volatile uint32_t *)test_device_vaddr = 0x5555;
}
