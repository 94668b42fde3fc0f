# SPDX-License-Identifier: BSD-2-Clause
"""The typed intermediate representation: one table of operations, read by the interpreter, LLVM, and the prover."""
