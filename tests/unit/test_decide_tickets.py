"""What a ticket gives the one who acts on it: how to reach the customer, who they may be, and no survey about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.adapters.zendesk import Zendesk
from connector.adapters.zendesk.names import OWN_TAG
from connector.clock import VirtualClock
from connector.domain.matching.ladder import Missing
from connector.domain.model.intent import Item, WriteKind
from connector.domain.model.response import Interaction, Respondent, Sentiment, Understanding
from connector.simulator import zendesk as simulator
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.sync.playbook import NO_SURVEY
from tests.unit.deciding import CHAT, DESK, decide_all, example_settings, feed, known_contact, planned
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_adapter_zendesk import connect, held, write

PHONE = "+49 301 234567"
UNCLEAR = Understanding(language="de", sentiment=Sentiment.UNKNOWN, themes=("safety", "waiting"))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


@pytest.fixture
def desk() -> Iterator[simulator.Zendesk]:
    made = simulator.Zendesk(VirtualClock(datetime(2026, 11, 21, 12, tzinfo=UTC)))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def helpdesk(desk: simulator.Zendesk) -> Zendesk:
    made = connect(desk, desk.site.clock if isinstance(desk.site.clock, VirtualClock) else VirtualClock(NOON))
    made.prepare()
    return made


def lines(db: Database) -> list[str]:
    """What the one ticket says."""
    [ticket] = planned(db, WriteKind.TICKET)
    return str(ticket.fields["comment"]).splitlines()


@pytest.mark.parametrize(
    ("respondent", "reach"),
    [
        (Respondent(phone=PHONE, name="Ada Example"), PHONE),
        (Respondent(phone=PHONE, email="ada@example.org"), f"{PHONE} · ada@example.org"),
        (Respondent(email="ada@example.org", company="Example Ltd"), "ada@example.org · Example Ltd"),
        (Respondent(invitation="inv-1"), "not known"),
    ],
)
def test_a_ticket_says_how_to_reach_the_customer(db: Database, respondent: Respondent, reach: str) -> None:
    feed(db, answer(respondent=respondent))
    decide_all(db, example_settings())
    assert [line for line in lines(db) if line.startswith("Reach:")] == [f"Reach: {reach}"]


def test_a_ticket_in_doubt_names_the_candidates_with_their_addresses(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer())
    decide_all(db, example_settings())
    assert lines(db)[-3:] == [
        "Candidate: Ada Example, https://acme.example/003A (tag csat-contact-003a)",
        "Candidate: Ada Example, https://acme.example/003B (tag csat-contact-003b)",
        "Who is it? Add that tag to the ticket; csat-contact-none: none of them.",
    ]


def test_many_candidates_and_a_long_story_still_fit_a_screen(db: Database) -> None:
    for number in range(8):
        known_contact(db, f"003{number}")
    for days in (4, 3, 2):
        feed(db, answer(str(days), stars=5, at=NOON - timedelta(days=days)))
    decide_all(db, example_settings())
    feed(db, answer(comment="\n".join(f"line {number}" for number in range(80))))
    decide_all(db, example_settings())
    assert len(lines(db)) <= 25
    assert lines(db)[-2] == "… (4 more candidates)"
    assert sum(line.startswith("Candidate: ") for line in lines(db)) == 4


@pytest.mark.parametrize("missing", [Missing.CREATE, Missing.HOLD])
def test_the_operators_hear_once_that_somebody_is_held_and_not_who(db: Database, missing: Missing) -> None:
    if missing is Missing.CREATE:
        known_contact(db, "003A")
        known_contact(db, "003B")
    settings = replace(example_settings(), missing=missing)
    for number in ("1", "2"):
        feed(db, answer(number, stars=5, at=NOON - timedelta(minutes=5 - int(number))))
        decide_all(db, settings)
    [told] = planned(db, WriteKind.ALERT)
    assert (told.account, told.fields["channel"]) == (CHAT, "#csat-ops")
    assert str(told.fields["text"]).startswith("salesforce:acme: it is not certain which contact a customer is")
    assert not any(word in str(told.fields) for word in ("Ada", "ada@", "003A"))


def test_nobody_is_told_of_a_certain_contact(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    assert planned(db, WriteKind.ALERT) == []


@pytest.mark.parametrize(
    ("understanding", "urgent"),
    [
        (UNCLEAR, True),
        (replace(UNCLEAR, language="en", sentiment=Sentiment.NEGATIVE, compound=-0.8), True),
        (replace(UNCLEAR, language="en", sentiment=Sentiment.POSITIVE, compound=0.8), False),
        (replace(UNCLEAR, themes=("waiting",)), False),
    ],
)
def test_a_critical_theme_is_urgent_in_every_language(db: Database, understanding: Understanding, urgent: bool) -> None:
    feed(db, answer(), understanding=understanding)
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    assert ticket.fields["priority"] == ("urgent" if urgent else "high")
    assert [row.fields["channel"] for row in planned(db, WriteKind.ALERT)] == (["#csat-safety"] if urgent else [])


def test_which_themes_are_critical_is_said_by_the_themes_file(db: Database) -> None:
    feed(db, answer(), understanding=replace(UNCLEAR, themes=("waiting",)))
    decide_all(db, replace(example_settings(), critical_themes=frozenset({"waiting"})))
    assert [row.fields["channel"] for row in planned(db, WriteKind.ALERT)] == ["#csat-safety"]


def as_item(row: IntentRow, target: object = None) -> Item:
    return Item(key=row.key, target=None if target is None else str(target), fields=row.fields, cause_at=row.cause_at)


def test_a_new_recovery_ticket_is_kept_out_of_surveys(db: Database, desk: simulator.Zendesk, helpdesk: Zendesk) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    write(helpdesk, WriteKind.TICKET, as_item(ticket))
    [made] = held(desk).values()
    assert set(made["tags"]) == {OWN_TAG, NO_SURVEY, "csat-recovery"}


def test_a_customers_own_ticket_is_kept_out_of_surveys_and_does_not_become_ours(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk
) -> None:
    number = desk.add_ticket(requester_email="ada@example.org", tags=["vip"])
    feed(db, answer(interaction=Interaction(id=str(number), kind="ticket"), segments={}))
    decide_all(db, example_settings())
    [note] = planned(db, WriteKind.NOTE)
    assert note.target == f"ticket/{DESK}/{number}"
    write(helpdesk, WriteKind.NOTE, as_item(note, number))
    assert set(held(desk)[str(number)]["tags"]) == {"vip", NO_SURVEY, "csat-recovery"}
