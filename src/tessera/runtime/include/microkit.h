/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface of a component. A component defines init and notified, and if it needs them protected and fault; the
 * run-time calls them. A component talks through the channels of its system description, by their numbers.
 */
#pragma once

#include <sel4/sel4.h>
#include <microkit_slots.h>

typedef unsigned int microkit_channel;
typedef unsigned int microkit_child;
typedef unsigned int microkit_ioport;
typedef seL4_MessageInfo_t microkit_msginfo;

#define MICROKIT_MAX_CHANNEL_ID (MICROKIT_MAX_CHANNELS - 1)
#define MICROKIT_MAX_IOPORT_ID MICROKIT_MAX_CHANNELS

/* What a component defines. */
void init(void);
void notified(microkit_channel ch);
microkit_msginfo protected(microkit_channel ch, microkit_msginfo msginfo);
seL4_Bool fault(microkit_child child, microkit_msginfo msginfo, microkit_msginfo *reply_msginfo);

/* Set in the component's ELF file when the system is built: its name, and the channels it has, one bit for each. */
extern char microkit_name[MICROKIT_PD_NAME_LENGTH];
extern seL4_Word microkit_irqs;
extern seL4_Word microkit_notifications;
extern seL4_Word microkit_pps;
extern seL4_Word microkit_ioports;

/* A signal that the event loop sends together with its next receive. */
extern seL4_Bool microkit_have_signal;
extern seL4_CPtr microkit_signal_cap;
extern seL4_MessageInfo_t microkit_signal_msg;

/* Text for the debug console; nothing in a release build. Numbers are written in decimal. */
void microkit_dbg_putc(int c);
void microkit_dbg_puts(const char *s);
void microkit_dbg_put8(seL4_Uint8 x);
void microkit_dbg_put32(seL4_Uint32 x);

/* Stops the component with a fault whose address is the error, so that the monitor can tell it. */
static inline void microkit_internal_crash(seL4_Error err)
{
    volatile int *address = (volatile int *)(seL4_Word)err;
    *address = 0;
}

/* Whether the component has this channel; complains on the debug console if it has not. */
static inline seL4_Bool __microkit_has_channel(seL4_Word channels, microkit_channel ch, const char *function)
{
    if (ch <= MICROKIT_MAX_CHANNEL_ID && (channels >> ch & 1) != 0) {
        return seL4_True;
    }
    microkit_dbg_puts(microkit_name);
    microkit_dbg_puts(": ");
    microkit_dbg_puts(function);
    microkit_dbg_puts(": there is no such channel: ");
    microkit_dbg_put32(ch);
    microkit_dbg_puts("\n");
    return seL4_False;
}

static inline void __microkit_check(seL4_Error err, const char *function, microkit_child child)
{
    if (err == seL4_NoError) {
        return;
    }
    microkit_dbg_puts(microkit_name);
    microkit_dbg_puts(": ");
    microkit_dbg_puts(function);
    microkit_dbg_puts(": failed for child ");
    microkit_dbg_put32(child);
    microkit_dbg_puts("\n");
    microkit_internal_crash(err);
}

static inline void microkit_notify(microkit_channel ch)
{
    if (__microkit_has_channel(microkit_notifications, ch, "microkit_notify")) {
        seL4_Signal(BASE_OUTPUT_NOTIFICATION_CAP + ch);
    }
}

static inline void microkit_irq_ack(microkit_channel ch)
{
    if (__microkit_has_channel(microkit_irqs, ch, "microkit_irq_ack")) {
        seL4_IRQHandler_Ack(BASE_IRQ_CAP + ch);
    }
}

/* Notifies when the event loop receives next, which saves a system call. A later deferred call replaces it. */
static inline void microkit_deferred_notify(microkit_channel ch)
{
    if (__microkit_has_channel(microkit_notifications, ch, "microkit_deferred_notify")) {
        microkit_signal_cap = BASE_OUTPUT_NOTIFICATION_CAP + ch;
        microkit_signal_msg = seL4_MessageInfo_new(0, 0, 0, 0);
        microkit_have_signal = seL4_True;
    }
}

static inline void microkit_deferred_irq_ack(microkit_channel ch)
{
    if (__microkit_has_channel(microkit_irqs, ch, "microkit_deferred_irq_ack")) {
        microkit_signal_cap = BASE_IRQ_CAP + ch;
        microkit_signal_msg = seL4_MessageInfo_new(IRQAckIRQ, 0, 0, 0);
        microkit_have_signal = seL4_True;
    }
}

/* Calls the component at the other end of a channel; the message words are in the IPC buffer before and after. */
static inline microkit_msginfo microkit_ppcall(microkit_channel ch, microkit_msginfo msginfo)
{
    if (!__microkit_has_channel(microkit_pps, ch, "microkit_ppcall")) {
        return seL4_MessageInfo_new(0, 0, 0, 0);
    }
    return seL4_Call(BASE_ENDPOINT_CAP + ch, msginfo);
}

static inline microkit_msginfo microkit_msginfo_new(seL4_Word label, seL4_Uint16 count)
{
    return seL4_MessageInfo_new(label, 0, 0, count);
}

static inline seL4_Word microkit_msginfo_get_label(microkit_msginfo msginfo)
{
    return seL4_MessageInfo_get_label(msginfo);
}

static inline seL4_Word microkit_msginfo_get_count(microkit_msginfo msginfo)
{
    return seL4_MessageInfo_get_length(msginfo);
}

static inline void microkit_mr_set(seL4_Uint8 mr, seL4_Word value)
{
    seL4_SetMR(mr, value);
}

static inline seL4_Word microkit_mr_get(seL4_Uint8 mr)
{
    return seL4_GetMR(mr);
}

/* Lets a child component go on at an address, usually its entry point. */
static inline void microkit_pd_restart(microkit_child pd, seL4_Word entry_point)
{
    /* Only the first register is written, so the others need no value. */
    seL4_UserContext context;
    context.pc = entry_point;
    __microkit_check(seL4_TCB_WriteRegisters(BASE_TCB_CAP + pd, seL4_True, 0, 1, &context), "microkit_pd_restart", pd);
}

static inline void microkit_pd_stop(microkit_child pd)
{
    __microkit_check(seL4_TCB_Suspend(BASE_TCB_CAP + pd), "microkit_pd_stop", pd);
}

static inline void microkit_pd_resume(microkit_child pd)
{
    __microkit_check(seL4_TCB_Resume(BASE_TCB_CAP + pd), "microkit_pd_resume", pd);
}

/* The capability in a slot of the <cspace> element; null for a slot that cannot be. */
static inline seL4_CPtr microkit_cspace_root_slot_to_cptr(seL4_Word slot)
{
    if (slot == 0 || slot >= PD_ROOT_CAP_SIZE) {
        return seL4_CapNull;
    }
    return slot << (seL4_WordBits - PD_ROOT_CAP_BITS);
}
