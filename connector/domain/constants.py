"""Constants that names are compared with, so that one which can never occur is found before it silences a rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import jinja2
from jinja2 import nodes
from jinja2.parser import Parser

from connector.domain.expressions import path_of
from connector.errors import ExpressionError


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path` is compared with `constant`; `line` counts from 1 within the text.

    `member`: the constant is looked for in what the name holds (`"safety" in themes`), else the two are equated, be it
    by `==` or by `sentiment in ["negative"]`.
    """

    path: str
    constant: object
    line: int
    member: bool = False


# They depend on the text alone: a reload reads only what changed.
@lru_cache(maxsize=4096)
def comparisons(text: str, *, template: bool = False) -> tuple[Comparison, ...]:
    """Every constant `text` compares a name with, in the order written.

    Raises ExpressionError when the text cannot be read.
    """
    compares = _parsed(text, template=template).find_all(nodes.Compare)
    return tuple(found for node in compares for found in _compared(node))


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment()  # noqa: S701  # it only parses: nothing is ever rendered by it


def _parsed(text: str, *, template: bool) -> nodes.Node:
    try:
        if template:
            return _environment().parse(text)
        # A node finds what is below it, not itself.
        return nodes.Output([Parser(_environment(), text, state="variable").parse_expression()])
    except jinja2.TemplateSyntaxError as error:
        raise ExpressionError(error.message or "cannot be read", line=error.lineno) from None


def _compared(node: nodes.Compare) -> Iterator[Comparison]:
    left = node.expr
    for step in node.ops:
        right = step.expr
        if step.op in {"eq", "ne"}:
            yield from _equated(left, right)
            yield from _equated(right, left)
        elif step.op in {"in", "notin"}:
            yield from _one_of(left, right)
        left = right


def _equated(name: nodes.Expr, constant: nodes.Expr) -> Iterator[Comparison]:
    path = path_of(name)
    if path is not None and isinstance(constant, nodes.Const):
        yield Comparison(".".join(path), constant.value, constant.lineno)


def _one_of(left: nodes.Expr, right: nodes.Expr) -> Iterator[Comparison]:
    path = path_of(right)
    if path is not None and isinstance(left, nodes.Const):
        yield Comparison(".".join(path), left.value, left.lineno, member=True)
    if isinstance(right, nodes.List | nodes.Tuple):
        for item in right.items:
            yield from _equated(left, item)
