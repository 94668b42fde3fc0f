/* SPDX-License-Identifier: BSD-2-Clause */
/* Three alarms of the Goldfish real-time clock, one after the other; every second one is acknowledged deferred. */
#include <microkit.h>

enum { END = 1, ALARM = 5, ALARMS = 3 };

typedef struct {
    volatile unsigned int time_low, time_high, alarm_low, alarm_high, irq_enabled, clear_alarm, alarm_status, clear_irq;
} rtc_t;

seL4_Word rtc_vaddr;
static unsigned int alarms;

static void set_alarm(rtc_t *rtc)
{
    seL4_Word now = rtc->time_low;
    now |= (seL4_Word)rtc->time_high << 32;
    now += 1000000; /* nanoseconds */
    rtc->alarm_high = (unsigned int)(now >> 32);
    rtc->alarm_low = (unsigned int)now;
}

void init(void)
{
    rtc_t *rtc = (rtc_t *)rtc_vaddr;
    rtc->irq_enabled = 1;
    set_alarm(rtc);
}

void notified(microkit_channel channel)
{
    rtc_t *rtc = (rtc_t *)rtc_vaddr;
    microkit_dbg_puts("driver: alarm on channel ");
    microkit_dbg_put32(channel);
    microkit_dbg_puts("\n");
    rtc->clear_irq = 1;
    alarms++;
    if (alarms % 2 == 0) {
        microkit_deferred_irq_ack(ALARM);
    } else {
        microkit_irq_ack(ALARM);
    }
    if (alarms == ALARMS) {
        microkit_notify(END);
    } else {
        set_alarm(rtc);
    }
}
