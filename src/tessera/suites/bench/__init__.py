# SPDX-License-Identifier: BSD-2-Clause
"""Benchmarks: instructions of kernel operations, counted exactly and repeatably by QEMU."""
