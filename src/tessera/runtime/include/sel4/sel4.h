/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole interface of the kernel, for user level. */
#pragma once

#include <sel4/config.h>
#include <sel4/types.h>
#include <sel4/functions.h>
#include <sel4/syscalls.h>
#include <sel4/invocation.h>
#include <interfaces/sel4_client.h>
#include <sel4/virtual_client.h>
#include <sel4/bootinfo.h>
#include <sel4/faults.h>
#include <sel4/arch/constants.h>
#include <sel4/plat/api/constants.h>
