/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on the serial port of QEMU's virt machine, and the end of the machine. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef unsigned __int128 u128;

_Noreturn void finish(u64 code);

static inline void put(char c)
{
    *(volatile char *)0x10000000 = c;
}

static inline void print(const char *text)
{
    while (*text)
        put(*text++);
}

static inline void print_hex(u64 number)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[number >> shift & 15]);
}

void tessera_violation(const char *message, u64 length)
{
    print(message);
    print(message[length] == 0 ? " (told)\n" : " (length is wrong)\n");
    finish(3);
}
