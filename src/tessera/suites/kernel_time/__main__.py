# SPDX-License-Identifier: BSD-2-Clause
"""`python -m tessera.suites.kernel_time`: write what is generated of docs/kernel-time.md; --loops: the loops alone."""

from __future__ import annotations

import sys

from tessera.lang.diagnostics import Diagnostic, Diagnostics
from tessera.suites.kernel_time.page import update

try:
    update("--loops" not in sys.argv)
except (Diagnostic, Diagnostics) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
