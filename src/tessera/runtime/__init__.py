# SPDX-License-Identifier: BSD-2-Clause
"""User level, in the kernel's language: system calls, the event loop of components, the initialiser, the monitor."""
