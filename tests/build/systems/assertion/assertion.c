/* SPDX-License-Identifier: BSD-2-Clause */
/* Assertions that hold, and one that does not. */
#include <microkit.h>
#include <sel4/assert.h>
#include <sel4/debug_assert.h>

seL4_CompileTimeAssert(seL4_GuardSizeBits + seL4_GuardBits == seL4_BadgeBits);

static volatile int zero;

void init(void)
{
    seL4_Assert(zero == 0);
    microkit_dbg_puts("assertion: the first holds\n");
    seL4_DebugAssert(zero > 1); /* line 15 */
    microkit_dbg_puts("assertion: not reached\n");
}

void notified(microkit_channel ch)
{
    (void)ch;
}
