# SPDX-License-Identifier: BSD-2-Clause
"""The reader of the IR that makes machine code: RV64 objects, and native code in this process."""
