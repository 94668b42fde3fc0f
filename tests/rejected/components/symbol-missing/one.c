/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

seL4_Word shared_adr;

void init(void)
{
    microkit_dbg_put32(shared_adr);
}
