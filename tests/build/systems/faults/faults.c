/* SPDX-License-Identifier: BSD-2-Clause */
/* One program, several components: each makes the mistake that it is named after. */
#include <microkit.h>

seL4_Word table_vaddr;

static int is_called(const char *name)
{
    int i = 0;
    while (name[i] != '\0' && name[i] == microkit_name[i]) {
        i++;
    }
    return name[i] == microkit_name[i];
}

static volatile int sink;

static int descend(volatile int *above)
{
    volatile int here[64];
    here[0] = *above + 1;
    return descend(here) + here[0];
}

void init(void)
{
    if (is_called("null_pointer")) {
        *(volatile seL4_Word *)8 = 1; /* line 28 */
    } else if (is_called("read_only")) {
        *(volatile seL4_Word *)(table_vaddr + 16) = 1; /* line 30 */
    } else if (is_called("overflow")) {
        sink = 1;
        sink = descend(&sink);
    } else if (is_called("illegal")) {
        asm volatile(".4byte 0xffffffff"); /* line 35 */
    } else if (is_called("unknown_call")) {
        asm volatile("li a7, 99\n ecall" ::: "a0", "a7", "memory"); /* line 37 */
    } else if (is_called("jump")) {
        ((void (*)(void))0x7654000)(); /* line 39 */
    } else if (is_called("own_code")) {
        *(volatile unsigned int *)(seL4_Word)&init = 0; /* line 41 */
    }
}

void notified(microkit_channel channel)
{
    (void)channel;
}
