# SPDX-License-Identifier: BSD-2-Clause
"""The C headers: they say what the tables and the facts say, and components compile against them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tessera.abi.c_names import (
    INITIAL_SLOT_NAMES,
    OBJECT_TYPE_NAMES,
    PACKED_NAMES,
    error_name,
    fault_name,
    syscall_name,
)
from tessera.abi.c_types import fault_register_name
from tessera.abi.errors import Error
from tessera.abi.faults import FAULT_MESSAGE, USER_CONTEXT, Fault
from tessera.abi.headers import header_texts, write_headers
from tessera.abi.invocations import INVOCATIONS
from tessera.abi.profiles import SEL4TEST
from tessera.abi.syscalls import Syscall
from tessera.build.toolchain import compile_component_source, prepare_headers, user_c_command
from tessera.lang.diagnostics import Diagnostic
from tests.abi.conftest import Compile

HERE = Path(__file__).parent
REJECTED = HERE.parent / "rejected" / "c"

# What the run-time library defines for components (an event loop, symbols that the build sets, a console).
RUNTIME_SYMBOLS = {
    "__sel4_ipc_buffer",
    "microkit_dbg_put32",
    "microkit_dbg_put8",
    "microkit_dbg_puts",
    "microkit_have_signal",
    "microkit_irqs",
    "microkit_name",
    "microkit_notifications",
    "microkit_pps",
    "microkit_signal_cap",
    "microkit_signal_msg",
}


def assert_equal(name: str, value: object) -> str:
    return f'_Static_assert({name} == {value}, "{name}");\n'


def test_facts(headers: Path, tmp_path: Path) -> None:
    compile_component_source(HERE / "facts.c", tmp_path / "facts.o", headers=headers)


def test_a_wrong_fact_is_refused(headers: Path, tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text((HERE / "facts.c").read_text() + "IS(seL4_TCBBits, 10);\n")
    with pytest.raises(Diagnostic) as caught:
        compile_component_source(source, tmp_path / "wrong.o", headers=headers)
    assert caught.value.rule == "c-compile"
    assert caught.value.location.line == len(source.read_text().splitlines())


def test_headers_say_what_the_tables_say(compile_text: Compile) -> None:
    lines = ["#include <microkit.h>\n#include <stddef.h>\n"]
    lines += [assert_equal(name, int(kind)) for kind, name in OBJECT_TYPE_NAMES.items()]
    lines += [assert_equal(name, int(slot)) for slot, name in INITIAL_SLOT_NAMES.items()]
    lines += [assert_equal(error_name(error), int(error)) for error in Error]
    lines += [assert_equal(f"(seL4_Word){syscall_name(call)}", f"{int(call):#x}ul") for call in Syscall]
    lines += [assert_equal(f"seL4_Fault_{fault_name(fault)}", int(fault)) for fault in Fault]
    lines += [assert_equal(call.symbol, int(call.label)) for call in INVOCATIONS]
    for fault, registers in FAULT_MESSAGE.items():
        lines += [
            assert_equal(f"seL4_{fault_name(fault)}_{fault_register_name(register)}", int(register))
            for register in registers
        ]
    lines += [assert_equal(f"offsetof(seL4_UserContext, {name})", 8 * i) for i, name in enumerate(USER_CONTEXT)]
    for call in INVOCATIONS:
        lines += [assert_equal(f"sizeof({p.type.c_type})", max(p.type.bits // 8, 1)) for p in call.parameters]
    compile_text("".join(lines), "-c")


def test_packed_words_agree_with_the_language(compile_text: Compile) -> None:
    """Each accessor is folded to a constant; the value is the one that the packed class gives."""
    from tessera.lang import to_word

    text, expected = ["#include <sel4/sel4.h>\n"], {}
    for entry in PACKED_NAMES:
        kind = entry.packed
        fields = kind.__packed__.fields()  # type: ignore[attr-defined]
        values = {name: (i + 1) % (1 << fields[name].width) for i, (name, _) in enumerate(entry.fields)}
        typed = {name: bool(value) if fields[name].type is bool else value for name, value in values.items()}
        expected[f"{entry.name}_whole"] = int(to_word(kind(**typed)))
        whole = f"{entry.name}_new({', '.join(str(values[name]) for name, _ in entry.fields)})"
        text.append(f"seL4_Word {entry.name}_whole(void) {{ return {whole}.words[0]; }}\n")
        for name, c_name in entry.fields:
            function = f"{entry.name}_part_{c_name}"
            expected[function] = values[name]
            text.append(f"seL4_Word {function}(void) {{ return {entry.name}_get_{c_name}({whole}); }}\n")
            function = f"{entry.name}_cleared_{c_name}"
            expected[function] = int(to_word(kind(**{**typed, name: fields[name].type(0)})))
            text.append(f"seL4_Word {function}(void) {{ return {entry.name}_set_{c_name}({whole}, 0).words[0]; }}\n")
    output = compile_text("".join(text), "-S", "-emit-llvm")
    for function, value in expected.items():
        body = output.split(f"@{function}(")[1].split("}")[0]
        assert f"ret i64 {value}\n" in body, function


@pytest.mark.parametrize("standard", ["gnu11", "gnu17", "gnu23"])
def test_dialects(compile_text: Compile, standard: str) -> None:
    compile_text((HERE / "component.c").read_text(), "-c", f"-std={standard}")


def test_a_component_needs_only_what_the_runtime_defines(headers: Path, tmp_path: Path) -> None:
    output = compile_component_source(HERE / "component.c", tmp_path / "component.o", headers=headers)
    with output.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        symbols = list(table.iter_symbols())
    undefined = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}
    assert undefined == RUNTIME_SYMBOLS
    defined = {symbol.name for symbol in symbols if symbol["st_info"]["type"] == "STT_FUNC"}
    assert {"init", "notified", "protected", "fault"} <= defined


def test_objects_are_the_same_everywhere(tmp_path: Path) -> None:
    """The same source from two folders with two header folders gives the same bytes."""
    objects = []
    for name in ("one", "another"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "component.c").write_bytes((HERE / "component.c").read_bytes())
        made = prepare_headers(folder / "headers")
        objects.append(compile_component_source(folder / "component.c", folder / "component.o", headers=made))
    first, second = (path.read_bytes() for path in objects)
    assert first == second
    assert str(tmp_path).encode() not in first


def test_thread_local_buffer_pointer_on_request(compile_text: Compile) -> None:
    text = "#include <sel4/sel4.h>\nseL4_Word f(void) { return seL4_GetMR(0); }\n"
    assert "external thread_local" not in compile_text(text, "-S", "-emit-llvm")
    assert "external thread_local" in compile_text(text, "-S", "-emit-llvm", "-DCONFIG_LIB_SEL4_USE_THREAD_LOCALS")


def test_release_has_no_console(tmp_path: Path) -> None:
    debug, release = header_texts()["kernel/gen_config.h"], header_texts(debug=False)["kernel/gen_config.h"]
    assert "#define CONFIG_PRINTING  1\n" in debug
    assert "define CONFIG_PRINTING" not in release and "/* disabled: CONFIG_PRINTING */\n" in release
    made = prepare_headers(tmp_path / "headers", debug=False)
    source = tmp_path / "print.c"
    source.write_text("#include <sel4/sel4.h>\nvoid f(void) { seL4_DebugPutChar('x'); }\n")
    with pytest.raises(Diagnostic, match="seL4_DebugPutChar"):
        compile_component_source(source, tmp_path / "print.o", headers=made)


def test_configuration_of_the_test_suite() -> None:
    """The values that are baked into upstream's test image."""
    text = header_texts(SEL4TEST)["kernel/gen_config.h"]
    for line in (
        "KERNEL_MCS 1",
        "PT_LEVELS 3",
        "ROOT_CNODE_SIZE_BITS 13",
        "MAX_NUM_BOOTINFO_UNTYPED_CAPS 230",
        "RETYPE_FAN_OUT_LIMIT 256",
        "NUM_DOMAINS 1",
        "NUM_DOMAIN_SCHEDULES 2",
        "NUM_PRIORITIES 256",
        "BOOT_THREAD_TIME_SLICE 5",
        "DEBUG_BUILD 1",
        "PRINTING 1",
        "FASTPATH 1",
        "MAX_NUM_NODES 1",
        "TIMER_FREQUENCY 10000000",
        "KERNEL_WCET_SCALE 1",
        "KERNEL_STATIC_MAX_PERIOD_US 0",
        "PADDR_USER_DEVICE_TOP 549755813888",
    ):
        name, value = line.split()
        assert f"#define CONFIG_{name}  {value}\n" in text


def test_headers_that_are_right_are_left_alone(tmp_path: Path) -> None:
    write_headers(tmp_path)
    target = tmp_path / "sel4" / "errors.h"
    before = target.stat().st_mtime_ns
    other = tmp_path / "sel4" / "syscall.h"
    other.write_text("stale")
    write_headers(tmp_path)
    assert target.stat().st_mtime_ns == before
    assert "seL4_SysCall" in other.read_text()


@pytest.mark.parametrize("case", sorted(REJECTED.glob("*.c")), ids=lambda path: path.stem)
def test_rejected_sources(case: Path, headers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact message that a person gets. TESSERA_UPDATE_GOLDENS=1 writes it anew."""
    monkeypatch.chdir(case.parent)
    with pytest.raises(Diagnostic) as caught:
        compile_component_source(Path(case.name), tmp_path / "rejected.o", headers=headers)
    golden = case.with_suffix(".err")
    if os.environ.get("TESSERA_UPDATE_GOLDENS"):
        golden.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == golden.read_text()
    assert case.stem.startswith(caught.value.rule)


def test_a_missing_source_is_told(headers: Path, tmp_path: Path) -> None:
    with pytest.raises(Diagnostic) as caught:
        compile_component_source(tmp_path / "none.c", tmp_path / "none.o", headers=headers)
    assert caught.value.rule == "c-source-missing"


def test_the_command_begins_with_the_compiler(headers: Path) -> None:
    program, mode, *rest = user_c_command(headers)
    assert Path(program).is_file()
    assert mode == "clang"
    assert "-march=rv64gc" in rest
    assert "-mabi=lp64d" in rest
