# SPDX-License-Identifier: BSD-2-Clause
"""Values of runs of the abstract kernel (:mod:`abstract_runs`) of which nothing is known, or only the expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tessera.proof.abstract_runs import Unreadable, text_of
from tessera.spec.objects import Reply, Thread

if TYPE_CHECKING:
    from tessera.proof.abstract_objects import Scene


class Anything:
    """What is not compared, with everything that hangs on it."""

    def __init__(self, scene: Scene) -> None:
        object.__setattr__(self, "_scene", scene)

    def __getattr__(self, name: str) -> Any:
        return Anything(self._scene)

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def __call__(self, *_: Any) -> Any:
        return Anything(self._scene)

    def __getitem__(self, key: Any) -> Any:
        # An element is perhaps one that is known.
        return Anything(self._scene) if isinstance(key, slice) else self._scene.unknown(Reply)

    def __delitem__(self, key: Any) -> None:
        pass

    def __bool__(self) -> bool:
        return bool(self._scene.run.choose(["", ""]))

    def __add__(self, other: Any) -> Any:
        return Anything(self._scene)

    def __floordiv__(self, other: Any) -> Any:
        return Anything(self._scene)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __eq__(self, other: object) -> bool:
        return bool(self)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Constant:
    """A value that is the same in any state, as the kernel says it."""

    sym_text: str


class KernelItself(Anything):
    """What belongs to no object: who runs, which nothing that is compared may depend on."""

    def __getattr__(self, name: str) -> Any:
        if name in ("current", "candidate"):
            return self._scene.unknown(Thread)
        raise Unreadable(f"Kernel.{name} is not in the table")


class Truth:
    """True or false, of which only the expression is known until somebody asks."""

    def __init__(self, scene: Scene, text: str) -> None:
        self.sym_scene = scene
        self.sym_text = text

    def __bool__(self) -> bool:
        known = self.sym_scene.known
        if self.sym_text not in known:
            known[self.sym_text] = self.sym_scene.run.choose([self.sym_text, f"not {self.sym_text}"]) == 0
        return known[self.sym_text]

    def __eq__(self, other: object) -> bool:
        # Bits of words are compared with numbers.
        return bool(self) == bool(other)

    __hash__ = None  # type: ignore[assignment]


class Word:
    """A word of which only the expression is known."""

    def __init__(self, scene: Scene, text: str) -> None:
        self.sym_scene = scene
        self.sym_text = text

    def __bool__(self) -> bool:
        return self.sym_scene.run.choose([f"{self.sym_text} != 0", f"{self.sym_text} == 0"]) == 0

    def __or__(self, other: Any) -> Word:
        return Word(self.sym_scene, f"({self.sym_text} | {text_of(other)})")

    def __ror__(self, other: Any) -> Word:
        # Of a number, which is what follows `or` where there is no word.
        return self if other == 0 else Word(self.sym_scene, f"({text_of(other)} | {self.sym_text})")

    def __and__(self, other: Any) -> Word:
        return Word(self.sym_scene, f"({self.sym_text} & {text_of(other)})")

    def __add__(self, other: Any) -> Word:
        return Word(self.sym_scene, f"({self.sym_text} + {text_of(other)})")

    def __sub__(self, other: Any) -> Word:
        return Word(self.sym_scene, f"({self.sym_text} - {text_of(other)})")

    def __rlshift__(self, other: int) -> Word:
        return Word(self.sym_scene, f"(u64({other}) << {self.sym_text})")

    def _compared(self, sign: str, opposite: str, other: Any) -> bool:
        left, right = self.sym_text, text_of(other)
        return self.sym_scene.run.choose([f"{left} {sign} {right}", f"{left} {opposite} {right}"]) == 0

    def __gt__(self, other: Any) -> bool:
        return self._compared(">", "<=", other)

    def __ge__(self, other: Any) -> bool:
        return self._compared(">=", "<", other)

    def __le__(self, other: Any) -> bool:
        return self._compared("<=", ">", other)

    def __eq__(self, other: object) -> bool:
        text = text_of(other)
        return self.sym_scene.run.choose([f"{self.sym_text} == {text}", f"{self.sym_text} != {text}"]) == 0

    __hash__ = None  # type: ignore[assignment]
