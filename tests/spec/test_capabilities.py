# SPDX-License-Identifier: BSD-2-Clause
"""Capability Spaces: addresses, copies, the derivation tree, deletion (manual: Capability Spaces)."""

from __future__ import annotations

import pytest

from tessera.abi.errors import Error, LookupFailure
from tessera.abi.labels import InvocationLabel as Label
from tessera.abi.objects import ObjectType
from tessera.spec import cspace
from tessera.spec.capability import CNodeCap, EndpointCap, NotificationCap
from tessera.spec.objects import Node
from tessera.spec.refusal import LookupFailed, Refused
from tessera.spec.state import held
from tests.spec.small import CONTEXT, DEVICE, IRQ_CONTROL, ROOT, THREAD, UNTYPED, Small

OK: tuple[Error, list[int]] = (Error.NO_ERROR, [])


@pytest.fixture
def small() -> Small:
    return Small()


def copy(small: Small, source: int, badge: int | None = None, rights: int = 15) -> int:
    slot = small.free()
    label, more = (Label.CNODE_COPY, []) if badge is None else (Label.CNODE_MINT, [badge])
    assert small.call(label, ROOT, [slot, 64, source, 64, rights, *more], [ROOT]) == OK
    return slot


def test_an_address_is_a_guard_then_an_index_at_each_level() -> None:
    inner, outer = Node(1, 4), Node(2, 4)
    outer.slots[5] = CNodeCap(inner, 8, 0xAB)
    root = CNodeCap(outer, 4, 0xF)
    assert cspace.resolve(root, 0xF5_AB7, 20) == ((inner, 7), 0)
    assert cspace.resolve(root, 0xF6_AB7, 20) == ((outer, 6), 12)  # an empty slot ends the way
    with pytest.raises(LookupFailed) as guard:
        cspace.resolve(root, 0xF5_AC7, 20)
    assert guard.value.words == (LookupFailure.GUARD_MISMATCH, 12, 0xAB, 8)
    with pytest.raises(LookupFailed) as depth:
        cspace.resolve(root, 0xF5_AB, 16)
    assert depth.value.words == (LookupFailure.DEPTH_MISMATCH, 8, 12)
    with pytest.raises(LookupFailed) as missing:
        cspace.resolve(EndpointCap(None), 0, 64)  # type: ignore[arg-type]
    assert missing.value.words == (LookupFailure.INVALID_ROOT,)


def test_an_operation_must_use_up_the_address() -> None:
    root = CNodeCap(Node(1, 4), 0)
    assert cspace.target(root, 3, 4) == (root.node, 3)
    with pytest.raises(Refused) as depth:
        cspace.target(root, 3, 0)
    assert (depth.value.error, depth.value.words) == (Error.RANGE_ERROR, (1, 64))
    with pytest.raises(Refused) as left:
        cspace.target(root, 3, 6, is_source=True)
    assert left.value.words == (1, LookupFailure.DEPTH_MISMATCH, 2, 0)


def test_copies_are_children_and_go_with_their_original(small: Small) -> None:
    endpoint = small.make(ObjectType.ENDPOINT)
    first, badged = copy(small, endpoint), copy(small, endpoint, badge=7)
    again = copy(small, badged)
    parent = {slot: small.k.parent[small.place(slot)] for slot in (first, badged, again)}
    assert parent == {
        first: small.place(endpoint),
        badged: small.place(endpoint),
        again: small.place(badged),
    }
    assert small.call(Label.CNODE_REVOKE, ROOT, [badged, 64]) == OK
    assert held(small.place(again)) is None and small.of(EndpointCap, badged).badge == 7
    assert small.call(Label.CNODE_REVOKE, ROOT, [UNTYPED, 64]) == OK
    assert not small.k.children.get(small.place(UNTYPED))
    assert all(held(small.place(slot)) is None for slot in (endpoint, first, badged))


def test_a_badge_is_given_once(small: Small) -> None:
    badged = copy(small, small.make(ObjectType.NOTIFICATION), badge=4)
    words = [small.free(), 64, badged, 64, 15, 5]
    assert small.call(Label.CNODE_MINT, ROOT, words, [ROOT]) == (Error.ILLEGAL_OPERATION, [])


def test_copies_have_no_more_rights(small: Small) -> None:
    weak = copy(small, small.make(ObjectType.NOTIFICATION), rights=2)
    cap = small.of(NotificationCap, copy(small, weak, rights=15))
    assert cap.can_receive and not cap.can_send


def test_some_capabilities_cannot_be_copied(small: Small) -> None:
    small.make(ObjectType.ENDPOINT)
    slot = small.free()
    table = small.make(ObjectType.PAGE_TABLE)
    for source, error in (
        (IRQ_CONTROL, Error.ILLEGAL_OPERATION),
        (UNTYPED, Error.REVOKE_FIRST),
        (table, Error.ILLEGAL_OPERATION),
    ):
        assert small.call(Label.CNODE_COPY, ROOT, [slot, 64, source, 64, 15], [ROOT]) == (error, [])
    copied = copy(small, DEVICE)
    assert small.k.parent[small.place(copied)] == small.place(DEVICE)


def test_a_full_slot_is_not_written(small: Small) -> None:
    words = [THREAD, 64, CONTEXT, 64, 15]
    assert small.call(Label.CNODE_COPY, ROOT, words, [ROOT]) == (Error.DELETE_FIRST, [])


def test_moving_keeps_the_place_in_the_tree(small: Small) -> None:
    endpoint = small.make(ObjectType.ENDPOINT)
    child, to = copy(small, endpoint), small.free()
    assert small.call(Label.CNODE_MOVE, ROOT, [to, 64, endpoint, 64], [ROOT]) == OK
    assert small.k.parent[small.place(child)] == small.place(to)
    assert held(small.place(endpoint)) is None


def test_rotating_exchanges_when_destination_is_source(small: Small) -> None:
    one, other = small.make(ObjectType.ENDPOINT), small.make(ObjectType.NOTIFICATION)
    words = [one, 64, 0, other, 64, 0, one, 64]
    # The badge of an endpoint cannot be set anew, not even to the same one.
    assert small.call(Label.CNODE_ROTATE, ROOT, words, [ROOT, ROOT]) == (Error.ILLEGAL_OPERATION, [])
    thread, reply = small.make(ObjectType.TCB), small.make(ObjectType.REPLY)
    words = [thread, 64, 0, reply, 64, 0, thread, 64]
    kinds = type(small.cap(thread)), type(small.cap(reply))
    assert small.call(Label.CNODE_ROTATE, ROOT, words, [ROOT, ROOT]) == OK
    assert (type(small.cap(reply)), type(small.cap(thread))) == kinds


def test_deleting_the_last_capability_to_a_cnode_empties_it(small: Small) -> None:
    node, endpoint = small.make(ObjectType.CAP_TABLE, 2), small.make(ObjectType.ENDPOINT)
    inside = small.of(CNodeCap, node).node
    assert small.call(Label.CNODE_MOVE, node, [1, 2, endpoint, 64], [ROOT]) == OK
    assert type(inside.slots[1]).__name__ == "EndpointCap"
    assert small.call(Label.CNODE_DELETE, ROOT, [node, 64]) == OK
    assert inside.slots == {} and inside.name not in small.k.objects
    assert not any(type(thing).__name__ == "Endpoint" for thing in small.k.objects.values())


def test_a_missing_source_says_so(small: Small) -> None:
    words = [small.free(), 64, 200, 64, 15]
    answer = small.call(Label.CNODE_COPY, ROOT, words, [ROOT])
    assert answer == (Error.FAILED_LOOKUP, [1, LookupFailure.MISSING_CAPABILITY, 64])


def test_short_messages_are_refused(small: Small) -> None:
    assert small.call(Label.CNODE_COPY, ROOT, [1, 64, 2, 64], []) == (Error.TRUNCATED_MESSAGE, [])
    assert small.call(99, ROOT, []) == (Error.ILLEGAL_OPERATION, [])
    assert small.call(Label.CNODE_COPY, 250, []) == (Error.INVALID_CAPABILITY, [0])
