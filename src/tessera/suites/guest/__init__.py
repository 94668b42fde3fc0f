# SPDX-License-Identifier: BSD-2-Clause
"""What the root tasks of the suites share, in the kernel's language: start, console, objects, worker threads."""
