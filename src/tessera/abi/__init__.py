# SPDX-License-Identifier: BSD-2-Clause
"""The binary interface of seL4 16 (mixed-criticality configuration, RISC-V 64) as data.

Every number that user level can see is declared here once. The kernel, the C headers, the stubs of both languages,
the decoders of messages and the documentation are derived from these tables.
"""
