"""What other systems report, page by page, and what follows for links, scores and recoveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, Json, WriteKind
from connector.domain.model.person import Contact, LinkState
from connector.domain.model.recovery import RecoveryState
from connector.domain.model.response import Interaction, Respondent
from connector.domain.model.transitions import Event
from connector.errors import RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Hook, Page, Ticket
from connector.store import (
    confirmed,
    contacts,
    cursors,
    intents,
    lanes,
    links,
    quotas,
    receipts,
    recoveries,
    schema,
    scores,
    tombstones,
)
from connector.store.database import Database
from connector.sync.poll import ContactsPoll, TicketsPoll, contacts_feed, contacts_lane, tickets_lane
from tests.unit.deciding import (
    CRM,
    DESK,
    clock_of,
    decide_all,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores


@dataclass
class ContactPages:
    """A CRM's feed as a list of pages, or an error."""

    pages: list[Sequence[Contact]] = field(default_factory=list)
    error: RemoteError | None = None
    asked: list[str | None] = field(default_factory=list)
    account: str = CRM
    read_class: str = "api"

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        self.asked.append(cursor)
        if self.error is not None:
            raise self.error
        at = int(cursor or 0)
        records = self.pages[at] if at < len(self.pages) else ()
        return Page(records=records, cursor=str(min(at + 1, len(self.pages))), more=at + 1 < len(self.pages))


class Lagging(ContactPages):
    """A feed from an index that may be two minutes late."""

    read_at = NOON

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        return replace(super().contacts_since(cursor, fields), as_of=self.read_at - timedelta(minutes=2))


class Stuck(ContactPages):
    """A feed that promises more and never moves."""

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        self.asked.append(cursor)
        return Page(records=(), cursor="stuck", more=True)


@dataclass
class TicketPages:
    """A helpdesk's feed of one page at a time."""

    now: Sequence[Ticket] = ()
    account: str = DESK
    read_class: str = "account"

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        return Page(records=self.now, cursor="1", more=False)

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        return {ticket.id: ticket for ticket in self.now if ticket.id in ids}

    def verify(self, hook: Hook) -> None:
        raise AssertionError("not asked here")

    def read_hook(self, body: bytes) -> Sequence[str]:
        raise AssertionError("not asked here")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def poll(db: Database, source: ContactPages | TicketPages) -> datetime | None:
    is_crm = isinstance(source, ContactPages)
    name = contacts_lane(CRM) if is_crm else tickets_lane(DESK)
    hold = take_lane(db, name)
    settings = example_settings()
    lane: ContactsPoll | TicketsPoll
    if isinstance(source, ContactPages):
        lane = ContactsPoll(db=db, source=source, settings=lambda: settings)
    else:
        lane = TicketsPoll(db=db, source=source, settings=lambda: settings)
    due = lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


FEED = contacts_feed(example_settings(), example_settings().targets["salesforce"])


def poll_again(db: Database, *reported: Contact) -> None:
    """A minute later the feed reports these contacts, whether or not it did so before."""
    clock_of(db).advance(timedelta(minutes=1))
    with db.write() as tx:
        cursors.forget(tx, FEED)
    poll(db, ContactPages(pages=[list(reported)]))


def report(remote_id: str = "003A", email: str | None = "ada@example.org", **changes: object) -> Contact:
    base = Contact(
        account=CRM, id=remote_id, name="Ada", email=email, url=f"https://there/{remote_id}", modified_at=NOON
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of a contact, by name


def ticket(remote_id: str, status: str = "open", **changes: object) -> Ticket:
    base = Ticket(
        account=DESK,
        id=remote_id,
        status=status,
        requester_email="ada@example.org",
        key=None,
        url=f"https://desk/{remote_id}",
        updated_at=NOON,
        values={},
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields of a ticket, by name


def recovery(db: Database) -> tuple[RecoveryState, str | None]:
    with db.read() as tx:
        found = recoveries.get(tx, 1)
    assert found is not None
    return found.state, found.cause


def test_pages_are_read_to_the_end_and_the_cursor_stands_after_them(db: Database) -> None:
    source = ContactPages(pages=[[report("003A")], [report("003B", "bob@example.org")]])
    assert poll(db, source) == NOON + timedelta(minutes=1)
    with db.read() as tx:
        assert cursors.get(tx, FEED) == "2"
        assert contacts.get(tx, CRM, "003B") is not None
    poll(db, source)
    assert source.asked == [None, "1", "2"]


def test_a_feed_that_repeats_its_cursor_is_not_read_for_ever(db: Database) -> None:
    source = Stuck()
    assert poll(db, source) == NOON + timedelta(minutes=1)
    assert source.asked == [None, "stuck"]


def test_a_contact_that_appears_links_who_waited_for_it(db: Database) -> None:
    feed(db, answer(stars=5, respondent=Respondent(crm_id="003A")))
    decide_all(db, example_settings())
    [line] = planned(db, WriteKind.ACTIVITY)
    assert line.state is IntentState.BLOCKED
    poll(db, ContactPages(pages=[[report()]]))
    [line] = planned(db, WriteKind.ACTIVITY)
    assert line.state is IntentState.PLANNED
    with db.read() as tx:
        link = links.get(tx, 1, CRM)
    assert link is not None
    assert (link.state, link.remote_id) == (LinkState.LINKED, "003A")


def in_doubt(db: Database) -> None:
    """An answer whose address two contacts share."""
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer())
    decide_all(db, example_settings())


def link_of(db: Database, person_id: int = 1) -> tuple[LinkState, str | None]:
    with db.read() as tx:
        link = links.get(tx, person_id, CRM)
    assert link is not None
    return link.state, link.remote_id


def test_a_doubt_between_two_contacts_stays_while_both_fit(db: Database) -> None:
    in_doubt(db)
    poll(db, ContactPages(pages=[[report("003A", name="Ada Edited")]]))
    assert link_of(db) == (LinkState.HELD, None)


@pytest.mark.parametrize(
    "change",
    [{"email": "bob@example.org"}, {"deleted": True}, {"deleted": True, "merged_into": "003A"}],
    ids=["another address", "deleted", "merged"],
)
def test_a_doubt_ends_when_only_one_contact_is_left(db: Database, change: dict[str, object]) -> None:
    in_doubt(db)
    poll(db, ContactPages(pages=[[report("003B", **{"email": "ada@example.org", **change})]]))  # type: ignore[arg-type]
    assert link_of(db) == (LinkState.LINKED, "003A")
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}


def test_merged_contacts_join_their_persons(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B", email="bob@example.org")
    feed(db, answer("1", interaction=Interaction()), answer("2", email="bob@example.org", interaction=Interaction()))
    decide_all(db, example_settings())
    poll(db, ContactPages(pages=[[report("003B", "bob@example.org", deleted=True, merged_into="003A")]]))
    with db.read() as tx:
        assert links.persons(tx, CRM, "003A") == [1]
        assert recoveries.counts(tx) == {"open": 1, "closed": 1}
        latest = scores.latest(tx, 1)
        assert {made.remote_id for made in receipts.of_objects(tx, [f"person/2/contact@{CRM}"]).values()} == {"003A"}
    assert latest is not None
    assert latest.answers == 2


def test_a_deleted_contact_ends_its_link(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    poll(db, ContactPages(pages=[[report(deleted=True)]]))
    with db.read() as tx:
        link = links.get(tx, 1, CRM)
        assert receipts.of_objects(tx, [f"person/1/contact@{CRM}"]) == {}
    assert link is not None
    assert link.state is LinkState.UNLINKED


def test_nothing_reported_changes_nothing(db: Database) -> None:
    known_contact(db)
    feed(db, answer())
    decide_all(db, example_settings())
    poll(db, ContactPages(pages=[]))
    poll(db, TicketPages())
    assert recovery(db) == (RecoveryState.OPEN, None)
    with db.read() as tx:
        assert links.persons(tx, CRM, "003A") == [1]


def test_a_purchase_moves_the_score(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    poll(db, ContactPages(pages=[[report(values={"Last_Service__c": "2024-01-01"})]]))
    with db.read() as tx:
        latest = scores.latest(tx, 1)
    assert latest is not None
    assert {part.component: part.value for part in latest.contributions}["purchases"] == 0
    assert len(planned(db, WriteKind.CONTACT_FIELDS)) == 1 + 1


def test_the_overlap_of_two_polls_is_seen_once(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    source = ContactPages(pages=[[report(values={"Last_Service__c": "2026-02-01"})]])
    poll(db, source)
    with db.read() as tx:
        before = scores.history(tx, 1, limit=10)
    clock_of(db).advance(timedelta(minutes=5))
    with db.write() as tx:
        cursors.forget(tx, FEED)
    poll(db, source)
    with db.read() as tx:
        assert scores.history(tx, 1, limit=10) == before


def test_a_value_a_person_changed_is_theirs_and_our_own_echo_is_not(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    name = f"person/1/contact@{CRM}"
    with db.write() as tx:
        values: dict[str, Json] = {"CSAT_Health__c": 80.0, "CSAT_As_Of__c": "2026-03-02T12:00:00Z"}
        confirmed.confirm(tx, CRM, name, values, dict.fromkeys(values, NOON))
    clock_of(db).advance(timedelta(minutes=5))
    echo = {"CSAT_Health__c": 80.0, "CSAT_As_Of__c": "2026-03-02T12:00:00.000+00:00"}
    poll(db, ContactPages(pages=[[report(values=echo)]]))
    with db.read() as tx:
        assert {field: known.theirs for field, known in confirmed.of(tx, CRM, name).items()} == {
            "CSAT_Health__c": False,
            "CSAT_As_Of__c": False,
        }
        cursor = cursors.get(tx, FEED)
    assert cursor == "1"
    edited = report(values={**echo, "CSAT_Health__c": 12}, modified_at=NOON + timedelta(minutes=4))
    with db.write() as tx:
        cursors.forget(tx, FEED)
    poll(db, ContactPages(pages=[[edited]]))
    with db.read() as tx:
        assert confirmed.of(tx, CRM, name)["CSAT_Health__c"].theirs


def test_an_edit_read_while_our_write_is_open_is_noticed_once_it_has_settled(db: Database) -> None:
    """The second read says what the first one said: for the mirror nothing changed, for what we wrote it did."""
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    name = f"person/1/contact@{CRM}"
    edited = report(values={"CSAT_Health__c": 12.0}, modified_at=NOON + timedelta(seconds=30))
    [write] = planned(db, WriteKind.CONTACT_FIELDS)
    with db.write() as tx:
        intents.move(tx, write, Event.SENT)
        confirmed.lose(tx, CRM, name, {"CSAT_Health__c": 80.0})
    poll_again(db, edited)
    with db.write() as tx:
        intents.move(tx, intents.get(tx, write.id), Event.ANSWERED)
        confirmed.confirm(tx, CRM, name, {"CSAT_Health__c": 80.0}, {"CSAT_Health__c": NOON})
    poll_again(db, edited)
    with db.read() as tx:
        held = confirmed.of(tx, CRM, name)["CSAT_Health__c"]
    assert (held.value, held.theirs) == (12.0, True)
    poll_again(db, edited)
    with db.read() as tx:
        events = tx.execute(select(schema.history.c.event)).scalars().all()
    assert events.count("edited_there") == 1


def test_an_edit_of_what_our_open_write_does_not_touch_is_noticed_at_once(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    name = f"person/1/contact@{CRM}"
    [write] = planned(db, WriteKind.CONTACT_FIELDS)
    with db.write() as tx:
        confirmed.confirm(tx, CRM, name, {"CSAT_Health__c": 80.0}, {"CSAT_Health__c": NOON})
        intents.move(tx, write, Event.SENT)
    poll_again(db, report(values={"CSAT_Health__c": 12.0}, modified_at=NOON + timedelta(seconds=30)))
    with db.read() as tx:
        assert confirmed.of(tx, CRM, name)["CSAT_Health__c"].theirs


def test_a_late_report_of_what_was_before_is_nobodys_edit(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    name = f"person/1/contact@{CRM}"
    poll_again(db, report(values={"CSAT_Health__c": 80.0}, modified_at=NOON + timedelta(minutes=1)))
    with db.write() as tx:
        confirmed.confirm(tx, CRM, name, {"CSAT_Health__c": 80.0}, {"CSAT_Health__c": NOON})
    poll_again(db, report(values={"CSAT_Health__c": 12.0}, modified_at=NOON - timedelta(minutes=1)))
    with db.read() as tx:
        assert not confirmed.of(tx, CRM, name)["CSAT_Health__c"].theirs


@pytest.mark.parametrize(("minutes", "is_theirs"), [(1, False), (3, True)])
def test_a_lagging_feed_says_nothing_of_what_was_written_since(db: Database, minutes: int, *, is_theirs: bool) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    name = f"person/1/contact@{CRM}"
    seen = report(values={"CSAT_Health__c": 12.0}, modified_at=NOON)
    poll_again(db, seen)
    with db.write() as tx:
        confirmed.confirm(tx, CRM, name, {"CSAT_Health__c": 80.0}, {"CSAT_Health__c": NOON})
        cursors.forget(tx, FEED)
    clock_of(db).advance(timedelta(minutes=minutes))
    source = Lagging(pages=[[seen]])
    source.read_at = db.clock.now()
    poll(db, source)
    with db.read() as tx:
        assert confirmed.of(tx, CRM, name)["CSAT_Health__c"].theirs is is_theirs


def test_a_recovery_ends_when_its_ticket_is_solved_by_a_person(db: Database) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    [wanted] = planned(db, WriteKind.TICKET)
    pretend_confirmed(db, wanted, "501")
    poll(db, TicketPages(now=[ticket("501", "open", key=wanted.key)]))
    assert recovery(db) == (RecoveryState.OPEN, None)
    poll(db, TicketPages(now=[ticket("501", "solved", key=wanted.key, updated_at=NOON + timedelta(hours=1))]))
    assert recovery(db) == (RecoveryState.CLOSED, "solved in helpdesk")


def test_a_ticket_that_was_solved_before_our_note_ends_nothing(db: Database) -> None:
    feed(db, answer(interaction=Interaction(id="4711", kind="ticket"), segments={}))
    decide_all(db, example_settings())
    [note] = planned(db, WriteKind.NOTE)
    pretend_confirmed(db, note, "c-1", url="https://desk/4711")
    with db.read() as tx:
        assert receipts.of_objects(tx, ["recovery/1/ticket/1"])["recovery/1/ticket/1"].remote_id == "4711"
    poll(db, TicketPages(now=[ticket("4711", "solved", updated_at=NOON - timedelta(days=1))]))
    assert recovery(db) == (RecoveryState.OPEN, None)
    poll(db, TicketPages(now=[ticket("4711", "solved", updated_at=NOON + timedelta(hours=1))]))
    assert recovery(db) == (RecoveryState.CLOSED, "solved in helpdesk")


def test_tickets_a_person_asked_for_count_in_the_score_and_ours_do_not(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    poll(db, TicketPages(now=[ticket("7"), ticket("8"), ticket("9", key="ours")]))
    with db.read() as tx:
        latest = scores.latest(tx, 1)
    assert latest is not None
    assert {part.component: part.value for part in latest.contributions}["tickets"] == 6000


def test_nobody_erased_comes_back_through_a_feed(db: Database) -> None:
    with db.write() as tx:
        tombstones.add(tx, [tx.blind("email", "ada@example.org")])
    poll(db, ContactPages(pages=[[report()]]))
    with db.read() as tx:
        assert contacts.get(tx, CRM, "003A") is None


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Transient("torn"), timedelta(minutes=1)),
        (Throttled("slow down", retry_at=NOON + timedelta(seconds=7)), timedelta(seconds=7)),
        (Unauthorized("refused"), timedelta(minutes=5)),
    ],
)
def test_trouble_moves_no_cursor_and_comes_back_later(db: Database, error: RemoteError, wait: timedelta) -> None:
    assert poll(db, ContactPages(pages=[[report()]], error=error)) == NOON + wait
    with db.read() as tx:
        assert cursors.get(tx, FEED) is None


def test_refused_credentials_are_told_to_the_operators_once_a_day(db: Database) -> None:
    for _ in range(3):
        poll(db, ContactPages(error=Unauthorized("refused")))
    [alert] = planned(db, WriteKind.ALERT)
    assert alert.fields["channel"] == "#csat-ops"
    assert "contacts cannot be read" in str(alert.fields["text"])


def test_a_closed_budget_is_not_knocked_at(db: Database) -> None:
    poll(db, ContactPages(error=Throttled("slow down", retry_at=NOON + timedelta(minutes=5))))
    clock_of(db).advance(timedelta(minutes=1))
    again = ContactPages()
    assert poll(db, again) == NOON + timedelta(minutes=5)
    assert again.asked == []
    clock_of(db).advance(timedelta(minutes=5))
    poll(db, again)
    assert again.asked == [None]


def test_reading_spends_the_budget_that_writes_spend(db: Database) -> None:
    with db.write() as tx:
        quotas.read(tx, CRM, "api", remaining=2, capacity=10, resets_at=NOON + timedelta(hours=1))
    poll(db, ContactPages())
    with db.read() as tx:
        assert quotas.of(tx, CRM)["api"].remaining == 1
