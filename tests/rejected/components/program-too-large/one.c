/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

static char large[3000000000];

void init(void)
{
    *(volatile char *)&large[5] = 1;
}
