/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

int printf(const char *format, ...);

void init(void)
{
    printf("hello");
}
