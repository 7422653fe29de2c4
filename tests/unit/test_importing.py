"""Import: a row is one answer for ever, recorded and scored; it acts only when asked to, and then behind everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from connector.adapters.typeform import Options, Typeform
from connector.clock import VirtualClock
from connector.domain.model.intent import Json, Priority, WriteKind
from connector.engines.foreground import LEASE, Foreground
from connector.errors import ConnectorError, LeaseLost
from connector.ports import Row
from connector.secret import Secret
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store import history, inbox, lanes, recoveries, responses, runs, schema, undoings
from connector.store.database import Database
from connector.store.inbox import Arrival, DeliveryState
from connector.store.runs import RunKind
from connector.sync import decide, timers, understand
from connector.sync.importing import BATCH, Columns, Import, Into, Tally
from connector.sync.lane import LaneHold
from connector.sync.settings import DecideSettings
from connector.sync.tables import Table
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters
from connector.wiring.lanes import make_reading, notifying
from tests.unit.deciding import clock_of, example, example_settings, known_contact, planned
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores

OLD = NOON - timedelta(days=400)
HEADER = "token,at,csat,why,mail,service"


@dataclass
class House:
    """A store, the example configuration, and everything that drains."""

    db: Database
    folder: Path

    @property
    def source(self) -> Typeform:
        kit = Kit(clock=self.db.clock, token_store=MemoryTokens(self.db.clock))
        return Typeform("typeform", Options(webhook_secret=[Secret("s")]), kit)

    def bring(self, *rows: str, act: bool = False, columns: Columns | None = None, header: str = HEADER) -> Tally:
        file = self.folder / "old.csv"
        file.write_text("\n".join([header, *rows]) + "\n")
        into = Into(connection="typeform", kind="typeform", form=SERVICE.id, deliver=self.source.deliver)
        known = columns or Columns(id="token", time="at", zone=ZoneInfo("UTC"))
        taken = Import(self.db, into, known, act=act, mode="live", config="digest")
        with Table(file) as table:
            *_, tally = taken.take(table)
        return tally

    def drain(self, settings: DecideSettings | None = None) -> None:
        chosen = settings or example_settings()
        reading = make_reading(example(), Adapters(made={"typeform": self.source}))
        drains = {
            understand.LANE: understand.UnderstandLane(
                db=self.db, reading=lambda: reading, notify=notifying(chosen)
            ).drain,
            decide.LANE: decide.DecideLane(db=self.db, settings=lambda: chosen).drain,
            timers.LANE: timers.TimersLane(db=self.db, settings=lambda: chosen).drain,
        }
        front = Foreground(self.db, self.db.clock, drains, owner="test")
        while front.turn():
            clock_of(self.db).advance(timedelta(milliseconds=1))

    def states(self) -> Mapping[str, int]:
        with self.db.read() as tx:
            return {state.value: n for state, n in inbox.counts(tx).states.items() if n}

    def quarantined(self) -> list[tuple[str, str]]:
        with self.db.read() as tx:
            return [(one.field, one.reason) for one in inbox.list_quarantined(tx)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield House(db=store, folder=tmp_path)
    store.close()


def row(token: str, *, at: datetime = OLD, csat: object = 1, mail: str = "ada@example.org") -> str:
    return f"{token},{at.isoformat()},{csat},the brakes failed and somebody was hurt,{mail},brakes"


def test_an_imported_answer_is_recorded_and_scored_and_nothing_else(house: House) -> None:
    """However fresh and however bad: no contact, no ticket, no message, not even a line on the timeline."""
    house.bring(row("t1"), row("t2", at=NOON - timedelta(minutes=1), mail="bo@example.org"), row("t3", mail=""))
    house.drain()
    assert house.states() == {DeliveryState.MAPPED: 3}
    assert planned(house.db) == []
    with house.db.read() as tx:
        assert responses.counts(tx) == {"decided": 3}
        assert recoveries.counts(tx) == {}
        assert len(tx.execute(select(schema.score.c.person_id).distinct()).all()) == 2
        for number in (1, 2):
            (told,) = [entry for entry in history.for_response(tx, number) if entry.event == "decided"]
            assert isinstance(told.detail, dict)
            assert (told.detail["acts"], told.detail["rules"]) == (False, [])
            assert "imported" in str(told.detail["why"])


def test_the_score_of_a_contact_that_exists_moves_and_is_written(house: House) -> None:
    known_contact(house.db)
    house.bring(*(row(f"t{number}", at=OLD + timedelta(days=number)) for number in range(5)))
    house.drain()
    (write,) = planned(house.db)
    assert write.kind is WriteKind.CONTACT_FIELDS
    assert write.priority == Priority.BACKFILL.rank
    with house.db.read() as tx:
        scored = tx.execute(select(schema.score)).all()
    assert len(scored) == 1, "one computation for five answers of one person"
    assert scored[0].answers == 5


def test_importing_twice_changes_nothing(house: House) -> None:
    rows = [row("t1"), row("t2", mail="bo@example.org")]
    assert house.bring(*rows) == Tally(rows=2, accepted=2)
    house.drain()
    assert house.bring(*rows) == Tally(rows=2, duplicates=2)
    assert house.bring(*reversed(rows)) == Tally(rows=2, duplicates=2), "lines are no part of what a row is"
    house.drain()
    assert house.states() == {DeliveryState.MAPPED: 2}


def test_an_answer_the_webhook_brought_is_a_duplicate_in_its_export(house: House) -> None:
    values = {"csat": 2, "why": "Nie wieder", "mail": "ann@example.com", "may_contact": True}
    event = payload(SERVICE, values, token="abc", submitted_at=NOON - timedelta(days=1), hidden={"service": "brakes"})
    with house.db.write() as tx:
        body = encode(event)
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=body, received_at=tx.now)])
    house.drain()
    before = len(planned(house.db))
    at = (NOON - timedelta(days=1)).strftime("%d.%m.%Y %H:%M:%S")
    columns = Columns(id="token", time="at", zone=ZoneInfo("UTC"), time_format="%d.%m.%Y %H:%M:%S")
    header = "token,at,csat,why,mail,may_contact,hidden.service"
    house.bring(f"abc,{at},2,Nie wieder,ann@example.com,true,brakes", columns=columns, header=header)
    house.drain()
    assert house.states() == {DeliveryState.MAPPED: 1, DeliveryState.DUPLICATE: 1}
    assert len(planned(house.db)) == before


def test_without_an_id_what_a_row_says_is_what_it_is(house: House) -> None:
    columns = Columns(id=None, time="at", zone=ZoneInfo("UTC"))
    rows = [row("", mail="a@example.com"), row("", mail="b@example.com"), row("", mail="a@example.com")]
    assert house.bring(*rows, columns=columns) == Tally(rows=3, accepted=2, duplicates=1)
    assert house.bring(*rows, columns=columns) == Tally(rows=3, duplicates=3)
    house.drain()
    with house.db.read() as tx:
        keys = [responses.key_of(tx, number) for number in (1, 2)]
    assert all(key.startswith("typeform/aB3dE9/row-") and len(key) == 52 for key in keys), keys


def test_a_bad_row_is_set_aside_alone_with_its_line_and_nobody_is_messaged(house: House) -> None:
    tally = house.bring(
        row("t1"),
        "t2,yesterday,1,x,,brakes",
        row("t3", csat="9"),
        "t4,too,few",
        f",{OLD.isoformat()},1,x,,brakes",
        row("t5", mail="bo@example.org"),
    )
    assert tally == Tally(rows=6, accepted=3, quarantined=3)
    house.drain()
    assert house.states() == {DeliveryState.MAPPED: 2, DeliveryState.QUARANTINED: 4}
    assert sorted(house.quarantined()) == [
        ("line 3, at", "is not an ISO 8601 time"),
        ("line 4, ratings[0]", "is not on the scale 1-5"),
        ("line 5, row", "has 3 cells, the header has 6"),
        ("line 6, token", "is missing or not a text"),
    ]
    assert planned(house.db) == []
    with house.db.write() as tx:
        assert inbox.replay(tx) == 4
    house.drain()
    assert house.states()[DeliveryState.QUARANTINED] == 4, "it still says so"


@pytest.mark.parametrize(
    ("text", "zone", "form", "wanted"),
    [
        ("2024-05-01T10:00:00Z", "Europe/Berlin", None, datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01 10:00", "Europe/Berlin", None, datetime(2024, 5, 1, 8, tzinfo=UTC)),
        ("2024-01-01", "Europe/Berlin", None, datetime(2023, 12, 31, 23, tzinfo=UTC)),
        ("05/01/2024 3:04 PM", "UTC", "%m/%d/%Y %I:%M %p", datetime(2024, 5, 1, 15, 4, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_they_are_said_to_be(
    house: House, text: str, zone: str, form: str | None, wanted: datetime
) -> None:
    columns = Columns(id="token", time="at", zone=ZoneInfo(zone), time_format=form)
    house.bring(f"t1,{text},3,x,,brakes", columns=columns)
    house.drain()
    with house.db.read() as tx:
        found = responses.get(tx, 1)
    assert found is not None
    assert found.response.submitted_at == wanted


def test_with_act_old_answers_are_acted_on_behind_everybody_and_messages_are_not_sent(house: House) -> None:
    house.bring(row("t1"), act=True)
    with house.db.write() as tx:
        live = encode(payload(SERVICE, {"csat": 1, "mail": "bo@example.org"}, token="live", submitted_at=NOON))
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=live, received_at=tx.now)])
    house.drain()
    tickets = [intent for intent in planned(house.db) if intent.kind is WriteKind.TICKET]
    with house.db.read() as tx:
        keys = {intent.id: responses.key_of(tx, intent.response_id or 0) for intent in tickets}
        ranks = {keys[intent.id].rpartition("/")[2]: intent.priority for intent in tickets}
        (imported,) = [one for one in runs.listed(tx) if one.kind is RunKind.IMPORT]
    assert ranks == {"t1": Priority.BACKFILL.rank, "live": Priority.RECOVERY.rank}
    assert imported.ended_at == NOON
    belongs = {keys.get(intent.id, ""): intent.run_id for intent in tickets}
    assert belongs == {"typeform/aB3dE9/t1": imported.id, "typeform/aB3dE9/live": None}
    assert {intent.kind for intent in planned(house.db) if intent.run_id == imported.id} >= {
        WriteKind.CONTACT,
        WriteKind.TASK,
        WriteKind.ACTIVITY,
    }
    assert [i for i in planned(house.db) if i.kind is WriteKind.ALERT] == [], "a message about last year is none"


def test_an_import_that_is_undone_stops(house: House) -> None:
    file = house.folder / "old.csv"
    file.write_text("\n".join([HEADER, *(row(f"t{number}") for number in range(BATCH + 1))]) + "\n")
    into = Into(connection="typeform", kind="typeform", form=SERVICE.id, deliver=house.source.deliver)
    known = Columns(id="token", time="at", zone=ZoneInfo("UTC"))
    taken = Import(house.db, into, known, act=True, mode="live", config="digest")
    with Table(file) as table:
        batches = taken.take(table)
        assert next(batches).accepted == BATCH
        with house.db.write() as tx:
            undoings.ask(tx, taken.run_id)
        with pytest.raises(ConnectorError, match="undone meanwhile"):
            next(batches)
    assert house.states() == {"received": BATCH}


def test_live_deliveries_go_before_an_import(house: House) -> None:
    house.bring(*(row(f"t{number}") for number in range(30)))
    with house.db.write() as tx:
        live = encode(payload(SERVICE, {"csat": 1}, token="live", submitted_at=NOON))
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=live, received_at=tx.now)])
    with house.db.read() as tx:
        assert inbox.due(tx, 1)[0].payload == live


def test_a_newer_answer_by_webhook_is_acted_on_after_its_import(house: House) -> None:
    at = NOON - timedelta(hours=1)
    house.bring(row("t1", at=at, csat=5))
    house.drain()
    assert planned(house.db) == []
    edited = payload(
        SERVICE, {"csat": 1, "mail": "ada@example.org"}, token="t1", submitted_at=at + timedelta(minutes=5)
    )
    with house.db.write() as tx:
        body = encode(edited)
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=body, received_at=tx.now)])
    house.drain()
    assert WriteKind.TICKET in {intent.kind for intent in planned(house.db)}


def drains(calls: list[str], *names: str) -> dict[str, Callable[[LaneHold], datetime | None]]:
    def make(name: str) -> Callable[[LaneHold], datetime | None]:
        def drain(hold: LaneHold) -> datetime | None:
            hold.check()
            calls.append(name)
            return None

        return drain

    return {name: make(name) for name in names}


def test_the_foreground_leaves_a_lane_to_whoever_holds_it(house: House) -> None:
    calls: list[str] = []
    front = Foreground(house.db, house.db.clock, drains(calls, "one", "two"), owner="test")
    with house.db.write() as tx:
        tx.wake("one")
        tx.wake("two")
    with house.db.write() as tx:
        held = lanes.take(tx, "one", "daemon", timedelta(minutes=5))
    assert held is not None
    assert front.turn()
    assert not front.turn()
    assert calls == ["two"]
    with house.db.write() as tx:
        tx.wake("one")
        lanes.finish(tx, held, None)
    assert front.turn()
    assert calls == ["two", "one"]


def test_the_foreground_gives_a_lane_back_whatever_happens(house: House) -> None:
    def crash(hold: LaneHold) -> datetime | None:
        raise ZeroDivisionError

    def lose(hold: LaneHold) -> datetime | None:
        clock_of(house.db).advance(LEASE)
        hold.check()
        raise AssertionError("not reached")

    with house.db.write() as tx:
        tx.wake("one")
    with pytest.raises(ZeroDivisionError):
        Foreground(house.db, house.db.clock, {"one": crash}, owner="test").turn()
    with house.db.read() as tx:
        assert lanes.owners(tx) == {}
    assert Foreground(house.db, house.db.clock, {"one": lose}, owner="test").turn()
    with pytest.raises(LeaseLost):
        lose(
            LaneHold(
                lanes.Hold(name="one", owner="t", epoch=1, wake_seq=0, lease_until=NOON),
                house.db.clock,
                asked_at=0,
                lease=0,
            )
        )


def test_a_row_is_rendered_as_its_source_would_have_sent_it(house: House) -> None:
    values: dict[str, Json] = {
        "csat": 2,
        "may_contact": False,
        "topics": ["Price", "Wait"],
        "why": "so",
        "hidden.service": "brakes",
    }
    record = house.source.read(house.source.deliver(Row(id="7", form="f", submitted_at=OLD, values=values)))
    assert record is not None
    assert record.answers == {"csat": 2, "may_contact": False, "topics": ["Price", "Wait"], "why": "so"}
    assert record.hidden["service"] == "brakes"
    assert record.submitted_at == OLD
