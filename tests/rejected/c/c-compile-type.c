/* SPDX-License-Identifier: BSD-2-Clause */
#include <microkit.h>

void notified(microkit_channel ch, int extra)
{
    microkit_notify(ch + extra);
}
