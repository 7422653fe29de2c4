"""Contacts are found by their keys along an index, however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from connector.clock import VirtualClock
from connector.domain.model.person import Contact, KeyKind
from connector.store import contacts
from connector.store.contacts import _LIVING
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores


@pytest.mark.parametrize("kind", [KeyKind.EMAIL, KeyKind.PHONE])
def test_a_key_is_looked_up_in_its_index_and_not_by_walking_the_account(tmp_path: Path, kind: KeyKind) -> None:
    store = empty_store(tmp_path, VirtualClock(NOON))
    with store.read() as tx:
        plan = tx.execute(text(f"EXPLAIN QUERY PLAN {_LIVING[kind]}"), {"wanted": "a", "digest": "b"}).all()
    store.close()
    assert [f"(account=? AND {kind.value}=?)" in str(row.detail) for row in plan] == [True]


def test_contacts_that_share_a_key_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    store = empty_store(tmp_path, VirtualClock(NOON))
    with store.write() as tx:
        for one in ("003B", "003C", "003A"):
            contacts.upsert(tx, Contact(account="crm", id=one), email="ada@example.com", phone=None)
        found = contacts.find(tx, "crm", KeyKind.EMAIL, "ada@example.com")
    store.close()
    assert [one.id for one in found] == ["003A", "003B", "003C"]
