# SPDX-License-Identifier: BSD-2-Clause
"""CNode invocations as user level makes them: arguments, results, every error with its details."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE
from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.kernel import derivation, ipc
from tessera.kernel.capability import Capability, CNodeCap, EndpointCap, NullCap, PageTableCap, UntypedCap, ZombieCap
from tessera.kernel.derivation_invariants import is_descendant
from tessera.kernel.invoke import cnode
from tessera.kernel.layout import Slot, ThreadState
from tessera.kernel.request import Status, request
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World(root_bits=5) as state:
        yield state
        state.check()


def call(
    world: World, label: int, words: Sequence[int], extra: Sequence[Slot] = (), length: int | None = None
) -> Status:
    """Invoke the root CNode."""
    world.arguments(words, extra)
    return cnode.decode(label, len(words) if length is None else length, world.root_cap)


def transfer(world: World, label: int, to: Slot, source: Slot, *more: int) -> Status:
    """Copy, Mint, Move or Mutate between slots of the root CNode."""
    words = [world.address(to), 64, world.address(source), 64, *more]
    return call(world, label, words, [world.root_slot])


def endpoint_cap(slot: Slot) -> EndpointCap:
    cap = slot.capability
    assert isinstance(cap, EndpointCap)
    return cap


def failure() -> tuple[LookupFailure, int]:
    return request.failure, int(request.failure_words[0])


def test_copy(world: World) -> None:
    source, to = world.make(ObjectType.ENDPOINT), world.slot()
    assert transfer(world, Label.CNODE_COPY, to, source, RIGHT_READ) == Status.OK
    assert to.capability == EndpointCap(endpoint=endpoint_cap(source).endpoint, can_receive=True)
    assert is_descendant(source, to)


def test_mint(world: World) -> None:
    source, to, guarded = world.make(ObjectType.ENDPOINT), world.slot(), world.slot()
    assert transfer(world, Label.CNODE_MINT, to, source, RIGHT_WRITE, 77) == Status.OK
    assert to.capability == EndpointCap(endpoint=endpoint_cap(source).endpoint, can_send=True, badge=77)
    node = world.cnode(1)
    assert transfer(world, Label.CNODE_MINT, guarded, node, ALL_RIGHTS, 0b101 << 6 | 3) == Status.OK
    cap = guarded.capability
    assert isinstance(cap, CNodeCap) and (cap.guard, cap.guard_size, cap.radix) == (0b101, 3, 1)


def test_move_keeps_the_place_in_the_tree(world: World) -> None:
    memory, to = world.untyped(8), world.slot()
    source = world.make(ObjectType.ENDPOINT, memory=memory)
    child = world.slot()
    assert transfer(world, Label.CNODE_MINT, child, source, ALL_RIGHTS, 1) == Status.OK
    before = source.capability
    assert transfer(world, Label.CNODE_MOVE, to, source) == Status.OK
    assert to.capability == before and isinstance(source.capability, NullCap)
    assert is_descendant(memory, to) and is_descendant(to, child)


def test_mutate_changes_guards_only(world: World) -> None:
    node, to = world.cnode(1), world.slot()
    assert transfer(world, Label.CNODE_MUTATE, to, node, 1 << 6 | 2) == Status.OK
    cap = to.capability
    assert isinstance(cap, CNodeCap) and (cap.guard, cap.guard_size) == (1, 2)
    endpoint = world.make(ObjectType.ENDPOINT)
    assert transfer(world, Label.CNODE_MUTATE, world.slot(), endpoint, 5) == Status.ERROR
    assert request.error == Error.ILLEGAL_OPERATION


def refused(world: World, label: int, source: Slot, *more: int) -> Error:
    to = world.slot()
    before = (source.capability, source.link)
    assert transfer(world, label, to, source, *more) == Status.ERROR
    assert isinstance(to.capability, NullCap) and (source.capability, source.link) == before
    return request.error


def test_what_cannot_be_copied(world: World) -> None:
    used = world.untyped(8)
    badged = world.slot()
    endpoint = world.make(ObjectType.ENDPOINT, memory=used)
    assert transfer(world, Label.CNODE_MINT, badged, endpoint, ALL_RIGHTS, 1) == Status.OK
    table = world.make(ObjectType.PAGE_TABLE)
    assert refused(world, Label.CNODE_COPY, used, ALL_RIGHTS) == Error.REVOKE_FIRST
    assert refused(world, Label.CNODE_MINT, badged, ALL_RIGHTS, 2) == Error.ILLEGAL_OPERATION
    assert refused(world, Label.CNODE_COPY, world.irq_control(), ALL_RIGHTS) == Error.ILLEGAL_OPERATION
    assert refused(world, Label.CNODE_COPY, table, ALL_RIGHTS) == Error.ILLEGAL_OPERATION
    assert refused(world, Label.CNODE_MINT, world.cnode(2), ALL_RIGHTS, 63) == Error.ILLEGAL_OPERATION
    node = world.cnode(1)
    node.capability = ZombieCap(slots=world.inside(node, 0), radix=1, remaining=2)
    assert refused(world, Label.CNODE_COPY, node, ALL_RIGHTS) == Error.ILLEGAL_OPERATION


def test_an_untyped_is_copied_as_long_as_it_is_unused(world: World) -> None:
    source, to = world.untyped(8), world.slot()
    assert transfer(world, Label.CNODE_COPY, to, source, ALL_RIGHTS) == Status.OK
    assert isinstance(to.capability, UntypedCap)
    assert is_descendant(source, to)


@pytest.mark.parametrize("label", [Label.CNODE_COPY, Label.CNODE_MINT, Label.CNODE_MOVE, Label.CNODE_MUTATE])
def test_the_errors_of_all_transfers(world: World, label: Label) -> None:
    source, occupied, empty = world.make(ObjectType.ENDPOINT), world.make(ObjectType.ENDPOINT), world.slot()
    more = {Label.CNODE_COPY: [15], Label.CNODE_MINT: [15, 0], Label.CNODE_MUTATE: [0]}.get(label, [])
    assert transfer(world, label, occupied, source, *more) == Status.ERROR
    assert request.error == Error.DELETE_FIRST
    assert transfer(world, label, world.slot(), empty, *more) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 1)
    assert failure() == (LookupFailure.MISSING_CAPABILITY, 64)
    words = [world.address(empty), 64, 1 << 60, 64, *more]
    assert call(world, label, words, [world.root_slot]) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 1)
    assert failure()[0] == LookupFailure.GUARD_MISMATCH
    assert call(world, label, words, [occupied]) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 1)
    assert failure()[0] == LookupFailure.INVALID_ROOT
    assert call(world, label, words) == Status.ERROR
    assert request.error == Error.TRUNCATED_MESSAGE
    words = [world.address(empty), 64, world.address(source), 64, *more]
    for length in range(len(words)):
        assert call(world, label, words, [world.root_slot], length) == Status.ERROR
        assert request.error == Error.TRUNCATED_MESSAGE
    assert call(world, label, [1 << 60, 64, *words[2:]], [world.root_slot]) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 0)
    assert call(world, label, [0, 65, *words[2:]], [world.root_slot]) == Status.ERROR
    assert world.error() == (Error.RANGE_ERROR, 1, 64)
    assert isinstance(empty.capability, NullCap)


@pytest.mark.parametrize("label", [0, Label.UNTYPED_RETYPE, Label.CNODE_REVOKE - 1, Label.CNODE_ROTATE + 1, 1 << 50])
def test_labels_of_other_objects(world: World, label: int) -> None:
    assert call(world, label, [0] * 8, [world.root_slot] * 3) == Status.ERROR
    assert request.error == Error.ILLEGAL_OPERATION


def test_delete_and_revoke(world: World) -> None:
    source, to = world.make(ObjectType.ENDPOINT), world.slot()
    assert transfer(world, Label.CNODE_COPY, to, source, 15) == Status.OK
    assert call(world, Label.CNODE_REVOKE, [world.address(source), 64]) == Status.OK
    assert isinstance(to.capability, NullCap) and isinstance(source.capability, EndpointCap)
    assert call(world, Label.CNODE_DELETE, [world.address(source), 64]) == Status.OK
    assert isinstance(source.capability, NullCap)
    # Empty slots are fine.
    assert call(world, Label.CNODE_DELETE, [world.address(source), 64]) == Status.OK
    assert call(world, Label.CNODE_REVOKE, [world.address(source), 64]) == Status.OK
    assert call(world, Label.CNODE_DELETE, [world.address(source)]) == Status.ERROR
    assert request.error == Error.TRUNCATED_MESSAGE


def test_cancelling_badged_sends(world: World) -> None:
    plain = world.make(ObjectType.ENDPOINT)
    minted = []
    for badge in (1, 2):
        minted.append(world.slot())
        assert transfer(world, Label.CNODE_MINT, minted[-1], plain, ALL_RIGHTS, badge) == Status.OK
    senders = [world.tcb(world.thread()) for _ in range(2)]
    for tcb, slot in zip(senders, minted, strict=True):
        cap = endpoint_cap(slot)
        ipc.block_sender(tcb, cap.endpoint, cap.badge, False, False, False)
    # Without a badge nothing is meant.
    assert call(world, Label.CNODE_CANCEL_BADGED_SENDS, [world.address(plain), 64]) == Status.OK
    assert all(tcb.state == ThreadState.BLOCKED_ON_SEND for tcb in senders)
    assert call(world, Label.CNODE_CANCEL_BADGED_SENDS, [world.address(minted[1]), 64]) == Status.OK
    assert [tcb.state for tcb in senders] == [ThreadState.BLOCKED_ON_SEND, ThreadState.RESTART]


@pytest.mark.parametrize("rights", range(15))
def test_cancelling_needs_all_rights(world: World, rights: int) -> None:
    plain, weak = world.make(ObjectType.ENDPOINT), world.slot()
    assert transfer(world, Label.CNODE_MINT, weak, plain, rights, 1) == Status.OK
    assert call(world, Label.CNODE_CANCEL_BADGED_SENDS, [world.address(weak), 64]) == Status.ERROR
    assert request.error == Error.ILLEGAL_OPERATION


def test_cancelling_needs_an_endpoint(world: World) -> None:
    for slot in (world.make(ObjectType.NOTIFICATION), world.slot()):
        assert call(world, Label.CNODE_CANCEL_BADGED_SENDS, [world.address(slot), 64]) == Status.ERROR
        assert request.error == Error.ILLEGAL_OPERATION


def rotate(world: World, to: Slot, pivot: Slot, source: Slot, length: int = 8, data: Sequence[int] = (0, 0)) -> Status:
    words = [world.address(to), 64, data[0], world.address(pivot), 64, data[1], world.address(source), 64]
    return call(world, Label.CNODE_ROTATE, words, [world.root_slot, world.root_slot], length)


def held(*slots: Slot) -> list[Capability]:
    return [slot.capability for slot in slots]


def test_rotate_moves_two_capabilities(world: World) -> None:
    a, b, empty = world.thread(), world.thread(), world.slot()
    first, second = held(a, b)
    assert rotate(world, empty, b, a) == Status.OK
    assert held(empty, b) == [second, first] and isinstance(a.capability, NullCap)


def test_rotate_swaps_when_the_destination_is_the_source(world: World) -> None:
    memory = world.untyped(12)
    a, b = world.thread(memory=memory), world.make(ObjectType.REPLY, memory=memory)
    first, second = held(a, b)
    assert rotate(world, a, b, a) == Status.OK
    assert held(a, b) == [second, first]


def test_rotate_gives_guards(world: World) -> None:
    a, b, empty = world.cnode(1), world.cnode(2), world.slot()
    assert rotate(world, empty, b, a, data=(1 << 6 | 1, 2 << 6 | 2)) == Status.OK
    at_empty, at_b = empty.capability, b.capability
    assert isinstance(at_empty, CNodeCap) and (at_empty.radix, at_empty.guard, at_empty.guard_size) == (2, 1, 1)
    assert isinstance(at_b, CNodeCap) and (at_b.radix, at_b.guard, at_b.guard_size) == (1, 2, 2)


def test_the_errors_of_rotate(world: World) -> None:
    a, b, empty, other = world.thread(), world.thread(), world.slot(), world.slot()
    before = held(a, b)
    for to, pivot, source, error in [
        (empty, a, a, Error.ILLEGAL_OPERATION),
        (b, b, a, Error.ILLEGAL_OPERATION),
        (b, empty, a, Error.DELETE_FIRST),
        (empty, b, other, Error.FAILED_LOOKUP),
        (empty, other, a, Error.FAILED_LOOKUP),
        (empty, b, world.make(ObjectType.ENDPOINT), Error.ILLEGAL_OPERATION),
        (empty, world.make(ObjectType.NOTIFICATION), a, Error.ILLEGAL_OPERATION),
    ]:
        assert rotate(world, to, pivot, source) == Status.ERROR
        assert request.error == error
        if error == Error.FAILED_LOOKUP:
            assert request.error_words[0] == int(source is other)
            assert failure() == (LookupFailure.MISSING_CAPABILITY, 64)
    for length in range(8):
        assert rotate(world, empty, b, a, length) == Status.ERROR
        assert request.error == Error.TRUNCATED_MESSAGE
    words = [world.address(empty), 64, 0, 1 << 60, 64, 0, world.address(a), 64]
    assert call(world, Label.CNODE_ROTATE, words, [world.root_slot] * 2) == Status.ERROR
    assert world.error()[:2] == (Error.FAILED_LOOKUP, 1)
    assert call(world, Label.CNODE_ROTATE, words, [world.root_slot]) == Status.ERROR
    assert request.error == Error.TRUNCATED_MESSAGE
    assert held(a, b) == before


def test_a_mapped_page_table_is_copied(world: World) -> None:
    table, to = world.make(ObjectType.PAGE_TABLE), world.slot()
    cap = table.capability
    assert isinstance(cap, PageTableCap)
    table.capability = cap.replace(is_mapped=True, asid=9, mapped_address=1 << 30)
    assert transfer(world, Label.CNODE_COPY, to, table, 15) == Status.OK
    assert to.capability == table.capability
    assert not derivation.is_final(to)
