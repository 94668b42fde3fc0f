# SPDX-License-Identifier: BSD-2-Clause
"""A capability distribution in the binary form that the initialiser reads (runtime/spec.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tessera.abi.capabilities import EXECUTE_NEVER, GUARD_SIZE_BITS, TCB_FLAG_FPU_DISABLED
from tessera.build.layouts import Blob, pack
from tessera.runtime import spec
from tessera.system import environment
from tessera.system.allocate import creation_order, slots_needed
from tessera.system.capdl import Cap, CNode, Distribution, Frame, IrqHandler, KernelObject, Rights, SchedContext, Tcb
from tessera.system.model import Trigger

# The CNode in which the initialiser leaves what must live on.
KEPT_NAME = "initialiser.kept"

# Slots that the initialiser needs besides those that system.allocate counts: one for capabilities on their way, and
# two further ones of the objects that it hands over through.
WORKING_SLOTS = 3


def with_kept_cnode(distribution: Distribution) -> Distribution:
    """The same distribution with the CNode that holds every object and mapping once the initialiser is gone."""
    # Itself, the address space identifiers, and the two further capabilities.
    needed = slots_needed(distribution) + 4
    return replace(distribution, objects=(*distribution.objects, CNode(KEPT_NAME, needed.bit_length(), {})))


def encode(distribution: Distribution) -> bytes:
    """The bytes for the initialiser. ``distribution`` has the CNode of :func:`with_kept_cnode`."""
    order = numbered(distribution)
    numbers = {each.name: number for number, each in enumerate(order)}
    blob = Blob(spec.Header.__struct__.layout().size)  # type: ignore[attr-defined]
    objects = blob.table([_object(each, blob) for each in order])
    tables = sorted(distribution.tables, key=lambda table: (table.vspace, table.level, table.vaddr))
    fills = [entry for each in order if isinstance(each, Frame) for entry in _fills(each, numbers[each.name], blob)]
    threads = sorted(distribution.of(Tcb), key=lambda thread: -thread.priority)
    head = pack(
        spec.Header,
        magic=spec.MAGIC,
        version=spec.VERSION,
        objects=objects,
        tables=blob.table(
            [pack(spec.TableEntry, vspace=numbers[t.vspace], table=numbers[t.table], address=t.vaddr) for t in tables]
        ),
        mappings=blob.table(_mappings(distribution, numbers)),
        fills=blob.table(fills),
        slots=blob.table(_slots(distribution, numbers)),
        interrupts=blob.table([_interrupt(each, numbers) for each in distribution.of(IrqHandler)]),
        contexts=blob.table([_context(each, numbers) for each in distribution.of(SchedContext)]),
        threads=blob.table([_thread(each, numbers, blob) for each in threads]),
        schedule=blob.table(_schedule(distribution)),
        schedule_start=0 if distribution.schedule is None else distribution.schedule.start,
        kept=numbers[KEPT_NAME],
        monitor_cnode=numbers[f"{environment.MONITOR_NAME}.cnode"],
        monitor_endpoint=numbers[f"{environment.MONITOR_NAME}.endpoint"],
    )
    complete = bytearray(blob.finish(head))
    place = spec.Header.__struct__.layout().fields["size"].offset  # type: ignore[attr-defined]
    complete[place : place + 8] = len(complete).to_bytes(8, "little")
    return bytes(complete)


def numbered(distribution: Distribution) -> list[KernelObject]:
    """All objects in the order of their numbers: those that take memory as they are made, then the others."""
    made = creation_order(distribution)
    return [*made, *(each for each in distribution.objects if each.memory_bits is None)]


def fill_places(distribution: Distribution, content: bytes, start: int) -> dict[int, int]:
    """Where the bytes of each fill are in a file that has :func:`encode`'s from ``start`` on, by the id of the fill."""
    fills = [fill for each in distribution.of(Frame) for fill in each.fills]
    return {id(fill): start + content.index(fill.data) for fill in fills}


def guard_word(cap: Cap) -> int:
    """A guard as Mint and Configure take it; 0 for none."""
    return cap.guard << GUARD_SIZE_BITS | cap.guard_bits


def _object(each: KernelObject, blob: Blob) -> bytes:
    return pack(
        spec.ObjectEntry,
        name=blob.text(each.name),
        kind=spec.INTERRUPT_HANDLER if each.kind is None else each.kind,
        retype_bits=each.retype_bits,
        memory_bits=each.memory_bits or 0,
        address=spec.ABSENT if each.paddr is None else each.paddr,
    )


def _fills(frame: Frame, number: int, blob: Blob) -> list[bytes]:
    entries = []
    for fill in frame.fills:
        source = blob.add(fill.data, phase=fill.offset % 8)
        entries.append(pack(spec.FillEntry, frame=number, offset=fill.offset, source=source, length=len(fill.data)))
    return entries


def _mappings(distribution: Distribution, numbers: Mapping[str, int]) -> list[bytes]:
    entries = []
    mapped: set[str] = set()
    for mapping in distribution.mappings:
        entries.append(
            pack(
                spec.MappingEntry,
                vspace=numbers[mapping.vspace],
                frame=numbers[mapping.frame],
                address=mapping.vaddr,
                rights=mapping.rights,
                attributes=0 if mapping.executable else EXECUTE_NEVER,
                copy=mapping.frame in mapped,
            )
        )
        mapped.add(mapping.frame)
    return entries


def _slots(distribution: Distribution, numbers: Mapping[str, int]) -> list[bytes]:
    return [
        pack(
            spec.SlotEntry,
            cnode=numbers[cnode.name],
            slot=slot,
            object=numbers[cap.object],
            rights=cap.rights,
            data=cap.badge or guard_word(cap),
        )
        for cnode in distribution.of(CNode)
        for slot, cap in cnode.slots.items()
    ]


def _interrupt(each: IrqHandler, numbers: Mapping[str, int]) -> bytes:
    return pack(
        spec.InterruptEntry,
        handler=numbers[each.name],
        irq=each.irq,
        trigger=each.trigger is Trigger.EDGE,
        notification=numbers[each.notification.object],
        rights=each.notification.rights,
        badge=each.notification.badge,
    )


def _context(each: SchedContext, numbers: Mapping[str, int]) -> bytes:
    return pack(
        spec.ContextEntry,
        context=numbers[each.name],
        budget=each.budget,
        period=each.period,
        extra_refills=each.extra_refills,
        badge=each.badge,
        flags=0,
    )


def _schedule(distribution: Distribution) -> list[bytes]:
    entries = distribution.schedule.entries if distribution.schedule is not None else ()
    return [pack(spec.ScheduleEntry, index=each.index, domain=each.domain, ticks=each.ticks) for each in entries]


def _thread(each: Tcb, numbers: Mapping[str, int], blob: Blob) -> bytes:
    fault = each.fault_endpoint or Cap("", Rights.NONE)
    return pack(
        spec.ThreadEntry,
        thread=numbers[each.name],
        name=blob.text(each.thread_name),
        cspace=numbers[each.cspace.object],
        cspace_data=guard_word(each.cspace),
        vspace=numbers[each.vspace.object],
        buffer_frame=numbers[each.ipc_buffer.object],
        buffer_address=each.ipc_buffer_address,
        context=numbers[each.sched_context.object],
        notification=numbers[each.bound_notification.object] if each.bound_notification else spec.ABSENT,
        fault_endpoint=numbers[fault.object] if each.fault_endpoint else spec.ABSENT,
        fault_rights=fault.rights,
        fault_badge=fault.badge,
        priority=each.priority,
        max_priority=each.max_priority,
        flags=0 if each.fpu else TCB_FLAG_FPU_DISABLED,
        resume=each.resume,
        entry=each.entry,
        stack_pointer=each.stack_pointer,
        domain=each.domain,
        arguments=each.arguments,
    )
