"""An answer comes by import and by webhook, in any order: one answer, acted on once, and never lost to the import."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store import inbox, lanes, responses
from connector.store.inbox import Arrival, DeliveryState
from connector.sync import understand
from connector.sync.importing import Tally
from connector.wiring.adapters import Adapters
from connector.wiring.lanes import make_reading
from tests.unit.deciding import example, planned, take_lane
from tests.unit.samples import NOON, empty_store
from tests.unit.test_importing import OLD, House, row

pytestmark = pytest.mark.both_stores


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield House(db=store, folder=tmp_path)
    store.close()


def hook(house: House, token: str, *, at: datetime, csat: int = 1, mail: str = "ada@example.org") -> None:
    """The same answer as `row`, by webhook."""
    values = {"csat": csat, "why": "the brakes failed and somebody was hurt", "mail": mail}
    event = payload(SERVICE, values, token=token, submitted_at=at, hidden={"service": "brakes"})
    with house.db.write() as tx:
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=encode(event), received_at=tx.now)])


def tickets(house: House) -> int:
    return len([row for row in planned(house.db, WriteKind.TICKET) if row.state.value != "superseded"])


@pytest.mark.parametrize(
    "later", [timedelta(0), timedelta(seconds=40)], ids=["same time", "the export cut seconds off"]
)
@pytest.mark.parametrize("is_decided", [True, False])
def test_a_fresh_answer_an_import_brought_first_opens_its_recovery_when_the_webhook_comes(
    house: House, is_decided: bool, later: timedelta
) -> None:
    at = NOON - timedelta(minutes=9)
    house.bring(row("t1", at=at))
    if is_decided:
        house.drain()
        assert tickets(house) == 0
    hook(house, "t1", at=at + later)
    house.drain()
    assert tickets(house) == 1
    before = planned(house.db)
    assert {intent.run_id for intent in before} == {None}, "undoing the import leaves the recovery alone"
    hook(house, "t1", at=at + later)
    house.bring(row("t1", at=at), row("t1", at=at + later + timedelta(minutes=1)))
    house.drain()
    assert planned(house.db) == before
    with house.db.read() as tx:
        assert responses.find(tx, "typeform/aB3dE9/t1") == 1


def test_an_old_answer_an_import_brought_first_stays_recorded_when_it_comes_again(house: House) -> None:
    house.bring(row("t1"))
    house.drain()
    hook(house, "t1", at=OLD)
    house.drain()
    assert planned(house.db) == []
    assert house.states() == {DeliveryState.MAPPED: 1, DeliveryState.DUPLICATE: 1}


def test_an_import_does_not_silence_an_answer_that_is_about_to_be_acted_on(house: House) -> None:
    at = NOON - timedelta(minutes=9)
    hook(house, "t1", at=at)
    reading = make_reading(example(), Adapters(made={"typeform": house.source}))
    lane = understand.UnderstandLane(db=house.db, reading=lambda: reading)
    hold = take_lane(house.db, understand.LANE)
    lane.drain(hold)
    house.bring(row("t1", at=at + timedelta(minutes=1)))
    lane.drain(hold)
    with house.db.write() as tx:
        lanes.finish(tx, hold.hold, None)
    house.drain()
    assert tickets(house) == 1


def test_an_import_may_be_repeated_to_be_acted_on(house: House) -> None:
    house.bring(row("t1"), row("t2", mail="bo@example.org"))
    house.drain()
    assert house.bring(row("t1"), row("t2", mail="bo@example.org"), act=True).accepted == 2
    house.drain()
    assert tickets(house) == 2
    assert house.bring(row("t1"), row("t2", mail="bo@example.org"), act=True) == Tally(rows=2, duplicates=2)
    house.drain()
    assert tickets(house) == 2
