/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers for declarations. The names are upstream's, since component sources use them. */
#pragma once

#include <sel4/config.h>

#ifndef CONST
#define CONST __attribute__((__const__))
#endif
#ifndef PURE
#define PURE __attribute__((__pure__))
#endif

#define SEL4_PACKED __attribute__((packed))
#define SEL4_DEPRECATED(reason) __attribute__((deprecated(reason)))
#define SEL4_DEPRECATE_MACRO(value) value

#define LIBSEL4_UNUSED __attribute__((unused))
#define LIBSEL4_WEAK __attribute__((weak))
#define LIBSEL4_NOINLINE __attribute__((noinline))
#define LIBSEL4_INLINE static inline
#define LIBSEL4_INLINE_FUNC static inline

/* A component has one thread and so one IPC buffer; a program with several threads asks for a pointer per thread. */
#ifdef CONFIG_LIB_SEL4_USE_THREAD_LOCALS
#define LIBSEL4_THREAD_LOCAL __thread
#else
#define LIBSEL4_THREAD_LOCAL
#endif

#if defined(__cplusplus)
#define SEL4_COMPILE_ASSERT(name, condition) static_assert(condition, #name);
#else
#define SEL4_COMPILE_ASSERT(name, condition) _Static_assert(condition, #name);
#endif

/* Gives an enumeration the size of a word, because some of them travel in message registers. */
#define SEL4_FORCE_LONG_ENUM(type) _enum_pad_##type = 0x7fffffffffffffffl

#define LIBSEL4_BIT(n) (1ul << (n))
