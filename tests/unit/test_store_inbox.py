"""The inbox and the small tables around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.ports import Token, TokenStore
from connector.secret import Secret
from connector.store import counts, cursors, history, inbox, tombstones
from connector.store.database import Database
from connector.store.inbox import Added, Arrival, DeliveryState
from connector.store.keyring import KeyRing
from connector.store.schema import response
from connector.store.tokens import Tokens
from tests.stores import store_url

pytestmark = pytest.mark.both_stores

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = Secret(KeyRing.generate())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Database:
    return Database(store_url(tmp_path), KeyRing([KEY]), clock).create()


def arrival(
    payload: bytes, *, connection: str = "typeform", kind: str = "typeform", priority: int = inbox.LIVE
) -> Arrival:
    return Arrival(connection=connection, kind=kind, payload=payload, received_at=NOON, priority=priority)


def add(db: Database, *arrivals: Arrival) -> Added:
    with db.write() as tx:
        return inbox.add(tx, arrivals)


def payloads(db: Database) -> list[bytes]:
    with db.read() as tx:
        return [delivery.payload for delivery in inbox.due(tx, 10)]


def test_a_delivery_comes_back_byte_for_byte(db: Database) -> None:
    assert add(db, arrival(b'{"a": 1}\xff\x00')) == Added(new=1, duplicates=0)
    with db.read() as tx:
        (delivery,) = inbox.due(tx, 10)
    assert (delivery.payload, delivery.connection, delivery.kind, delivery.received_at) == (
        b'{"a": 1}\xff\x00',
        "typeform",
        "typeform",
        NOON,
    )


def test_the_same_bytes_are_one_delivery_under_any_connection_name(db: Database) -> None:
    add(db, arrival(b"x"))
    assert add(db, arrival(b"x", connection="renamed"), arrival(b"x")) == Added(new=0, duplicates=2)
    with db.read() as tx:
        found = inbox.counts(tx)
    assert found.states[DeliveryState.RECEIVED] == 1
    assert found.duplicates == 2


def test_the_same_bytes_of_another_kind_are_another_delivery(db: Database) -> None:
    assert add(db, arrival(b"x"), arrival(b"x", kind="webhook")) == Added(new=2, duplicates=0)


def test_new_deliveries_wake_understanding_and_repeats_do_not(db: Database) -> None:
    add(db, arrival(b"x"))
    bell = db.bell(inbox.LANE)
    assert bell.is_set()
    bell.clear()
    add(db, arrival(b"x"))
    assert not bell.is_set()


def test_live_deliveries_go_before_backfill_and_each_in_order(db: Database) -> None:
    add(db, arrival(b"old 1", priority=inbox.BACKFILL), arrival(b"old 2", priority=inbox.BACKFILL))
    add(db, arrival(b"new 1"), arrival(b"new 2"))
    assert payloads(db) == [b"new 1", b"new 2", b"old 1", b"old 2"]


def test_every_delivery_ends_in_one_state_and_the_sums_add_up(db: Database) -> None:
    add(db, *(arrival(bytes([number])) for number in range(6)), arrival(b"\x00"))
    with db.write() as tx:
        tx.execute(response.insert().values(id=1, key="typeform/f/1", survey="service", latest_version=1))
        ids = [delivery.id for delivery in inbox.due(tx, 10)]
        inbox.mark_mapped(tx, ids[0], 1)
        inbox.mark_duplicate(tx, ids[1], 1)
        inbox.mark_ignored(tx, ids[2], "a test ping")
        inbox.mark_quarantined(tx, ids[3], field="answers.rating", reason="is not a number")
        inbox.mark_erased(tx, ids[4])
    with db.read() as tx:
        found = inbox.counts(tx)
        assert [delivery.id for delivery in inbox.due(tx, 10)] == [ids[5]]
    assert found.states == dict.fromkeys(DeliveryState, 1)
    assert sum(found.states.values()) + found.duplicates == 7


def test_quarantine_is_listed_with_its_cause_and_replayed(db: Database) -> None:
    add(db, arrival(b"x"), arrival(b"y"))
    with db.write() as tx:
        first, second = inbox.due(tx, 10)
        inbox.mark_quarantined(tx, first.id, field="answers.rating", reason="is not a number")
        inbox.mark_quarantined(tx, second.id, field="body", reason="is not JSON")
    with db.read() as tx:
        listed = inbox.list_quarantined(tx)
    assert [(item.id, item.field, item.reason) for item in listed] == [
        (first.id, "answers.rating", "is not a number"),
        (second.id, "body", "is not JSON"),
    ]
    db.bell(inbox.LANE).clear()
    with db.write() as tx:
        assert inbox.replay(tx, [first.id]) == 1
    assert db.bell(inbox.LANE).is_set()
    assert payloads(db) == [b"x"]
    with db.write() as tx:
        assert inbox.replay(tx) == 1
        assert inbox.replay(tx) == 0
    assert payloads(db) == [b"x", b"y"]


def test_an_arrival_with_a_reason_is_quarantined_at_once(db: Database) -> None:
    add(db, Arrival(connection="c", kind="webhook", payload=b"[", received_at=NOON, field="body", reason="is not JSON"))
    assert payloads(db) == []
    with db.read() as tx:
        assert [item.reason for item in inbox.list_quarantined(tx)] == ["is not JSON"]


def test_an_erased_delivery_stays_erased_when_it_arrives_again(db: Database) -> None:
    add(db, arrival(b"x"))
    with db.write() as tx:
        inbox.mark_erased(tx, inbox.due(tx, 1)[0].id)
    assert add(db, arrival(b"x")) == Added(new=0, duplicates=1)
    with db.write() as tx:
        tombstones.add(tx, [inbox.digest(tx, "typeform", b"forgotten")])
    assert add(db, arrival(b"forgotten")) == Added(new=0, duplicates=1)
    assert payloads(db) == []


def test_what_is_erased_and_comes_again_is_counted(db: Database) -> None:
    """Whoever sends it again is told that it was taken: the counts have to add up to what was accepted."""
    add(db, arrival(b"x"))
    with db.write() as tx:
        inbox.mark_erased(tx, inbox.due(tx, 1)[0].id)
        tombstones.add(tx, [inbox.digest(tx, "typeform", body) for body in (b"x", b"of which an old copy has no row")])
    for body in (b"x", b"x", b"of which an old copy has no row"):
        add(db, arrival(body))
    with db.read() as tx:
        counts = inbox.counts(tx)
        assert sum(counts.states.values()) + counts.duplicates == 4
        assert counts.states[DeliveryState.ERASED] == 2
    assert payloads(db) == []


def test_a_tombstone_is_found_by_its_digest_alone(db: Database) -> None:
    with db.write() as tx:
        tombstones.add(tx, [tx.blind("email", "gone@example.com")])
        tombstones.add(tx, [tx.blind("email", "gone@example.com")])
        gone, here = tx.blind("email", "gone@example.com"), tx.blind("email", "here@example.com")
        assert tombstones.among(tx, [gone, here]) == {gone}


_ADD_AND_SAY = """
import sys
from datetime import UTC, datetime
from connector.clock import SystemClock
from connector.secret import Secret
from connector.store import inbox
from connector.store.database import Database
from connector.store.keyring import KeyRing
db = Database(sys.argv[1], KeyRing([Secret(sys.argv[2])]), SystemClock())
for number in range(1000):
    with db.write() as tx:
        inbox.add(tx, [inbox.Arrival(connection="c", kind="k", payload=b"%d" % number, received_at=datetime.now(UTC))])
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(db: Database, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ADD_AND_SAY, store_url(tmp_path), KEY.reveal()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
    acknowledged = {line.strip().encode() for line in said if line.endswith("\n")}
    with db.read() as tx:
        kept = {delivery.payload for delivery in inbox.due(tx, 1000)}
    assert len(acknowledged) >= 20
    assert acknowledged <= kept
    assert len(kept - acknowledged) <= 1, "at most the one it was about to say"


# --- cursors, counts, history, tokens


def test_a_cursor_moves_and_is_forgotten(db: Database) -> None:
    with db.write() as tx:
        assert cursors.get(tx, "zendesk:acme/tickets") is None
        cursors.move(tx, "zendesk:acme/tickets", "a")
        cursors.move(tx, "zendesk:acme/tickets", "b")
        assert cursors.get(tx, "zendesk:acme/tickets") == "b"
        cursors.forget(tx, "zendesk:acme/tickets")
        assert cursors.get(tx, "zendesk:acme/tickets") is None


def test_counts_add_up(db: Database) -> None:
    with db.write() as tx:
        counts.add(tx, "forged")
        counts.add(tx, "forged", 2)
        counts.add(tx, "oversized")
        assert counts.all_counts(tx) == {"forged": 3, "oversized": 1}


def test_history_is_told_in_order_with_its_details(db: Database) -> None:
    with db.write() as tx:
        tx.execute(response.insert().values(id=1, key="typeform/f/1", survey="service", latest_version=1))
        history.append(tx, "mapped", response_id=1, detail={"comment": "Zu spät"})
        history.append(tx, "decided", response_id=1)
        history.append(tx, "elsewhere")
    with db.read() as tx:
        assert [(entry.event, entry.at, entry.detail) for entry in history.for_response(tx, 1)] == [
            ("mapped", NOON, {"comment": "Zu spät"}),
            ("decided", NOON, None),
        ]


def token(generation: int, access: str = "at") -> Token:
    return Token(
        access=Secret(access), generation=generation, refresh=Secret("rt"), expires_at=NOON + timedelta(hours=1)
    )


def test_a_token_survives_and_is_sealed(db: Database, tmp_path: Path) -> None:
    tokens: TokenStore = Tokens(db)
    assert tokens.load("zendesk:acme") is None
    assert tokens.save("zendesk:acme", token(1, "canary-access-token"))
    assert Tokens(db).load("zendesk:acme") == token(1, "canary-access-token")
    assert b"canary-access" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_token_is_saved_only_as_the_next_generation(db: Database) -> None:
    tokens = Tokens(db)
    assert not tokens.save("g", token(2))
    assert tokens.save("g", token(1))
    assert not tokens.save("g", token(1, "late loser"))
    assert tokens.load("g") == token(1)


def test_one_refresh_at_a_time(db: Database, clock: VirtualClock) -> None:
    tokens = Tokens(db)
    lease = timedelta(seconds=30)
    assert tokens.lease("g", 0, lease)
    assert not tokens.lease("g", 0, lease)
    clock.advance(lease)
    assert tokens.lease("g", 0, lease), "a holder that died gives way"
    assert tokens.save("g", token(1))
    assert not tokens.lease("g", 0, lease), "the store has moved on"
    assert tokens.lease("g", 1, lease)
    tokens.release("g", 1)
    assert tokens.lease("g", 1, lease)
