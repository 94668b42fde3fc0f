# SPDX-License-Identifier: BSD-2-Clause
"""Invocations: what user level asked for is checked and done, one file for each family of objects."""
