# SPDX-License-Identifier: BSD-2-Clause
"""Suites that run on the kernel: conformance with the manual, and benchmarks."""
