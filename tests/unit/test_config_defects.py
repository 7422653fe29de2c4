"""Which themes become issues: what the YAML says, and the mistakes it names."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from connector.config import Loaded
from connector.domain.model.recovery import Severity
from connector.errors import ConfigError
from connector.sync.defects import tracking_of
from connector.wiring.settings import decide_settings
from tests.unit.deciding import ACCOUNTS, ENVIRON
from tests.unit.test_wiring_readiness import ROOT, example_with

HUB = "github:acme/shop"
OFFERED = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
DEFECTS = next(line for line in OFFERED.splitlines() if line.startswith("# defects:"))
TRACKER = r"^#  (?:github:|  kind: github|  repository: .*|  token: \"\${GITHUB_TOKEN.*).*$"
CONNECTION = re.findall(TRACKER, OFFERED, re.MULTILINE)


def example(folder: Path, defects: str = DEFECTS[2:]) -> Loaded:
    """The example with the offered tracker, and `defects`."""
    changes = {line: line[1:] for line in CONNECTION} | {DEFECTS: defects}
    return example_with(folder, changes, environ={**ENVIRON, "GITHUB_TOKEN": "x" * 20})


def test_what_is_offered_works_and_has_defaults(tmp_path: Path) -> None:
    settings = decide_settings(example(tmp_path), {**ACCOUNTS, "github": HUB})
    (entry,) = settings.defects
    assert (entry.connection, entry.theme, entry.labels) == ("github", None, ("csat",))
    assert (entry.policy.answers, entry.policy.people, entry.policy.within) == (5, 3, timedelta(days=14))
    assert entry.policy.severity == {Severity.CRITICAL: 20}
    assert (entry.policy.grows_by, entry.policy.reopen_within) == (5, timedelta(days=90))


def test_what_names_a_theme_wins(tmp_path: Path) -> None:
    both = "defects: [{tracker: github}, {tracker: github, theme: safety, when: {answers: 1, people: 1}}]"
    settings = decide_settings(example(tmp_path, both), {**ACCOUNTS, "github": HUB})
    safety, waiting = tracking_of(settings, HUB, "safety"), tracking_of(settings, HUB, "waiting")
    assert safety is not None
    assert waiting is not None
    assert (safety.policy.answers, waiting.policy.answers) == (1, 5)
    assert tracking_of(settings, "jira:acme/SHOP", "safety") is None


@pytest.mark.parametrize(
    ("defects", "words"),
    [
        ("[{tracker: githup}]", "github"),
        ("[{tracker: zendesk}]", "is no tracker"),
        ("[{tracker: github, theme: wating}]", "waiting"),
        ("[{tracker: github}, {tracker: github}]", "another entry"),
        ("[{tracker: github, when: {answers: 2, people: 3}}]", "cannot give"),
        ("[{tracker: github, labels: [two words]}]", "does not look like"),
        ("[{tracker: github, severity: {bad: 3}}]", "'bad'"),
        ("[{tracker: github, wehn: {}}]", "when"),
        ("[{theme: waiting}]", "tracker"),
        ("{tracker: github}", "expected a list"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, defects: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        example(tmp_path, f"defects: {defects}")
    assert any(words in str(problem) for problem in refused.value.problems), refused.value.problems
