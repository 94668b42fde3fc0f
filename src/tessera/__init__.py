# SPDX-License-Identifier: BSD-2-Clause
"""Tessera: a capability microkernel with the seL4 API, written in typed Python, and the tools around it."""

__version__ = "0.1.0"
