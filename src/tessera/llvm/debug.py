# SPDX-License-Identifier: BSD-2-Clause
"""Debug metadata: line tables that point to the Python source, and paths that are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import tessera
from tessera.llvm.types import quoted

# The directory that holds the package: files of the package are named relative to it.
PACKAGE_PARENT = Path(tessera.__file__).resolve().parent.parent


def source_path(file: str) -> str:
    """A source file as it is told in messages and line tables, never absolute.

    Relative to the directory that holds the package, else to the current directory, else the bare name.
    """
    path = Path(file)
    if not path.is_absolute():
        return path.as_posix()
    for root in (PACKAGE_PARENT, Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


class Metadata:
    """Numbered metadata nodes of one module. Without ``enabled`` every place is told as an empty string."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.nodes: list[str] = []
        self._files: dict[str, int] = {}
        self._lines: dict[tuple[int, int], str] = {}
        self._unit = 0
        if enabled:
            signature = self.add("!{null}")
            self._signature = self.add(f"!DISubroutineType(types: !{signature})")
            self._unit = self.add("")  # completed when its file is known

    def add(self, text: str) -> int:
        """A new node; its number."""
        self.nodes.append(text)
        return len(self.nodes) - 1

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = self.add(f'!DIFile(filename: {quoted(name)}, directory: ".")')
            if not self.nodes[self._unit]:
                self.nodes[self._unit] = (
                    f"distinct !DICompileUnit(language: DW_LANG_Python, file: !{self._files[name]}, "
                    'producer: "tessera", isOptimized: true, runtimeVersion: 0, emissionKind: FullDebug)'
                )
        return self._files[name]

    def function(self, name: str, symbol: str, file: str, line: int, local: bool) -> int:
        """The scope of one function; 0 when debug information is off."""
        if not self.enabled:
            return 0
        unit_file = self._file(file)
        flags = "DISPFlagDefinition | DISPFlagOptimized" + (" | DISPFlagLocalToUnit" if local else "")
        return self.add(
            f"distinct !DISubprogram(name: {quoted(name)}, linkageName: {quoted(symbol)}, scope: !{unit_file}, "
            f"file: !{unit_file}, line: {line}, type: !{self._signature}, scopeLine: {line}, "
            f"spFlags: {flags}, unit: !{self._unit})"
        )

    def line(self, scope: int, line: int) -> str:
        """The suffix of an instruction of a line."""
        if not self.enabled:
            return ""
        key = (scope, line)
        if key not in self._lines:
            self._lines[key] = f", !dbg !{self.add(f'!DILocation(line: {line}, scope: !{scope})')}"
        return self._lines[key]

    def render(self, module_flags: list[str]) -> list[str]:
        """The lines that end a module; ``module_flags`` are the texts of further flag nodes."""
        if self.enabled and self._files:
            module_flags = [
                *module_flags,
                '!{i32 7, !"Dwarf Version", i32 4}',
                '!{i32 2, !"Debug Info Version", i32 3}',
            ]
        nodes = list(self.nodes) if self._files else []
        flags = [len(nodes) + index for index in range(len(module_flags))]
        nodes += module_flags
        lines = [f"!llvm.module.flags = !{{{', '.join(f'!{number}' for number in flags)}}}"] if flags else []
        if self.enabled and self._files:
            lines.append(f"!llvm.dbg.cu = !{{!{self._unit}}}")
        return lines + [f"!{number} = {text}" for number, text in enumerate(nodes)]
