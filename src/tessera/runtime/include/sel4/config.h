/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of the kernel, as macros: autoconf.h is generated for each profile and configuration. */
#pragma once

#include <autoconf.h>
