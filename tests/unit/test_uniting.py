"""Two persons turn out to be one: what one of their tickets was still to say is said on the other's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.response import Interaction, Understanding
from connector.domain.model.transitions import UNSENT
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.sync.identify import join_persons
from connector.sync.uniting import AGAIN
from tests.unit.deciding import decide_all, example_settings, feed, planned, pretend_confirmed
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores

NOWHERE = Interaction()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def unhappy(db: Database, number: str, comment: str, email: str, *, understanding: Understanding = PLAIN) -> None:
    one = answer(number, email=email, comment=comment, interaction=NOWHERE, at=NOON - timedelta(minutes=1))
    feed(db, one, understanding=understanding)
    decide_all(db, example_settings())


def join(db: Database) -> None:
    with db.write() as tx:
        join_persons(tx, 1, 2, "a test says so")


def saying(db: Database, text: str) -> list[IntentRow]:
    """What still tells people in the helpdesk this."""
    return [
        row
        for row in planned(db)
        if row.kind in {WriteKind.TICKET, WriteKind.NOTE} and row.state in UNSENT and text in str(row.fields)
    ]


@pytest.mark.parametrize("is_sent", [True, False])
def test_an_answer_whose_ticket_was_not_sent_is_a_note_on_the_older_ticket(db: Database, is_sent: bool) -> None:
    unhappy(db, "1", "waited long", "ada@example.org")
    if is_sent:
        pretend_confirmed(db, planned(db, WriteKind.TICKET)[0], "500")
    unhappy(db, "2", "waited even longer", "ada@example.net")
    join(db)
    [note] = saying(db, "waited even longer")
    assert (note.kind, note.target) == (WriteKind.NOTE, "recovery/1/ticket/1")
    assert (note.recovery_id, note.response_id) == (1, 2), "it is that answer's, and looks after a closed ticket"
    assert str(note.fields["text"]).startswith(AGAIN)


def test_a_note_the_younger_ticket_was_to_get_goes_on_the_older_one(db: Database) -> None:
    unhappy(db, "1", "waited long", "ada@example.org")
    pretend_confirmed(db, planned(db, WriteKind.TICKET)[0], "500")
    unhappy(db, "2", "nobody called", "ada@example.net")
    pretend_confirmed(db, planned(db, WriteKind.TICKET)[1], "501")
    unhappy(db, "3", "still nobody called", "ada@example.net")
    join(db)
    [note] = saying(db, "still nobody called")
    assert note.target == "recovery/1/ticket/1"
    assert "status" not in note.fields


def test_the_older_ticket_becomes_as_urgent_as_the_younger_was(db: Database) -> None:
    unhappy(db, "1", "waited long", "ada@example.org")
    unhappy(db, "2", "never again", "ada@example.net", understanding=Understanding(language="en", themes=("safety",)))
    first, second = planned(db, WriteKind.TICKET)
    assert (first.fields["priority"], second.fields["priority"]) == ("high", "urgent")
    join(db)
    [note] = saying(db, "never again")
    assert note.fields["priority"] == "urgent"


def test_a_ticket_that_is_as_urgent_already_is_left_to_its_people(db: Database) -> None:
    unhappy(db, "1", "waited long", "ada@example.org")
    unhappy(db, "2", "waited even longer", "ada@example.net")
    join(db)
    [note] = saying(db, "waited even longer")
    assert set(note.fields) == {"text"}


def test_an_older_ticket_that_is_more_urgent_stays_so(db: Database) -> None:
    unhappy(db, "1", "never again", "ada@example.org", understanding=Understanding(language="en", themes=("safety",)))
    unhappy(db, "2", "waited long", "ada@example.net")
    join(db)
    [note] = saying(db, "waited long")
    assert set(note.fields) == {"text"}
