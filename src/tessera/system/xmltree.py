# SPDX-License-Identifier: BSD-2-Clause
"""An XML file as a tree of elements in which every element and every attribute knows its line and column.

The standard library's expat gives the place of each start tag; the places of the attributes are read from its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.collect import size_text

# No description is larger or deeper; reading it would only take time.
SIZE_MAX = 16 << 20
DEPTH_MAX = 200

_ATTRIBUTE = re.compile(rb"""\s([^\s=/>'"]+)\s*=\s*(?:"[^"]*"|'[^']*')""")


@dataclass
class Element:
    """One element. ``places`` has the location of every attribute's name."""

    tag: str
    attributes: dict[str, str]
    location: Location
    places: dict[str, Location] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)

    def place(self, attribute: str) -> Location:
        """Where an attribute stands, or the element itself where the attribute is absent."""
        return self.places.get(attribute, self.location)


class _Builder:
    def __init__(self, file: str, text: bytes) -> None:
        self.file = file
        self.text = text
        self.line_starts = [0, *(match.end() for match in re.finditer(rb"\n", text))]
        self.open: list[Element] = []
        self.root: Element | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype

    def here(self) -> Location:
        return Location(self.file, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1)

    def at(self, line: int, offset: int) -> Location:
        """The location of a byte offset that is on ``line`` or below it."""
        while line < len(self.line_starts) and self.line_starts[line] <= offset:
            line += 1
        column = len(self.text[self.line_starts[line - 1] : offset].decode("utf-8", "replace")) + 1
        return Location(self.file, line, column)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, self.here())
        position = self.parser.CurrentByteIndex + 1 + len(tag.encode())
        while match := _ATTRIBUTE.match(self.text, self._blank(position)):
            element.places[match[1].decode("utf-8", "replace")] = self.at(element.location.line, match.start(1))
            position = match.end()
        for name, value in attributes.items():
            if not value.isprintable():
                raise Diagnostic(
                    "control-character",
                    element.place(name),
                    f"the attribute '{name}' contains a character that cannot be printed: {value!a}",
                    why="names are printed by the monitor and in reports, where it would look like something else",
                    fix="remove it",
                )
        if len(self.open) >= DEPTH_MAX:
            raise Diagnostic(
                "xml-depth",
                element.location,
                f"there are more than {DEPTH_MAX} elements inside each other",
                why="only domains and their children are elements inside each other, and no system is that deep",
                fix="look for tags that are not closed",
            )
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _blank(self, position: int) -> int:
        """The last blank before the next word: the pattern wants exactly one in front of an attribute."""
        while self.text[position : position + 2].isspace() and position + 2 <= len(self.text):
            position += 1
        return position

    def end(self, tag: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        if text.strip():
            raise Diagnostic(
                "xml-text",
                self.here(),
                f"there is text in the element '{self.open[-1].tag}': {text.strip().splitlines()[0]!r}",
                why="a system description consists of elements and attributes only",
                fix="put it into a comment, <!-- like this -->, or remove it",
            )

    def doctype(self, *_: object) -> None:
        raise Diagnostic(
            "xml-doctype",
            self.here(),
            "a document type declaration is not accepted",
            why="a system description needs no entities, and they can hide what a description says",
            fix="remove the <!DOCTYPE ...> declaration",
        )


def read(path: Path, shown_as: str | None = None) -> Element:
    """Read a file; its places say ``shown_as`` (else the path as given).

    Raises :class:`Diagnostic` where the file cannot be read or is not well-formed XML.
    """
    file = shown_as or str(path)
    try:
        with path.open("rb") as stream:
            text = stream.read(SIZE_MAX + 1)
    except OSError as error:
        raise Diagnostic(
            "file-unreadable",
            Location(file),
            f"cannot read the system description: {error.strerror}",
            why="it says which components there are and what each may do",
            fix="check its name and its permissions",
        ) from None
    if len(text) > SIZE_MAX:
        raise Diagnostic(
            "file-too-large",
            Location(file),
            f"the system description has more than {size_text(SIZE_MAX)}",
            why="it says a few lines for each component: this is some other file",
            fix="name the description itself; contents of memory regions are files of their own (prefill_path)",
        )
    builder = _Builder(file, text)
    try:
        builder.parser.Parse(text, True)
    except expat.ExpatError as error:
        if wrong := _wrong_text(text):
            raise Diagnostic(
                "xml-encoding",
                Location(file, *wrong),
                "this is not text in UTF-8",
                why="a description is text in UTF-8 unless its first line says otherwise",
                fix='save it as UTF-8, or name its encoding: <?xml version="1.0" encoding="..."?>',
            ) from None
        raise Diagnostic(
            "xml-syntax",
            Location(file, error.lineno, error.offset + 1),
            f"this is not well-formed XML: {expat.errors.messages[error.code]}",
            why="the file cannot be read beyond this place",
            fix="look for a tag or a quotation mark that is not closed here or just before",
        ) from None
    except (LookupError, ValueError) as error:
        raise Diagnostic(
            "xml-encoding",
            Location(file, 1),
            f"the encoding that the first line names cannot be read: {error}",
            why="a description is text in UTF-8 unless its first line says otherwise",
            fix='save it as UTF-8 and write <?xml version="1.0" encoding="UTF-8"?>',
        ) from None
    assert builder.root is not None  # expat reports a document without an element
    return builder.root


def _wrong_text(text: bytes) -> tuple[int, int] | None:
    """Line and column of the first byte that is no text: neither UTF-8 nor, with a mark in front, UTF-16."""
    try:
        text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        return before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return None
