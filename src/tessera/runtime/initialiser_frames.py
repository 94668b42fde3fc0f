# SPDX-License-Identifier: BSD-2-Clause
"""How the initialiser writes into frames of others: it maps each into its own address space, copies, and unmaps it.

No page table is made for that. A small frame goes where a page of the initialiser's own image was, which it unmaps
once; a large one goes into the next free piece of the gigabyte that the image is in.
"""

from __future__ import annotations

from tessera.abi.bootinfo import BOOT_INFO_FRAME_BITS, BootInfo
from tessera.abi.capabilities import EXECUTE_NEVER, RIGHT_READ, RIGHT_WRITE, InitialSlot
from tessera.abi.errors import Error
from tessera.abi.objects import GIGA_PAGE_BITS, MEGA_PAGE_BITS, PAGE_BITS
from tessera.lang import Array, address_of, array, at, compiled, range, static, struct, u8, u64
from tessera.runtime.initialiser_memory import round_up
from tessera.runtime.memory import page_map, page_unmap
from tessera.runtime.spec import INITIALISER_BASE


@struct(size=4096, alignment=4096)
class Page:
    """One page of the image."""

    words: Array[u64] = array(512)


@struct
class Window:
    """Where large frames go, and whether the page of the image has been unmapped."""

    large: u64
    is_open: bool


@struct
class Word:
    """Eight bytes at a time."""

    value: u64


@struct
class Byte:
    """One byte at a time."""

    value: u8


scratch: Page = static(Page, alignment=4096)
window: Window = static(Window)


@compiled
def open_window(info: BootInfo) -> Error:
    """Unmap the page of the image that gives its place to small frames."""
    end = address_of(info) + (1 << BOOT_INFO_FRAME_BITS) + info.extra_length
    window.large = round_up(end, MEGA_PAGE_BITS)
    slot = info.user_image_frames.start + ((address_of(scratch) - INITIALISER_BASE) >> PAGE_BITS)
    error = page_unmap(slot)
    window.is_open = error == Error.NO_ERROR
    return error


@compiled
def place_for(size_bits: u64) -> u64:
    """Where a frame of this size is mapped; 0 if the initialiser cannot fill so large a frame."""
    if size_bits == PAGE_BITS:
        return address_of(scratch)
    base = u64(INITIALISER_BASE)
    if size_bits == MEGA_PAGE_BITS and (window.large >> GIGA_PAGE_BITS) == (base >> GIGA_PAGE_BITS):
        return window.large
    return u64(0)


@compiled
def fill(frame: u64, size_bits: u64, offset: u64, source: u64, length: u64) -> Error:
    """Copy bytes from an address of the initialiser to an offset in a frame. The two agree modulo 8."""
    target = place_for(size_bits)
    if target == 0 or not window.is_open:
        return Error.INVALID_ARGUMENT
    error = page_map(frame, u64(InitialSlot.VSPACE), target, RIGHT_READ | RIGHT_WRITE, EXECUTE_NEVER)
    if error != Error.NO_ERROR:
        return error
    copy(target + offset, source, length)
    return page_unmap(frame)


@compiled
def copy(target: u64, source: u64, length: u64) -> None:
    """Copy memory: whole words where both addresses are multiples of 8, bytes before and behind."""
    head = (8 - target % 8) % 8
    if head > length:
        head = length
    for i in range(head):
        at(Byte, target + i).value = at(Byte, source + i).value
    words = (length - head) // 8
    for i in range(words):
        at(Word, target + head + 8 * i).value = at(Word, source + head + 8 * i).value
    for i in range(head + 8 * words, length):
        at(Byte, target + i).value = at(Byte, source + i).value
