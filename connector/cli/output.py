"""How commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from unicodedata import category

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.observe import dumps

_STEERING: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
LARGEST = 2**63 - 1
"""No number of the store is larger."""
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
ConfigPath = Annotated[
    str,
    typer.Option("--config", "-c", envvar="CONNECTOR_CONFIG", help="The YAML file that configures the connector."),
]


class _Screen(Console):
    """Shows texts; none of them steers the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich prints, with every text legible."""
        super().print(*(legible(each) if isinstance(each, str) else each for each in objects), **options)


def console(*, stderr: bool = False) -> Console:
    """The console results go to; logs go to stderr, and what went wrong is said there."""
    return _Screen(highlight=False, soft_wrap=True, emoji=False, stderr=stderr)


def print_json(document: object) -> None:
    """One JSON document on stdout; instants in ISO 8601."""
    typer.echo(dumps(document, default=_encode, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table; cells are data, never markup."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else legible(_show(cell))) for cell in row))
    console().print(table)


def print_pairs(title: str, pairs: Mapping[str, object]) -> None:
    """Names and values, one a line, below a title; a zero is left out, nothing at all is said to be nothing."""
    out = console()
    out.print(f"\n{title}", style="bold", markup=False)
    shown = {name: _show(value) for name, value in pairs.items() if value} or {"nothing": ""}
    wide = max(map(len, shown))
    for name, value in shown.items():
        out.print(f"  {name:{wide}}  {value}".rstrip(), markup=False)


def legible(text: str) -> str:
    """Text from outside as it can be shown: control and invisible characters, which may steer a terminal, become �.

    Line breaks and tabs stay.
    """
    return "".join("�" if category(each) in _STEERING and each not in "\n\t" else each for each in text)


def _show(cell: object) -> str:
    return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M}Z" if isinstance(cell, datetime) else str(cell)


def _encode(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
