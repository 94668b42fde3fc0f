# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tessera.cli`` is the command `tessera`."""

from tessera.cli.main import main

main()
