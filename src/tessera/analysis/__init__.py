# SPDX-License-Identifier: BSD-2-Clause
"""Answers about a system before it runs: who can reach whom, and whether it will be in time."""
