"""docs/delivery.md prints the tables the code walks. `python -m tests.unit.test_docs_delivery` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.domain.model.transitions import TRANSITIONS
from connector.sync.verdict import TABLE, Rule

PAGE = Path(__file__).parents[2] / "docs" / "delivery.md"


def transitions() -> str:
    lines = ["| from | event | to | test |", "|---|---|---|---|"]
    lines += [
        f"| {', '.join(row.sources)} | {row.event} | {row.to} | `{row.test.removeprefix('test_')}` |"
        for row in TRANSITIONS
    ]
    return "\n".join(lines)


def verdicts() -> str:
    lines = ["| error | what follows | attempts | wait | of a whole batch |", "|---|---|---|---|---|"]
    lines += [
        f"| {kind.__name__} | {rule.next} | {_attempts(rule)} | {_wait(rule)} | {_batch(rule)} |"
        for kind, rule in TABLE.items()
    ]
    return "\n".join(lines)


def _attempts(rule: Rule) -> str:
    if not rule.spends:
        return "not spent"
    return "until too old" if rule.tries is None else f"{rule.tries}, then reject"


def _wait(rule: Rule) -> str:
    if rule.wait is None:
        return "–"
    known = vars(rule.wait)
    return f"{known['multiplier']} s doubling to {known['max']} s"


def _batch(rule: Rule) -> str:
    if rule.alone:
        return "each record alone"
    return "the same for all" if rule.named else "halved until it is named"


SECTIONS = {"transitions": transitions, "verdicts": verdicts}


def written(text: str, name: str, table: str) -> str:
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(text), f"the page has no place for {name}"
    return pattern.sub(lambda found: f"{found.group(1)}{table}\n{found.group(2)}", text)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_prints_the_table_of_the_code(name: str) -> None:
    text = PAGE.read_text()
    assert text == written(text, name, SECTIONS[name]()), "run: python -m tests.unit.test_docs_delivery"


def main() -> None:
    text = PAGE.read_text()
    for name, table in SECTIONS.items():
        text = written(text, name, table())
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
