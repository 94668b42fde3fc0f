# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of untyped memory and of CNodes (manual: Capability Spaces; Memory Allocation Model)."""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.invocations.model import (
    BYTE,
    CNODE,
    DEPTH_RANGE,
    OCCUPIED,
    RIGHTS,
    SLOT_NOT_FOUND,
    WORD,
    Invocation,
    Parameter,
    failures,
)
from tessera.abi.labels import InvocationLabel as Label

_INDEX = Parameter("index", WORD, "address of the slot, resolved from the invoked CNode")
_DEPTH = Parameter("depth", BYTE, "number of bits of the address")
_DEST = (
    Parameter("dest_index", WORD, "address of the destination slot, resolved from the invoked CNode"),
    Parameter("dest_depth", BYTE, "number of bits of that address"),
)
_SOURCE = (
    Parameter("src_root", CNODE, "root of the capability space that holds the source"),
    Parameter("src_index", WORD, "address of the source slot, resolved from src_root"),
    Parameter("src_depth", BYTE, "number of bits of that address"),
)
_RIGHTS = Parameter("rights", RIGHTS, "rights that the new capability keeps at most")
_BADGE = Parameter("badge", WORD, "badge of an endpoint or a notification, or guard of a CNode")

_SOURCE_EMPTY = (Error.FAILED_LOOKUP, "the source slot is empty, or src_root is not a CNode")
_NOT_DERIVABLE = (Error.ILLEGAL_OPERATION, "the source is of a kind that cannot be copied")
_HAS_CHILDREN = (Error.REVOKE_FIRST, "the source is untyped memory from which objects were made")
_BAD_GUARD = (Error.ILLEGAL_OPERATION, "the guard or the badge is not valid for this capability")

MEMORY_INVOCATIONS: tuple[Invocation, ...] = (
    Invocation(
        Label.UNTYPED_RETYPE,
        "UntypedRetype",
        "Untyped",
        "Retype",
        "Make objects from untyped memory and put capabilities to them into neighbouring slots.",
        (
            Parameter("type", WORD, "kind of object"),
            Parameter("size_bits", WORD, "size of an object whose size the user chooses, as a power of two"),
            Parameter("root", CNODE, "root of the capability space of the destination"),
            Parameter("node_index", WORD, "address of the destination CNode, resolved from root"),
            Parameter("node_depth", WORD, "number of bits of that address; 0 means root itself"),
            Parameter("node_offset", WORD, "first slot of the destination CNode to fill"),
            Parameter("num_objects", WORD, "how many objects"),
        ),
        causes=failures(
            (Error.INVALID_ARGUMENT, "the kind does not exist, is too small, or cannot be made of device memory"),
            (Error.RANGE_ERROR, "the size, the offset or the number of objects is out of range"),
            (Error.FAILED_LOOKUP, "the address does not lead to a CNode"),
            (Error.DELETE_FIRST, "one of the destination slots is occupied"),
            (Error.NOT_ENOUGH_MEMORY, "the objects do not fit into what is free"),
        ),
    ),
    Invocation(
        Label.CNODE_REVOKE,
        "CNodeRevoke",
        "CNode",
        "Revoke",
        "Delete every capability that was derived from one; the capability itself stays.",
        (_INDEX, _DEPTH),
        causes=failures(DEPTH_RANGE, SLOT_NOT_FOUND),
    ),
    Invocation(
        Label.CNODE_DELETE,
        "CNodeDelete",
        "CNode",
        "Delete",
        "Empty a slot. The object behind it ends with its last capability.",
        (_INDEX, _DEPTH),
        causes=failures(DEPTH_RANGE, SLOT_NOT_FOUND),
    ),
    Invocation(
        Label.CNODE_CANCEL_BADGED_SENDS,
        "CNodeCancelBadgedSends",
        "CNode",
        "CancelBadgedSends",
        "Cancel all sends that wait on an endpoint with the badge of this capability.",
        (_INDEX, _DEPTH),
        causes=failures(
            DEPTH_RANGE,
            SLOT_NOT_FOUND,
            (Error.ILLEGAL_OPERATION, "the slot does not hold an endpoint capability with all rights"),
        ),
    ),
    Invocation(
        Label.CNODE_COPY,
        "CNodeCopy",
        "CNode",
        "Copy",
        "Derive a capability with the same or fewer rights.",
        (*_DEST, *_SOURCE, _RIGHTS),
        causes=failures(DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED, _SOURCE_EMPTY, _NOT_DERIVABLE, _HAS_CHILDREN),
    ),
    Invocation(
        Label.CNODE_MINT,
        "CNodeMint",
        "CNode",
        "Mint",
        "Derive a capability with fewer rights and a badge or guard of its own.",
        (*_DEST, *_SOURCE, _RIGHTS, _BADGE),
        causes=failures(
            DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED, _SOURCE_EMPTY, _NOT_DERIVABLE, _HAS_CHILDREN, _BAD_GUARD
        ),
    ),
    Invocation(
        Label.CNODE_MOVE,
        "CNodeMove",
        "CNode",
        "Move",
        "Move a capability to an empty slot.",
        (*_DEST, *_SOURCE),
        causes=failures(DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED, _SOURCE_EMPTY),
    ),
    Invocation(
        Label.CNODE_MUTATE,
        "CNodeMutate",
        "CNode",
        "Mutate",
        "Move a capability to an empty slot and give it a badge or guard.",
        (*_DEST, *_SOURCE, _BADGE),
        causes=failures(DEPTH_RANGE, SLOT_NOT_FOUND, OCCUPIED, _SOURCE_EMPTY, _BAD_GUARD),
    ),
    Invocation(
        Label.CNODE_ROTATE,
        "CNodeRotate",
        "CNode",
        "Rotate",
        "Move the source to the pivot and the pivot to the destination, in one step.",
        (
            *_DEST,
            Parameter("dest_badge", WORD, "badge or guard of what arrives at the destination"),
            Parameter("pivot_root", CNODE, "root of the capability space that holds the pivot"),
            Parameter("pivot_index", WORD, "address of the pivot slot, resolved from pivot_root"),
            Parameter("pivot_depth", BYTE, "number of bits of that address"),
            Parameter("pivot_badge", WORD, "badge or guard of what arrives at the pivot"),
            *_SOURCE,
        ),
        causes=failures(
            DEPTH_RANGE,
            SLOT_NOT_FOUND,
            (Error.DELETE_FIRST, "the destination is occupied and is not the source"),
            (Error.FAILED_LOOKUP, "the source or the pivot is empty, or one of the roots is not a CNode"),
            (Error.ILLEGAL_OPERATION, "the pivot is also the source or the destination"),
            _BAD_GUARD,
        ),
    ),
)
