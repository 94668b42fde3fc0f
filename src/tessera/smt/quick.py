# SPDX-License-Identifier: BSD-2-Clause
"""Questions about z3's terms that are asked millions of times while functions are read.

z3's Python interface makes objects and looks for errors around each of its calls. These calls go to its library
directly: with terms that exist none of them can fail. Terms are shared, so that equal ones are one.
"""

from __future__ import annotations

from typing import Any

import z3
from z3 import z3core

Term = Any
# A term as z3's library knows it; it exists as long as a term does in which it occurs.
Node = Any


def _direct(name: str) -> Any:
    """A function of z3's library, which z3's Python interface keeps as a default of its own one."""
    return getattr(z3core, name).__defaults__[0].f


_get_app_arg = _direct("Z3_get_app_arg")
_get_app_decl = _direct("Z3_get_app_decl")
_get_app_num_args = _direct("Z3_get_app_num_args")
_get_ast_id = _direct("Z3_get_ast_id")
_get_ast_kind = _direct("Z3_get_ast_kind")
_get_decl_kind = _direct("Z3_get_decl_kind")
_get_func_decl_id = _direct("Z3_get_func_decl_id")
_get_pattern = _direct("Z3_get_pattern")
_get_pattern_num_terms = _direct("Z3_get_pattern_num_terms")
_get_quantifier_body = _direct("Z3_get_quantifier_body")
_get_quantifier_num_patterns = _direct("Z3_get_quantifier_num_patterns")
_get_quantifier_pattern_ast = _direct("Z3_get_quantifier_pattern_ast")
_get_index_value = _direct("Z3_get_index_value")
_get_numeral_string = _direct("Z3_get_numeral_string")
_context: Any = z3.main_ctx().ref()
# Kept, so that their addresses stay theirs.
_CONSTANTS = z3.BoolVal(True), z3.BoolVal(False)
_TRUE, _FALSE = (one.ast.value for one in _CONSTANTS)


def same(one: Term, other: Term) -> bool:
    """Whether two terms are one."""
    return bool(one.ast.value == other.ast.value)


def is_true(term: Term) -> bool:
    """Whether a term is the constant ``true``."""
    return bool(term.ast.value == _TRUE)


def is_false(term: Term) -> bool:
    """Whether a term is the constant ``false``."""
    return bool(term.ast.value == _FALSE)


def identity(term: Term) -> int:
    """z3's number of a term."""
    return int(_get_ast_id(_context, term.ast))


def identity_of(node: Node) -> int:
    """The same, of a node."""
    return int(_get_ast_id(_context, node))


def is_number(term: Term) -> bool:
    """Whether a term is a literal number."""
    return bool(_get_ast_kind(_context, term.ast) == z3.Z3_NUMERAL_AST)


def kind(term: Term) -> int:
    """The kind of the function that a term applies (``z3.Z3_OP_...``); -1 for quantifiers and bound variables."""
    return kind_of(term.ast)


def kind_of(node: Node) -> int:
    """The same, of a node."""
    if _get_ast_kind(_context, node) not in (z3.Z3_APP_AST, z3.Z3_NUMERAL_AST):
        return -1
    return int(_get_decl_kind(_context, _get_app_decl(_context, node)))


def declaration_of(node: Node) -> int:
    """z3's number of the function that a node applies."""
    return int(_get_func_decl_id(_context, _get_app_decl(_context, node)))


def literal_in(node: Node) -> bytes:
    """What a number or a bound variable is, besides its kind; nothing for others."""
    what = _get_ast_kind(_context, node)
    if what == z3.Z3_NUMERAL_AST:
        return b"#" + bytes(_get_numeral_string(_context, node))
    return b"%%%d" % _get_index_value(_context, node) if what == z3.Z3_VAR_AST else b""


def parts_of(node: Node) -> list[Node]:
    """The nodes in a node: arguments of an application, the body of a quantifier."""
    what = _get_ast_kind(_context, node)
    if what == z3.Z3_APP_AST:
        return [_get_app_arg(_context, node, n) for n in range(_get_app_num_args(_context, node))]
    return [_get_quantifier_body(_context, node)] if what == z3.Z3_QUANTIFIER_AST else []


def is_quantifier(node: Node) -> bool:
    """Whether a node is a quantifier."""
    return bool(_get_ast_kind(_context, node) == z3.Z3_QUANTIFIER_AST)


def patterns_of(node: Node) -> list[Node]:
    """The nodes in the patterns of a quantifier."""
    if _get_ast_kind(_context, node) != z3.Z3_QUANTIFIER_AST:
        return []
    found = []
    for n in range(_get_quantifier_num_patterns(_context, node)):
        pattern = _get_quantifier_pattern_ast(_context, node, n)
        for place in range(_get_pattern_num_terms(_context, pattern)):
            found.append(_get_pattern(_context, pattern, place))
    return found


def term_of(node: Node) -> Term:
    """The term that a node is."""
    return z3.z3._to_expr_ref(node, z3.main_ctx())
