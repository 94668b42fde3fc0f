# SPDX-License-Identifier: BSD-2-Clause
"""RV64 objects: what they refer to, their sections, line tables, and that the same text gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import llvmlite.binding as llvm
import pytest
from elftools.elf.elffile import ELFFile

from tessera.arch.riscv64.target import DATA_LAYOUT, KERNEL, TRIPLE, USER
from tessera.ir.nodes import Assign, Evaluate, For, If, Program, Return, Store, While
from tessera.lang import Array, array, struct, u8, u32, u64, u128
from tessera.lang.diagnostics import Diagnostic
from tessera.lang.memory import StaticObject
from tessera.llvm.compile import assemble, compile_c, compile_object, link, size_of_sections
from tessera.llvm.emit import emit_module
from tests.llvm.bare_machine import BARE
from tests.llvm.hand_made import cases, constant, function, info, local, make, program


@struct
class Page:
    words: Array[u64] = array(512)
    owner: u64
    value: u128


LAYOUT = Page.__struct__.layout()  # type: ignore[attr-defined]
STATIC = StaticObject(Page, 0, LAYOUT.size, 4096, "page")


def page() -> Any:
    return make("static", Page, data=STATIC)


def field(name: str) -> Any:
    return make("field_place", LAYOUT.fields[name].type, page(), data=LAYOUT.fields[name])


def clear() -> Any:
    """Fills an array with zeros: the loop that LLVM likes to turn into a call of ``memset``."""
    place = make("element_place", u64, field("words"), local("i", u64))
    loop = For(3, "i", u64, constant(u64, 0), constant(u64, 512), [Store(4, place, constant(u64, 0))])
    return function("clear", {}, None, [loop], {"i": u64})


def copy_value() -> Any:
    return function(
        "copy_value",
        {"x": u128},
        u128,
        [Store(3, field("value"), local("x", u128)), Return(4, make("load", u128, field("value")))],
    )


def text_of(made: Program, checked: bool = False, **keywords: Any) -> str:
    exports = {name: name.removeprefix("made.") for name in made.functions}
    return emit_module(made, target="riscv64", checked=checked, exports=exports, **keywords)


def undefined_symbols(path: Path) -> set[str]:
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        return {s.name for s in table.iter_symbols() if s.name and s["st_shndx"] == "SHN_UNDEF"}


def sections(path: Path) -> dict[str, int]:
    with path.open("rb") as stream:
        return {s.name: s["sh_size"] for s in ELFFile(stream).iter_sections()}


@pytest.mark.parametrize("level", [0, 1, 2, 3, "s"])
@pytest.mark.parametrize("target", [KERNEL, USER], ids=lambda target: target.name)
def test_objects_call_no_library(tmp_path: Path, level: int | str, target: Any) -> None:
    made = program(*(case.function() for case in cases()), clear(), copy_value())
    path = compile_object(text_of(made, code_target=target), tmp_path / "x.o", target=target, optimise=level)
    assert undefined_symbols(path) == set()
    checked = compile_object(text_of(made, True, code_target=target), tmp_path / "y.o", target=target, optimise=level)
    assert undefined_symbols(checked) == {"tessera_violation"}


def test_functions_themselves_refuse_to_become_calls_of_a_library(tmp_path: Path) -> None:
    """Also where the compiler is told that there is a library."""
    text = text_of(program(clear()), exported_statics={"page"})
    path = compile_object(text, tmp_path / "x.o", flags=["-fhosted", "-fbuiltin"])
    assert undefined_symbols(path) == set()


def test_the_data_layout_is_the_one_of_llvm() -> None:
    llvm.initialize_all_targets()
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(features="+m,+a,+c", abiname="lp64")
    assert str(machine.target_data) == DATA_LAYOUT


def test_the_instruction_set_and_convention_are_in_the_file(tmp_path: Path) -> None:
    flags = {}
    for target in (KERNEL, USER):
        path = compile_object(text_of(program(clear()), code_target=target), tmp_path / "x.o", target=target)
        with path.open("rb") as stream:
            flags[target.name] = ELFFile(stream)["e_flags"]
    assert flags == {"kernel": 0x1, "user": 0x5}  # compressed instructions; double-precision convention


def test_every_function_has_its_section_and_statics_are_zero_bytes(tmp_path: Path) -> None:
    text = text_of(program(clear(), copy_value()), exported_statics={"page"})
    path = compile_object(text, tmp_path / "x.o")
    found = sections(path)
    assert {".text.clear", ".text.copy_value", ".bss.page"} <= set(found)
    assert found[".bss.page"] == LAYOUT.size
    assert size_of_sections(path)[".bss.page"] == LAYOUT.size


def test_a_static_may_be_exported_for_assembly(tmp_path: Path) -> None:
    def binding(text: str) -> str:
        path = compile_object(text, tmp_path / "x.o")
        with path.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            return str(table.get_symbol_by_name("page")[0]["st_info"]["bind"])

    made = program(clear(), function("first", {}, u64, make("load", u64, field("owner"))))
    assert binding(text_of(made)) == "STB_LOCAL"
    assert binding(text_of(made, exported_statics={"page"})) == "STB_GLOBAL"


def test_stores_to_an_exported_static_stay_even_if_no_code_reads_it(tmp_path: Path) -> None:
    """The hardware reads page tables: exporting a static tells the optimiser that someone else looks at it."""
    hidden = sections(compile_object(text_of(program(clear())), tmp_path / "x.o"))
    shown = sections(compile_object(text_of(program(clear()), exported_statics={"page"}), tmp_path / "x.o"))
    assert hidden[".text.clear"] < shown[".text.clear"]


def test_internal_functions_are_inlined_with_results_of_many_words(tmp_path: Path) -> None:
    from tessera.lang.types import TupleType

    many = TupleType((u64, u128, u64))
    three = make("aggregate", many, local("x", u64), make("convert", u128, local("x", u64)), constant(u64, 9))
    inner = function("inner", {"x": u64}, many, three)
    call = make("call", many, local("x", u64), data=inner.info)
    outer = function("outer", {"x": u64}, u64, make("item", u64, call, data=2))
    text = emit_module(program(inner, outer), target="riscv64", checked=False, exports={"made.outer": "outer"})
    found = sections(compile_object(text, tmp_path / "x.o"))
    assert found[".text.outer"] <= 6  # li a0, 9; ret
    assert not any("inner" in name and name.startswith(".text") for name in found)


def test_inline_attributes_are_obeyed(tmp_path: Path) -> None:
    inner = function(
        "inner", {"x": u64}, u64, make("wrapping_add", u64, local("x", u64), constant(u64, 1)), inline="never"
    )
    outer = function("outer", {"x": u64}, u64, make("call", u64, local("x", u64), data=inner.info))
    text = emit_module(program(inner, outer), target="riscv64", checked=False, exports={"made.outer": "outer"})
    found = sections(compile_object(text, tmp_path / "x.o"))
    assert ".text.made.inner" in found


def test_the_same_text_gives_the_same_bytes_without_paths_of_this_machine(tmp_path: Path) -> None:
    text = text_of(program(clear(), copy_value()), checked=True)
    assert text == text_of(program(clear(), copy_value()), checked=True)
    contents = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "f.c").write_text("int f(int x) { return x + 1; }\n")
        (directory / "g.S").write_text("#define R a0\n.global g\ng: mv R, zero\n ret\n")
        paths = [
            compile_object(text, directory / "x.o"),
            compile_c(directory / "f.c", directory / "f.o"),
            assemble(directory / "g.S", directory / "g.o"),
        ]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    for content in contents[0]:
        assert (
            str(tmp_path).encode() not in content
            and b"/home" not in content
            and str(Path.cwd()).encode() not in content
        )


def test_line_tables_point_to_the_source(tmp_path: Path) -> None:
    made = program(clear(), copy_value())
    path = link(
        [compile_object(text_of(made), tmp_path / "x.o")],
        BARE / "bare.ld",
        tmp_path / "x.elf",
        flags=["-u", "copy_value", "-e", "clear"],
    )
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        address = elf.get_section_by_name(".symtab").get_symbol_by_name("copy_value")[0]["st_value"]
        (unit,) = elf.get_dwarf_info().iter_CUs()
        names = {die.attributes["DW_AT_name"].value: die for die in unit.iter_DIEs() if die.tag == "DW_TAG_subprogram"}
        program_ = elf.get_dwarf_info().line_program_for_CU(unit)
        states = [entry.state for entry in program_.get_entries() if entry.state]
        files = [entry.name.decode() for entry in program_["file_entry"]]
    assert b"copy_value" in names and names[b"copy_value"].attributes["DW_AT_low_pc"].value == address
    lines = {state.line for state in states if address <= state.address < address + 64}
    assert 3 in lines
    assert files == ["made.py"]


def test_assembly_gets_its_definitions_from_the_caller(tmp_path: Path) -> None:
    source = tmp_path / "g.S"
    source.write_text(".section .data\n.quad VALUE\n")
    path = assemble(source, tmp_path / "g.o", defines={"VALUE": 0x1122334455667788})
    with path.open("rb") as stream:
        assert ELFFile(stream).get_section_by_name(".data").data() == bytes.fromhex("8877665544332211")


def test_an_error_of_the_compiler_is_told_with_its_place(tmp_path: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text("int f(void) {\n  return missing;\n}\n")
    with pytest.raises(Diagnostic) as caught:
        compile_c(source, tmp_path / "bad.o")
    assert caught.value.rule == "compile"
    assert "bad.c:2:10: error" in caught.value.what and "missing" in caught.value.what


def intrinsic(assembly: str, constraints: str, parameters: dict[str, Any], result: Any) -> Any:
    name = "machine"
    return info(name, parameters, result, kind="intrinsic", assembly=assembly, constraints=constraints)


def test_narrow_arguments_of_assembly_have_zeros_above_them() -> None:
    machine = intrinsic("mv $0, $1", "=r,r", {"x": u8}, u8)
    caller = function("caller", {"x": u8}, u8, make("call", u8, local("x", u8), data=machine))
    text = emit_module(program(caller, externals=(machine,)), target="riscv64", checked=False)
    assert "zext i8 %a.x to i64" in text
    assert 'call i64 asm sideeffect "mv $0, $1", "=r,r"(i64 %t1)' in text


def test_assembly_that_does_not_clobber_memory_lets_values_stay_in_registers() -> None:
    for constraints, touches in (("=r", False), ("=r,~{memory}", True)):
        machine = intrinsic("csrr $0, scause", constraints, {}, u64)
        caller = function("caller", {}, u64, make("call", u64, data=machine))
        text = emit_module(program(caller, externals=(machine,)), target="riscv64", checked=False)
        assert ("memory(inaccessiblemem: readwrite)" not in text) == touches


@pytest.mark.parametrize("machine, part", [
    (intrinsic("", "", {}, u64), "has no instruction"),
    (intrinsic("nop", "", {"x": u128}, None), "u128 does not fit"),
    (intrinsic("nop", "~{memory}", {}, u64), "no output"),
    (info("machine", {}, u64, kind="intrinsic", operation="swap"), "no operation 'swap'"),
])  # fmt: skip
def test_what_the_target_cannot_express_is_an_error_with_a_place(machine: Any, part: str) -> None:
    parameters, result = machine.signature()
    operands = [local(name, type_) for name, type_ in parameters.items()]
    call = make("call", result, *operands, data=machine)
    caller = function("caller", parameters, None, [Evaluate(2, call)])
    with pytest.raises(Diagnostic) as caught:
        emit_module(program(caller, externals=(machine,)), target="riscv64", checked=False)
    assert part in caught.value.what and str(caught.value.location) == "made.py:2:1"
    assert caught.value.why and caught.value.fix


def test_functions_of_c_and_assembly_get_words_widened_as_their_convention_asks() -> None:
    other = info("other", {"a": u8, "b": u32, "c": bool}, u32, kind="extern", symbol="other")
    call = make("call", u32, local("a", u8), local("b", u32), local("c", bool), data=other)
    caller = function("caller", {"a": u8, "b": u32, "c": bool}, u32, call, symbol="caller")
    text = emit_module(program(caller, externals=(other,)), target="riscv64", checked=False)
    assert 'declare dso_local signext i32 @"other"(i8 zeroext, i32 signext, i1 zeroext)' in text
    assert 'define dso_local signext i32 @"caller"(i8 zeroext %a.a, i32 signext %a.b, i1 zeroext %a.c)' in text


def test_an_assertion_is_told_with_its_text_and_is_not_in_release_code() -> None:
    from tessera.ir.nodes import Assert

    condition = make("lt", bool, local("x", u64), constant(u64, 5))
    made = program(function("f", {"x": u64}, u64, [Assert(7, condition, "x is small"), Return(8, local("x", u64))]))
    assert "made.py:7: assert: x is small" in text_of(made, checked=True)
    assert "icmp" not in text_of(made, checked=False)


def test_code_behind_a_jump_is_not_emitted() -> None:
    """Neither is a second use of a name that is bound in one branch only."""
    then = [Assign(3, "y", constant(u64, 2)), Return(4, local("y", u64)), Assign(5, "y", constant(u64, 7))]
    body = [If(2, make("eq", bool, local("x", u64), constant(u64, 1)), then, []), Return(6, local("x", u64))]
    text = text_of(program(function("f", {"x": u64}, u64, body, {"y": u64})))
    assert "store i64 2" in text and "i64 7" not in text


def code_of(path: Path, section: str) -> bytes:
    with path.open("rb") as stream:
        return bytes(ELFFile(stream).get_section_by_name(section).data())


def test_address_zero_is_an_address_like_any_other(tmp_path: Path) -> None:
    """In release code a null reference that nobody excluded reads address 0; LLVM may not drop what comes before it."""
    place = make("field_place", u64, constant(Page, 0), data=LAYOUT.fields["owner"])
    path = compile_object(text_of(program(function("f", {}, u64, make("load", u64, place)))), tmp_path / "x.o")
    offset = LAYOUT.fields["owner"].offset
    assert offset == 4096
    assert code_of(path, ".text.f") == bytes.fromhex("0565 0861 8280")  # lui a0, 1; ld a0, 0(a0); ret
    words = make("field_place", LAYOUT.fields["words"].type, constant(Page, 0), data=LAYOUT.fields["words"])
    first = make("element_place", u64, words, constant(u64, 0))
    path = compile_object(text_of(program(function("f", {}, u64, make("load", u64, first)))), tmp_path / "x.o")
    assert code_of(path, ".text.f") == bytes.fromhex("03350000 8280")  # ld a0, 0(zero); ret


def test_an_endless_loop_stays(tmp_path: Path) -> None:
    loop = While(2, constant(bool, 1), [])
    path = compile_object(text_of(program(function("f", {}, NoReturn, [loop]))), tmp_path / "x.o")
    assert code_of(path, ".text.f") == bytes.fromhex("01a0")  # j .
