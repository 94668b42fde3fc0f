/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything about mappings is in sel4_arch/mapping.h. */
#pragma once

#include <sel4/sel4_arch/mapping.h>
