# SPDX-License-Identifier: BSD-2-Clause
"""Files that a user writes beside a description, line by line: words, each with its place.

A line consists of words, of ``->``, ``=`` and ``,``. ``#`` begins a comment. A name with other signs in it stands in
double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.collect import did_you_mean, one_of

_WORD = re.compile(r'"(?P<quoted>[^"]*)"|(?P<sign>->|,|=)|(?P<comment>#.*)|(?P<word>(?:(?!->)[^\s,="#])+)')
_SIGNS = ("->", ",", "=")
_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ns|us|ms|s)")
UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}
# More than a person writes; a file of another kind is refused before it is taken apart.
LONGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Word:
    """A word, and where it stands. What is in quotes is always a name."""

    text: str
    location: Location
    quoted: bool = False

    def is_sign(self, sign: str) -> bool:
        return not self.quoted and self.text == sign


@dataclass(frozen=True)
class Line:
    """The words of one line; there is at least one. ``end`` is the place behind the last one."""

    words: tuple[Word, ...]
    end: Location


def read_lines(path: Path, shown_as: str | None = None) -> list[Line]:
    """The lines of a file that say something. Raises :class:`Diagnostic` for what is not text, and for open quotes."""
    file = shown_as or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Diagnostic(
            "file-unreadable",
            Location(file),
            f"cannot read this file: {error.strerror}",
            why="it was named on the command line, or lies beside the description",
            fix="check its name and its permissions",
        ) from None
    if len(raw) > LONGEST_FILE:
        raise Diagnostic(
            "file-too-long",
            Location(file),
            f"the file has {len(raw)} bytes",
            why=f"what a person writes has less than {LONGEST_FILE}",
            fix="name another file",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise Diagnostic(
            "text-encoding",
            Location(file, before.count(b"\n") + 1, column),
            "this is not text in UTF-8",
            why="the file is read as text",
            fix="save it as UTF-8",
        ) from None
    lines = (_words(line, file, number) for number, line in enumerate(text.split("\n"), start=1))
    return [line for line in lines if line is not None]


def _words(text: str, file: str, number: int) -> Line | None:
    words = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        here = Location(file, number, position + 1)
        match = _WORD.match(text, position)
        if match is None:
            raise Diagnostic(
                "unclosed-quote",
                here,
                "a quotation mark is opened here and not closed",
                why="a name in quotes ends on the line on which it begins",
                fix='write "like this"',
            )
        position = match.end()
        if match["comment"] is not None:
            break
        found = match["quoted"] if match["quoted"] is not None else match[0]
        if not found.isprintable():
            raise Diagnostic(
                "control-character",
                here,
                f"there is a character here that cannot be printed: {found!a}",
                why="it would look like something else",
                fix="remove it",
            )
        words.append(Word(found, here, match["quoted"] is not None))
    return Line(tuple(words), Location(file, number, len(text.rstrip()) + 1)) if words else None


class Cursor:
    """Takes a line apart from left to right. Every method raises :class:`Diagnostic` at the word that is wrong."""

    def __init__(self, line: Line, form: str) -> None:
        self.line = line
        self.form = form
        self.index = 0

    @property
    def here(self) -> Location:
        return self.line.end if self.index >= len(self.line.words) else self.line.words[self.index].location

    @property
    def following(self) -> Word | None:
        return None if self.index >= len(self.line.words) else self.line.words[self.index]

    def incomplete(self, wanted: str) -> Diagnostic:
        found = self.following
        what = f"here should be {wanted}, not '{found.text}'" if found else f"{wanted} is missing here"
        return Diagnostic("line-form", self.here, what, why="each line has its form", fix=f"write: {self.form}")

    def keyword(self, known: Sequence[str], what: str) -> Word:
        """One of the words that are ``known``."""
        word = self.following
        if word is None or word.quoted or word.text in _SIGNS:
            raise self.incomplete(what)
        if word.text not in known:
            raise Diagnostic(
                "unknown-word",
                word.location,
                f"'{word.text}' is not {what}",
                why=f"here stands {one_of(known)}",
                fix=did_you_mean(word.text, known) or f"write: {self.form}",
            )
        self.index += 1
        return word

    def name(self, what: str) -> Word:
        """The name of something."""
        word = self.following
        if word is None or (not word.quoted and word.text in _SIGNS):
            raise self.incomplete(what)
        self.index += 1
        return word

    def names(self, what: str) -> list[Word]:
        """One or more names with commas between them."""
        found = [self.name(what)]
        while self.following is not None and self.following.is_sign(","):
            self.index += 1
            found.append(self.name(what))
        return found

    def sign(self, sign: str) -> None:
        word = self.following
        if word is None or not word.is_sign(sign):
            raise self.incomplete(f"'{sign}'")
        self.index += 1

    def time(self, what: str) -> int:
        """A time with its unit, in nanoseconds."""
        word = self.name(what)
        match = _TIME.fullmatch(word.text)
        nanoseconds = Fraction(match["number"]) * UNITS[match["unit"]] if match else Fraction(-1)
        if match is None or nanoseconds.denominator != 1 or len(word.text) > 24:
            raise Diagnostic(
                "bad-time",
                word.location,
                f"'{word.text}' is no time",
                why="a time is a number and a unit, ns, us, ms or s, and a whole number of nanoseconds",
                fix="write 25ms or 0.3us, for example",
            )
        return int(nanoseconds)

    def count(self, what: str) -> int:
        """A whole number from 1 on."""
        word = self.name(what)
        if not word.text.isascii() or not word.text.isdecimal() or int(word.text[:10]) == 0 or len(word.text) > 9:
            raise Diagnostic(
                "bad-count",
                word.location,
                f"'{word.text}' is not {what}",
                why="it is a whole number from 1 on",
                fix=f"write: {self.form}",
            )
        return int(word.text)

    def end(self) -> None:
        """Nothing stands behind."""
        word = self.following
        if word is not None:
            raise Diagnostic(
                "line-form",
                word.location,
                f"the line should end before '{word.text}'",
                why="each line has its form",
                fix=f"write: {self.form}; a name with blanks or signs in it stands in double quotes",
            )


def unknown_name(word: Word, what: str, known: Iterable[str], nothing: str) -> Diagnostic:
    """The message for a name that nothing has. ``nothing`` is what to do where no known name is similar."""
    names = sorted(known)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return Diagnostic(
        "unknown-name",
        word.location,
        f"there is no {what} '{word.text}'",
        why=f"there are {listed}" if names else "the description has none",
        fix=did_you_mean(word.text, names) or nothing,
    )
