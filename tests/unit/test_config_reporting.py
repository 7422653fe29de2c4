"""`report`, `coaching` and `trends` of the configuration: what they become, and what is refused on its line."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.config import load
from connector.domain.model.response import Metric
from connector.sync.settings import FiguresPolicy
from connector.wiring.figures import figures_policy
from tests.unit.deciding import ENVIRON
from tests.unit.test_config_inert import ROOT, edit, folder, problems

__all__ = ["bare", "folder"]
EXAMPLE = ROOT / "config.example.yaml"
ALERT = '{connection: slack, channel: "{{ staff.manager }}", text: "{{ coaching.value }} {{ interaction.location }}"}'
FALLS = '{connection: slack, channel: "#leads", text: "{{ trend.value }}: {{ trend.now }}, {{ place.region }}"}'
SECTIONS = f"""report:
  minimum: 10
  targets: {{csat: 4.5, share_satisfied: 90%, nps: 50, first_touch: 30m, recovery_rate: 60%, response_rate: 30%}}
  baseline: 2026-Q1
  by: [service, location, technician]
  mail: [{{connection: slack, to: "{{{{ place.manager }}}}", every: week, by: location}}]
coaching:
  - {{by: staff, low: 3, within: 7d, minimum: 3, not_for: [price], notify: {ALERT}}}
trends:
  - {{by: [service, location], metric: csat, weeks: 3, below: 3.8, minimum: 10, notify: {FALLS}}}
  - {{by: service, weeks: 2, drop: 0.5, notify: {FALLS}}}
privacy:"""


@pytest.fixture
def bare(folder: Path) -> Path:
    """The example without what it says of reports."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"^report:.*?(?=^privacy:)", "", text, flags=re.MULTILINE | re.DOTALL)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return folder


def policy(folder: Path) -> FiguresPolicy:
    assert problems(folder) == []
    return figures_policy(load(folder / "config.yaml", kinds(), ENVIRON))


def test_without_a_word_figures_are_told_of_as_many_as_privacy_says(bare: Path) -> None:
    assert policy(bare).minimum == 5
    edit(bare / "config.yaml", "privacy:", "privacy:\n  minimum_n: 20")
    assert policy(bare).minimum == 20


def test_everything_there_is_to_say(bare: Path) -> None:
    edit(bare / "config.yaml", "privacy:", SECTIONS)
    made = policy(bare)
    assert (made.minimum, made.by) == (10, ("service", "location", "technician"))
    assert made.targets == {
        "csat": 4.5, "share_satisfied": 0.9, "nps": 50, "first_touch": 1800, "recovery_rate": 0.6, "response_rate": 0.3
    }  # fmt: skip
    assert made.baseline is not None
    assert made.baseline.first == date(2026, 1, 1)
    assert made.mails[0].to.text == "{{ place.manager }}"
    assert (made.coaching[0].when.within, made.coaching[0].when.not_for) == (timedelta(days=7), ("price",))
    assert [(each.when.by, each.when.metric, each.when.below, each.when.drop) for each in made.trends] == [
        (("service", "location"), Metric.CSAT, 3.8, None),
        (("service",), Metric.CSAT, None, 0.5),
    ]


MISTAKES = [
    ("minimum: 10\n", "minimum: 4\n", "`privacy.minimum_n` is 5"),
    ("csat: 4.5", "csta: 4.5", "there is no key 'csta'"),
    ("first_touch: 30m", "first_touch: 30", "expected a duration"),
    ("baseline: 2026-Q1", "baseline: last-month", "expected 2026, 2026-Q1"),
    ("[service, location, technician]", "[servise]", "there is no segment 'servise'"),
    ("every: week, by: location", "every: week, by: locaton", "there is no segment 'locaton'"),
    ("mail: [{connection: slack", "mail: [{connection: slak", "there is no connection 'slak'"),
    ("{by: staff, low: 3", "{by: stuff, low: 3", "there is no segment 'stuff'"),
    ("not_for: [price]", "not_for: [prise]", "there is no theme 'prise'"),
    ("{{ place.manager }}", "{{ place.manger }}", "there is no 'place.manger'"),
    ("coaching.value", "coaching.valeu", "there is no 'coaching.valeu'"),
    (
        'notify: {connection: slack, channel: "{{ staff',
        'notify: {connection: zendesk, channel: "{{ staff',
        "no notifier",
    ),
    ("{{ trend.value }}: {{ trend.now }}, {{ place.region }}", "{{ interaction.service }}", "there is no 'interaction"),
    ("weeks: 2, drop: 0.5", "weeks: 2, drop: 0.5, below: 3", "exactly one of below and drop"),
]


def test_what_is_wrong_is_said_where_it_stands(bare: Path) -> None:
    edit(bare / "config.yaml", "privacy:", SECTIONS)
    lines = {}
    for old, new, said in MISTAKES:
        lines[said] = edit(bare / "config.yaml", old, new) - new.count("\n")
    found = problems(bare)
    assert len(found) == len(MISTAKES), found
    for said, line in lines.items():
        assert any(each.line == line and said in each.message for each in found), (said, line, found)


def test_the_lines_the_example_offers_are_good_ones(folder: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for line in re.findall(r"^# (?:coaching|trends): .*$", text, re.MULTILINE):
        text = text.replace(line, line.removeprefix("# "))
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    made = policy(folder)
    assert (len(made.coaching), len(made.trends)) == (1, 1)


@pytest.mark.parametrize("text", ["2026", "2026-11-02", "2026-11", '"2026-01-01/2026-03-31"'])
def test_a_baseline_is_a_period_however_yaml_reads_it(bare: Path, text: str) -> None:
    edit(bare / "config.yaml", "privacy:", f"report: {{baseline: {text}}}\nprivacy:")
    assert policy(bare).baseline is not None
