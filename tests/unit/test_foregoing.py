"""What is kept of a field before it is written: what we know for sure, else what the mirror saw, else nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Item, Json, WriteKind
from connector.store import confirmed, intents, outbox, priors, runs
from connector.store.columns import EPOCH
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.priors import Prior
from connector.store.runs import RunKind
from connector.sync.folding import Folded
from connector.sync.foregoing import keep
from tests.unit.deciding import CRM, known_contact
from tests.unit.samples import NOON, empty_store

NAME = f"person/1/contact@{CRM}"
WANTED: dict[str, Json] = {"sure": 2, "doubtful": 2, "seen": 2, "unheard": 2}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    with store.write() as tx:
        store.run_id = runs.begin(tx, RunKind.START, mode="live", config="x")
    yield store
    store.close()


def planned(db: Database, key: str = "one", fields: dict[str, Json] | None = None) -> IntentRow:
    intent = Intent(
        key=key,
        account=CRM,
        kind=WriteKind.CONTACT_FIELDS,
        object=NAME,
        target=NAME,
        fields=fields or WANTED,
        cause_at=NOON,
        not_before=NOON,
        give_up_at=NOON + timedelta(days=3),
    )
    with db.write() as tx:
        outbox.adopt(tx, CRM, NAME, "003A")
        [number] = outbox.plan(tx, [intent])
        return intents.get(tx, number)


def kept(db: Database, *rows: IntentRow) -> dict[str, Prior]:
    fields = {name: value for row in rows for name, value in row.fields.items()}
    item = Item(key="marker", target="003A", fields={**fields, "added": 1}, cause_at=NOON)
    with db.write() as tx:
        keep(tx, CRM, Folded(members=rows), item)
        assert tx.run_id is not None
        return dict(priors.touched(tx, tx.run_id, CRM, NAME).fields)


def test_a_confirmed_value_else_the_mirrors_else_nothing(db: Database) -> None:
    known_contact(db, "003A", values={"sure": 0, "doubtful": 1, "seen": 1, "added": 7})
    with db.write() as tx:
        outbox.adopt(tx, CRM, NAME, "003A")
        before = NOON - timedelta(days=1)
        confirmed.confirm(tx, CRM, NAME, {"sure": 1, "doubtful": 9}, {"sure": before, "doubtful": before})
        confirmed.lose(tx, CRM, NAME, {"doubtful": 9})
    assert kept(db, planned(db)) == {
        "sure": Prior(known=True, value=1, event_at=before),
        "doubtful": Prior(known=True, value=1, event_at=EPOCH),
        "seen": Prior(known=True, value=1, event_at=EPOCH),
        "unheard": Prior(known=False),
        "added": Prior(known=True, value=7, event_at=EPOCH),
    }


def test_another_attempt_does_not_replace_what_was_kept_at_the_first(db: Database) -> None:
    row = planned(db)
    first = kept(db, row)
    with db.write() as tx:
        confirmed.confirm(tx, CRM, NAME, WANTED, dict.fromkeys(WANTED, NOON))
    assert kept(db, row) == first


def test_each_intent_keeps_the_fields_it_sets(db: Database) -> None:
    kept(db, planned(db, "one", {"a": 1}), planned(db, "two", {"b": 1}))
    with db.write() as tx:
        row = intents.by_key(tx, "two")
        assert row is not None
        priors.forget(tx, row.id)
        assert tx.run_id is not None
        assert priors.touched(tx, tx.run_id, CRM, NAME).fields.keys() == {"a", "added"}
