"""How much each connection may write, with and without a word about it in the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from connector.adapters.registry import kinds
from connector.config import Config, load
from connector.domain.model.intent import WriteKind
from connector.domain.recovery.night import Night
from connector.sync.outlet import Ceiling
from connector.wiring.workshop import limits_of
from tests.unit.deciding import ENVIRON, example

HOUR = timedelta(hours=1)


def ceilings(config: Config, name: str) -> Mapping[WriteKind, Ceiling]:
    return limits_of(config, name, kinds()[config.connections[name].kind].writes).ceilings


def test_a_connection_that_says_nothing_has_ceilings_for_what_it_can_make() -> None:
    config = example().config
    assert ceilings(config, "salesforce") == {
        WriteKind.CONTACT: Ceiling(count=2000, per=HOUR),
        WriteKind.TASK: Ceiling(count=500, per=HOUR),
    }
    assert ceilings(config, "zendesk") == {WriteKind.TICKET: Ceiling(count=300, per=HOUR)}
    assert ceilings(config, "slack") == {WriteKind.ALERT: Ceiling(count=200, per=HOUR)}


def test_the_night_of_the_file_is_that_of_its_time_zone() -> None:
    said = {**ENVIRON, "CONNECTOR__ACT_ON__QUIET": "22:00-07:00", "CONNECTOR__TIME_ZONE": "Asia/Tokyo"}
    config = load(Path(__file__).parents[2] / "config.example.yaml", kinds(), said).config
    found = limits_of(config, "slack", kinds()["slack"].writes)
    assert (found.quiet, found.time_zone) == (Night(begins=time(22), ends=time(7)), ZoneInfo("Asia/Tokyo"))


def test_what_the_file_says_of_one_leaves_the_others() -> None:
    said = {**ENVIRON, "CONNECTOR__CONNECTIONS__SALESFORCE__CEILING__NEW_TASKS": "7/m"}
    config = load(Path(__file__).parents[2] / "config.example.yaml", kinds(), said).config
    assert ceilings(config, "salesforce") == {
        WriteKind.CONTACT: Ceiling(count=2000, per=HOUR),
        WriteKind.TASK: Ceiling(count=7, per=timedelta(minutes=1)),
    }
