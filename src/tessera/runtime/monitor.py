# SPDX-License-Identifier: BSD-2-Clause
"""The monitor: receives the faults of all top-level components and tells them in the user's names.

It is an ordinary component of the highest priority, with capabilities of its own (``system.environment``). What it
knows of the system, the build puts into its program as tables (``fault_tables``). A component that has made a fault
is left stopped, because its message is not answered; all others go on.

A passive component sends an empty message when its ``init`` has returned: its scheduling context is then taken from
its thread and bound to its notification.
"""

from __future__ import annotations
