/* SPDX-License-Identifier: BSD-2-Clause */
/* Assertions of user level. The program or its run-time defines what a failed one does. */
#pragma once

#include <sel4/macros.h>

void __assert_fail(const char *str, const char *file, int line, const char *function);

#define seL4_Fail(text) __assert_fail(text, __FILE__, __LINE__, __func__)

#define seL4_Assert(condition)       \
    do {                             \
        if (!(condition)) {          \
            seL4_Fail(#condition);   \
        }                            \
    } while (0)

#define seL4_CompileTimeAssert(condition) SEL4_COMPILE_ASSERT(seL4_CompileTimeAssert, condition)
