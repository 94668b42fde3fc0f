# SPDX-License-Identifier: BSD-2-Clause
"""Invocations of untyped memory, CNodes and address spaces (manual: Memory Allocation Model; Address Spaces).

``service`` is the capability that is invoked; the other arguments are those of ``abi.invocations``, in that order.
"""

from __future__ import annotations

from tessera.abi.errors import Error
from tessera.abi.labels import InvocationLabel
from tessera.lang import compiled, u64
from tessera.runtime.invoke import Answer, ask, invoke
from tessera.runtime.sel4 import environment


@compiled
def untyped_retype(
    service: u64,
    type: u64,
    size_bits: u64,
    root: u64,
    node_index: u64,
    node_depth: u64,
    node_offset: u64,
    num_objects: u64,
) -> Error:
    """Make objects from untyped memory and put capabilities to them into neighbouring slots."""
    message = environment.ipc_buffer
    message.caps[0] = root
    message.message[4] = node_offset
    message.message[5] = num_objects
    return invoke(service, InvocationLabel.UNTYPED_RETYPE, 1, 6, type, size_bits, node_index, node_depth)


@compiled
def cnode_revoke(service: u64, index: u64, depth: u64) -> Error:
    """Delete every capability that was derived from one; the capability itself stays."""
    return invoke(service, InvocationLabel.CNODE_REVOKE, 0, 2, index, depth, 0, 0)


@compiled
def cnode_delete(service: u64, index: u64, depth: u64) -> Error:
    """Empty a slot. The object behind it ends with its last capability."""
    return invoke(service, InvocationLabel.CNODE_DELETE, 0, 2, index, depth, 0, 0)


@compiled
def cnode_cancel_badged_sends(service: u64, index: u64, depth: u64) -> Error:
    """Cancel all sends that wait on an endpoint with the badge of this capability."""
    return invoke(service, InvocationLabel.CNODE_CANCEL_BADGED_SENDS, 0, 2, index, depth, 0, 0)


@compiled
def cnode_copy(
    service: u64, dest_index: u64, dest_depth: u64, src_root: u64, src_index: u64, src_depth: u64, rights: u64
) -> Error:
    """Derive a capability with the same or fewer rights."""
    message = environment.ipc_buffer
    message.caps[0] = src_root
    message.message[4] = rights
    return invoke(service, InvocationLabel.CNODE_COPY, 1, 5, dest_index, dest_depth, src_index, src_depth)


@compiled
def cnode_mint(
    service: u64,
    dest_index: u64,
    dest_depth: u64,
    src_root: u64,
    src_index: u64,
    src_depth: u64,
    rights: u64,
    badge: u64,
) -> Error:
    """Derive a capability with fewer rights and a badge or guard of its own."""
    message = environment.ipc_buffer
    message.caps[0] = src_root
    message.message[4] = rights
    message.message[5] = badge
    return invoke(service, InvocationLabel.CNODE_MINT, 1, 6, dest_index, dest_depth, src_index, src_depth)


@compiled
def cnode_move(service: u64, dest_index: u64, dest_depth: u64, src_root: u64, src_index: u64, src_depth: u64) -> Error:
    """Move a capability to an empty slot."""
    message = environment.ipc_buffer
    message.caps[0] = src_root
    return invoke(service, InvocationLabel.CNODE_MOVE, 1, 4, dest_index, dest_depth, src_index, src_depth)


@compiled
def cnode_mutate(
    service: u64, dest_index: u64, dest_depth: u64, src_root: u64, src_index: u64, src_depth: u64, badge: u64
) -> Error:
    """Move a capability to an empty slot and give it a badge or guard."""
    message = environment.ipc_buffer
    message.caps[0] = src_root
    message.message[4] = badge
    return invoke(service, InvocationLabel.CNODE_MUTATE, 1, 5, dest_index, dest_depth, src_index, src_depth)


@compiled
def cnode_rotate(
    service: u64,
    dest_index: u64,
    dest_depth: u64,
    dest_badge: u64,
    pivot_root: u64,
    pivot_index: u64,
    pivot_depth: u64,
    pivot_badge: u64,
    src_root: u64,
    src_index: u64,
    src_depth: u64,
) -> Error:
    """Move the source to the pivot and the pivot to the destination, in one step."""
    message = environment.ipc_buffer
    message.caps[0] = pivot_root
    message.caps[1] = src_root
    message.message[4] = pivot_depth
    message.message[5] = pivot_badge
    message.message[6] = src_index
    message.message[7] = src_depth
    return invoke(service, InvocationLabel.CNODE_ROTATE, 2, 8, dest_index, dest_depth, dest_badge, pivot_index)


@compiled
def page_table_map(service: u64, vspace: u64, vaddr: u64, attr: u64) -> Error:
    """Map a page table at the first level that has none for an address."""
    message = environment.ipc_buffer
    message.caps[0] = vspace
    return invoke(service, InvocationLabel.RISCV_PAGE_TABLE_MAP, 1, 2, vaddr, attr, 0, 0)


@compiled
def page_table_unmap(service: u64) -> Error:
    """Remove a page table from its address space."""
    return invoke(service, InvocationLabel.RISCV_PAGE_TABLE_UNMAP, 0, 0, 0, 0, 0, 0)


@compiled
def page_map(service: u64, vspace: u64, vaddr: u64, rights: u64, attr: u64) -> Error:
    """Map a frame, or change rights and attributes of the mapping it has."""
    message = environment.ipc_buffer
    message.caps[0] = vspace
    return invoke(service, InvocationLabel.RISCV_PAGE_MAP, 1, 3, vaddr, rights, attr, 0)


@compiled
def page_unmap(service: u64) -> Error:
    """Remove the mapping of a frame, if there is one."""
    return invoke(service, InvocationLabel.RISCV_PAGE_UNMAP, 0, 0, 0, 0, 0, 0)


@compiled
def page_get_address(service: u64) -> Answer:
    """Read the physical address of a frame."""
    return ask(service, InvocationLabel.RISCV_PAGE_GET_ADDRESS, 0, 0, 0, 0, 0, 0)


@compiled
def asid_control_make_pool(service: u64, untyped: u64, root: u64, index: u64, depth: u64) -> Error:
    """Make a pool of address-space identifiers from untyped memory."""
    message = environment.ipc_buffer
    message.caps[0] = untyped
    message.caps[1] = root
    return invoke(service, InvocationLabel.RISCV_ASID_CONTROL_MAKE_POOL, 2, 2, index, depth, 0, 0)


@compiled
def asid_pool_assign(service: u64, vspace: u64) -> Error:
    """Give a page table an identifier, which makes it the root of an address space."""
    message = environment.ipc_buffer
    message.caps[0] = vspace
    return invoke(service, InvocationLabel.RISCV_ASID_POOL_ASSIGN, 1, 0, 0, 0, 0, 0)
