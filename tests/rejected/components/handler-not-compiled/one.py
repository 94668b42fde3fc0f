# SPDX-License-Identifier: BSD-2-Clause
def init() -> None:
    return
