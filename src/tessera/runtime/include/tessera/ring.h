/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring in shared memory with one producer and one consumer (runtime/ring.py; this declares the same functions for C).
 * An entry names bytes of the shared memory by offset and length. Zeroed memory is an empty ring.
 */
#pragma once

#include <sel4/sel4.h>

#define RING_CAPACITY 32
/* Bytes that a ring takes at the start of the shared memory; the rest is free for the bytes of the entries. */
#define RING_BYTES (128 + 16 * RING_CAPACITY)

/* One side's own part, in its own memory. */
typedef struct {
    void *ring;
    seL4_Word written;
} ring_producer_t;

typedef struct {
    void *ring;
    seL4_Word read;
    seL4_Word size;
    seL4_Word offset; /* of the entry taken last, and its length */
    seL4_Word length;
} ring_consumer_t;

void ring_producer_init(ring_producer_t *side, seL4_Word address);
void ring_consumer_init(ring_consumer_t *side, seL4_Word address, seL4_Word size);

/* Puts an entry in; 0 if the ring is full. */
_Bool ring_put(ring_producer_t *side, seL4_Word offset, seL4_Word length);

/* Entries that the consumer has not given back; their bytes must not be changed. */
seL4_Word ring_in_use(ring_producer_t *side);

/* Takes the oldest entry out; 0 if there is none. Its bytes belong to the consumer until ring_release. */
_Bool ring_take(ring_consumer_t *side);
void ring_release(ring_consumer_t *side);

/* Whether nothing is there; ask before waiting. */
_Bool ring_is_empty(ring_consumer_t *side);
