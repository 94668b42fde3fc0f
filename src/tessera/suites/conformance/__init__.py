# SPDX-License-Identifier: BSD-2-Clause
"""Conformance: what the manual promises, case by case, observed on the kernel by a root task in QEMU."""
