/* SPDX-License-Identifier: BSD-2-Clause */
/* All system calls of the architecture are in arch/syscalls.h. */
#pragma once

#include <sel4/arch/syscalls.h>
