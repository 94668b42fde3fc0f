/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

void init(void)
{
}
