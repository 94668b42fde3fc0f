# SPDX-License-Identifier: BSD-2-Clause
"""The tables: complete, consistent with each other, and with facts written down here by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.abi import capabilities as slots
from tessera.abi import objects
from tessera.abi.bootinfo import BootInfo, BootInfoHeader, UntypedDescription
from tessera.abi.errors import ERROR_DETAILS, ERROR_MEANING, LOOKUP_FAILURE_DETAILS, LOOKUP_FAILURE_MEANING, Error
from tessera.abi.errors import LookupFailure as Failure
from tessera.abi.faults import FAULT_MEANING, FAULT_MESSAGE, USER_CONTEXT, CapFaultMessage, Fault
from tessera.abi.invocations import BY_LABEL, INVOCATIONS, Invocation, invocation, pack, words_used
from tessera.abi.invocations.model import BYTE, CONTEXT, FLAG, WORD, Parameter, place
from tessera.abi.labels import FIRST_ARCHITECTURE_LABEL, INVOCATION_COUNT, InvocationLabel
from tessera.abi.messages import CapRights, CNodeData, IpcBuffer, MessageInfo, UserContext
from tessera.abi.objects import ObjectType, max_extra_refills, object_size_bits, sched_context_size_bits
from tessera.abi.syscalls import SYSCALL_REGISTERS, Syscall, register_value, signed_number
from tessera.lang import offset_of, size_of, to_word


def test_labels_are_numbered_from_one_without_gaps() -> None:
    assert [int(label) for label in InvocationLabel] == list(range(1, 47))
    assert INVOCATION_COUNT == 47
    assert FIRST_ARCHITECTURE_LABEL == 39


@pytest.mark.parametrize(
    "label, number",
    [
        (InvocationLabel.UNTYPED_RETYPE, 1),
        (InvocationLabel.TCB_CONFIGURE, 5),
        (InvocationLabel.TCB_SET_TIMEOUT_ENDPOINT, 9),
        (InvocationLabel.TCB_SET_TLS_BASE, 16),
        (InvocationLabel.CNODE_REVOKE, 18),
        (InvocationLabel.CNODE_ROTATE, 25),
        (InvocationLabel.IRQ_CONTROL_GET, 26),
        (InvocationLabel.DOMAIN_SET_SET, 30),
        (InvocationLabel.SCHED_CONTROL_CONFIGURE_FLAGS, 33),
        (InvocationLabel.SCHED_CONTEXT_YIELD_TO, 38),
        (InvocationLabel.RISCV_PAGE_TABLE_MAP, 39),
        (InvocationLabel.RISCV_IRQ_CONTROL_GET_TRIGGER, 46),
    ],
)
def test_label_numbers(label: InvocationLabel, number: int) -> None:
    assert label == number


def test_every_label_has_one_invocation() -> None:
    assert [call.label for call in INVOCATIONS] == list(InvocationLabel)
    assert len({call.c_name for call in INVOCATIONS}) == len({call.symbol for call in INVOCATIONS}) == 46
    assert all(invocation(label) is BY_LABEL[label] for label in InvocationLabel)


@pytest.mark.parametrize("call", INVOCATIONS, ids=lambda call: call.symbol)
def test_invocations_are_described(call: Invocation) -> None:
    names = [p.name for p in (*call.parameters, *call.results)]
    assert len(set(names)) == len(names)
    assert call.purpose.endswith(".")
    assert all(p.meaning for p in (*call.parameters, *call.results))
    assert not any(p.type.is_cap for p in call.results)
    returned = {cause.error for cause in call.errors()}
    assert {Error.INVALID_CAPABILITY, Error.ILLEGAL_OPERATION} <= returned
    assert (Error.TRUNCATED_MESSAGE in returned) == bool(call.parameters)
    assert Error.NO_ERROR not in returned
    assert all(cause.when for cause in call.errors())


def test_small_arguments_share_a_word() -> None:
    flag, other, byte, word = (Parameter(n, t, n) for n, t in (("a", FLAG), ("b", FLAG), ("c", BYTE), ("d", WORD)))
    placed = place([flag, other, byte, word])
    assert [(p.word, p.low, p.width) for p in placed] == [(0, 0, 1), (0, 1, 1), (0, 8, 8), (1, 0, 64)]
    assert pack(placed, {"a": 1, "b": 1, "c": 0xAB, "d": 7}) == [0xAB03, 7]
    assert words_used(placed) == 2
    assert words_used(()) == 0


def test_a_value_that_does_not_fit_is_refused() -> None:
    placed = place([Parameter("depth", BYTE, "depth")])
    with pytest.raises(ValueError, match="8 bits of depth"):
        pack(placed, {"depth": 256})


def test_several_words_follow_in_order() -> None:
    placed = place([Parameter("n", BYTE, "n"), Parameter("regs", CONTEXT, "regs")])
    words = pack(placed, {"n": 5, "regs": 1 | 2 << 64 | 3 << (31 * 64)})
    assert words == [5, 1, 2, *[0] * 29, 3]


@given(st.sampled_from(INVOCATIONS), st.data())
def test_packed_arguments_come_out_again(call: Invocation, data: st.DataObject) -> None:
    values = {p.name: data.draw(st.integers(0, (1 << p.type.bits) - 1), label=p.name) for p in call.scalars}
    words = pack(call.placements, values)
    assert len(words) == call.message_length
    whole = sum(word << (64 * i) for i, word in enumerate(words))
    for placement in call.placements:
        found = whole >> (64 * placement.word + placement.low) & ((1 << placement.width) - 1)
        assert found == values[placement.parameter.name]


def test_sizes_of_objects() -> None:
    sizes = {kind: object_size_bits(kind, 9) for kind in ObjectType}
    assert list(sizes.values()) == [9, 11, 4, 6, 14, 9, 5, 30, 12, 21, 12]
    assert len(ObjectType) == objects.OBJECT_TYPE_COUNT
    variable = {ObjectType.UNTYPED, ObjectType.CAP_TABLE, ObjectType.SCHED_CONTEXT}
    assert set(objects.FIXED_SIZE_BITS) == set(ObjectType) - variable
    assert set(objects.MIN_USER_SIZE_BITS) == variable


def test_refills_of_a_scheduling_context() -> None:
    assert [max_extra_refills(bits) for bits in (7, 8, 9)] == [0, 8, 24]
    assert [sched_context_size_bits(refills) for refills in (0, 1, 8, 9, 24, 25)] == [7, 8, 8, 9, 9, 10]


def test_paging_levels_cover_the_page_sizes() -> None:
    level = objects.PAGE_TABLE_INDEX_BITS
    assert objects.PAGE_TABLE_BITS == level + objects.PAGE_TABLE_ENTRY_BITS
    assert (objects.PAGE_BITS + level, objects.PAGE_BITS + 2 * level) == (21, 30)


def test_errors_have_their_facts() -> None:
    assert [int(error) for error in Error] == list(range(11))
    assert set(ERROR_MEANING) == set(Error)
    assert set(LOOKUP_FAILURE_MEANING) == set(Failure)
    assert {error: len(words) for error, words in ERROR_DETAILS.items()} == {
        Error.INVALID_ARGUMENT: 1,
        Error.INVALID_CAPABILITY: 1,
        Error.RANGE_ERROR: 2,
        Error.FAILED_LOOKUP: 2,
        Error.NOT_ENOUGH_MEMORY: 1,
    }
    assert [len(LOOKUP_FAILURE_DETAILS[failure]) for failure in list(Failure)[1:]] == [0, 1, 2, 3]


def test_faults_have_their_facts() -> None:
    assert {fault.name: int(fault) for fault in Fault} == {
        "NULL_FAULT": 0,
        "CAP_FAULT": 1,
        "UNKNOWN_SYSCALL": 2,
        "USER_EXCEPTION": 3,
        "TIMEOUT": 5,
        "VM_FAULT": 6,
    }
    assert set(FAULT_MESSAGE) == set(Fault) - {Fault.NULL_FAULT}
    assert set(FAULT_MEANING) == set(Fault)
    for registers in FAULT_MESSAGE.values():
        assert [int(register) for register in registers] == list(range(len(registers)))
    # A guard mismatch has the most words behind the failure type.
    longest = max(len(words) for words in LOOKUP_FAILURE_DETAILS.values())
    assert len(CapFaultMessage) == CapFaultMessage.LOOKUP_FAILURE_TYPE + 1 + longest


def test_system_calls() -> None:
    assert [signed_number(int(call)) for call in Syscall] == [*range(-1, -30, -1), -33]
    assert all(register_value(signed_number(int(call))) == call for call in Syscall)
    assert signed_number(5) == 5
    assert [call for call in Syscall if call in SYSCALL_REGISTERS] == list(Syscall)[:11]
    assert SYSCALL_REGISTERS[Syscall.NB_SEND_RECV].destination == "t0"
    assert SYSCALL_REGISTERS[Syscall.NB_SEND_WAIT].destination == "a6"


def test_layout_of_the_ipc_buffer() -> None:
    names = ("tag", "message", "user_data", "caps", "receive_cnode", "receive_index", "receive_depth")
    assert [offset_of(IpcBuffer, name) for name in names] == [0, 8, 968, 976, 1000, 1008, 1016]
    assert size_of(IpcBuffer) == 1 << objects.IPC_BUFFER_BITS


def test_layout_of_boot_info() -> None:
    names = (
        *("extra_length", "node_id", "node_count", "iopt_levels", "ipc_buffer", "empty", "shared_frames"),
        *("user_image_frames", "user_image_paging", "io_space_caps", "extra_boot_info_pages"),
        *("init_thread_cnode_size_bits", "init_thread_domain", "sched_control", "untyped", "untyped_list"),
    )
    offsets = [0, 8, 16, 24, 32, 40, 56, 72, 88, 104, 120, 136, 144, 152, 168, 184]
    assert [offset_of(BootInfo, name) for name in names] == offsets
    assert (size_of(BootInfo), size_of(UntypedDescription), size_of(BootInfoHeader)) == (3864, 16, 16)
    assert [offset_of(UntypedDescription, name) for name in ("paddr", "size_bits", "is_device")] == [0, 8, 9]


def test_layout_of_the_user_context() -> None:
    assert [offset_of(UserContext, name) for name in USER_CONTEXT] == [8 * i for i in range(32)]
    assert USER_CONTEXT[:4] == ("pc", "ra", "sp", "gp")
    assert USER_CONTEXT[4:6] + USER_CONTEXT[15:17] == ("s0", "s1", "s11", "a0")
    assert USER_CONTEXT[23:25] + USER_CONTEXT[30:] == ("a7", "t0", "t6", "tp")


def test_packed_words() -> None:
    assert to_word(MessageInfo(label=(1 << 52) - 1)) == ((1 << 64) - 1) ^ 0xFFF
    assert to_word(MessageInfo(caps_unwrapped=7)) == 0xE00
    assert to_word(MessageInfo(extra_caps=3)) == 0x180
    assert to_word(MessageInfo(length=120)) == 120
    assert to_word(CapRights(write=True)) == slots.RIGHT_WRITE
    assert to_word(CapRights(read=True)) == slots.RIGHT_READ
    assert to_word(CapRights(grant=True)) == slots.RIGHT_GRANT
    assert to_word(CapRights(grant_reply=True)) == slots.RIGHT_GRANT_REPLY
    assert to_word(CNodeData(guard=1, guard_size=55)) == 1 << slots.GUARD_SIZE_BITS | 55


def test_slots_of_a_component_do_not_overlap() -> None:
    bases = (
        slots.BASE_OUTPUT_NOTIFICATION,
        slots.BASE_OUTPUT_ENDPOINT,
        slots.BASE_IRQ_HANDLER,
        slots.BASE_CHILD_TCB,
        slots.BASE_VM_TCB,
        slots.BASE_VCPU,
        slots.BASE_IO_PORT,
        slots.BASE_USER_CAPS,
    )
    assert bases == (10, 74, 138, 202, 266, 330, 394, 458)
    assert all(high - low >= slots.MAX_CHANNELS for low, high in zip(bases, bases[1:], strict=False))
    assert bases[-1] < 1 << slots.COMPONENT_CNODE_BITS
