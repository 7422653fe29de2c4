"""How answers come in, as the YAML says it: what cannot be polled or told from a forgery is refused."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.clock import VirtualClock
from connector.config import load
from connector.errors import ConfigError
from connector.store.database import Database
from connector.wiring.telemetry import Telemetry
from connector.wiring.works import Works
from tests.unit.deciding import ENVIRON
from tests.unit.samples import NOON, empty_store

ROOT = Path(__file__).parents[2]
SERVICE = "    mapping: mappings/surveys/typeform-service.yaml\n"
KIOSK = "    mapping: mappings/surveys/webhook-kiosk.yaml\n"
SIGNED = '    webhook_secret: ["${TYPEFORM_SECRET}"]'
INHOUSE = '    webhook_secret: ["${INHOUSE_SECRET}"]'
TOKEN = {"TYPEFORM_TOKEN": "tfp_sample"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mappings").symlink_to(ROOT / "mappings")
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "config.yaml")
    return tmp_path


def edited(folder: Path, old: str, new: str) -> Path:
    file = folder / "config.yaml"
    text = file.read_text()
    assert old in text, old
    file.write_text(text.replace(old, new, 1))
    return file


@pytest.mark.parametrize(
    ("old", "new", "environ", "words"),
    [
        (SERVICE, f"{SERVICE}    poll: 5m\n", {}, "needs `api_token` at the connection 'typeform'"),
        (SERVICE, f"{SERVICE}    since: 2026-11-01\n", TOKEN, "only `poll` looks back; remove `since`"),
        (SERVICE, f"{SERVICE}    poll: 5m\n    since: lately\n", TOKEN, "valid date"),
        (KIOSK, f"{KIOSK}    poll: 5m\n", TOKEN, "kind 'webhook' cannot be polled; remove `poll`"),
        (SIGNED, "    verify: refetch", TOKEN, "only hints to fetch answers: give the survey `poll: 5m`"),
        (SIGNED, f"    verify: refetch\n{SIGNED}", TOKEN, "exactly one of webhook_secret and `verify: refetch`"),
        (INHOUSE, "", {}, "exactly one of webhook_secret, header and path_token"),
        (INHOUSE, f'{INHOUSE}\n    path_token: ["{"t" * 30}"]', {}, "exactly one of"),
    ],
)
def test_what_cannot_work_is_refused(folder: Path, old: str, new: str, environ: dict[str, str], words: str) -> None:
    file = edited(folder, old, new)
    with pytest.raises(ConfigError) as caught:
        load(file, kinds(), {**ENVIRON, **environ})
    assert words in "\n".join(str(problem) for problem in caught.value.problems)


def test_a_polled_form_has_a_lane_a_door_and_its_lag_is_measured(folder: Path, tmp_path: Path) -> None:
    file = edited(folder, SERVICE, f"{SERVICE}    poll: 5m\n    since: 2026-11-01\n")
    loaded = load(file, kinds(), {**ENVIRON, **TOKEN})
    assert (loaded.config.surveys["service"].poll, loaded.config.surveys["service"].since) == (
        timedelta(minutes=5),
        date(2026, 11, 1),
    )
    clock = VirtualClock(NOON)
    db: Database = empty_store(tmp_path, clock)
    telemetry = Telemetry()
    works = Works(loaded, db=db, clock=clock, telemetry=telemetry)
    lane = "collect/typeform/aB3dE9"
    assert works.doors.feeds == {("typeform", "aB3dE9"): lane}
    clock.advance(timedelta(minutes=7))
    telemetry.measure_lag(db)
    assert f'lane_lag_seconds{{lane="{lane}"}} 120.0' in telemetry.metrics.exposition().decode()
    db.close()
