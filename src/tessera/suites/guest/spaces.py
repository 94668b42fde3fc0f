# SPDX-License-Identifier: BSD-2-Clause
"""Address spaces: a window of the root task, and further spaces for workers (manual: Address Spaces)."""

from __future__ import annotations

from tessera.abi.capabilities import ALL_RIGHTS, RIGHT_READ, InitialSlot
from tessera.abi.objects import PAGE_BITS, ObjectType
from tessera.lang import address_of, compiled, range, static, struct, u64
from tessera.runtime.memory import asid_pool_assign, page_map, page_table_map, page_unmap
from tessera.suites.guest.objects import VSPACE, copy, make
from tessera.suites.guest.report import done
from tessera.suites.guest.threads import image_frame, image_start, shared_end
from tessera.suites.guest.workers import WORKER_BYTES, Worker

# Virtual address of the window; nothing else of the root task is in its gigabyte.
WINDOW = 0x4000_0000
PAGE_BYTES = 1 << PAGE_BITS


@struct
class Window:
    """Whether the window has its page tables in this case, and how many of its pages are taken."""

    open: bool
    taken: u64


window: Window = static(Window)


@compiled
def close_window() -> None:
    """Forget the window: its objects were deleted with the case."""
    window.open = False
    window.taken = 0


@compiled
def map_tables(space: u64, address: u64) -> None:
    """Make and map the two page tables that pages near an address need, in a space that has neither."""
    for _level in range(2):
        done(b"map a page table", page_table_map(make(ObjectType.PAGE_TABLE), space, address, 0))


@compiled
def window_address() -> u64:
    """The address of a page of the window that nobody has used in this case."""
    if not window.open:
        map_tables(VSPACE, WINDOW)
        window.open = True
    window.taken += 1
    return WINDOW + (window.taken << PAGE_BITS)


@compiled
def map_page(frame: u64, rights: u64) -> u64:
    """Map a frame into the window; its address."""
    address = window_address()
    done(b"map a page", page_map(frame, VSPACE, address, rights, 0))
    return address


@compiled
def unmap_page(frame: u64) -> None:
    """Unmap a frame."""
    done(b"unmap a page", page_unmap(frame))


@compiled
def make_space() -> u64:
    """An empty address space; the slot of its root."""
    space = make(ObjectType.PAGE_TABLE)
    done(b"assign an address space", asid_pool_assign(InitialSlot.ASID_POOL, space))
    return space


@compiled
def share_page(space: u64, address: u64, rights: u64) -> None:
    """Map the page of the image at an address into another space, at the same address."""
    frame = copy(image_frame(address), ALL_RIGHTS)
    done(b"share a page", page_map(frame, space, address, rights, 0))


@compiled
def make_worker_space(worker: Worker) -> u64:
    """An address space with the suite's code and constants, and the pages of one worker; nothing else."""
    space = make_space()
    map_tables(space, image_start())
    for page in range((shared_end() - image_start()) >> PAGE_BITS):
        share_page(space, image_start() + (page << PAGE_BITS), RIGHT_READ)
    for page in range(u64(WORKER_BYTES >> PAGE_BITS)):
        share_page(space, address_of(worker) + (page << PAGE_BITS), ALL_RIGHTS)
    return space
