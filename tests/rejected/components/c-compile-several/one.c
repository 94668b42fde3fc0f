/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

#include "own.h"

void init(void)
{
    first = 1;
    second = 2;
}
