/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells the root task (manual: BootInfo Frame). The run-time of the root task keeps the pointer. */
#pragma once

#include <sel4/bootinfo_types.h>

void seL4_InitBootInfo(seL4_BootInfo *bi) SEL4_DEPRECATED("keep the pointer that the program receives at its start");
seL4_BootInfo *seL4_GetBootInfo(void) SEL4_DEPRECATED("keep the pointer that the program receives at its start");
