"""Deliveries become recorded answers, each ending in one named state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.mapping.survey import compile_survey
from connector.domain.model.intent import Json
from connector.domain.model.response import Sentiment, Understanding
from connector.errors import MappingError
from connector.ports import Hook, Record
from connector.store import history, inbox, lanes, responses, tombstones
from connector.store.database import Database
from connector.store.inbox import Arrival, DeliveryState
from connector.sync.lane import LaneHold
from connector.sync.understand import Form, Reading, UnderstandLane
from tests.unit.deciding import example, take_lane
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores


class Plainly:
    """A source whose deliveries are the record's own fields as JSON."""

    kind = "typeform"

    def verify(self, hook: Hook) -> None:
        raise AssertionError("what is in the inbox was verified before")

    def split(self, body: bytes) -> list[bytes]:
        if body == b"endless|":
            raise MappingError("does not end", field="body")
        return body.split(b"|")

    def read(self, payload: bytes) -> Record | None:
        if payload == b"ping":
            return None
        if payload == b"torn":
            raise MappingError("is not JSON", field="body")
        if payload == b"odd":
            raise KeyError("somebody's address")
        fields = json.loads(payload)
        return Record(
            id=fields["id"],
            form=fields.get("form", "aB3dE9"),
            submitted_at=NOON - timedelta(minutes=fields.get("minutes", 5)),
            answers=fields["answers"],
            hidden=fields.get("hidden", {}),
        )


READING = Reading(
    sources={"typeform": Plainly()},
    forms={("typeform", "aB3dE9"): Form(survey="service", mapping=example().survey_mappings["service"])},
    analyse=lambda comment, hint: Understanding(language="en", sentiment=Sentiment.NEUTRAL),
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def said(number: str = "1", csat: Json = 2, **more: Json) -> bytes:
    return json.dumps({"id": number, "answers": {"csat": csat, "mail": "ada@example.org"}, **more}).encode()


def deliver(db: Database, *payloads: bytes, kind: str = "typeform", connection: str = "typeform") -> None:
    with db.write() as tx:
        inbox.add(tx, [Arrival(connection=connection, kind=kind, payload=one, received_at=NOON) for one in payloads])


def drain(db: Database, reading: Reading = READING) -> None:
    hold: LaneHold = take_lane(db, "understand")
    assert UnderstandLane(db=db, reading=lambda: reading).drain(hold) is None
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def states(db: Database) -> dict[DeliveryState, int]:
    with db.read() as tx:
        return {state: number for state, number in inbox.counts(tx).states.items() if number}


def test_a_delivery_becomes_an_answer_and_wakes_the_deciding_lane(db: Database) -> None:
    deliver(db, said())
    drain(db)
    assert states(db) == {DeliveryState.MAPPED: 1}
    with db.read() as tx:
        [version] = responses.pending(tx, limit=5, fresh_since=NOON)
        assert lanes.due_at(tx, "decide") == NOON
        assert [entry.event for entry in history.for_response(tx, version.response_id)] == ["recorded"]
    assert version.response.key == "typeform/aB3dE9/1"
    assert version.response.received_at == NOON
    assert version.understanding.language == "en"


def test_what_cannot_be_mapped_waits_alone_with_the_place_that_failed(db: Database) -> None:
    deliver(db, said("1", csat=9), b"torn", b"odd", said("2"))
    drain(db)
    assert states(db) == {DeliveryState.QUARANTINED: 3, DeliveryState.MAPPED: 1}
    with db.read() as tx:
        found = {(one.field, one.reason) for one in inbox.list_quarantined(tx)}
    assert found == {
        ("ratings[0]", "is not on the scale 1-5"),
        ("body", "is not JSON"),
        ("payload", "a defect: KeyError"),
    }


def test_a_replayed_delivery_is_read_with_the_mapping_of_then(db: Database) -> None:
    deliver(db, said(csat=9))
    drain(db)
    with db.write() as tx:
        assert inbox.replay(tx) == 1
    ten = compile_survey({"ratings": [{"metric": "csat", "value": "answers.csat", "scale": "1-10"}]})
    drain(db, replace(READING, forms={("typeform", "aB3dE9"): Form(survey="service", mapping=ten)}))
    assert states(db) == {DeliveryState.MAPPED: 1}


def test_pings_and_unknown_forms_are_ignored_with_their_reason(db: Database) -> None:
    deliver(db, b"ping", said(form="other"))
    drain(db)
    assert states(db) == {DeliveryState.IGNORED: 2}


def test_the_same_answer_in_another_envelope_is_a_duplicate(db: Database) -> None:
    deliver(db, said(), said(envelope="other"))
    drain(db)
    assert states(db) == {DeliveryState.MAPPED: 1, DeliveryState.DUPLICATE: 1}


def test_an_older_version_that_comes_late_is_mapped_and_wakes_nobody(db: Database) -> None:
    deliver(db, said(minutes=1))
    drain(db)
    with db.write() as tx:
        hold = lanes.take(tx, "decide", "test", timedelta(minutes=1))
        assert hold is not None
        lanes.finish(tx, hold, None)
    deliver(db, said(csat=5, minutes=9))
    drain(db)
    with db.read() as tx:
        assert responses.counts(tx) == {"pending": 1, "stale": 1}
        assert lanes.due_at(tx, "decide") is None


def test_a_delivery_of_a_connection_renamed_meanwhile_is_still_read(db: Database) -> None:
    deliver(db, said(), connection="the-old-name")
    drain(db)
    assert states(db) == {DeliveryState.MAPPED: 1}


def test_a_kind_nobody_configured_waits_in_quarantine(db: Database) -> None:
    deliver(db, said(), kind="paper")
    drain(db)
    assert states(db) == {DeliveryState.QUARANTINED: 1}


def test_somebody_erased_stays_erased(db: Database) -> None:
    with db.write() as tx:
        tombstones.add(tx, [tx.blind("email", "ada@example.org")])
    deliver(db, said())
    drain(db)
    assert states(db) == {DeliveryState.ERASED: 1}
    with db.read() as tx:
        assert responses.counts(tx) == {}


def test_a_request_kept_whole_is_told_apart_once_it_can_be(db: Database) -> None:
    whole = Arrival(
        connection="typeform",
        kind="typeform",
        payload=said("1") + b"|" + said("2"),
        received_at=NOON,
        field="body",
        reason="does not end",
    )
    with db.write() as tx:
        inbox.add(tx, [whole])
        assert inbox.replay(tx) == 1
    drain(db)
    with db.read() as tx:
        assert lanes.due_at(tx, "understand") == NOON, "its parts wait to be read"
    drain(db)
    assert states(db) == {DeliveryState.MAPPED: 2, DeliveryState.IGNORED: 1}


def test_a_request_that_still_cannot_be_told_apart_goes_back_to_quarantine(db: Database) -> None:
    deliver(db, b"endless|")
    drain(db)
    assert states(db) == {DeliveryState.QUARANTINED: 1}
