# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own time: every loop with its bound, and the longest entries, measured in instructions."""
