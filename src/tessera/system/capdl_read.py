# SPDX-License-Identifier: BSD-2-Clause
"""Reading capability distributions in upstream's language (capDL 1.1).

Everything that describes a state is read: objects, capabilities, interrupts, derivation, the domain schedule. What is
shorthand for writing by hand, or about where untyped memory goes, is refused by name: arrays and ranges of objects,
objects inside of untyped memory, names of slots and copies by such a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from tessera.lang.diagnostics import Diagnostic, Location
from tessera.system.capdl_model import (
    FRAME,
    KINDS,
    TCB_SLOTS,
    WITHOUT_OBJECT,
    Fill,
    Place,
    Schedule,
    Spec,
    SpecCap,
    SpecObject,
)
from tessera.system.capdl_write import name_of

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+) | (?P<line>\n) | (?P<note>--@[^\n]*) | (?P<comment>--[^\n]*) | (?P<open>/\*)
      | (?P<fill>fill\s*:) | (?P<number>0[xX][0-9a-fA-F]+|0[oO][0-7]+|[0-9]+)
      | (?P<word>[^\W\d_][\w\-@.]*) | (?P<sign>[{}()\[\],;:=/<>-])""",
    re.VERBOSE,
)
_RIGHTS = re.compile("[RWGXP]+")
_SECTIONS = ("objects", "caps", "irq", "cdt", "domains")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int
    column: int


def read(text: str, file: str = "capDL") -> Spec:
    """What the text says. Raises :class:`Diagnostic` with the place of the first mistake; ``file`` names it there."""
    return _Reader(text, file).read()


def _tokens(text: str, file: str) -> Iterator[Token]:
    at, line, start = 0, 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Diagnostic("capdl-character", Location(file, line, at - start + 1), f"{text[at]!r} is no token")
        kind, said = str(found.lastgroup), found[0]
        if kind in ("note", "number", "word", "sign"):
            yield Token(kind, said, line, at - start + 1)
        elif kind == "line":
            line, start = line + 1, found.end()
        elif kind in ("open", "fill"):
            # Comments may contain comments; the contents of a frame are words up to a bracket.
            end = _comment_end(text, at) if kind == "open" else text.find("]", at) + 1
            if end <= 0:
                raise Diagnostic("capdl-unfinished", Location(file, line, at - start + 1), "this is not closed")
            if kind == "fill":
                yield Token("fill", text[at:end], line, at - start + 1)
            lines = text.count("\n", at, end)
            if lines:
                line, start = line + lines, text.rfind("\n", at, end) + 1
            at = end
            continue
        at = found.end()
    yield Token("end", "the end of the text", line, at - start + 1)


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for found in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    return 0


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._tokens = list(_tokens(text, file))
        self._at = 0
        self._places: list[tuple[SpecCap, Token]] = []

    # Tokens

    @property
    def _next(self) -> Token:
        at = self._at
        while self._tokens[at].kind == "note":
            at += 1
        return self._tokens[at]

    def _take(self) -> Token:
        while self._tokens[self._at].kind == "note":
            self._at += 1
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _fail(self, token: Token, what: str, rule: str = "capdl-syntax", fix: str = "") -> NoReturn:
        raise Diagnostic(rule, Location(self._file, token.line, token.column), what, fix=fix)

    def _is(self, *texts: str) -> bool:
        token = self._next
        return token.kind in ("sign", "word") and token.text in texts

    def _skip(self, *texts: str) -> bool:
        if self._is(*texts):
            self._take()
            return True
        return False

    def _need(self, text: str) -> Token:
        token = self._take()
        if token.kind == "end" or token.text != text:
            self._fail(token, f"expected {text!r} and found {token.text!r}")
        return token

    def _number(self) -> int:
        # Upstream's tool writes words whose highest bit is set as negative numbers.
        if self._skip("-"):
            return -self._number() & (1 << 64) - 1
        token = self._take()
        if token.kind != "number":
            self._fail(token, f"expected a number and found {token.text!r}")
        return int(token.text, 10 if token.text.isdigit() else 0)

    def _name(self) -> str:
        token = self._take()
        if token.kind != "word" or token.text in ("objects", "caps"):
            self._fail(token, f"expected a name and found {token.text!r}")
        if self._is("[", "/"):
            self._fail(
                self._next,
                "arrays, ranges and paths of objects are not read here",
                "capdl-shorthand",
                "let upstream's tool write the text out: parse-capDL -t",
            )
        return name_of(token.text)

    # Sections

    def read(self) -> Spec:
        self._need("arch")
        spec = Spec(self._take().text)
        if self._next.kind == "end":
            self._fail(self._next, "a section is missing: objects, caps, irq maps, cdt or domains")
        while self._next.kind != "end":
            token = self._take()
            if token.text not in _SECTIONS:
                self._fail(token, f"expected a section ({', '.join(_SECTIONS)}) and found {token.text!r}")
            if token.text == "irq":
                self._need("maps")
            self._need("{")
            while not self._skip("}"):
                getattr(self, f"_{token.text}")(spec)
        for cap, token in self._places:
            for name in [cap.object, *([cap.mapping[0]] if cap.mapping else [])]:
                if name not in spec.objects and (name not in WITHOUT_OBJECT or cap.object != name):
                    self._fail(token, f"there is no object {name!r}", "capdl-unknown-object")
        return spec

    def _known(self, spec: Spec, token: Token, name: str) -> SpecObject:
        if name not in spec.objects:
            self._fail(token, f"there is no object {name!r}", "capdl-unknown-object")
        return spec.objects[name]

    def _objects(self, spec: Spec) -> None:
        where = self._next
        name = self._name()
        self._need("=")
        kind = self._take()
        if kind.text not in KINDS:
            self._fail(kind, f"{kind.text!r} is no kind of object that RISC-V has")
        each = SpecObject(name, kind.text)
        if name in spec.objects:
            self._fail(where, f"there are two objects {name!r}", "capdl-duplicate")
        if self._skip("("):
            while not self._skip(")"):
                self._parameter(each)
                if not self._is(")"):
                    self._need(",")
        if self._is("{"):
            self._fail(self._next, "objects inside of untyped memory are not read here", "capdl-shorthand")
        if self._tokens[self._at].kind == "note":
            pairs = (pair.partition(":") for pair in self._tokens[self._at].text[3:].split(","))
            each.notes = {key.strip(): value.strip() for key, _, value in pairs}
        spec.objects[name] = each

    def _parameter(self, each: SpecObject) -> None:
        token = self._next
        if token.kind == "number":
            value = self._number()
            unit = self._take()
            if unit.text == "bits":
                each.parameters["bits"] = value
            elif each.kind == FRAME and unit.text in ("k", "M"):
                each.parameters["size"] = value << (10 if unit.text == "k" else 20)
            else:
                self._fail(unit, f"{unit.text!r} is no unit")
            return
        self._take()
        if token.kind == "fill":
            each.parameters["fill"] = self._fills(token)
            return
        self._need(":")
        each.parameters[token.text] = self._value()

    def _value(self) -> Any:
        if self._skip("["):
            words = []
            while not self._skip("]"):
                words.append(self._number())
                self._skip(",")
            return words
        if self._is("True", "False"):
            return self._take().text == "True"
        return self._number()

    def _fills(self, token: Token) -> list[Fill]:
        found = []
        for inside in re.findall(r"\{([^}]*)\}", token.text):
            words = inside.split()
            if len(words) != 5 or words[2] != "CDL_FrameFill_FileData":
                self._fail(token, "contents of a frame are read only where they come from a file", "capdl-shorthand")
            file = re.sub("%([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), words[3].strip('"'))
            found.append(Fill(int(words[0], 0), int(words[1], 0), file, int(words[4], 0)))
        return found

    # Capabilities

    def _caps(self, spec: Spec) -> None:
        where = self._next
        each = self._known(spec, where, self._name())
        self._need("{")
        last = -1
        while not self._skip("}"):
            token = self._next
            last = self._slot() if token.kind == "number" or self._is(*TCB_SLOTS) else last + 1
            if last in each.slots:
                self._fail(token, f"slot {last} of {each.name!r} is filled twice", "capdl-duplicate")
            each.slots[last] = self._cap()
            self._skip(";")

    def _slot(self) -> int:
        slot = self._slot_number()
        self._need(":")
        return slot

    def _slot_number(self) -> int:
        return TCB_SLOTS[self._take().text] if self._is(*TCB_SLOTS) else self._number()

    def _cap(self) -> SpecCap:
        token = self._next
        if self._is("<"):
            self._fail(token, "copies by the name of a slot are not read here", "capdl-shorthand")
        name = self._name()
        if self._is("="):
            self._fail(self._next, "names of slots are not read here", "capdl-shorthand")
        said: dict[str, Any] = {}
        if self._skip("("):
            while not self._skip(")"):
                self._cap_parameter(said)
                if not self._is(")"):
                    self._need(",")
        letters = said.pop("rights", "")
        rights = "".join(letter for letter in "RWXGP" if letter in letters)
        cap = SpecCap(name, rights, **said)
        self._places.append((cap, token))
        return cap

    def _cap_parameter(self, said: dict[str, Any]) -> None:
        token = self._take()
        if token.kind == "word" and _RIGHTS.fullmatch(token.text):
            said["rights"] = said.get("rights", "") + token.text
        elif token.text in ("cached", "uncached"):
            said["cached"] = token.text == "cached"
        elif token.text in ("badge", "guard", "guard_size", "core"):
            self._need(":")
            said[token.text] = self._number()
        elif token.text == "mapping":
            self._need(":")
            said["mapping"] = self._place()
        else:
            self._fail(token, f"{token.text!r} is not read here about a capability")

    def _place(self) -> Place:
        self._need("(")
        name = self._name()
        self._need(",")
        slot = self._slot_number()
        self._need(")")
        return name, slot

    # The rest

    def _irq(self, spec: Spec) -> None:
        token = self._next
        number = self._slot() if token.kind == "number" else max(spec.irqs, default=-1) + 1
        where = self._next
        spec.irqs[number] = self._known(spec, where, self._name()).name
        self._skip(";")

    def _cdt(self, spec: Spec, parent: Place | None = None) -> None:
        token = self._next
        if token.text != "(":
            self._fail(token, "names of slots are not read here", "capdl-shorthand")
        place = self._place()
        self._known(spec, token, place[0])
        if parent is not None:
            spec.parents[place] = parent
        if self._skip("{"):
            while not self._skip("}"):
                self._cdt(spec, place)
                self._skip(";")

    def _domains(self, spec: Spec) -> None:
        spec.schedule = spec.schedule or Schedule([])
        token = self._take()
        self._need(":")
        if token.text == "schedule":
            self._need("[")
            while not self._skip("]"):
                self._need("(")
                domain = self._number()
                self._need(",")
                spec.schedule.entries.append((domain, self._number()))
                self._need(")")
                self._skip(",")
        elif token.text == "domain_set_start":
            spec.schedule.start = None if self._skip("no_start") else self._number()
        elif token.text == "index_shift":
            spec.schedule.index_shift = self._number()
        else:
            self._fail(token, f"{token.text!r} says nothing of domains")
