/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of the monitor (fault_tables.py), linked into its program. The build makes the file that is embedded. */

static const unsigned char tables[] __attribute__((aligned(16))) = {
#embed <fault_tables.bin>
};

unsigned long fault_tables(void);

unsigned long fault_tables(void)
{
    return (unsigned long)tables;
}
