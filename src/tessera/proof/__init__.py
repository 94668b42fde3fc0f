# SPDX-License-Identifier: BSD-2-Clause
"""Proofs of the kernel: which functions, which invariants, what came of it."""
