# SPDX-License-Identifier: BSD-2-Clause
"""Random system calls: the running kernel against the abstract one."""
