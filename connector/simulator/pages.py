"""Plain pages for people who follow a link to a simulator. Everything on them is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from connector.simulator.parts import Answer

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "th{text-align:left;padding-right:2rem;vertical-align:top;font-weight:600}"
    "pre{white-space:pre-wrap;background:#f6f6f3;padding:1rem;border-left:4px solid #b8b8ad}"
    ".private{border-color:#d9a400;background:#fff8e0}"
)


def page(title: str, *parts: str) -> Answer:
    """A page of already escaped `parts` under an escaped title."""
    safe = html.escape(title)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{safe}</title><style>{_STYLE}</style>'
    return Answer(page=f"{head}<h1>{safe}</h1>{''.join(parts)}")


def table(rows: Mapping[str, object]) -> str:
    """Names and values; values that are None are left out."""
    lines = (
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
        if value is not None
    )
    return f"<table>{''.join(lines)}</table>"


def links(entries: Iterable[tuple[str, str]]) -> str:
    """A list of (address, text)."""
    lines = (f'<li><a href="{html.escape(address)}">{html.escape(text)}</a></li>' for address, text in entries)
    return f"<ul>{''.join(lines)}</ul>"


def block(label: str, text: str, *, private: bool = False) -> str:
    """A labelled block of text with its line breaks; a private one looks different."""
    look = ' class="private"' if private else ""
    return f"<p>{html.escape(label)}</p><pre{look}>{html.escape(text)}</pre>"
