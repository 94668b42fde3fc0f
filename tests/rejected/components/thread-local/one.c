/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

static __thread int each;

void init(void)
{
    *(volatile int *)&each = 1;
}
