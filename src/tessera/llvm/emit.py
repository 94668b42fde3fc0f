# SPDX-License-Identifier: BSD-2-Clause
"""A whole program as one LLVM module in textual form.

The text is written here and not through ``llvmlite.ir``, which cannot express the attributes that are needed
(``null_pointer_is_valid``, ``"no-builtins"``), and takes several times as long.
One module holds everything, all functions without a symbol are internal, so that the optimiser sees every caller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from tessera.arch.riscv64.target import KERNEL, CodeTarget
from tessera.ir.nodes import Program
from tessera.llvm import watch
from tessera.llvm.instrumented import InstrumentedEmitter, Instruments
from tessera.llvm.module import HOST, RISCV64, ModuleContext, Options
from tessera.llvm.statements import FunctionEmitter
from tessera.llvm.trampolines import host_support
from tessera.llvm.watch import Plans, called

# Shift and subtract: only for 128-bit words, for which there is neither an instruction nor a library. The remainder
# before the last step is below 2**127, so doubling it loses nothing.
_DIVISION = """define internal { i128, i128 } @tessera_divide_128(i128 %n, i128 %d) nounwind "no-builtins" {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %i1, %loop ]
  %q = phi i128 [ %n, %entry ], [ %q2, %loop ]
  %r = phi i128 [ 0, %entry ], [ %r3, %loop ]
  %in = lshr i128 %q, 127
  %r1 = shl i128 %r, 1
  %r2 = or i128 %r1, %in
  %fits = icmp uge i128 %r2, %d
  %less = sub i128 %r2, %d
  %r3 = select i1 %fits, i128 %less, i128 %r2
  %q1 = shl i128 %q, 1
  %bit = zext i1 %fits to i128
  %q2 = or i128 %q1, %bit
  %i1 = add i32 %i, 1
  %more = icmp ult i32 %i1, 128
  br i1 %more, label %loop, label %done
done:
  %first = insertvalue { i128, i128 } zeroinitializer, i128 %q2, 0
  %both = insertvalue { i128, i128 } %first, i128 %r3, 1
  ret { i128, i128 } %both
}"""


def emit_module(
    program: Program,
    *,
    target: str,
    checked: bool,
    debug_info: bool = True,
    static_addresses: bool | None = None,
    memory_size: int = 0,
    exports: Mapping[str, str] | None = None,
    exported_statics: Collection[str] = (),
    weak: Collection[str] = (),
    entries: Collection[str] | None = None,
    code_target: CodeTarget = KERNEL,
    instruments: Instruments | None = None,
    plans: Plans | None = None,
) -> str:
    """LLVM IR of a program, the same text for the same input.

    ``target`` is ``"riscv64"`` (``code_target`` says how) or ``"host"``. ``entries`` are the functions, by name, that
    Python may call on the host; all of them unless given. For the rest see :class:`tessera.llvm.module.Options`;
    ``static_addresses`` is on for the host and off otherwise unless given.
    With ``instruments`` the code is watched, on the host only; the program was built with specifications then, and has
    the checks of ``plans``. Raises ``Diagnostic`` for what a target cannot express.
    """
    if target not in (HOST, RISCV64):
        raise ValueError(f"no such target: {target}")
    fixed = target == HOST if static_addresses is None else static_addresses
    named = frozenset(exported_statics)
    options = Options(target, checked, debug_info, fixed, memory_size, dict(exports or {}), named, frozenset(weak))
    roots = list(program.functions if entries is None else entries)
    if instruments is None:
        kept = {n for n, f in program.functions.items() if f.info.kind != "specification"}
    else:
        plans = Plans({}) if plans is None else plans
        kept = called(program, [*roots, *(name for name, _ in plans.checks)], ghosts=True)
    program = replace(program, functions={n: f for n, f in program.functions.items() if n in kept})
    module = ModuleContext(program, options)
    if instruments is None:
        functions = [FunctionEmitter(module, function).emit() for function in program.functions.values()]
    else:
        functions = [InstrumentedEmitter(module, f, instruments).emit() for f in program.functions.values()]
    if module.needs_division:
        functions.append(_DIVISION)
    flags = []
    head = ['source_filename = "tessera"']
    if target == RISCV64:
        head += [f'target datalayout = "{code_target.data_layout}"', f'target triple = "{code_target.triple}"']
        flags = [
            f'!{{i32 1, !"target-abi", !"{code_target.mabi}"}}',
            f'!{{i32 1, !"Code Model", i32 {code_target.code_model}}}',
        ]
    else:
        functions += host_support(module, program.functions if entries is None else roots)
        if instruments is not None and plans is not None:
            module.llvm_intrinsic("llvm.trap", "void", [])
            functions += watch.support(instruments, plans, program)
    parts = [
        *head,
        *module.constants,
        *module.declarations.values(),
        *functions,
        *module.render_attributes(),
        *module.metadata.render(flags),
    ]
    return "\n".join(parts) + "\n"
