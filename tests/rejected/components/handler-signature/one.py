# SPDX-License-Identifier: BSD-2-Clause
from tessera.lang import compiled, u64


@compiled
def notified(channel: u64) -> None:
    return
