# SPDX-License-Identifier: BSD-2-Clause
"""System Bootstrapping: the root task's objects (manual: System Bootstrapping, Initial Slots).

They are made as user level makes its own, of memory that is zero and in nobody's use.
"""

from __future__ import annotations

from tessera.abi.capabilities import FIRST_DYNAMIC_SLOT, InitialSlot
from tessera.abi.configuration import configuration
from tessera.abi.objects import MIN_SCHED_CONTEXT_BITS, TCB_BITS, ObjectType
from tessera.arch import paging
from tessera.kernel.boot_frames import PAGE_SIZE, ROOT_ASID, is_space_there
from tessera.kernel.boot_plan import cnode_size, plan
from tessera.kernel.boot_slots import (
    are_alone,
    is_being_filled,
    is_free_slot,
    is_kept,
    is_nobodys,
    is_root_node,
    is_same_slot,
    put,
    put_right,
    root_slot,
    root_task,
)
from tessera.kernel.capability import (
    AsidControlCap,
    AsidPoolCap,
    Capability,
    CapKind,
    CNodeCap,
    DomainCap,
    IrqControlCap,
    PageTableCap,
    SchedContextCap,
    ThreadCap,
)
from tessera.kernel.derivation import is_empty
from tessera.kernel.derivation_order import is_untyped, size_of_object, start_of
from tessera.kernel.invoke.vspace_promises import is_below, is_to, tells_of_use
from tessera.kernel.layout import AsidPool, Granule, PageTable, Slot
from tessera.kernel.memory_invariants import (
    has_none_of,
    is_granular,
    is_new_memory,
    is_taken,
    is_zero,
    memory_is_described,
)
from tessera.kernel.object_invariants import WINDOW_SIZE
from tessera.kernel.object_kinds import bits_of, holds_no_slot, is_kind, is_made, is_place
from tessera.kernel.state import ASID_POOLS, kernel
from tessera.kernel.untyped import create_object
from tessera.kernel.vspace import map_kernel, new_pool, walk, write_entry
from tessera.kernel.vspace_invariants import is_above
from tessera.lang import (
    address_of,
    at,
    begin_lives,
    compiled,
    ensures,
    everything_in,
    forall,
    ghost,
    integer,
    live,
    modifies,
    old,
    requires,
    specification,
    trigger,
    u64,
)

THREAD_SIZE = 1 << TCB_BITS
CONTEXT_SIZE = 1 << MIN_SCHED_CONTEXT_BITS


@specification
def is_unused_memory(start: u64, size: u64) -> bool:
    """Whether no object is made of memory at a physical address, which is zero, and no capability is to it."""
    place = paging.kernel_address(start)
    return (
        start + size <= WINDOW_SIZE
        and is_granular(place, size)
        and is_zero(place, size)
        and is_nobodys(start, start + size)
    )


@specification
def is_no_untyped(slot: Slot) -> bool:
    """Whether a slot does not hold untyped memory."""
    trigger(slot.capability)
    return not is_untyped(slot)


@specification
def are_no_untypeds() -> bool:
    """Whether no memory was handed out yet."""
    return forall(Slot, lambda slot: is_no_untyped(slot))


@specification
def is_new_empty(slot: Slot) -> bool:
    """Whether a slot is empty."""
    trigger(slot.object_start)
    trigger(slot.capability)
    return is_empty(slot) and slot.object_size == 0


@specification
def is_kept_or_new(slot: Slot, was_live: bool, capability: Capability, start: integer, size: integer) -> bool:
    """Whether a slot is as it was, or new and empty."""
    trigger(slot.object_start)
    trigger(slot.capability)
    return is_new_empty(slot) or (was_live and is_same_slot(slot, capability, start, size))


@specification
def is_kept_but(
    slot: Slot, first: u64, second: u64, was_live: bool, capability: Capability, start: integer, size: integer
) -> bool:
    """Whether a slot is as it was, or new and empty, or one of two of the root CNode."""
    trigger(slot.object_start)
    trigger(slot.capability)
    if slot is root_slot(first) or slot is root_slot(second):
        return True
    return is_kept_or_new(slot, was_live, capability, start, size)


@specification
def is_apart_from_root(base: u64) -> bool:
    """Whether memory is behind that of the root CNode."""
    end = integer(address_of(root_task.slots)) + integer(cnode_size())
    return end <= integer(paging.kernel_address(base))


@specification
def is_behind_space(base: u64) -> bool:
    """Whether memory is behind that of the root table."""
    return integer(address_of(root_task.space)) + PAGE_SIZE <= integer(paging.kernel_address(base))


@compiled
def create(kind: u64, user_size: u64, base: u64) -> Capability:
    """Make an object of the memory that was placed for it, and give its first capability."""
    requires(
        kind != ObjectType.UNTYPED and is_kind(kind, user_size) and is_place(base, bits_of(kind, user_size), False)
    )
    requires(is_unused_memory(base, u64(1) << bits_of(kind, user_size)) and are_no_untypeds() and are_alone())
    modifies(everything_in(paging.kernel_address(base), u64(1) << bits_of(kind, user_size)))
    ensures(lambda result: is_made(result, kind, user_size) and start_of(result) == integer(base))
    ensures(lambda result: size_of_object(result) == integer(u64(1) << bits_of(kind, user_size)))
    ensures(lambda result: is_new_memory(result) and are_alone())
    ensures(lambda: are_no_untypeds() and is_nobodys(base, base + (u64(1) << bits_of(kind, user_size))))
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_or_new(s, old(live(s)), old(s.capability), old(s.object_start), old(s.object_size)),
        )
    )
    with ghost:
        assert forall(Slot, lambda s: memory_is_described(s))
        assert is_taken(base, u64(1) << bits_of(kind, user_size))
        assert holds_no_slot(paging.kernel_address(base), u64(1) << bits_of(kind, user_size))
    return create_object(kind, base, user_size, False)


@compiled
def make(index: u64, kind: u64, user_size: u64, base: u64) -> None:
    """Make an object, and put its capability into a fixed slot of the root CNode."""
    requires(
        kind != ObjectType.UNTYPED and is_kind(kind, user_size) and is_place(base, bits_of(kind, user_size), False)
    )
    requires(is_unused_memory(base, u64(1) << bits_of(kind, user_size)) and are_no_untypeds())
    requires(is_apart_from_root(base) and is_being_filled() and is_free_slot(index))
    modifies(everything_in(paging.kernel_address(base), u64(1) << bits_of(kind, user_size)), root_slot(index))
    ensures(lambda: is_being_filled() and are_no_untypeds())
    ensures(lambda: is_made(root_slot(index).capability, kind, user_size))
    ensures(lambda: is_filled_with(index, integer(base), integer(u64(1) << bits_of(kind, user_size))))
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_but(
                s, index, index, old(live(s)), old(s.capability), old(s.object_start), old(s.object_size)
            ),
        )
    )
    put(index, create(kind, user_size, base))
    with ghost:
        assert is_root_node()
        assert forall(Slot, lambda s: is_kept(s))
        assert are_no_untypeds()


@specification
def is_filled_with(index: u64, start: integer, size: integer) -> bool:
    """Whether a slot of the root CNode is to an object in this memory."""
    return root_slot(index).object_start == start and root_slot(index).object_size == size


@specification
def is_node_or_right(slot: Slot) -> bool:
    """Whether a slot is empty, or has one of the capabilities that come first, of which none but one is to memory."""
    trigger(slot.object_start)
    if slot is root_slot(InitialSlot.CNODE):
        return True
    if slot is root_slot(InitialSlot.IRQ_CONTROL) or slot is root_slot(InitialSlot.ASID_CONTROL):
        return slot.object_size == 0
    return slot.object_size == 0 and (is_empty(slot) or slot is root_slot(InitialSlot.DOMAIN))


@specification
def is_no_time(slot: Slot) -> bool:
    """Whether a slot does not hold a right to give out time, nor one to an interrupt."""
    trigger(slot.object_start)
    kind = slot.capability.kind
    return slot.object_size > 0 or (kind != CapKind.SCHED_CONTROL and kind != CapKind.IRQ_HANDLER)


@specification
def is_no_time_given() -> bool:
    """Whether there is no capability to give out time yet."""
    return forall(Slot, lambda slot: is_no_time(slot))


@compiled
def make_root_slots() -> None:
    """The root CNode, and the fixed slots that need nothing else."""
    requires(plan.cnode & (cnode_size() - 1) == 0 and is_unused_memory(plan.cnode, cnode_size()))
    requires(forall(Slot, lambda slot: is_new_empty(slot)))
    modifies(everything_in(paging.kernel_address(plan.cnode), cnode_size()))
    modifies(lambda: (root_task.slots, root_task.next))
    ensures(lambda: is_being_filled() and are_no_untypeds() and root_task.next == FIRST_DYNAMIC_SLOT)
    ensures(lambda: integer(address_of(root_task.slots)) == integer(paging.kernel_address(plan.cnode)))
    ensures(lambda: isinstance(root_slot(InitialSlot.CNODE).capability, CNodeCap))
    ensures(lambda: is_filled_with(InitialSlot.CNODE, integer(plan.cnode), integer(cnode_size())))
    ensures(lambda: forall(Slot, lambda slot: is_node_or_right(slot)) and is_no_time_given())
    radix = u64(configuration.profile.root_cnode_bits)
    node = create(ObjectType.CAP_TABLE, radix, plan.cnode)
    assert isinstance(node, CNodeCap)
    root_task.slots = node.slots
    root_task.next = FIRST_DYNAMIC_SLOT
    put(InitialSlot.CNODE, node.replace(guard_size=64 - radix))
    put_right(InitialSlot.IRQ_CONTROL, IrqControlCap())
    put_right(InitialSlot.ASID_CONTROL, AsidControlCap())
    put_right(InitialSlot.DOMAIN, DomainCap())


@compiled
def make_thread() -> None:
    """The root task's thread and its time."""
    requires(plan.tcb & (THREAD_SIZE - 1) == 0 and plan.tcb + THREAD_SIZE == plan.context)
    requires(is_unused_memory(plan.tcb, THREAD_SIZE) and is_unused_memory(plan.context, CONTEXT_SIZE))
    requires(is_being_filled() and are_no_untypeds() and is_apart_from_root(plan.tcb))
    requires(is_free_slot(InitialSlot.TCB) and is_free_slot(InitialSlot.SCHED_CONTEXT))
    modifies(everything_in(paging.kernel_address(plan.tcb), THREAD_SIZE + CONTEXT_SIZE))
    modifies(root_slot(InitialSlot.TCB), root_slot(InitialSlot.SCHED_CONTEXT))
    ensures(lambda: is_being_filled() and are_no_untypeds())
    ensures(lambda: isinstance(root_slot(InitialSlot.TCB).capability, ThreadCap))
    ensures(lambda: isinstance(root_slot(InitialSlot.SCHED_CONTEXT).capability, SchedContextCap))
    ensures(lambda: is_filled_with(InitialSlot.TCB, integer(plan.tcb), integer(THREAD_SIZE)))
    ensures(lambda: is_filled_with(InitialSlot.SCHED_CONTEXT, integer(plan.context), integer(CONTEXT_SIZE)))
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_but(
                s,
                InitialSlot.TCB,
                InitialSlot.SCHED_CONTEXT,
                old(live(s)),
                old(s.capability),
                old(s.object_start),
                old(s.object_size),
            ),
        )
    )
    with ghost:
        assert u64(1) << bits_of(ObjectType.TCB, 0) == THREAD_SIZE
        assert u64(1) << bits_of(ObjectType.SCHED_CONTEXT, MIN_SCHED_CONTEXT_BITS) == CONTEXT_SIZE
    make(InitialSlot.TCB, ObjectType.TCB, 0, plan.tcb)
    make(InitialSlot.SCHED_CONTEXT, ObjectType.SCHED_CONTEXT, MIN_SCHED_CONTEXT_BITS, plan.context)


@specification
def is_table(index: u64, address: u64) -> bool:
    """Whether a slot has a page table, which translates an address of the root task if it is in use."""
    cap = root_slot(index).capability
    if not isinstance(cap, PageTableCap):
        return False
    return not cap.is_mapped or (cap.asid == ROOT_ASID and cap.mapped_address == address)


@compiled
def make_table(index: u64, base: u64, address: u64) -> None:
    """A page table that translates an address of the root task, below those that there are."""
    requires(is_space_there() and address < paging.USER_TOP and base & (PAGE_SIZE - 1) == 0)
    requires(is_unused_memory(base, PAGE_SIZE) and are_no_untypeds() and is_apart_from_root(base))
    requires(is_behind_space(base))
    requires(is_being_filled() and is_free_slot(index))
    modifies(everything_in(paging.kernel_address(base), PAGE_SIZE), root_slot(index), PageTable.entries)
    ensures(lambda: is_being_filled() and are_no_untypeds() and is_space_there())
    ensures(lambda: is_filled_with(index, integer(base), integer(PAGE_SIZE)) and is_table(index, address))
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_but(
                s, index, index, old(live(s)), old(s.capability), old(s.object_start), old(s.object_size)
            ),
        )
    )
    made = create(ObjectType.PAGE_TABLE, 0, base)
    assert isinstance(made, PageTableCap)
    with ghost:
        assert is_root_node()
    place = walk(root_task.space, address)
    if place.level == 0:
        put(index, made)
        return
    table = made.table
    with ghost:
        assert forall(Slot, lambda s: not is_to(s, table))
        assert is_below(place, address)
        table.rank = place.table.rank + 1
        table.space = place.table.space
        table.life = place.table.life
        table.pool_number = place.table.pool_number
        table.place = place.table.place
        table.start = address
        assert forall(Slot, lambda s: tells_of_use(s))
        assert is_above(place.table, place.index, table)
        assert is_root_node() and live(root_slot(index))
    write_entry(place, paging.table_entry(base))
    put(index, made.replace(is_mapped=True, asid=ROOT_ASID, mapped_address=address))


@compiled
def make_space() -> None:
    """The root of the root task's address space, and the first pool of identifiers."""
    requires(plan.vspace & (PAGE_SIZE - 1) == 0 and plan.asid_pool & (PAGE_SIZE - 1) == 0)
    requires(plan.vspace + PAGE_SIZE <= plan.asid_pool and is_unused_memory(plan.vspace, PAGE_SIZE))
    requires(is_unused_memory(plan.asid_pool, PAGE_SIZE))
    requires(is_apart_from_root(plan.vspace) and are_no_untypeds() and is_being_filled())
    requires(is_free_slot(InitialSlot.VSPACE) and is_free_slot(InitialSlot.ASID_POOL))
    requires(forall(u64, lambda number: number >= ASID_POOLS or kernel.asid_table[number] is None))
    modifies(everything_in(paging.kernel_address(plan.vspace), PAGE_SIZE), kernel.asid_table, kernel.lives)
    modifies(everything_in(paging.kernel_address(plan.asid_pool), PAGE_SIZE))
    modifies(lambda: root_task.space)
    modifies(root_slot(InitialSlot.VSPACE), root_slot(InitialSlot.ASID_POOL))
    ensures(lambda: is_being_filled() and are_no_untypeds() and is_space_there())
    ensures(lambda: isinstance(root_slot(InitialSlot.VSPACE).capability, PageTableCap))
    ensures(lambda: is_behind_space(plan.asid_pool))
    ensures(lambda: is_filled_with(InitialSlot.VSPACE, integer(plan.vspace), integer(PAGE_SIZE)))
    ensures(lambda: is_filled_with(InitialSlot.ASID_POOL, integer(plan.asid_pool), integer(PAGE_SIZE)))
    ensures(
        lambda: forall(
            Slot,
            lambda s: is_kept_but(
                s,
                InitialSlot.VSPACE,
                InitialSlot.ASID_POOL,
                old(live(s)),
                old(s.capability),
                old(s.object_start),
                old(s.object_size),
            ),
        )
    )
    made = create(ObjectType.PAGE_TABLE, 0, plan.vspace)
    assert isinstance(made, PageTableCap)
    root = made.table
    root_task.space = root
    with ghost:
        assert forall(Slot, lambda s: not is_to(s, root))
        root.rank = 1
        root.pool_number = 0
        root.place = ROOT_ASID
        root.start = made.mapped_address
        assert forall(Slot, lambda s: tells_of_use(s))
    map_kernel(root)
    address = paging.kernel_address(plan.asid_pool)
    with ghost:
        assert is_unused_memory(plan.asid_pool, PAGE_SIZE)
        assert forall(Slot, lambda slot: has_none_of(slot, plan.asid_pool, PAGE_SIZE))
        begin_lives(AsidPool, address, u64(PAGE_SIZE), Granule)
    pool = at(AsidPool, address)
    new_pool(pool, 0)
    with ghost:
        kernel.lives = kernel.lives + 1
        root.space = root
        root.life = kernel.lives
    pool.spaces[ROOT_ASID] = root
    put(InitialSlot.VSPACE, made.replace(asid=ROOT_ASID, is_mapped=True))
    put(InitialSlot.ASID_POOL, AsidPoolCap(pool=pool, asid_base=0))
