# SPDX-License-Identifier: BSD-2-Clause
"""From a description of a system and its programs to a capability distribution."""
