# SPDX-License-Identifier: BSD-2-Clause
from tessera.lang import compiled, u64


@compiled
def init() -> None:
    total = u64(0)
    for i in [1, 2]:
        total += i
