# SPDX-License-Identifier: BSD-2-Clause
"""The reader of the IR that proves: words as integers, the heap as arrays, solvers, and what they are asked."""
