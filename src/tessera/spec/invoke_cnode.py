# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of CNodes: copying, moving and deleting capabilities (manual: Capability Spaces)."""

from __future__ import annotations

from tessera.abi.labels import InvocationLabel as Label
from tessera.spec import cspace, deletion, derivation, ipc
from tessera.spec.capability import Capability, CNodeCap, EndpointCap
from tessera.spec.objects import Place
from tessera.spec.refusal import illegal_operation
from tessera.spec.request import Request, Result
from tessera.spec.state import Kernel, held

# How long the message is.
WORDS = {Label.CNODE_COPY: 5, Label.CNODE_MINT: 6, Label.CNODE_MOVE: 4, Label.CNODE_MUTATE: 5}


def invoke(k: Kernel, r: Request, cap: CNodeCap) -> Result:
    """Find the slot that every operation names first, and go on by operation."""
    if not Label.CNODE_REVOKE <= r.label <= Label.CNODE_ROTATE:
        raise illegal_operation()
    r.need(2)
    place = cspace.target(cap, r.words[0], r.words[1])
    match r.label:
        case Label.CNODE_REVOKE:
            deletion.revoke(k, place)
        case Label.CNODE_DELETE:
            deletion.delete(k, place)
        case Label.CNODE_CANCEL_BADGED_SENDS:
            cancel_badged_sends(k, held(place))
        case Label.CNODE_ROTATE:
            rotate(k, r, place)
        case _:
            transfer(k, r, place)
    return []


def cancel_badged_sends(k: Kernel, cap: Capability | None) -> None:
    """Cancel the sends that carry the badge of this capability, which needs all rights."""
    if not isinstance(cap, EndpointCap):
        raise illegal_operation()
    if not (cap.can_send and cap.can_receive and cap.can_grant and cap.can_grant_reply):
        raise illegal_operation()
    if cap.badge != 0:
        ipc.cancel_all(k, cap.endpoint, cap.badge)


def transfer(k: Kernel, r: Request, place: Place) -> None:
    """Copy, Mint, Move and Mutate: a capability comes into an empty slot."""
    r.need(4, 1)
    cspace.ensure_empty(place)
    source = cspace.target(r.cap(0), r.words[2], r.words[3], is_source=True)
    cap = cspace.occupied(source, r.words[3], is_source=True)
    r.need(WORDS[Label(r.label)])
    new: Capability | None = cap
    match r.label:
        case Label.CNODE_COPY:
            new = derivation.derived(k, source, derivation.with_rights(cap, r.words[4]))
        case Label.CNODE_MINT:
            badged = derivation.with_data(derivation.with_rights(cap, r.words[4]), r.words[5], is_moved=False)
            new = None if badged is None else derivation.derived(k, source, badged)
        case Label.CNODE_MUTATE:
            new = derivation.with_data(cap, r.words[4], is_moved=True)
    if new is None:
        raise illegal_operation()

    if r.label in (Label.CNODE_COPY, Label.CNODE_MINT):
        derivation.copy(k, new, source, place)
    else:
        derivation.move(k, new, source, place)


def rotate(k: Kernel, r: Request, place: Place) -> None:
    """The source's capability moves to the pivot, the pivot's to the destination; destination may be the source."""
    r.need(8, 2)
    source = cspace.target(r.cap(1), r.words[6], r.words[7], is_source=True)
    pivot = cspace.target(r.cap(0), r.words[3], r.words[4], is_source=True)
    if pivot in (source, place):
        raise illegal_operation()
    if source != place:
        cspace.ensure_empty(place)
    source_cap = cspace.occupied(source, r.words[7], is_source=True)
    pivot_cap = cspace.occupied(pivot, r.words[4], is_source=False)
    new_source = derivation.with_data(source_cap, r.words[5], is_moved=True)
    new_pivot = derivation.with_data(pivot_cap, r.words[2], is_moved=True)
    if new_source is None or new_pivot is None:
        raise illegal_operation()

    if source == place:
        derivation.swap(k, new_source, source, new_pivot, pivot)
    else:
        derivation.move(k, new_pivot, pivot, place)
        derivation.move(k, new_source, source, pivot)
