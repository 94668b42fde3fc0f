# SPDX-License-Identifier: BSD-2-Clause
"""Cannot be imported."""

limit = 1 // 0
