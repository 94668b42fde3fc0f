# SPDX-License-Identifier: BSD-2-Clause
"""C functions for every invocation, from the table of invocations."""

from __future__ import annotations

from tessera.abi.invocations import INVOCATIONS, Invocation, Placement
from tessera.abi.messages import REGISTER_MESSAGE_WORDS
from tessera.abi.objects import WORD_BITS

_REGISTERS = range(REGISTER_MESSAGE_WORDS)


def _argument(placement: Placement) -> str:
    parameter = placement.parameter
    value = f"{parameter.name}.words[0]" if parameter.type.name == "rights" else f"(seL4_Word){parameter.name}"
    if placement.width < WORD_BITS:
        value = f"({value} & {(1 << placement.width) - 1:#x}ul)"
    return f"{value} << {placement.low}" if placement.low else value


def _words(call: Invocation) -> list[str]:
    """The expression of every message word that plain scalars fill."""
    words: dict[int, list[str]] = {}
    for placement in call.placements:
        if not placement.parameter.type.by_reference:
            words.setdefault(placement.word, []).append(_argument(placement))
    return [" | ".join(words[i]) for i in sorted(words)]


def _declarations(call: Invocation) -> str:
    parameters = [f"seL4_{call.interface} _service"]
    parameters += [
        f"{p.type.c_type} *{p.name}" if p.type.by_reference else f"{p.type.c_type} {p.name}" for p in call.parameters
    ]
    parameters += [f"{p.type.c_type} *{p.name}" for p in call.results if p.type.by_reference]
    return ", ".join(parameters)


def _result_type(call: Invocation) -> str:
    if any(not p.type.by_reference for p in call.results):
        return f"{call.c_name}_t"
    return "seL4_Error"


def result_struct(call: Invocation) -> str:
    """The structure that carries an error and plain results; empty if the call gives back its error alone."""
    if _result_type(call) == "seL4_Error":
        return ""
    fields = "".join(f"    {p.type.c_type} {p.name};\n" for p in call.results)
    return f"typedef struct {call.c_name} {{\n    int error;\n{fields}}} {call.c_name}_t;\n"


def _comment(call: Invocation) -> str:
    lines = [f" * {call.purpose}"]
    lines += [f" *   {p.name}: {p.meaning}" for p in call.parameters]
    lines += [f" *   gives {p.name}: {p.meaning}" for p in call.results]
    return "/*\n" + "\n".join(lines) + "\n */\n"


def _context_in(call: Invocation, used: int) -> list[str]:
    """Registers as arguments: those that fit go into machine registers, the others into the IPC buffer."""
    for placement in call.placements:
        if placement.parameter.type.by_reference:
            break
    else:
        return []
    name = placement.parameter.name
    lines = [f"const seL4_Word *words = (const seL4_Word *){name};"]
    lines += [f"mr{i} = count > {i - used} ? words[{i - used}] : 0;" for i in _REGISTERS[used:]]
    lines += [
        f"for (seL4_Word i = {REGISTER_MESSAGE_WORDS - used}; i < count && i < {placement.width // WORD_BITS}; i++) {{",
        f"    seL4_SetMR((int)i + {used}, words[i]);",
        "}",
    ]
    return lines


def _results(call: Invocation) -> list[str]:
    lines = []
    for placement in call.result_placements:
        parameter = placement.parameter
        if parameter.type.by_reference:
            limit = placement.width // WORD_BITS
            lines.append(f"seL4_Word *words = (seL4_Word *){parameter.name};")
            lines += [f"if (count > {i}) {{\n        words[{i}] = mr{i};\n    }}" for i in _REGISTERS]
            lines.append(
                f"for (seL4_Word i = {REGISTER_MESSAGE_WORDS}; i < count && i < {limit}; i++) {{\n"
                "        words[i] = seL4_GetMR((int)i);\n    }"
            )
        else:
            lines.append(f"result.{parameter.name} = mr{placement.word};")
    return lines


def stub(call: Invocation) -> str:
    """The C function of one call, with its comment."""
    words = _words(call)
    body = [f"seL4_SetCap({i}, {p.name});" for i, p in enumerate(call.extra_caps)]
    body += [f"seL4_Word mr{i} = {words[i] if i < len(words) else '0'};" for i in _REGISTERS]
    body += [f"seL4_SetMR({i}, {word});" for i, word in enumerate(words) if i >= REGISTER_MESSAGE_WORDS]
    body += _context_in(call, len(words))
    body.append(
        f"seL4_MessageInfo_t tag = seL4_MessageInfo_new({call.symbol}, 0, {len(call.extra_caps)}, "
        f"{call.message_length});"
    )
    body.append("tag = __sel4_invoke(_service, tag, &mr0, &mr1, &mr2, &mr3);")
    kind = _result_type(call)
    if kind == "seL4_Error":
        error = "error"
        body.append("seL4_Error error = (seL4_Error)seL4_MessageInfo_get_label(tag);")
    else:
        error = "result"
        body.append(f"{kind} result = {{.error = (int)seL4_MessageInfo_get_label(tag)}};")
    condition = f"{error if error == 'error' else 'result.error'} != seL4_NoError"
    body.append(f"if ({condition}) {{\n        return {error};\n    }}" if call.results else "")
    body += _results(call)
    body.append(f"return {error};")
    text = "\n".join(f"    {line}" for line in body if line)
    return f"{_comment(call)}LIBSEL4_INLINE {kind} {call.c_name}({_declarations(call)})\n{{\n{text}\n}}\n"


_INVOKE = """\
/* Calls an object. The details of an error stay in the IPC buffer, where the caller can read them. */
LIBSEL4_INLINE_FUNC seL4_MessageInfo_t __sel4_invoke(seL4_CPtr service, seL4_MessageInfo_t tag, seL4_Word *mr0,
                                                     seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    struct __sel4_message m = {service, tag.words[0], {*mr0, *mr1, *mr2, *mr3}};
    __sel4_ecall(seL4_SysCall, &m);
    *mr0 = m.mr[0];
    *mr1 = m.mr[1];
    *mr2 = m.mr[2];
    *mr3 = m.mr[3];
    tag.words[0] = m.info;
    if (seL4_MessageInfo_get_label(tag) != seL4_NoError) {
        for (int i = 0; i < 4; i++) {
            seL4_SetMR(i, m.mr[i]);
        }
    }
    return tag;
}
"""


def client_header() -> str:
    """The whole of ``interfaces/sel4_client.h``, without its first lines."""
    structs = [text for text in map(result_struct, INVOCATIONS) if text]
    includes = "#include <sel4/syscalls.h>\n#include <sel4/invocation.h>\n"
    return "\n".join([includes, *structs, _INVOKE, *map(stub, INVOCATIONS)])
