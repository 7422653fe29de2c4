"""A Celery worker's process drains with the active configuration only, and takes another over as the daemon does."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery

from connector.clock import SystemClock
from connector.engines.celery import TASK
from connector.engines.embedded import Embedded
from connector.errors import ConnectorError, StoreError
from connector.store import lanes, runs
from connector.store.database import Database
from connector.store.occupancy import alone
from connector.store.runs import RunKind
from connector.wiring import fleet
from connector.wiring.activation import activate, follow
from connector.wiring.fleet import Fleet, Worker, attach
from connector.wiring.opening import load_config, open_store
from connector.wiring.telemetry import Telemetry
from connector.wiring.works import Works
from tests.unit.deciding import ENVIRON, feed, planned
from tests.unit.samples import KEY, answer, template

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


class Ahead(SystemClock):
    """The system's clock; a test may let seconds pass between two drains."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class House:
    """A folder with a configuration and its store, a worker, and what a daemon would do."""

    file: Path
    db: Database
    app: Celery
    clock: Ahead
    worker: Worker

    def open(self) -> int:
        """As a daemon's first start does; the number of its run."""
        shutil.copy(template(), self.file.parent / "connector.db")
        return self.activate(RunKind.START)

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text, old
        self.file.write_text(text.replace(old, new, 1))

    def activate(self, kind: RunKind = RunKind.RELOAD) -> int:
        """As the daemon does when it takes over what the files say."""
        return activate(self.db, load_config(str(self.file)), kind)

    def wake(self, lane: str = "decide") -> None:
        with self.db.write() as tx:
            tx.wake(lane)

    def hear(self, number: str) -> None:
        """An answer waits to be decided."""
        feed(self.db, answer(number, at=SystemClock().now(), email=f"{number}@example.org"))
        self.wake()

    def takes(self, lane: str = "decide") -> int:
        """How often the lane was taken."""
        with self.db.read() as tx:
            return {one.name: one.epoch for one in lanes.standing(tx)}.get(lane, 0)

    def drains(self, lane: str = "decide") -> bool:
        """Whether the worker takes the lane when it is told of it."""
        before = self.takes(lane)
        self.worker.drain(lane)
        return self.takes(lane) > before

    def rest(self) -> None:
        """The files are at rest: two looks pass."""
        for _ in range(2):
            self.clock.ahead += fleet.LOOK_SECONDS
            self.worker.drain("nothing")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name, value in {**ENVIRON, "CONNECTOR_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    file = tmp_path / "connector.yaml"
    shutil.copy(ROOT / "config.example.yaml", file)
    db = open_store(load_config(str(file)).config, SystemClock())
    app = Celery("shop", broker="memory://", set_as_current=False)
    clock = Ahead()
    worker = Worker(app, str(file), clock)
    yield House(file, db, app, clock, worker)
    worker.close()
    db.close()
    app.close()


def test_without_a_store_or_an_active_configuration_nothing_is_drained(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        house.worker.drain("decide")
        house.worker.drain("decide")
        assert caplog.text.count("worker_waits") == 1
        assert "`connector run` makes it" in caplog.text
        house.db.create()
        house.wake()
        assert not house.drains()
        assert not house.drains()
        assert caplog.text.count("worker_waits") == 2
    house.activate(RunKind.START)
    assert house.drains()
    assert not house.drains(), "it is not due any more"
    assert not house.drains("write/nobody")


def test_what_is_drained_is_planned_under_the_active_run_also_when_that_begins_anew(house: House) -> None:
    first = house.open()
    house.hear("ada")
    house.worker.drain("decide")
    with house.db.write() as tx:  # as undoing the run that goes on does
        run = runs.get(tx, first)
        runs.end(tx, first)
        second = runs.begin(tx, run.kind, mode=run.mode, config=run.config)
    house.hear("ben")
    house.worker.drain("decide")
    assert {row.run_id for row in planned(house.db)} == {first, second}


def test_a_worker_never_drains_with_a_configuration_that_is_not_active(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.open()
    house.wake()
    assert house.drains()
    shipped = house.file.read_text()

    house.edit("{metric: csat, scale: 1-5, at: 3}", "{metric: csat, scale: 1-5, at: 1}")
    house.activate()
    house.file.write_text(shipped)  # the worker's machine has the old files still
    house.wake()
    with caplog.at_level(logging.INFO):
        assert not house.drains()
        assert not house.drains()
    assert caplog.text.count("worker_waits") == 1

    house.edit("{metric: csat, scale: 1-5, at: 3}", "{metric: csat, scale: 1-5, at: 1}")
    house.rest()
    assert house.drains(), "now its files say the same"


def test_a_configuration_the_daemon_took_over_is_read_at_once(house: House) -> None:
    house.open()
    house.wake()
    assert house.drains()
    house.edit("mode: observe", "mode: live")
    house.wake("decide")
    house.activate()
    assert house.drains(), "without waiting for the files to rest"


def test_a_wrong_file_is_refused_and_the_configuration_before_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.open()
    house.wake()
    assert house.drains()
    house.edit("thresholds:", "treshholds:")
    with caplog.at_level(logging.INFO):
        house.rest()
        house.wake()
        assert house.drains()
        house.wake()
        assert house.drains()
    assert caplog.text.count("reload_refused") == 1
    assert "'thresholds'" in caplog.text

    with house.db.write() as tx:  # meanwhile another machine's daemon takes something else over
        runs.begin(tx, RunKind.RELOAD, mode="live", config="another")
    house.wake()
    with caplog.at_level(logging.INFO):
        assert not house.drains()
        assert not house.drains()
    assert [caplog.text.count(f"'event': '{event}'") for event in ("reload_refused", "worker_waits")] == [1, 1]

    house.edit("treshholds:", "thresholds:")
    house.edit("mode: observe", "mode: live")
    house.activate()
    house.wake()
    assert house.drains()


def test_a_worker_that_starts_with_a_wrong_file_waits_for_it_to_be_mended(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.open()
    house.wake()
    house.edit("thresholds:", "treshholds:")
    with caplog.at_level(logging.INFO):
        assert not house.drains()
        assert not house.drains()
    assert caplog.text.count("reload_refused") == 1
    house.edit("treshholds:", "thresholds:")
    house.rest()
    assert house.drains()


def test_another_store_needs_another_start(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.open()
    house.wake()
    assert house.drains()
    house.edit("sqlite:///connector.db", "sqlite:///other.db")
    with caplog.at_level(logging.INFO):
        house.rest()
    assert "store changed: restart the connector" in caplog.text
    house.wake()
    assert house.drains()


def test_a_drain_ends_when_another_configuration_becomes_active(house: House) -> None:
    house.open()
    loaded = load_config(str(house.file))
    shelter = fleet.Shelter(loaded, house.clock)
    bench = fleet.Bench(house.app, loaded, shelter)
    with house.db.read() as tx:
        assert bench.is_of(runs.active(tx))
    house.edit("mode: observe", "mode: live")
    house.activate()
    house.hear("ada")
    bench.drain("decide")  # it was current when the task came
    assert planned(house.db) == []
    with house.db.read() as tx:
        due = lanes.due_at(tx, "decide")
        assert due is not None, "the lane was given back"
        assert due < tx.now + timedelta(seconds=1)
    shelter.close()


def test_a_backup_is_not_restored_under_a_worker(house: House) -> None:
    house.open()
    house.worker.drain("decide")
    url = f"sqlite:///{house.file.parent / 'connector.db'}"
    with pytest.raises(StoreError, match="in use"), alone(url):
        pass
    house.worker.close()
    with alone(url):
        pass


def test_a_process_uses_nothing_its_parent_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.open()
    shop = Fleet(house.app, str(house.file))
    shop.drain("decide")
    assert shop._made is not None
    parents, parent = shop._made[1], os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)  # as after a fork
    house.wake()
    shop.drain("decide")
    assert house.takes() == 1
    assert shop._made[1] is not parents
    assert owner_of(shop._made[1]).split("/")[-2] == str(parent + 1)
    assert owner_of(parents).split("/")[-2] == str(parent)
    shop.close()
    shop.close()
    parents.close()


def owner_of(worker: Worker) -> str:
    assert worker._shelter is not None
    return worker._shelter.owner


def test_attaching_reads_nothing(tmp_path: Path) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    attach(app, tmp_path / "nowhere.yaml")
    assert TASK in app.tasks
    app.close()


def test_the_ready_made_application_needs_a_broker_in_the_configuration(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fleet.CONFIG, str(house.file))
    with pytest.raises(ConnectorError, match="kind: celery"):
        _ = fleet.app
    with pytest.raises(AttributeError):
        _ = fleet.nothing


def test_a_daemon_plans_on_under_a_run_that_another_began_anew(house: House) -> None:
    """Two daemons with threads of their own on one store; the other one carries an undoing out."""
    first = house.open()
    loaded = load_config(str(house.file))
    works = Works(loaded, db=house.db, clock=SystemClock(), telemetry=Telemetry())
    engine = works._engine
    assert isinstance(engine, Embedded)
    house.hear("ada")
    assert engine._turns.turn("decide") == 0
    with house.db.write() as tx:
        run = runs.get(tx, first)
        runs.end(tx, first)
        second = runs.begin(tx, run.kind, mode=run.mode, config=run.config)
    house.hear("ben")
    assert engine._turns.turn("decide") == 0
    assert {row.run_id for row in planned(house.db)} == {first, second}
    assert house.db.run_id == second


def test_a_daemon_that_drains_nothing_plans_on_under_a_run_that_began_anew(house: House) -> None:
    first = house.open()
    loaded = load_config(str(house.file))
    look = follow(house.db, loaded)
    with house.db.write() as tx:
        run = runs.get(tx, first)
        runs.end(tx, first)
        second = runs.begin(tx, run.kind, mode=run.mode, config=run.config)
    with house.db.read() as tx:
        look(tx)
    assert house.db.run_id == second
    with house.db.write() as tx:  # another daemon took something else over: that is its business
        runs.end(tx, second)
        runs.begin(tx, RunKind.RELOAD, mode="live", config="another")
    with house.db.read() as tx:
        look(tx)
    assert house.db.run_id == second
