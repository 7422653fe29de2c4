"""Writes those parts of docs/ that repeat the code: `python -m tests.pages`, or `make docs`. A test keeps them true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from typer.main import get_command

from connector.adapters.registry import kinds
from connector.cli import COMMANDS, make_app
from connector.config.reference import reference
from connector.observe import METRICS, PREFIX
from tests.conformance.page import criteria, results
from tests.unit import test_cli_report as figures
from tests.unit import test_docs_delivery as delivery
from tests.unit import test_docs_going_live as going_live
from tests.unit import test_docs_setup as setup
from tests.unit import test_score_questioned as score

DOCS = Path(__file__).parents[1] / "docs"


def metrics() -> str:
    """The table of metrics."""
    lines = ["| metric | kind | labels | |", "|---|---|---|---|"]
    lines += [
        f"| `{PREFIX}{name}` | {shape.kind.__name__.lower()} "
        f"| {', '.join(f'`{label}`' for label in shape.labels)} | {shape.doc} |"
        for name, shape in METRICS.items()
    ]
    return "\n".join(lines)


def commands() -> str:
    """Every command with its arguments and options."""
    return "\n".join(line for name, command in leaves() for line in _command(name, command)).rstrip()


def leaves() -> Iterator[tuple[str, object]]:
    """The commands a person can call, by their whole name."""
    waiting: list[tuple[str, object]] = [("connector", get_command(make_app(COMMANDS)))]
    while waiting:
        name, command = waiting.pop(0)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            waiting[:0] = [(f"{name} {word}", each) for word, each in inner.items()]


def _command(name: str, command: object) -> Iterator[str]:
    given = list(command.params)  # type: ignore[attr-defined]  # typer's own copy of click has no public types
    arguments = [each for each in given if each.param_type_name == "argument"]
    yield f"### `{' '.join([name, *(_argument(each) for each in arguments)])}`"
    yield ""
    yield " ".join(str(command.help).split())  # type: ignore[attr-defined]  # as above
    yield ""
    shown = [(_argument(each), each) for each in arguments]
    shown += [(", ".join(each.opts), each) for each in given if each.param_type_name == "option" and not each.hidden]
    if shown:
        yield from ("| | default | |", "|---|---|---|")
    for names, each in shown:
        yield f"| `{names}` | {_default(each)} | {_meaning(each)} |"
    yield ""


def _argument(parameter: object) -> str:
    name = str(parameter.name).upper()  # type: ignore[attr-defined]  # as above
    many = "…" if parameter.nargs == -1 else ""  # type: ignore[attr-defined]  # as above
    return f"{name}{many}" if parameter.required else f"[{name}{many}]"  # type: ignore[attr-defined]  # as above


def _default(parameter: object) -> str:
    value = parameter.default  # type: ignore[attr-defined]  # as above
    return "" if value is None or value is False or value == () else f"`{value}`"


def _meaning(parameter: object) -> str:
    """The help, with the choices where there are only some."""
    kind = parameter.type_descriptor.annotation  # type: ignore[attr-defined]  # as above
    choices = [f"`{each.value}`" for each in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    return " ".join([str(parameter.help), *(["One of", ", ".join(choices) + "."] if choices else [])])  # type: ignore[attr-defined]  # as above


def _within(name: str, table: Callable[[], str]) -> Callable[[str], str]:
    """Replaces what stands between `<!-- name -->` and `<!-- end -->`."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)

    def write(page: str) -> str:
        written, places = pattern.subn(lambda found: f"{found.group(1)}\n{table()}\n\n{found.group(2)}", page)
        assert places == 1, f"the page has no place for {name}"
        return written

    return write


PAGES: Mapping[str, Callable[[str], str]] = {
    "config.md": lambda _: reference(kinds()),
    "commands.md": _within("commands", commands),
    "operations.md": _within("metrics", metrics),
    "score.md": _within("score", score.printed),
    "adapters.md": lambda page: _within("conformance", results)(_within("criteria", criteria)(page)),
}


def main() -> None:
    """Write every page anew."""
    for name, write in PAGES.items():
        page = DOCS / name
        page.write_text(write(page.read_text(encoding="utf-8")), encoding="utf-8")
    delivery.main()
    setup.main()
    going_live.main()
    figures.main()


if __name__ == "__main__":
    main()
