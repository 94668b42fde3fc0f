# SPDX-License-Identifier: BSD-2-Clause
"""A program of the language as native code in this process, over the same memory that CPython sees.

Memory is mapped at ``MEMORY_BASE``, so that static objects and references have the addresses that they have in every
other reader, and whole states compare as bytes. There is one mapping in a process: two modules share it.
Checked code refuses addresses outside of memory; unchecked code that follows a wild reference ends the process.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Callable, Collection
from typing import Any, NoReturn

import llvmlite.binding as llvm

from tessera.ir.nodes import Function, Program
from tessera.ir.values import component_types, from_raw, to_raw, width_of
from tessera.lang.functions import FunctionInfo, info_of
from tessera.lang.memory import MEMORY_BASE, Memory, static_size
from tessera.lang.types import TEXT
from tessera.lang.words import Violation
from tessera.llvm.emit import emit_module
from tessera.llvm.instrumented import Instruments
from tessera.llvm.trampolines import ENTRY_PREFIX, SLOT
from tessera.llvm.types import scalars_of
from tessera.llvm.watch import Plans

_MAP_FIXED_NOREPLACE = 0x100000
_MAP_NORESERVE = 0x4000
_DONTNEED = 4
_MESSAGE = re.compile(r"^(?P<place>.*?:\d+): (?P<rule>[a-z]+): (?P<what>.*)$", re.DOTALL)
_WORD = (1 << 64) - 1

Raw = Any


class HostMemory:
    """The mapping at ``MEMORY_BASE``; it grows to the largest size that was asked for."""

    size = 0

    @classmethod
    def view(cls, size: int) -> memoryview:
        """The first ``size`` bytes. Raises :class:`OSError` where the addresses are taken."""
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        if pages > cls.size:
            cls._map(MEMORY_BASE + cls.size, pages - cls.size)
            cls.size = pages
        return memoryview((ctypes.c_ubyte * size).from_address(MEMORY_BASE)).cast("B")

    @staticmethod
    def _map(address: int, size: int) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        library.mmap.restype = ctypes.c_void_p
        library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE | _MAP_NORESERVE
        found = library.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        if found != address:
            raise OSError(ctypes.get_errno(), f"{size} bytes at {address:#x} cannot be mapped")

    @classmethod
    def clear(cls) -> None:
        """All bytes become zero again."""
        library = ctypes.CDLL(None, use_errno=True)
        library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if cls.size and library.madvise(MEMORY_BASE, cls.size, _DONTNEED):
            raise OSError(ctypes.get_errno(), "memory cannot be cleared")


class HostModule:
    """A program compiled for this machine.

    ``memory_size`` in bytes includes the static objects. ``entries`` (names of functions) limits what can be called
    from Python, which makes compiling faster. ``optimise`` is LLVM's level, 0 to 3. ``instruments`` and ``plans``: see
    :func:`tessera.llvm.emit.emit_module`.
    """

    def __init__(
        self,
        program: Program,
        *,
        checked: bool,
        memory_size: int = 1 << 20,
        entries: Collection[str] | None = None,
        optimise: int = 2,
        instruments: Instruments | None = None,
        plans: Plans | None = None,
    ) -> None:
        if memory_size < static_size():
            raise ValueError(f"static objects alone take {static_size()} bytes")
        self.program = program
        self.checked = checked
        self.memory = Memory(memory_size, buffer=HostMemory.view(memory_size))
        self.text = emit_module(
            program,
            target="host",
            checked=checked,
            debug_info=False,
            memory_size=memory_size if checked else 0,
            entries=entries,
            instruments=instruments,
            plans=plans,
        )
        if instruments is not None:
            instruments.shadow.map()
        self._callbacks = [i for i in program.externals.values() if not i.operation]
        self._pending: BaseException | None = None
        self._functions: dict[str, NativeFunction] = {}
        self._engine = _compile(self.text, optimise)
        self._message = ctypes.c_char_p.from_address(self._engine.get_global_value_address("tessera_message"))
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
        self._dispatcher = prototype(self._dispatch)
        dispatch = ctypes.c_void_p.from_address(self._engine.get_global_value_address("tessera_dispatch"))
        dispatch.value = ctypes.cast(self._dispatcher, ctypes.c_void_p).value

    def call(self, function: Any, *values: Any) -> Any:
        """Call a function (itself, or by name) with CPython values; its CPython result.

        Raises ``Violation`` (checked code), or what a Python model raised.
        """
        return self.function(function)(*values)

    def call_raw(self, function: Any, *values: Raw) -> Raw:
        """The same with raw values, see :mod:`tessera.ir.values`."""
        return self.function(function).raw(*values)

    def function(self, function: Any) -> NativeFunction:
        """The native form of a function, to be called many times."""
        name = function if isinstance(function, str) else _name_of(function)
        found = self._functions.get(name)
        if found is None:
            if name not in self.program.functions:
                raise KeyError(f"{name} is not part of the program")
            address = self._engine.get_function_address(ENTRY_PREFIX + name)
            if not address:
                raise KeyError(f"{name} is not an entry of this module")
            found = self._functions[name] = NativeFunction(self, self.program.functions[name], address)
        return found

    def plan(self, name: str) -> Callable[[], None]:
        """What runs a plan of checks. It raises what a check raises that does not come to its end."""
        address = self._engine.get_function_address(f"{ENTRY_PREFIX}plan {name}")
        native = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64)(address)

        def run() -> None:
            if native(0, 0):
                self._failed()

        return run

    def _dispatch(self, index: int, arguments: int, results: int) -> int:
        """Native code calls a Python model. An exception waits until the native frames are gone."""
        info = self._callbacks[index]
        try:
            parameters, result = info.signature()
            values = []
            for type_ in parameters.values():
                raw, arguments = _read(type_, arguments)
                values.append(from_raw(type_, raw))
            value = info.function(*values)
            if result is NoReturn:
                raise Violation("unreachable", f"{info.name} returned")
            _write(result, to_raw(result, value), results, [])
        except BaseException as error:
            self._pending = error
            return 1
        return 0

    def _failed(self) -> NoReturn:
        error, self._pending = self._pending, None
        if error is not None:
            raise error
        text = (self._message.value or b"").decode()
        match = _MESSAGE.match(text)
        if match is None:
            raise RuntimeError(f"native code ended with the message {text!r}")
        raise Violation(match["rule"], f"{match['place']}: {match['what']}")


class NativeFunction:
    """One native function. Its buffers are reused: one thread at a time; calls may nest through models."""

    def __init__(self, module: HostModule, function: Function, address: int) -> None:
        self.module = module
        self.parameters = tuple(type_ for _, type_ in function.parameters)
        self.result = function.result
        arguments = sum(len(scalars_of(type_)) for type_ in self.parameters)
        self._buffers = [
            ctypes.create_string_buffer(SLOT * max(1, count)) for count in (arguments, len(scalars_of(self.result)))
        ]
        self._arguments, self._results = (ctypes.addressof(buffer) for buffer in self._buffers)
        self._words = [(ctypes.c_uint64 * (len(buffer) // 8)).from_buffer(buffer) for buffer in self._buffers]
        # Most functions have words and references only: for them two array accesses are all that is needed.
        self._simple = all(_is_simple(type_) for type_ in self.parameters)
        self._mask = (1 << width_of(self.result)) - 1 if _is_simple(self.result) else 0
        self._native = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64)(address)

    def __call__(self, *values: Any) -> Any:
        """Call with CPython values."""
        raws = [to_raw(type_, value) for type_, value in zip(self.parameters, values, strict=True)]
        return from_raw(self.result, self.raw(*raws))

    def raw(self, *raws: Raw) -> Raw:
        """Call with raw values."""
        keep: list[Any] = []  # what must outlive the call
        if self._simple:
            if len(raws) != len(self.parameters):
                raise TypeError(f"{len(self.parameters)} arguments are needed, not {len(raws)}")
            for index, raw in enumerate(raws):
                self._words[0][2 * index] = raw
        else:
            address = self._arguments
            for type_, raw in zip(self.parameters, raws, strict=True):
                address = _write(type_, raw, address, keep)
        if self.module._callbacks:
            with self.module.memory:
                failed = self._native(self._arguments, self._results)
        else:
            failed = self._native(self._arguments, self._results)
        if failed:
            self.module._failed()
        return self._words[1][0] & self._mask if self._mask else _read(self.result, self._results)[0]


def _is_simple(type_: Any) -> bool:
    scalars = scalars_of(type_)
    return component_types(type_) is None and len(scalars) == 1 and scalars != ("i128",)


def _name_of(function: Any) -> str:
    if isinstance(function, FunctionInfo):
        return function.name
    if isinstance(function, property):
        function = function.fget
    info = info_of(function)
    if info is None:
        raise TypeError(f"{function!r} is not a function of the language")
    return info.name


def _write(type_: Any, raw: Raw, address: int, keep: list[Any]) -> int:
    """Put a raw value into slots; the address after them. ``keep`` holds what must outlive the call."""
    parts = component_types(type_)
    if parts is not None:
        for part, item in zip(parts, raw, strict=True):
            address = _write(part, item, address, keep)
        return address
    if type_ is TEXT:
        text = ctypes.create_string_buffer(raw, len(raw) + 1)
        keep.append(text)
        for number in (ctypes.addressof(text), len(raw)):
            ctypes.c_uint64.from_address(address).value = number
            address += SLOT
        return address
    if type_ is None or type_ is NoReturn:
        return address
    ctypes.c_uint64.from_address(address).value = raw & _WORD
    if raw > _WORD:
        ctypes.c_uint64.from_address(address + 8).value = raw >> 64
    else:
        ctypes.c_uint64.from_address(address + 8).value = 0
    return address + SLOT


def _read(type_: Any, address: int) -> tuple[Raw, int]:
    """The raw value in slots, and the address after them."""
    parts = component_types(type_)
    if parts is not None:
        items = []
        for part in parts:
            item, address = _read(part, address)
            items.append(item)
        return tuple(items), address
    if type_ is TEXT:
        start, length = (ctypes.c_uint64.from_address(address + SLOT * index).value for index in (0, 1))
        return ctypes.string_at(start, length), address + 2 * SLOT
    if type_ is None or type_ is NoReturn:
        return None, address
    width = width_of(type_)
    raw = ctypes.c_uint64.from_address(address).value
    if width > 64:
        raw |= ctypes.c_uint64.from_address(address + 8).value << 64
    return raw & ((1 << width) - 1), address + SLOT


def _compile(text: str, optimise: int) -> Any:
    """An execution engine that holds the compiled module."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    target = llvm.Target.from_default_triple().create_target_machine(opt=optimise, jit=True, codemodel="jitdefault")
    module.triple = llvm.get_process_triple()
    module.data_layout = str(target.target_data)
    module.verify()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=optimise))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine
