/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin for QEMU that counts the instructions of each kernel entry: from the first instruction behind a trap to the
   last one before user level, or to the wait of an idle processor. For each part of the run and each kind of entry it
   keeps how many entries there were, the longest one, and the longest stretch in which the kernel did not look whether an
   interrupt is pending. Arguments: out=FILE; look=, wait= and mark=ADDRESS of each instruction with which the kernel reads
   what is pending, or waits, and with which user level says that the next part begins; for each kind of entry
   KIND=ADDRESS, the address of its handler. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../qemu_plugin.h"

enum { KINDS = 4, PARTS = 4096, PLACES = 1024 };
#define KERNEL_START 0x8000000000000000u

/* One translated instruction of the kernel. */
struct place {
    int kind;       /* of the handler that begins here, or -1 */
    bool looks;     /* reads which interrupts are pending */
    bool waits;
};

struct counts {
    uint64_t entries, longest, stretch;
};

/* Instructions that matter, by what they do: l, w, m. */
static struct { uint64_t address; char does; } special[PLACES];
static int special_count;

static const char *out;
static int kind_count;
static const char *names[KINDS];
static uint64_t handlers[KINDS];
static struct counts counts[PARTS][KINDS];
static int part;

/* The entry that is under way. */
static bool inside;
static int kind;
static uint64_t length, stretch, worst_stretch;

static void look(void)
{
    if (stretch > worst_stretch)
        worst_stretch = stretch;
    stretch = 0;
}

static void leave(void)
{
    look();
    inside = false;
    if (kind < 0)
        return;
    struct counts *c = &counts[part][kind];
    c->entries++;
    if (length > c->longest)
        c->longest = length;
    if (worst_stretch > c->stretch)
        c->stretch = worst_stretch;
}

static void in_user(unsigned int vcpu, void *data)
{
    if (inside)
        leave();
}

static void at_mark(unsigned int vcpu, void *data)
{
    if (part < PARTS - 1)
        part++;
}

static void in_kernel(unsigned int vcpu, void *data)
{
    struct place *p = data;
    if (!inside) {
        inside = true;
        kind = -1;
        length = stretch = worst_stretch = 0;
    }
    if (p->kind >= 0 && kind < 0)
        kind = p->kind;
    length++;
    stretch++;
    if (p->looks)
        look();
    if (p->waits)
        leave();
}

static bool does(uint64_t address, char what)
{
    for (int i = 0; i < special_count; i++)
        if (special[i].address == address && special[i].does == what)
            return true;
    return false;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    bool is_kernel = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)) >= KERNEL_START;
    if (!is_kernel)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, in_user, 0, NULL);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        if (!is_kernel) {
            if (does(address, 'm'))
                qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, 0, NULL);
            continue;
        }
        struct place *p = calloc(1, sizeof *p);
        p->kind = -1;
        for (int k = 0; k < kind_count; k++)
            if (handlers[k] == address)
                p->kind = k;
        p->looks = does(address, 'l');
        p->waits = does(address, 'w');
        qemu_plugin_register_vcpu_insn_exec_cb(insn, in_kernel, 0, p);
    }
}

static void tell(qemu_plugin_id_t id, void *data)
{
    FILE *file = fopen(out, "w");
    if (!file)
        return;
    for (int i = 0; i <= part; i++)
        for (int k = 0; k < kind_count; k++)
            if (counts[i][k].entries)
                fprintf(file, "%d|%s|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "\n", i, names[k], counts[i][k].entries,
                        counts[i][k].longest, counts[i][k].stretch);
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
            out = strdup(value);
        } else if (!strcmp(argv[i], "look") || !strcmp(argv[i], "wait") || !strcmp(argv[i], "mark")) {
            if (special_count == PLACES)
                return -1;
            special[special_count].does = argv[i][0];
            special[special_count++].address = strtoull(value, NULL, 0);
        } else if (kind_count < KINDS) {
            names[kind_count] = strdup(argv[i]);
            handlers[kind_count++] = strtoull(value, NULL, 0);
        }
    }
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, tell, NULL);
    return 0;
}
