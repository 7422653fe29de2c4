"""How much each connection may write, with and without a word about it in the file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from connector.adapters.registry import kinds
from connector.config import load
from connector.domain.model.intent import WriteKind
from connector.sync.outlet import Ceiling
from connector.wiring.daemon import limits_of
from tests.unit.deciding import ENVIRON, example

HOUR = timedelta(hours=1)


def test_a_connection_that_says_nothing_has_ceilings() -> None:
    ceilings = limits_of(example().config, "salesforce").ceilings
    assert ceilings[WriteKind.CONTACT] == Ceiling(count=2000, per=HOUR)
    assert ceilings[WriteKind.TASK] == Ceiling(count=500, per=HOUR)
    assert limits_of(example().config, "zendesk").ceilings[WriteKind.TICKET] == Ceiling(count=300, per=HOUR)
    assert limits_of(example().config, "slack").ceilings[WriteKind.ALERT] == Ceiling(count=200, per=HOUR)


def test_what_the_file_says_of_one_leaves_the_others() -> None:
    said = {**ENVIRON, "CONNECTOR__CONNECTIONS__SALESFORCE__CEILING__NEW_TASKS": "7/m"}
    config = load(Path(__file__).parents[2] / "config.example.yaml", kinds(), said).config
    ceilings = limits_of(config, "salesforce").ceilings
    assert ceilings[WriteKind.TASK] == Ceiling(count=7, per=timedelta(minutes=1))
    assert ceilings[WriteKind.CONTACT] == Ceiling(count=2000, per=HOUR)
