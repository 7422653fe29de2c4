"""The one expression language: rules, texts and mappings, in a sandboxed Jinja that cannot call or reach out.

Names are checked when an expression is compiled, against a declared tree. What compiles is a small allow-list of the
language; what runs sees plain values only. Text from customers is a value, never compiled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isfinite
from typing import Final, Literal

import jinja2
from jinja2 import Undefined, nodes
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from connector.domain.explanation import Check, Expression, Part
from connector.domain.filters import FILTERS, items, number, printed
from connector.domain.model.context import Names, look_up
from connector.domain.model.nearest import nearest
from connector.errors import ExpressionError

__all__ = ["Check", "Expression", "Template", "WhenMissing", "compile_expression", "compile_template"]

WhenMissing = Literal["error", "absent"]

# Limits that no honest rule reaches and that keep a slip from exhausting the parser or the machine.
LONGEST_EXPRESSION: Final = 2_000
LONGEST_TEMPLATE: Final = 20_000
DEEPEST: Final = 40
DEEPEST_LOOP: Final = 2

_ROOT: Final = "the_context"  # the one variable of a compiled program
_RESULT: Final = "the_result"
_CHECKED: Final = Names(open=True)  # for text whose names were checked before
_EACH: Final = "each of"  # the filter every loop passes through; nobody can write its name
_BETWEEN: Final = "\x1f"  # between the parts of a path inside a compiled program
_COMPARISONS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "notin": "not in"}
_ARITHMETIC: Final[dict[type[nodes.Node], str]] = {nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/"}
_BINARY: Final = _ARITHMETIC | {nodes.And: "and", nodes.Or: "or"}
_LEAVES: Final[frozenset[type[nodes.Node]]] = frozenset(
    {nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.List, nodes.Tuple}
)
_UNARY: Final[frozenset[type[nodes.Node]]] = frozenset({nodes.Filter, nodes.Test, nodes.Not, nodes.Neg})
_VALUES: Final = _LEAVES | _UNARY | {nodes.Compare, nodes.Operand, nodes.Concat, nodes.CondExpr, *_BINARY}
# How tightly what a person wrote holds together, for writing it out again with the parentheses it needs.
_LOOSE: Final = (nodes.CondExpr, nodes.Or, nodes.And, nodes.Not, nodes.Compare, nodes.Concat)
_STATEMENTS: Final = _VALUES | {nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For}
# What parsing or running checked code over arbitrary values can raise; anything else is a bug and stays loud.
_FAILURES: Final = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


class _Absent(Undefined):
    """A missing value that is false, prints nothing and is on no side of a comparison."""

    def _no(self, other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _no  # type: ignore[assignment]  # the parent's always raise


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a program sees: the context, behind one door."""

    values: Mapping[str, object]


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja with our names, our filters, and arithmetic on numbers only."""

    intercepted_binops = frozenset({"+", "-", "*", "/"})
    intercepted_unops = frozenset({"-"})

    def __init__(self, missing: type[Undefined]) -> None:
        # The texts go to vendors' APIs as plain text; escaping them as HTML would show customers `&amp;`.
        super().__init__(undefined=missing, autoescape=False, optimized=False, finalize=_finalize)
        self.globals.clear()
        self.filters = {name: _on_present(apply) for name, apply in FILTERS.items()}
        self.filters |= {"default": _default, _EACH: _on_present(items)}
        self.tests = {
            "defined": lambda value: not isinstance(value, Undefined),
            "undefined": lambda value: isinstance(value, Undefined),
            "none": lambda value: isinstance(value, Undefined),
        }

    def getattr(self, obj: object, attribute: str) -> object:
        """The one way to a value: a whole path, looked up in the scope."""
        if not isinstance(obj, _Scope):
            raise jinja2.exceptions.SecurityError("only the context has parts")
        path = attribute.split(_BETWEEN)
        value = look_up(obj.values, path)
        return self.undefined(hint=".".join(path)) if value is None else value

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Arithmetic on numbers, `+` also on texts; a missing operand makes the result missing."""
        for operand in (left, right):
            if isinstance(operand, Undefined):
                return operand
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return left + right
        return self.binop_table[operator](number(left), number(right))

    def call_unop(self, context: Context, operator: str, arg: object) -> object:
        """The negative of a number; of a missing value, the missing value."""
        return arg if isinstance(arg, Undefined) else self.unop_table[operator](number(arg))


@cache
def _environment(missing: WhenMissing) -> _Environment:
    return _Environment(jinja2.StrictUndefined if missing == "error" else _Absent)


def _finalize(value: object) -> object:
    return value if isinstance(value, Undefined) else printed(value)


def _default(value: object, fallback: object = "") -> object:
    return fallback if isinstance(value, Undefined) or value == "" else value


def _on_present(apply: Callable[..., object]) -> Callable[..., object]:
    """A filter on a missing value leaves it missing."""

    def on_present(value: object, *arguments: object) -> object:
        return value if isinstance(value, Undefined) else apply(value, *arguments)

    return on_present


def path_of(node: nodes.Node) -> tuple[str, ...] | None:
    """The parts of `a.b["c"]`, None when `node` is something else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        below = path_of(node.node)
        return None if below is None else (*below, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        below = path_of(node.node)
        return None if below is None else (*below, node.arg.value)
    return None


class _Binder(NodeTransformer):
    """Checks a parsed text against the language and the declared names, and turns each path into one look-up."""

    def __init__(self, names: Names, environment: _Environment) -> None:
        self.paths: set[str] = set()
        self.environment = environment
        self._names = names
        self._loops: list[str] = []
        self._depth = 0

    def visit(self, node: nodes.Node, *args: object, **kwargs: object) -> nodes.Node:
        """Refuse what is not in the language, then go on below. Raises ExpressionError."""
        if type(node) not in _STATEMENTS:
            word = type(node).__name__.lower()
            raise ExpressionError(f"{word!r} is not part of the expression language", line=node.lineno)
        if self._depth >= DEEPEST:
            raise ExpressionError("nested too deeply", line=node.lineno)
        self._depth += 1
        bound: nodes.Node = super().visit(node, *args, **kwargs)
        self._depth -= 1
        return bound

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802  # jinja finds visitors by node type
        """A plain name: a loop's own, or one of the declared ones."""
        return node if node.name in self._loops else self._bind(node, (node.name,))

    def visit_Getattr(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:  # noqa: N802
        """A dotted name."""
        path = path_of(node)
        if path is None or path[0] in self._loops:
            raise ExpressionError("only names have parts, as in `respondent.email`", line=node.lineno)
        return self._bind(node, path)

    visit_Getitem = visit_Getattr  # noqa: N815

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        """A literal; infinity has no source text to compile to."""
        if isinstance(node.value, float) and not isfinite(node.value):
            raise ExpressionError("the number is too large", line=node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter | nodes.Test) -> nodes.Node:  # noqa: N802
        """A filter or test we have, with plain arguments."""
        what, known = ("test", set(self.environment.tests))
        if isinstance(node, nodes.Filter):
            what, known = ("filter", set(self.environment.filters) - {_EACH})
        if node.name not in known:
            meant = nearest(node.name, known)
            raise ExpressionError(f"there is no {what} {node.name!r}", suggestion=meant, line=node.lineno)
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise ExpressionError(f"{what} {node.name!r} takes plain arguments only", line=node.lineno)
        bound: nodes.Node = self.generic_visit(node)
        return bound

    visit_Test = visit_Filter  # noqa: N815

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """A loop over a list; not deeper than two, not over letters."""
        if not isinstance(node.target, nodes.Name) or node.recursive or len(self._loops) >= DEEPEST_LOOP:
            raise ExpressionError("a loop is `{% for line in recent %}`, at most two deep", line=node.lineno)
        if node.target.name in self._names.parts or node.target.name in {_ROOT, "loop", *self._loops}:
            raise ExpressionError(f"{node.target.name!r} has a meaning already", line=node.lineno)
        node.iter = nodes.Filter(self.visit(node.iter), _EACH, [], [], None, None, lineno=node.lineno)
        self._loops.append(node.target.name)
        node.test = None if node.test is None else self.visit(node.test)
        node.body = [self.visit(each) for each in node.body]
        self._loops.pop()
        node.else_ = [self.visit(each) for each in node.else_]
        return node

    def _bind(self, node: nodes.Node, path: tuple[str, ...]) -> nodes.Node:
        try:
            self._names.check(path)
        except ExpressionError as error:
            raise ExpressionError(error.message, suggestion=error.suggestion, line=node.lineno) from None
        self.paths.add(".".join(path))
        root = nodes.Name(_ROOT, "load", lineno=node.lineno)
        return nodes.Getattr(root, _BETWEEN.join(path), "load", lineno=node.lineno)


def _source(node: nodes.Node) -> str:
    """The text of a parsed expression, for people."""
    path = path_of(node)
    if path is not None:
        return ".".join(path)
    match node:
        case nodes.Const(value=value):
            return json.dumps(value, ensure_ascii=False).replace("null", "none")
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return f"[{', '.join(map(_source, items))}]"
        case nodes.Not(node=nodes.Test() as test):
            return _source(test).replace(" is ", " is not ", 1)
        case nodes.Not(node=inner):
            return f"not {_within(node, inner)}"
        case nodes.Compare(expr=first, ops=rest):
            steps = (f"{_COMPARISONS.get(step.op, step.op)} {_within(node, step.expr)}" for step in rest)
            return " ".join([_within(node, first), *steps])
        case nodes.BinExpr(left=left, right=right):
            return f"{_within(node, left)} {_BINARY[type(node)]} {_within(node, right)}"
        case nodes.Concat(nodes=parts):
            return " ~ ".join(_within(node, part) for part in parts)
        case nodes.CondExpr(test=test, expr1=first, expr2=second):
            return f"{_within(node, first)} if {_within(node, test)} else {_source(second or nodes.Const(''))}"
    return _source_tight(node)


def _source_tight(node: nodes.Node) -> str:
    match node:
        case nodes.Filter(node=inner, name=name, args=args) | nodes.Test(node=inner, name=name, args=args):
            sign = "|" if isinstance(node, nodes.Filter) else "is"
            listed = f"({', '.join(map(_source, args))})" if args else ""
            return f"{'' if inner is None else _within(node, inner)} {sign} {name}{listed}"
        case nodes.Neg(node=inner):
            return f"-{_within(node, inner)}"
    return type(node).__name__.lower()


def _within(outer: nodes.Node, inner: nodes.Node) -> str:
    """`inner` as an operand of `outer`, in parentheses where it holds together less tightly."""

    def looseness(node: nodes.Node) -> int:
        tight = len(_LOOSE) + (0 if isinstance(node, nodes.BinExpr) else 1 + (type(node) in _LEAVES))
        return next((rank for rank, kind in enumerate(_LOOSE) if isinstance(node, kind)), tight)

    chained = isinstance(outer, nodes.And | nodes.Or) and type(outer) is type(inner)
    return _source(inner) if chained or looseness(inner) > looseness(outer) else f"({_source(inner)})"


@dataclass(frozen=True, slots=True)
class _Program:
    """Checked and compiled code for one expression."""

    text: str
    code: jinja2.Template

    def run(self, values: Mapping[str, object]) -> object:
        """The value; None for a missing one when compiled with `absent`. Raises ExpressionError."""
        context = self.code.new_context({_ROOT: _Scope(values)})
        try:
            for _ in self.code.root_render_func(context):
                pass
            value = context.vars[_RESULT]
            if isinstance(value, jinja2.StrictUndefined):
                str(value)  # raises, naming what is missing
        except _FAILURES as error:
            raise _failure(error, self.text) from None
        return None if isinstance(value, Undefined) else value


def _failure(error: Exception, text: str) -> ExpressionError:
    """Words for a failure at run time. Only the message of a missing value is repeated: others may quote a customer."""
    if isinstance(error, jinja2.UndefinedError):
        return ExpressionError(f"missing: {error.message}", missing=error.message)
    return ExpressionError(f"cannot evaluate `{text}`: the values do not fit together")


@dataclass(frozen=True, slots=True)
class Template:
    """A checked text with expressions in it. `paths` are the names it reads."""

    text: str
    paths: frozenset[str]
    _code: jinja2.Template

    def render(self, context: Mapping[str, object]) -> str:
        """The text. A missing value raises ExpressionError, or prints nothing when compiled with `absent`."""
        scope = self._code.new_context({_ROOT: _Scope(context)})
        try:
            return "".join(self._code.root_render_func(scope))
        except _FAILURES as error:
            raise _failure(error, self.text[:60]) from None


def compile_expression(text: str, names: Names, missing: WhenMissing = "error") -> Expression:
    """Check `text` against the language and `names`, and compile it.

    `missing` says what a missing value does when it is evaluated. Raises ExpressionError, and nothing else.
    """
    binder = _Binder(names, _environment(missing))
    try:
        binder.visit(_parse(text, binder.environment))
        run, logic = _compiled(text, missing)
    except _FAILURES as error:
        raise _refusal(error) from None
    return Expression(text=text, paths=frozenset(binder.paths), run=run, logic=logic)


def compile_template(text: str, names: Names, missing: WhenMissing = "error") -> Template:
    """Like `compile_expression`, for a text with `{{ … }}`, `{% if %}` and `{% for %}`."""
    if len(text) > LONGEST_TEMPLATE:
        raise ExpressionError(f"longer than {LONGEST_TEMPLATE} characters")
    binder = _Binder(names, _environment(missing))
    try:
        binder.visit(binder.environment.parse(text))
        code = _compiled_template(text, missing)
    except _FAILURES as error:
        raise _refusal(error) from None
    return Template(text, frozenset(binder.paths), code)


def _refusal(error: Exception) -> ExpressionError:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return ExpressionError(f"cannot be read: {error.message}", line=error.lineno)
    return ExpressionError("cannot be read: nested too deeply or a number out of range")


def _parse(text: str, environment: _Environment) -> nodes.Expr:
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(f"longer than {LONGEST_EXPRESSION} characters")
    parser = Parser(environment, text, state="variable")
    parsed = parser.parse_expression()
    if not parser.stream.eos:
        raise jinja2.TemplateSyntaxError("something follows the expression", parser.stream.current.lineno)
    parsed.set_environment(environment)
    return parsed


# Code depends on the text alone, once its names are checked: a reload compiles only what changed.
@lru_cache(maxsize=4096)
def _compiled(text: str, missing: WhenMissing) -> tuple[Callable[[Mapping[str, object]], object], Part]:
    environment = _environment(missing)
    logic = _logic(_parse(text, environment), environment)
    if logic.operator == "leaf":
        return logic.run, logic
    return _assemble(_parse(text, environment), text, environment).run, logic


@lru_cache(maxsize=4096)
def _compiled_template(text: str, missing: WhenMissing) -> jinja2.Template:
    environment = _environment(missing)
    bound = _Binder(_CHECKED, environment).visit(environment.parse(text))
    return environment.from_string(bound)  # type: ignore[arg-type]  # a bound template is a template


def _assemble(parsed: nodes.Expr, text: str, environment: _Environment) -> _Program:
    bound = _Binder(_CHECKED, environment).visit(parsed)
    assign = nodes.Assign(nodes.Name(_RESULT, "store", lineno=1), bound, lineno=1)
    return _Program(text, environment.from_string(nodes.Template([assign], lineno=1)))


def _logic(parsed: nodes.Expr, environment: _Environment) -> Part:
    """The tree of `and`, `or` and `not`, each leaf compiled by itself."""
    text = _source(parsed)
    if isinstance(parsed, nodes.Not) and not isinstance(parsed.node, nodes.Test):
        return Part(text=text, operator="not", parts=(_logic(parsed.node, environment),))
    if isinstance(parsed, nodes.And | nodes.Or):
        sides = (_logic(parsed.left, environment), _logic(parsed.right, environment))
        return Part(text=text, operator="and" if isinstance(parsed, nodes.And) else "or", parts=sides)
    return Part(text=text, run=_assemble(parsed, text, environment).run)
