/* SPDX-License-Identifier: BSD-2-Clause */
/* Constructors, sections with names of their own, floating point, and a constant that must not change. */
#include <microkit.h>
#include <stdint.h>

static unsigned order;

__attribute__((constructor(200))) static void second(void)
{
    order = order * 10 + 2;
}

__attribute__((constructor(101))) static void first(void)
{
    order = order * 10 + 1;
    microkit_mr_set(7, 1); /* the IPC buffer is there */
}

__attribute__((section(".driver_config"))) struct {
    uint32_t number;
    char text[12];
} config = {41, "configured"};

__attribute__((section(".driver_table"))) uint32_t table[100];
__attribute__((section(".driver_code"), noinline)) uint32_t square(uint32_t a)
{
    return a * a;
}
__attribute__((section(".driver_constant"))) const volatile uint32_t constant = 5;

static volatile double half = 0.5;

void init(void)
{
    int unused;
    config.number++;
    table[99] = square(constant);
    microkit_dbg_put32(order);
    microkit_dbg_puts(" ");
    microkit_dbg_puts(config.text);
    microkit_dbg_puts(" ");
    microkit_dbg_put32(config.number + table[99]);
    microkit_dbg_puts(" ");
    microkit_dbg_put32((uint32_t)(half * 7.0 * 2));
    microkit_dbg_puts("\n");
    *(volatile uint32_t *)&constant = 1; /* line 46 */
}

void notified(microkit_channel channel)
{
    (void)channel;
}

/* Nothing uses it, and the system description sets it. */
seL4_Word unused_vaddr;
