# SPDX-License-Identifier: BSD-2-Clause
"""The abstract kernel: what every event does, as an executable specification over maps (see docs/spec.md)."""
