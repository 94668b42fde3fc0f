# SPDX-License-Identifier: BSD-2-Clause
"""Going through the statements and expressions of functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tessera.ir.nodes import Contract, Expression, Function, Statement


def parts_of(node: Any) -> Iterator[Any]:
    """The statements, expressions and contracts directly below one."""
    if isinstance(node, Expression):
        yield from node.operands
    elif isinstance(node, Contract):
        yield from node.expressions
    elif isinstance(node, (list, tuple)):
        for one in node:
            yield from parts_of(one) if isinstance(one, (list, tuple)) else (one,)
    elif isinstance(node, Statement):
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if isinstance(value, (Expression, Statement, Contract)):
                yield value
            elif isinstance(value, (list, tuple)):
                yield from parts_of(value)


def everything_below(node: Any) -> Iterator[Any]:
    """Every statement, expression and contract at or below one, outermost first."""
    stack = [node]
    while stack:
        one = stack.pop()
        # Most are expressions: they are looked at millions of times.
        if isinstance(one, Expression):
            yield one
            if one.operands:
                stack.extend(reversed(one.operands))
            continue
        if isinstance(one, (Statement, Contract)):
            yield one
        stack.extend(reversed([part for part in parts_of(one) if isinstance(part, (Expression, Statement, Contract))]))


def statements_of(function: Function) -> Iterator[Statement]:
    """Every statement of a function."""
    for statement in function.body:
        for node in everything_below(statement):
            if isinstance(node, Statement):
                yield node


def expressions_of(function: Function, contracts: bool = True) -> Iterator[Expression]:
    """Every expression of a function."""
    for part in [*function.body, *(function.contracts if contracts else [])]:
        for node in everything_below(part):
            if isinstance(node, Expression):
                yield node
