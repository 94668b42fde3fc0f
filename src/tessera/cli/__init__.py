# SPDX-License-Identifier: BSD-2-Clause
"""The command `tessera`: one file for each of its commands, the error boundary in :mod:`tessera.cli.main`."""
