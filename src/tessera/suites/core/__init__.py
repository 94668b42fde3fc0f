# SPDX-License-Identifier: BSD-2-Clause
"""The kernel on the hardware description of a real core: cycles, counted by a simulator of its circuits."""
