/* SPDX-License-Identifier: BSD-2-Clause */
/* The board has no constants of its own. */
#pragma once

#include <sel4/config.h>
