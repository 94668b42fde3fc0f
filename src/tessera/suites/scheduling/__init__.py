# SPDX-License-Identifier: BSD-2-Clause
"""The scheduling examples of the literature: a control loop under an untrusted driver of higher priority."""
