/* SPDX-License-Identifier: BSD-2-Clause */
/* The client in C: asks the server for every greeting and passes it on to the visitor through the ring, of which only
 * two places are used, so that it has to wait for the visitor now and then. Half-way it wakes the intruder. */

#include <microkit.h>
#include <tessera/ring.h>

enum { SERVER = 0, VISITOR = 1, FINISHED = 2, INTRUDER = 3, FAILED = 4 };
enum { GREETINGS = 6, PLACES = 2, PLACE_BYTES = 64, WAKE_INTRUDER_AFTER = 2 };

/* Set by the build, from greeter.system. */
seL4_Word ring_vaddr;
seL4_Word ring_size;

static ring_producer_t ring;
static seL4_Word sent;

static void fail(const char *why)
{
    microkit_dbg_puts("client:   ");
    microkit_dbg_puts(why);
    microkit_dbg_puts("\n");
    microkit_notify(FAILED);
}

/* Gets a greeting from the server into a place of the shared memory; its length, 0 if the answer is wrong. */
static seL4_Word ask(seL4_Word number, char *place)
{
    microkit_mr_set(0, number);
    microkit_msginfo answer = microkit_ppcall(SERVER, microkit_msginfo_new(0, 1));
    seL4_Word length = microkit_mr_get(0);
    if (microkit_msginfo_get_label(answer) != 0 || length == 0 || length >= PLACE_BYTES) {
        return 0;
    }
    for (seL4_Word i = 0; i < length; i++) {
        place[i] = (char)(microkit_mr_get(1 + i / 8) >> (8 * (i % 8)));
    }
    place[length] = '\0';
    return length;
}

static void send_greetings(void)
{
    while (sent < GREETINGS && ring_in_use(&ring) < PLACES) {
        seL4_Word offset = RING_BYTES + sent % PLACES * PLACE_BYTES;
        char *place = (char *)(ring_vaddr + offset);
        seL4_Word length = ask(sent, place);
        if (length == 0 || !ring_put(&ring, offset, length)) {
            fail("the server's answer is wrong");
            return;
        }
        microkit_dbg_puts("client:   the server says \"");
        microkit_dbg_puts(place);
        microkit_dbg_puts("\", I pass it on\n");
        microkit_notify(VISITOR);
        sent++;
        if (sent == WAKE_INTRUDER_AFTER) {
            microkit_dbg_puts("client:   wake up, intruder\n");
            microkit_notify(INTRUDER);
            microkit_dbg_puts("client:   where were we?\n");
        }
    }
    if (sent == GREETINGS && ring_in_use(&ring) == 0) {
        microkit_dbg_puts("client:   everything is passed on and read, goodbye\n");
        microkit_notify(FINISHED);
    }
}

void init(void)
{
    if (ring_size < RING_BYTES + PLACES * PLACE_BYTES) {
        fail("the ring's memory is too small");
        return;
    }
    ring_producer_init(&ring, ring_vaddr);
    send_greetings();
}

void notified(microkit_channel channel)
{
    if (channel == VISITOR) {
        send_greetings();
    }
}
