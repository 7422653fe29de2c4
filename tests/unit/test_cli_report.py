"""`connector report`: its four forms, periods and slices, what it refuses, and the page that shows what it prints."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.reporting.figures import Facts, figures_of
from connector.domain.reporting.period import dated
from connector.domain.reporting.texts import report_text
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.views import VIEWS
from connector.sync.reporting import Asked, count
from connector.sync.settings import FiguresPolicy
from connector.wiring.opening import load_config, open_store
from tests.unit.deciding import example_settings
from tests.unit.figuring import weeks, worked_on
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, empty_store
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

PAGE = ROOT / "docs" / "figures.md"
SPAN = ("--from", "2026-02-01", "--to", "2026-03-02")


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    made = open_store(loaded.config, VirtualClock(NOON)).create()
    weeks(made, 21)
    yield made
    made.close()


def test_every_form_says_the_same(type_: Keyboard, db: Database) -> None:
    text = type_("report", *SPAN, "--by", "service")
    text.says(0, "1 Feb 2026 to 2 Mar 2026", "21 answers", "By service", "brakes", "not known: no invitations")
    document = type_("report", *SPAN, "--by", "service", "--format", "json").json
    shown = {each["figure"]: each["value"] for each in document["figures"]}
    assert f"{shown['csat']:.2f}" in text.out
    sheet = list(csv.DictReader(io.StringIO(type_("report", *SPAN, "--format", "csv").out)))
    assert (sheet[0]["figure"], sheet[0]["value"]) == ("csat", str(round(shown["csat"], 6)))
    file = type_.folder / "report.html"
    type_("report", *SPAN, "--format", "html", "--out", str(file)).says(0, f"Written to {file}")
    assert f"<b>{shown['csat']:.2f}</b>" in file.read_text(encoding="utf-8")


def test_it_is_narrowed_and_compared(type_: Keyboard, db: Database) -> None:
    narrowed = type_("report", *SPAN, "--where", "service=brakes", "--where", "location=Kiel", "--baseline", "2026-02")
    narrowed.says(0, "service brakes, location Kiel", "against 2026-02")
    type_("report", "--period", "2020").says(0, "0 answers")


MISTAKES = {
    ("--period", "moon"): "expected month, last-week",
    ("--from", "2026-02-31"): "expected month, last-week",
    ("--to", "2026-02-01"): "it needs --from",
    ("--by", "servise"): "there is no segment 'servise' (did you mean 'service'?)",
    ("--where", "service=brake"): "no answer has the service 'brake' (did you mean 'brakes'?)",
    ("--where", "brakes"): "expected SEGMENT=VALUE",
    ("--baseline", "then"): "expected month, last-week",
}


def test_what_it_cannot_know_it_says(type_: Keyboard, db: Database) -> None:
    for options, said in MISTAKES.items():
        shown = type_("report", *options)
        assert shown.code == 2
        assert said in re.sub(r"[\s│]+", " ", shown.err)


def printed() -> str:
    """The report of docs/figures.md: invented answers of four weeks, worked out and printed as the command does."""
    with tempfile.TemporaryDirectory() as folder:
        db = empty_store(Path(folder), VirtualClock(NOON))
        weeks(db)
        worked_on(db)
        targets = {"csat": 4.2, "share_satisfied": 0.6, "first_touch": 1800.0, "recovery_rate": 0.6}
        policy = FiguresPolicy(targets=targets)
        asked = Asked(period=dated("2026-02"), by=("service",), baseline=dated("2026-W06"))
        with db.read() as tx:
            report = count(tx, replace(example_settings(), figures=policy), asked)
        db.close()
    return report_text(report)


def written(page: str) -> str:
    """The page with that report in its place."""
    pattern = re.compile("(<!-- report -->\n```text\n).*?(```\n<!-- end -->)", re.DOTALL)
    made, places = pattern.subn(lambda found: f"{found.group(1)}{printed()}\n{found.group(2)}", page)
    assert places == 1, "the page has no place for the report"
    return made


def test_the_page_shows_what_is_printed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: make docs"


def test_the_page_names_every_figure_and_view() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in [*VIEWS, *(each.id for each in figures_of(Facts(), 1, {}))]:
        assert f"`{name}`" in page, name


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
