/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

void init(void)
{
}

int main(void)
{
    return 0;
}
