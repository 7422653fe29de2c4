"""What customers write on their own tickets counts towards defects, as answers do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.adapters.zendesk import Options, Zendesk
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.response import Sentiment, Understanding
from connector.errors import RemoteError, Throttled
from connector.ports import Ticket
from connector.ports.conversations import Said
from connector.secret import Secret
from connector.simulator import zendesk
from connector.store import defects, lanes
from connector.store.database import Database
from connector.sync.conversations import ConversationsPoll
from connector.sync.mirroring import take_ticket
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.deciding import DESK, clock_of, take_lane
from tests.unit.samples import NOON, empty_store
from tests.unit.test_decide_defects import erase, of, say, tracking


@dataclass
class Desk:
    """A helpdesk where every customer wrote the same."""

    texts: Sequence[str] = ("I waited again",)
    age: timedelta = timedelta(minutes=1)
    error: RemoteError | None = None
    asked: list[str] = field(default_factory=list)
    account: str = DESK
    read_class: str = "account"
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))

    def read_conversation(self, ticket: str) -> Sequence[Said]:
        self.asked.append(ticket)
        if self.error is not None:
            raise self.error
        return [Said(at=self.clock.now() - self.age, text=text) for text in self.texts]


def analyse(text: str | None, hint: str | None) -> Understanding:
    said = text or ""
    feeling = Sentiment.POSITIVE if "lovely" in said else Sentiment.UNKNOWN
    return Understanding(language="en", sentiment=feeling, themes=("waiting",) if "wait" in said else ())


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")


def report(db: Database, *people: int, number: int = 0, key: str | None = None, **changes: object) -> None:
    """The helpdesk reports a ticket of each of them."""
    with db.write() as tx:
        for person in people:
            seen = Ticket(
                account=DESK,
                id=f"{person}{number}",
                status="open",
                requester_email=f"kim{person}@example.com",
                key=key,
                url=f"https://desk.example/own/{person}{number}",
                updated_at=db.clock.now(),
                values={},
            )
            take_ticket(tx, replace(seen, **changes), tracking(), db.clock.now())  # type: ignore[arg-type]


def listen(db: Database, desk: Desk) -> object:
    desk.clock = clock_of(db)
    lane = ConversationsPoll(db=db, source=desk, settings=tracking, analyse=analyse)
    hold = take_lane(db, defects.lane_of_conversations(DESK))
    due = lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)
    return due


@pytest.mark.both_stores
def test_tickets_and_answers_count_together_and_a_ticket_is_told_by_its_address_alone(db: Database) -> None:
    say(db, 1, 2)
    report(db, 1, 2)
    listen(db, Desk(texts=("nothing",)))
    assert of(db, WriteKind.ISSUE) == []
    clock_of(db).advance(timedelta(minutes=1))
    report(db, 2)
    listen(db, Desk())
    [issue] = of(db, WriteKind.ISSUE)
    body = str(issue.fields["body"])
    assert body.startswith("3 unhappy answers and tickets of 2 people")
    assert "https://desk.example/own/20" in body
    assert "waited again" not in body


def test_only_tickets_of_people_we_know_that_are_not_ours_are_read(db: Database) -> None:
    say(db, 1)
    report(db, 1, key="ours")
    report(db, 9)
    report(db, 1, number=1, status="deleted")
    report(db, 1, number=2, updated_at=NOON - timedelta(days=8))
    desk = Desk()
    assert listen(db, desk) is None
    assert desk.asked == []


def test_a_conversation_is_read_once_for_each_change_and_a_few_in_a_turn(db: Database) -> None:
    say(db, 1)
    for number in range(7):
        report(db, 1, number=number)
    desk = Desk(texts=())
    assert listen(db, desk) == db.clock.now() + timedelta(minutes=1)
    assert len(desk.asked) == 5
    listen(db, desk)
    assert listen(db, desk) is None
    assert len(desk.asked) == 7
    report(db, 1, number=3)
    listen(db, desk)
    assert len(desk.asked) == 7, "the same report changes nothing"


def test_praise_and_what_was_said_long_ago_count_for_nothing(db: Database) -> None:
    say(db, 1, 2)
    report(db, 1, 2)
    listen(db, Desk(texts=("a lovely waiting room",)))
    clock_of(db).advance(timedelta(minutes=1))
    report(db, 1, 2)
    listen(db, Desk(age=timedelta(days=8)))
    with db.read() as tx:
        assert [one.ticket for one in defects.mentions(tx, "waiting", NOON - timedelta(days=30))] == [("", "")] * 2


def test_a_full_quota_is_waited_for(db: Database) -> None:
    say(db, 1)
    report(db, 1)
    until = db.clock.now() + timedelta(minutes=10)
    busy = Desk(error=Throttled("slow", retry_at=until))
    assert listen(db, busy) == until
    assert listen(db, busy) == until
    assert len(busy.asked) == 1


@pytest.mark.both_stores
def test_an_erased_persons_tickets_are_forgotten(db: Database) -> None:
    say(db, 1, 2)
    report(db, 1, 2)
    listen(db, Desk())
    report(db, 1, number=1)
    erase(db, "kim1@example.com")
    with db.read() as tx:
        assert [one.ticket for one in defects.mentions(tx, "waiting", NOON - timedelta(hours=1))] == [
            (DESK, "20"),
            ("", ""),
        ]
        assert defects.unheard(tx, DESK, 9) == []


def test_customers_public_comments_are_read_from_zendesk() -> None:
    clock = VirtualClock(NOON)
    there = zendesk.Zendesk(clock)
    there.start()
    try:
        options = Options(
            subdomain="acme",
            client_id=zendesk.CLIENT_ID,
            client_secret=Secret(zendesk.CLIENT_SECRET),
            base_url=there.site.base_url,
        )
        desk = Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock)))
        number = there.add_ticket(requester_email="kim@mail.example", comment="Written down by an agent")
        clock.advance(timedelta(minutes=1))
        there.customer_reply(number, "I waited again")
        there.human_update(number, comment={"body": "We are sorry", "public": True})
        there.human_update(number, comment={"body": "Wait, is he right?", "public": False})
        clock.advance(timedelta(minutes=1))
        there.customer_reply(number, "And again")
        said = desk.read_conversation(str(number))
        assert [one.text for one in said] == ["I waited again", "And again"]
        assert said[0].at == NOON + timedelta(minutes=1)
        there.human_delete(number)
        assert desk.read_conversation(str(number)) == []
    finally:
        there.stop()
