# SPDX-License-Identifier: BSD-2-Clause
"""The stubs against the table: each invocation of abi.invocations has one, with its arguments in the same order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tessera.abi.errors import Error
from tessera.abi.invocations import INVOCATIONS, Invocation
from tessera.abi.messages import IpcBuffer, MessageInfo, UserContext
from tessera.abi.syscalls import Syscall
from tessera.lang import Memory, at, from_word, to_word
from tessera.lang.memory import MEMORY_BASE, static_size
from tessera.runtime import memory, threads
from tessera.runtime.invoke import CONTEXT_WORDS, last_failure
from tessera.runtime.machine import Host
from tessera.runtime.sel4 import environment


def python_name(c_name: str) -> str:
    """seL4_RISCV_PageTable_Map -> page_table_map; seL4_TCB_SetMCPriority -> tcb_set_mc_priority."""
    plain = c_name.removeprefix("seL4_").removeprefix("RISCV_").replace("CNode", "Cnode")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain).lower()


def stub(item: Invocation) -> Callable[..., Any]:
    name = python_name(item.c_name)
    found = getattr(memory, name, None) or getattr(threads, name, None)
    assert found is not None, f"no stub for {item.c_name}: {name}"
    return found  # type: ignore[no-any-return]


@pytest.fixture
def buffer() -> Iterator[IpcBuffer]:
    start = -(-static_size() // 4096) * 4096
    with Memory(start + 8192):
        place = at(IpcBuffer, MEMORY_BASE + start)
        environment.ipc_buffer = place
        yield place
    Host.kernel = None


@pytest.mark.parametrize("item", INVOCATIONS, ids=lambda item: item.c_name)
def test_arguments_are_where_the_table_puts_them(item: Invocation, buffer: IpcBuffer) -> None:
    call = stub(item)
    names = [python_name(parameter.name) for parameter in item.parameters]
    results = [python_name(p.name) for p in item.results if p.type.by_reference]
    assert list(inspect.signature(call).parameters) == ["service", *names, *results]

    context = at(UserContext, buffer._address + 4096)  # type: ignore[attr-defined]
    for index, field in enumerate(UserContext.__annotations__):
        setattr(context, field, 1000 + index)
    values: dict[str, Any] = {}
    for index, parameter in enumerate(item.parameters):
        plain = {1: bool(index % 2), 8: 7 + index}.get(parameter.type.bits, 0x1111 * (index + 1))
        values[parameter.name] = context if parameter.type.by_reference else plain
    seen: list[tuple[int, int]] = []

    def kernel(
        number: Syscall, cap: int, info: int, words: tuple[int, ...], reply: int, second: int
    ) -> tuple[int, ...]:
        assert number is Syscall.CALL
        shape = from_word(MessageInfo, info)
        assert int(shape.label) == int(item.label)
        assert int(shape.extra_caps) == len(item.extra_caps)
        assert int(shape.length) == item.message_length
        message = [*words, *(int(buffer.message[i]) for i in range(4, 120))]
        for placement in item.placements:
            value = values[placement.parameter.name]
            if placement.parameter.type.by_reference:
                expected = [1000 + i for i in range(CONTEXT_WORDS)]
                assert message[placement.word : placement.word + CONTEXT_WORDS] == expected
            else:
                mask = (1 << placement.width) - 1
                assert message[placement.word] >> placement.low & mask == int(value), placement.parameter.name
        for index, parameter in enumerate(item.extra_caps):
            assert int(buffer.caps[index]) == values[parameter.name], parameter.name
        seen.append((cap, info))
        return 0, int(to_word(MessageInfo(label=0, length=1))), 42, 0, 0, 0

    Host.kernel = kernel
    extra = [context] if results else []
    result = call(0x77, *values.values(), *extra)
    assert [cap for cap, _ in seen] == [0x77]
    if item.results and not results:
        assert result.error == Error.NO_ERROR
        assert int(result.value) == 42
    else:
        assert result == Error.NO_ERROR


def test_registers_are_read_in_the_order_of_the_context(buffer: IpcBuffer) -> None:
    def kernel(
        number: Syscall, cap: int, info: int, words: tuple[int, ...], reply: int, second: int
    ) -> tuple[int, ...]:
        for index in range(4, CONTEXT_WORDS):
            buffer.message[index] = 500 + index
        return 0, int(to_word(MessageInfo(length=CONTEXT_WORDS))), 500, 501, 502, 503

    Host.kernel = kernel
    context = at(UserContext, buffer._address + 4096)  # type: ignore[attr-defined]
    assert threads.tcb_read_registers(5, False, 0, CONTEXT_WORDS - 1, context) == Error.NO_ERROR
    read = [int(getattr(context, field)) for field in UserContext.__annotations__]
    assert read == [*(500 + i for i in range(CONTEXT_WORDS - 1)), 0]


def test_the_details_of_a_failure_are_kept(buffer: IpcBuffer) -> None:
    def kernel(
        number: Syscall, cap: int, info: int, words: tuple[int, ...], reply: int, second: int
    ) -> tuple[int, ...]:
        return 0, int(to_word(MessageInfo(label=Error.RANGE_ERROR, length=2))), 3, 9, 0, 0

    Host.kernel = kernel
    assert threads.tcb_set_priority(5, 1, 12) == Error.RANGE_ERROR
    assert [int(last_failure.words[i]) for i in range(2)] == [3, 9]
