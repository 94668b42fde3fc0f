/* SPDX-License-Identifier: BSD-2-Clause */
/* All constants of the architecture are in sel4_arch/constants.h. */
#pragma once

#include <sel4/sel4_arch/constants.h>
