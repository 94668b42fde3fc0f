# SPDX-License-Identifier: BSD-2-Clause
"""Putting a kernel into a loader image that somebody else built.

Upstream's loader for RISC-V carries an archive (cpio, "newc" format) with the files ``kernel.elf``, ``kernel.dtb`` and
the root task. The archive keeps its place and its length, since the loader's code has both built in: the new kernel
must fit into the room that is there. It is reduced to what a loader reads, the segments.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tessera.build.outputs import check_outputs, writing
from tessera.lang.diagnostics import Diagnostic, Location

# The format: a header of 110 characters (a magic number and 13 numbers of 8 hexadecimal digits), the name, the data;
# name and data are filled up to a multiple of 4 bytes, and the archive to a multiple of 512.
MAGIC = b"070701"
HEADER = 110
NUMBERS = 13
SIZE, NAME_SIZE = 6, 11
LAST = "TRAILER!!!"
BLOCK = 512
KERNEL = "kernel.elf"

# ELF for 64 bits: sizes of the file's header and of a program header.
ELF_HEADER = 64
PROGRAM_HEADER = 56
PT_LOAD = 1


@dataclass(frozen=True)
class Entry:
    """A file in an archive. ``numbers`` are those of its header."""

    name: str
    numbers: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Archive:
    """An archive in an image: ``start`` and ``length`` in bytes, zeros that fill its last block included."""

    start: int
    length: int
    entries: tuple[Entry, ...]


@dataclass
class Swap:
    """What was done. Sizes in bytes: of the old and the new kernel as they lie in the image, and what is left."""

    image: Path
    old: int
    new: int
    left: int


def swap_kernel(image: Path, kernel: Path, output: Path) -> Swap:
    """Write ``image`` with another kernel to ``output``. Raises :class:`Diagnostic` where that cannot be done."""
    check_outputs({"the image": output}, [image, kernel])
    data = _read(image, "give the image that upstream's build made, for example elfloader or images/*-image-*")
    archive = _kernel_archive(data, image)
    small = only_segments(_read(kernel, "give an ELF file with --kernel"), kernel)
    entries = [Entry(one.name, one.numbers, small if one.name == KERNEL else one.data) for one in archive.entries]
    packed = b"".join(_pack(one) for one in entries)
    old = next(len(one.data) for one in archive.entries if one.name == KERNEL)
    left = archive.length - len(packed)
    if left < 0:
        raise Diagnostic(
            "kernel-too-large",
            Location(str(image)),
            f"the kernel of {len(small)} bytes does not fit: there is room for {len(small) + left}",
            why="the loader has the archive's place and length built in, so the image cannot grow",
            fix="choose --config release, or build the image with a larger kernel, such as upstream's debug build",
        )
    end = archive.start + archive.length
    with writing(output.parent, "choose another place for the image with -o"):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data[: archive.start] + packed + bytes(left) + data[end:])
        output.chmod(image.stat().st_mode & 0o777)
    return Swap(output, old, len(small), left)


def archives(data: bytes) -> Iterator[Archive]:
    """The archives in an image, but not those inside of another's files."""
    place = data.find(MAGIC)
    while place >= 0:
        archive = _archive_at(data, place)
        if archive is not None:
            yield archive
            place = archive.start + archive.length - 1
        place = data.find(MAGIC, place + 1)


def only_segments(elf: bytes, path: Path) -> bytes:
    """An ELF file with the loaded segments alone. Raises :class:`Diagnostic` if it is none for this machine."""
    try:
        read = ELFFile(io.BytesIO(elf))
        if read.elfclass != 64 or not read.little_endian or read["e_machine"] != "EM_RISCV":
            raise _no_kernel(path, f"it is an ELF file for {read['e_machine']}, {read.elfclass} bits")
        loaded = [one for one in read.iter_segments() if one["p_type"] == "PT_LOAD"]
        contents = [one.data() for one in loaded]
        headers = [one.header for one in loaded]
    except (ELFError, ValueError, OverflowError) as error:
        raise _no_kernel(path, f"it cannot be read as an ELF file: {error}") from error
    if not loaded:
        raise _no_kernel(path, "it has no segment to load")
    if any(len(content) != header["p_filesz"] for header, content in zip(headers, contents, strict=True)):
        raise _no_kernel(path, "it is cut off")
    place = ELF_HEADER + PROGRAM_HEADER * len(loaded)
    table, body = b"", b""
    for header, content in zip(headers, contents, strict=True):
        place = -(-place // 8) * 8
        body += bytes(place - ELF_HEADER - PROGRAM_HEADER * len(loaded) - len(body)) + content
        table += _numbers((PT_LOAD, 4), (header["p_flags"], 4), (place, 8), (header["p_vaddr"], 8))
        table += _numbers((header["p_paddr"], 8), (len(content), 8), (header["p_memsz"], 8), (8, 8))
        place += len(content)
    head = bytearray(elf[:ELF_HEADER])
    # The program headers come next; there are no section headers.
    head[32:48] = _numbers((ELF_HEADER, 8), (0, 8))
    head[52:64] = _numbers((ELF_HEADER, 2), (PROGRAM_HEADER, 2), (len(loaded), 2), (0, 2), (0, 2), (0, 2))
    return bytes(head) + table + body


def _numbers(*values: tuple[int, int]) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value, size in values)


def _read(path: Path, fix: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise Diagnostic("unreadable", Location(str(path)), "this file cannot be read", why=why, fix=fix) from error


def _kernel_archive(data: bytes, image: Path) -> Archive:
    found = [one for one in archives(data) if any(entry.name == KERNEL for entry in one.entries)]
    if len(found) == 1:
        return found[0]
    names = sorted({entry.name for one in archives(data) for entry in one.entries} - {LAST})
    raise Diagnostic(
        "no-kernel-in-image",
        Location(str(image)),
        f"{len(found) or 'no'} archive with a file {KERNEL} is in this image, and one is needed",
        why=f"its archives hold {', '.join(names[:8])}" if names else "there is no archive (cpio, newc) in it",
        fix="give an image of upstream's ELF loader; images of Microkit are built again instead, with tessera build",
    )


def _no_kernel(path: Path, why: str) -> Diagnostic:
    fix = "give a kernel for RISC-V of 64 bits, for example one that tessera kernel --profile sel4test has written"
    return Diagnostic("no-kernel", Location(str(path)), "this is no kernel for the image", why=why, fix=fix)


def _archive_at(data: bytes, start: int) -> Archive | None:
    entries: list[Entry] = []
    place = start
    while True:
        header = data[place : place + HEADER]
        if len(header) < HEADER or not header.startswith(MAGIC):
            return None
        try:
            numbers = tuple(int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(NUMBERS))
        except ValueError:
            return None
        content = _up(place + HEADER + numbers[NAME_SIZE], start)
        end = content + numbers[SIZE]
        if end > len(data):
            return None
        name = data[place + HEADER : place + HEADER + numbers[NAME_SIZE]].rstrip(b"\0").decode("utf-8", "replace")
        entries.append(Entry(name, numbers, data[content:end]))
        place = _up(end, start)
        if name == LAST:
            break
    full = start + -(-(place - start) // BLOCK) * BLOCK
    if any(data[place:full]) or full > len(data):
        full = place  # it was not filled up
    return Archive(start, full - start, tuple(entries))


def _up(place: int, start: int) -> int:
    """The next place that is a multiple of 4 bytes from the archive's start."""
    return start + -(-(place - start) // 4) * 4


def _pack(entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    numbers = list(entry.numbers)
    numbers[SIZE], numbers[NAME_SIZE] = len(entry.data), len(name)
    head = MAGIC + b"".join(b"%08X" % number for number in numbers) + name
    head += bytes(-len(head) % 4)
    return head + entry.data + bytes(-len(entry.data) % 4)
