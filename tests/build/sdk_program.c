/* SPDX-License-Identifier: BSD-2-Clause */
/* Components that know nothing of this project: only what the platform promises to programs that were linked elsewhere.
   Slots, badges, labels and the place of the IPC buffer are numbers here, because they are numbers in such programs. */
typedef unsigned long word;

/* The tool sets these. */
char microkit_name[64];
_Bool microkit_passive;
word microkit_irqs, microkit_notifications, microkit_pps, microkit_ioports;
word device;

enum { CALL = -1, REPLY_RECV = -2, NB_SEND_RECV = -3, SEND = -5, RECV = -7 };
enum { INPUT = 1, REPLY = 4, MONITOR = 5, NOTIFICATION_0 = 10, ENDPOINT_0 = 74, IRQ_0 = 138 };
enum { ACKNOWLEDGE = 27 };
static volatile word *const message = (word *)0x3fffffe000 + 1;

static word kernel(long number, word slot, word info, word *badge, word *first, word send_to)
{
    register word a0 __asm__("a0") = slot;
    register word a1 __asm__("a1") = info;
    register word a2 __asm__("a2") = *first;
    register word a3 __asm__("a3") = 0;
    register word a4 __asm__("a4") = 0;
    register word a5 __asm__("a5") = 0;
    register word a6 __asm__("a6") = REPLY;
    register long a7 __asm__("a7") = number;
    register word t0 __asm__("t0") = send_to;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     : "r"(a6), "r"(a7), "r"(t0)
                     : "memory");
    *badge = a0;
    *first = a2;
    return a1;
}

static void finish(word code)
{
    *(volatile unsigned *)device = code ? 0x3333 | (unsigned)code << 16 : 0x5555;
    for (;;) {
    }
}

#if defined(SERVER)
/* Passive: tells the monitor when it is ready, with the first receive. Answers a number with its double. */
void main_loop(void)
{
    word badge, value = 0;
    kernel(NB_SEND_RECV, INPUT, 0, &badge, &value, MONITOR);
    for (;;) {
        value = badge == (1ul << 63 | 7) && microkit_passive ? 2 * value : 0;
        kernel(REPLY_RECV, INPUT, 1, &badge, &value, 0);
    }
}
#elif defined(DRIVER)
/* One alarm of the real-time clock; then it tells the client. */
void main_loop(void)
{
    volatile unsigned *rtc = (unsigned *)device;
    word badge, none = 0;
    rtc[4] = 1;
    word time = rtc[0];
    time |= (word)rtc[1] << 32;
    time += 1000000;
    rtc[3] = (unsigned)(time >> 32);
    rtc[2] = (unsigned)time;
    kernel(RECV, INPUT, 0, &badge, &none, 0);
    rtc[7] = 1;
    word answer = kernel(CALL, IRQ_0 + 3, (word)ACKNOWLEDGE << 12, &none, &none, 0);
    none = 0;
    if (badge == 1 << 3 && microkit_irqs == 1 << 3 && answer >> 12 == 0) {
        kernel(SEND, NOTIFICATION_0 + 9, 0, &none, &none, 0);
    }
    for (;;) {
        kernel(RECV, INPUT, 0, &badge, &none, 0);
    }
}
#else
/* Calls the server in registers and through the IPC buffer, waits for the driver, and ends the run. */
void main_loop(void)
{
    word badge, value = 21;
    if (microkit_name[0] != 'c' || microkit_name[6] != 0 || microkit_passive) {
        finish(1);
    }
    if (microkit_pps != 1ul << 61 || microkit_notifications != 1 << 2) {
        finish(2);
    }
    word answer = kernel(CALL, ENDPOINT_0 + 61, 1, &badge, &value, 0);
    if (answer != 1 || value != 42) {
        finish(3);
    }
    value = 4;
    message[4] = 5;
    answer = kernel(CALL, ENDPOINT_0 + 61, 5, &badge, &value, 0);
    if (answer != 1 || value != 8 || message[4] != 5) {
        finish(4);
    }
    kernel(RECV, INPUT, 0, &badge, &value, 0);
    finish(badge == 1 << 2 ? 0 : 5);
}
#endif

__attribute__((naked, section(".text.start"))) void _start(void)
{
    __asm__ volatile("j main_loop");
}
