"""A report in every form: the same figures, and texts of customers that stay texts."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from connector.domain.model.response import Metric
from connector.domain.reporting.document import report_document
from connector.domain.reporting.figures import Facts
from connector.domain.reporting.measure import Tally
from connector.domain.reporting.page import report_html
from connector.domain.reporting.period import dated
from connector.domain.reporting.report import Counted, Report, Terms, make_report
from connector.domain.reporting.sheet import harmless, report_csv
from connector.domain.reporting.texts import report_text

EVIL = '=cmd|"/C calc"!A0<script>alert(1)</script>&"\'</style></svg>'
VOID = {"meta"}


def facts(number: int, value: float = 4) -> Facts:
    tally = Tally(metric=Metric.CSAT, about="overall", value=value, lowest=1, highest=5, number=number)
    return Facts(tallies=[tally], answers=number, unhappy=number // 4, themes={EVIL: number})


def made(name: str = EVIL) -> Report:
    counted = Counted(
        period=dated("2026-11-02/2026-11-08"),
        facts=facts(30),
        parts=[(part, facts(0 if part.first.day == 4 else 5)) for part in dated("2026-11-02/2026-11-08").parts()],
        slices={"service": {name: facts(17, 2), "tires": facts(10), "odd": facts(2), None: facts(1)}},
        baseline=(dated("2026-10"), facts(20, 5)),
    )
    terms = Terms(minimum=5, zone="UTC", targets={"csat": 4.5, "response_rate": 0.3}, where={"location": name})
    return make_report(counted, terms, datetime(2026, 11, 9, tzinfo=UTC))


class Reader(HTMLParser):
    """Notes every tag, and that each is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_and_makes_no_markup_of_texts() -> None:
    page = report_html(made())
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not reader.seen & {"script", "link", "img", "iframe", "object", "form"}
    assert EVIL in reader.text
    assert not re.search(r"https?://|url\(|@import", page)


def test_every_chart_is_sound_svg_with_a_title_and_stands_in_a_table_too() -> None:
    page = report_html(made())
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 4, "the mean, the satisfied and the unhappy over time, and one for the slices"
    for chart in charts:
        drawn = ET.fromstring(chart)  # our own text
        title = drawn.find("title")
        assert title is not None
        assert title.text == drawn.get("aria-label")
    assert charts[0].count("<polyline") == 2, "a day without answers is a gap, not a line through it"
    assert page.count("<table>") >= 3


def test_a_spreadsheet_computes_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(made()))))
    slices = {row["slice"] for row in rows if row["segment"] == "service"}
    assert slices == {f"'{EVIL}", "2 others", "tires"} or slices == {f"'{EVIL}", "3 others"}
    assert not any(cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row.values())
    head = next(row for row in rows if row["figure"] == "csat")
    assert (head["value"], head["n"], head["target"], head["from"]) == ("4.0", "30", "4.5", "2026-11-02")


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-2", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_what_looks_like_a_formula_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("brakes = 2") == "brakes = 2"


def test_all_forms_say_the_same() -> None:
    report = made("brakes")
    document = report_document(report)
    assert document["answers"] == 30
    text = report_text(report)
    assert "4.50 missed" in text
    assert "-1.00" in text
    assert "brakes" in text
    assert "not known: no invitations" in text
    assert "4.00" in text
    figures = document["figures"]
    assert isinstance(figures, list)
    first = figures[0]
    assert isinstance(first, dict)
    assert (first["value"], first["target"], first["reached"]) == (4, 4.5, False)
    assert "odd" not in text
    assert "odd" not in report_csv(report)
    assert "odd" not in str(document)


def test_of_a_small_whole_nothing_is_told_in_any_form() -> None:
    counted = Counted(period=dated("2026-11"), facts=facts(4), slices={"service": {"brakes": facts(4)}})
    report = make_report(counted, Terms(minimum=5, zone="UTC"), datetime(2026, 11, 9, tzinfo=UTC))
    assert report.breakdowns == ()
    assert report.answers is None
    for form in (report_text(report), report_csv(report), report_html(report)):
        assert "brakes" not in form
        assert "fewer than 5" in form
    assert replace(report, answers=0).answers == 0


def test_a_year_has_a_point_a_month() -> None:
    assert [part.name for part in dated("2026").parts()][:2] == ["2026-01", "2026-02"]
    assert len(list(dated("2026-Q1").parts())) == 14
    assert next(dated("2026-Q1").parts()).first == date(2026, 1, 1)
