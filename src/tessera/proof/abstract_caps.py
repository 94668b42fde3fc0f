# SPDX-License-Identifier: BSD-2-Clause
"""Capabilities of the abstract kernel of which only the kind is known."""

from __future__ import annotations

import dataclasses
from typing import Any

from tessera.proof.abstract_objects import Scene
from tessera.proof.abstract_runs import Unreadable, text_of
from tessera.proof.abstract_values import Truth, Word
from tessera.spec import capability

# Of each kind: its name in the kernel, and the kernel's names of attributes that are called otherwise there.
KINDS: dict[type, tuple[str, dict[str, str]]] = {
    capability.UntypedCap: ("UntypedCap", {"watermark": "free_offset"}),
    capability.EndpointCap: ("EndpointCap", {}),
    capability.NotificationCap: ("NotificationCap", {}),
    capability.ReplyCap: ("ReplyCap", {}),
    capability.CNodeCap: ("CNodeCap", {"node": "slots"}),
    capability.ThreadCap: ("ThreadCap", {"thread": "tcb"}),
    capability.ContextCap: ("SchedContextCap", {}),
    capability.SchedControlCap: ("SchedControlCap", {}),
    capability.IrqControlCap: ("IrqControlCap", {}),
    capability.IrqHandlerCap: ("IrqHandlerCap", {}),
    capability.DomainCap: ("DomainCap", {}),
    capability.FrameCap: ("FrameCap", {"level": "size", "address": "mapped_address"}),
    capability.TableCap: ("PageTableCap", {"address": "mapped_address"}),
    capability.AsidControlCap: ("AsidControlCap", {}),
    capability.PoolCap: ("AsidPoolCap", {}),
}


class Node(Word):
    """The CNode of a capability, of which the radix is known, too."""

    def __init__(self, scene: Scene, text: str) -> None:
        super().__init__(scene, f"{text}.slots")
        self.radix = Word(scene, f"{text}.radix")


def known_kind(scene: Scene, kind: type, text: str) -> Any:
    """A capability of one kind, by its expression."""
    _, names = KINDS[kind]
    given: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        place = f"{text}.{names.get(field.name, field.name)}"
        if field.name == "node":
            given[field.name] = Node(scene, text)
        elif field.type == "bool":
            given[field.name] = Truth(scene, place)
        else:
            given[field.name] = Word(scene, place)
    return kind(**given)


def text_of_capability(scene: Scene, result: Any, before: Any, text: str) -> str:
    """What a capability is that was made from one whose expression is ``text``; ``None`` is the null capability."""
    if result is None:
        return "NullCap()"
    if type(result) is not type(before):
        raise Unreadable("a capability becomes one of another kind")
    _, names = KINDS[type(result)]
    changes = []
    for field in dataclasses.fields(result):
        old, new = getattr(before, field.name), getattr(result, field.name)
        value = scene.known.get(new.sym_text, new) if isinstance(new, Truth) else new
        is_same = isinstance(value, bool) and value is scene.known.get(getattr(old, "sym_text", ""))
        if new is not old and not is_same:
            changes.append(f"{names.get(field.name, field.name)}={text_of(value)}")
    return f"{text}.replace({', '.join(changes)})" if changes else text


def field_of(layout: Any, name: str, word: Word) -> Any:
    """A field of a word that the binary interface declares."""
    text = f"from_word({layout.__name__}, {word.sym_text}).{name}"
    is_flag = layout.__packed__.fields()[name].type is bool
    return Truth(word.sym_scene, text) if is_flag else Word(word.sym_scene, text)
