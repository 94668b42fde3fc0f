# SPDX-License-Identifier: BSD-2-Clause
from tessera.lang import compiled


@compiled
def init() -> None:
    return
