"""A survey tool whose limit stands in no reply: its forms, and an erasure, are read and deleted one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from connector.adapters.typeform import Options, Typeform
from connector.clock import VirtualClock
from connector.ports import Page
from connector.ports.erasing import Erased, Fate, Subject
from connector.store import erasures, lanes, subjects
from connector.store.database import Database
from connector.sync.erasing import LANE, Eraser, ErasureLane
from connector.sync.fetch import ResponsesFetch, fetch_lane
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.deciding import clock_of, example_settings, feed, take_lane
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores
PACE = timedelta(seconds=1)
ACCOUNT = "typeform:test"


@dataclass
class Tool:
    """A survey tool with pages without end, which notes when it was called."""

    clock: VirtualClock
    account: str = ACCOUNT
    read_class: str = "responses"
    pace: timedelta = PACE
    residual: str = ""
    calls: list[datetime] = field(default_factory=list)

    def responses_since(self, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
        self.calls.append(self.clock.now())
        self.clock.advance(timedelta(milliseconds=50))  # a turn of a lane ends by the clock
        return Page(records=(), cursor=str(int(cursor or 0) + 1), more=True)

    def erase(self, subject: Subject) -> list[Erased]:
        self.calls += [self.clock.now()] * 2
        return [Erased(object=f"response {one}", fate=Fate.ERASED) for one in subject.responses]


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")


def read(db: Database, tool: Tool, form: str) -> datetime | None:
    """One turn of a form's lane."""
    lane = ResponsesFetch(
        db=db,
        connection="typeform",
        source=Typeform(
            "typeform",
            Options.model_validate({"webhook_secret": ["s"]}),
            Kit(clock=db.clock, token_store=MemoryTokens(db.clock)),
        ),
        there=tool,
        form=form,
        since=None,
        every=timedelta(minutes=5),
        settings=example_settings,
    )
    hold = take_lane(db, fetch_lane("typeform", form))
    due = lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def most_in_a_second(calls: list[datetime]) -> int:
    return max(sum(one <= other < one + timedelta(seconds=1) for other in calls) for one in calls)


def test_forms_of_one_account_take_turns(db: Database) -> None:
    clock = clock_of(db)
    tool = Tool(clock)
    for _ in range(20):
        for form in ("a", "b", "c"):
            assert read(db, tool, form) is not None
        clock.advance(timedelta(milliseconds=250))
    assert len(tool.calls) == 5, "as many as seconds went by, whoever makes them"
    assert most_in_a_second(tool.calls) == 1


def test_an_erasure_waits_for_its_turn_and_reading_waits_for_it(db: Database) -> None:
    clock = clock_of(db)
    tool = Tool(clock)
    feed(db, answer("k1"))
    with db.write() as tx:
        number = erasures.begin(tx, subjects.of_address(tx, email=str(answer("k1").respondent.email)))
    lane = ErasureLane(db=db, erasers=[Eraser(account=ACCOUNT, system=tool, forms=frozenset({("typeform", "aB3dE9")}))])
    hold = take_lane(db, LANE)
    read(db, tool, "a")
    for _ in range(40):
        lane.drain(hold)
        read(db, tool, "a")
        with db.read() as tx:
            assert erasures.get(tx, number).tries == 0, "to wait for a turn is no failure"
        clock.advance(timedelta(milliseconds=250))
        hold.extend(asked_at=clock.monotonic(), lease=10_000)
    with db.read() as tx:
        assert erasures.get(tx, number).state is erasures.State.DONE
    deleted = [one for one in tool.calls if tool.calls.count(one) == 2]
    assert len(deleted) == 2, "it was told once"
    assert most_in_a_second(tool.calls) == 2, "two calls a second are what it allows"
    assert min(one for one in tool.calls if one > deleted[0]) - deleted[0] >= 2 * PACE
