# SPDX-License-Identifier: BSD-2-Clause
import nothing_of_this_name
