/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

void init(void)
{
    microkit_notify(1)
}
