/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin for QEMU that writes down the addresses of all instructions between two readings of the instruction counter
   at user level, the readings themselves left out: one line for each measured operation. Arguments: out=FILE; begin= and
   end=ADDRESS of each instruction that reads just before and just after an operation. A reading before drops what was
   written since the last one. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../qemu_plugin.h"

/* LONGEST: what takes more instructions is no operation, but what happens between two of them. */
enum { PLACES = 64, LONGEST = 8192 };

static struct { uint64_t address; bool begins; } readings[PLACES];
static int reading_count;

static FILE *file;
static bool inside;
static int length;
static uint64_t trace[LONGEST];

static void at_begin(unsigned int vcpu, void *data)
{
    inside = true;
    length = 0;
}

static void at_end(unsigned int vcpu, void *data)
{
    if (!inside)
        return;
    inside = false;
    for (int i = 0; i < length; i++)
        fprintf(file, i ? " %" PRIx64 : "%" PRIx64, trace[i]);
    fprintf(file, "\n");
}

static void at_other(unsigned int vcpu, void *data)
{
    if (!inside)
        return;
    if (length == LONGEST)
        inside = false;
    else
        trace[length++] = (uint64_t)(uintptr_t)data;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        vcpu_cb what = at_other;
        for (int r = 0; r < reading_count; r++)
            if (readings[r].address == address)
                what = readings[r].begins ? at_begin : at_end;
        qemu_plugin_register_vcpu_insn_exec_cb(insn, what, 0, (void *)(uintptr_t)address);
    }
}

static void finish(qemu_plugin_id_t id, void *data)
{
    fprintf(file, "END\n");
    fclose(file);
}

VISIBLE int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return -1;
        *value++ = 0;
        if (!strcmp(argv[i], "out")) {
            file = fopen(value, "w");
        } else if (reading_count < PLACES) {
            readings[reading_count].begins = !strcmp(argv[i], "begin");
            readings[reading_count++].address = strtoull(value, NULL, 0);
        }
    }
    if (!file)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
