/* SPDX-License-Identifier: BSD-2-Clause */
/* All types of the architecture are in arch/types.h. */
#pragma once

#include <sel4/arch/types.h>
