"""`status`, `outbox` and `replay` on a store made by hand: sums, refusals, and what a person is told to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.domain.model.intent import Intent, IntentState, WriteKind
from connector.domain.model.person import Evidence, Link, LinkState
from connector.domain.model.transitions import Event
from connector.store import accounts, counts, inbox, intents, lanes, links, outbox, people, responses
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.store.keyring import KeyRing
from connector.wiring.opening import load_config, open_store
from tests import stores
from tests.unit.keyboard import WIDTH, Keyboard
from tests.unit.samples import PLAIN, answer
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    if stores.is_server():
        monkeypatch.setenv("CONNECTOR__STORE", stores.store_url(tmp_path))
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    made = open_store(load_config(str(type_.folder / "connector.yaml")).config, SystemClock()).create()
    yield made
    made.close()


def arrive(db: Database, *payloads: bytes, reason: str | None = None) -> None:
    with db.write() as tx:
        inbox.add(
            tx,
            [
                Arrival(
                    connection="typeform",
                    kind="typeform",
                    payload=payload,
                    received_at=tx.now,
                    field="ratings[0]" if reason else None,
                    reason=reason,
                )
                for payload in payloads
            ],
        )


def set_aside(db: Database, *numbers: str) -> None:
    """Answers that could not be decided."""
    with db.write() as tx:
        for number in numbers:
            responses.record(tx, answer(number), PLAIN)
        for version in responses.pending(tx, limit=10, fresh_since=tx.now):
            responses.quarantine(tx, version, "a defect: KeyError")


def plan(db: Database, *, number: int = 1) -> list[int]:
    with db.write() as tx:
        return outbox.plan(
            tx,
            [
                Intent(
                    key=f"zendesk:acme/{each}/ticket",
                    account="zendesk:acme",
                    kind=WriteKind.TICKET,
                    object=f"recovery/{each}/ticket/1",
                    fields={"subject": "unhappy about brakes"},
                    cause_at=tx.now,
                    not_before=tx.now,
                    give_up_at=tx.now + timedelta(days=1),
                )
                for each in range(number)
            ],
        )


def state_of(db: Database, intent: int) -> IntentState:
    with db.read() as tx:
        return next(row.state for row in outbox.listed(tx) if row.id == intent)


@pytest.mark.both_stores
def test_status_counts_everything_that_came_in(type_: Keyboard, db: Database) -> None:
    arrive(db, b"one", b"two")
    arrive(db, b"two")
    arrive(db, b"three", reason="is not on the scale 1-5")
    with db.write() as tx:
        counts.add(tx, "forged", 4)
    told = type_("status", "--json").json
    assert told["accepted"] == sum(told["deliveries"].values()) + told["duplicates"] == 4
    assert (told["deliveries"]["received"], told["deliveries"]["quarantined"], told["duplicates"]) == (2, 1, 1)
    assert told["refused"] == {"forged": 4}
    done = type_("status")
    done.says(0, "4 accepted", "forged 4", "1 quarantined: `connector replay --list` says why", "Mode observe")
    done.says(0, "connector plan")
    assert all(len(line) <= WIDTH for line in done.out.splitlines())


def test_status_says_how_many_customers_may_be_several_contacts(type_: Keyboard, db: Database) -> None:
    assert type_("status", "--json").json["held_links"] == 0
    assert "links held" not in type_("status").out
    with db.write() as tx:
        for account, state in (("crm:a", LinkState.HELD), ("crm:b", LinkState.LINKED), ("crm:c", LinkState.HELD)):
            made = Link(account=account, state=state, remote_id=None, evidence=Evidence(decided_by="email"))
            links.save(tx, people.create(tx), made)
    assert type_("status", "--json").json["held_links"] == 2
    type_("status").says(0, "2 links held")


def test_status_of_a_new_store_is_all_zero(type_: Keyboard, db: Database) -> None:
    told = type_("status", "--json").json
    assert told["accepted"] == told["waiting"] == 0
    type_("status").says(0, "0 accepted", "nothing")


def test_the_outbox_is_listed_with_reasons_and_filters(type_: Keyboard, db: Database) -> None:
    first, second = plan(db, number=2)
    type_("outbox", "drop", str(second)).says(0, "1 dropped")
    rows = type_("outbox", "list", "--json").json
    assert {row["id"]: row["state"] for row in rows} == {first: "planned", second: "superseded"}
    assert [row["id"] for row in type_("outbox", "list", "--state", "superseded", "--json").json] == [second]
    assert type_("outbox", "list", "--account", "zendesk:other", "--json").json == []
    assert len(type_("outbox", "list", "--limit", "1", "--json").json) == 1
    done = type_("outbox", "list")
    done.says(0, "dropped by an operator", "recovery/1/ticket/1")
    assert all(len(line) <= WIDTH for line in done.out.splitlines())


def test_a_dropped_intent_is_dropped_for_good(type_: Keyboard, db: Database) -> None:
    [number] = plan(db)
    type_("outbox", "drop", str(number)).says(0)
    assert state_of(db, number) is IntentState.SUPERSEDED
    type_("outbox", "retry", str(number)).says(1, f"left alone: {number}")
    type_("outbox", "drop", str(number)).says(1, f"left alone: {number}")


def test_retry_makes_a_waiting_intent_due_now(type_: Keyboard, db: Database) -> None:
    [number] = plan(db)
    type_("outbox", "retry", str(number)).says(0, "1 will be tried again")


@pytest.mark.parametrize("act", ["retry", "drop"])
def test_one_unknown_number_leaves_the_others_alone(type_: Keyboard, db: Database, act: str) -> None:
    [number] = plan(db)
    type_("outbox", act, str(number), "99").says(1, "there is no intent 99")
    type_("outbox", act, str(number), str(10**30)).says(2, "Usage:")
    type_("outbox", act, str(number), "0").says(2, "Usage:")
    assert state_of(db, number) is IntentState.PLANNED


@pytest.mark.both_stores
def test_quarantine_is_listed_and_taken_again(type_: Keyboard, db: Database) -> None:
    type_("replay", "--list").says(0, "Nothing is quarantined")
    arrive(db, b"one", b"two", reason="is not on the scale 1-5")
    type_("replay").says(1, "ratings[0]", "is not on the scale", "or say --all")
    [first, second] = type_("replay", "--list", "--json").json
    type_("replay", str(first["id"]), "99").says(1, "1 of these", "nothing was done")
    type_("replay", str(10**30)).says(2, "Usage:")
    type_("replay", str(first["id"])).says(0, "1 put back in line")
    assert [each["id"] for each in type_("replay", "--list", "--json").json] == [second["id"]]
    assert type_("replay", "--all", "--json").json == {"replayed": 1}
    assert type_("status", "--json").json["deliveries"]["received"] == 2


@pytest.mark.both_stores
def test_an_answer_that_could_not_be_decided_is_listed_and_taken_again(type_: Keyboard, db: Database) -> None:
    set_aside(db, "1", "2")
    arrive(db, b"one", reason="is not on the scale 1-5")
    type_("status").says(0, "3 quarantined: `connector replay --list` says why")
    type_("replay").says(1, "typeform/aB3dE9/1", "a defect: KeyError", "ratings[0]", "or say --all")
    delivery, first, second = type_("replay", "--list", "--json").json
    assert first == {"what": "answer", "id": "typeform/aB3dE9/1", "version": 1, "reason": "a defect: KeyError"}
    type_("replay", first["id"], "typeform/aB3dE9/none").says(1, "1 of these", "nothing was done")
    type_("replay", "aB3dE9").says(2, "Usage:", "aB3dE9 is neither a delivery's number")
    type_("replay", "9" * 5000).says(2, "Usage:")
    type_("replay", first["id"], first["id"], str(delivery["id"])).says(0, "2 put back in line")
    with db.read() as tx:
        assert lanes.due_at(tx, responses.DECIDING) is not None
        assert lanes.due_at(tx, inbox.LANE) is not None
    assert type_("status", "--json").json["responses"] == {"pending": 1, "quarantined": 1}
    assert [each["id"] for each in type_("replay", "--list", "--json").json] == [second["id"]]
    assert type_("replay", "--all", "--json").json == {"replayed": 1}
    type_("replay", "--list").says(0, "Nothing is quarantined")


@pytest.mark.parametrize("command", [("status",), ("outbox", "list"), ("replay", "--all"), ("explain", "1")])
def test_without_a_store_the_next_step_is_named(type_: Keyboard, command: tuple[str, ...]) -> None:
    type_(*command).says(3, "connector.db", "`connector run` makes it")
    assert not (type_.folder / "connector.db").exists()


def test_another_key_opens_nothing(type_: Keyboard, db: Database) -> None:
    arrive(db, b"one")
    type_.monkeypatch.setenv("CONNECTOR_KEY", KeyRing.generate())
    type_("status").says(3, "privacy.keys does not hold the key this store was made with")


@pytest.mark.parametrize("key", ["short", "k" * 44, "äöü"])
def test_what_is_no_key_is_said_to_be_none(type_: Keyboard, key: str) -> None:
    type_.monkeypatch.setenv("CONNECTOR_KEY", key)
    done = type_("status")
    assert done.code in {2, 3}
    done.says(done.code, "key")
    assert key not in done.err


def test_a_store_of_a_newer_version_is_left_alone(type_: Keyboard, db: Database) -> None:
    db.close()
    with sqlite3.connect(type_.folder / "connector.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for command in (("status",), ("outbox", "list"), ("replay",)):
        type_(*command).says(3, "9999", "install a newer connector")


def test_what_is_no_store_is_said_to_be_none(type_: Keyboard) -> None:
    for content in (b"", b"not a database" * 100):
        (type_.folder / "connector.db").write_bytes(content)
        type_("status").says(3, "store")
    (type_.folder / "connector.db").unlink()
    (type_.folder / "connector.db").mkdir()
    type_("status").says(3, "store")


def test_a_store_without_a_folder_is_named(type_: Keyboard) -> None:
    type_.monkeypatch.setenv("CONNECTOR__STORE", "sqlite:///not/there/connector.db")
    type_("status").says(3, "not/there")
    type_("run").says(3, "not/there")


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "connector.db", "postgresql"])
def test_a_store_of_another_make_is_refused_at_its_line(type_: Keyboard, url: str) -> None:
    type_.monkeypatch.setenv("CONNECTOR__STORE", url)
    type_("status").says(2, "CONNECTOR__STORE", "sqlite:///")


def test_nobody_is_explained_who_never_answered(type_: Keyboard, db: Database) -> None:
    type_("explain", "nobody").says(1, "there is no answer nobody")


def reject(db: Database, numbers: list[int], reason: str) -> None:
    with db.write() as tx:
        for number in numbers:
            row = intents.get(tx, number)
            intents.move(tx, row, Event.REFUSED_UNSENT, reason.format(number))


@pytest.mark.both_stores
def test_what_stands_still_is_grouped_by_cause_and_handled_together(type_: Keyboard, db: Database) -> None:
    made = plan(db, number=5)
    reject(db, made[:3], "group_id: no group 77{}")
    reject(db, made[3:4], "the subject is too long")
    told = type_("outbox", "causes", "--json").json
    assert [(one["number"], one["first"], one["reason"]) for one in told] == [
        (3, made[0], "group_id: no group …"),
        (1, made[3], "the subject is too long"),
    ]
    done = type_("outbox", "causes")
    done.says(0, "group_id: no group", "--alike N")
    assert all(len(line) <= WIDTH for line in done.out.splitlines())
    type_("outbox", "retry", "--alike", str(made[1])).says(0, "3 will be tried again")
    assert [state_of(db, number) for number in made] == [
        *[IntentState.PLANNED] * 3,
        IntentState.REJECTED,
        IntentState.PLANNED,
    ]
    type_("outbox", "drop", "--alike", "99").says(1, "there is no intent 99")


def test_nothing_stands_still_in_an_outbox_that_flows(type_: Keyboard, db: Database) -> None:
    plan(db)
    type_("outbox", "causes").says(0, "Nothing stands still")


def test_status_names_who_to_call_about_a_paused_account(type_: Keyboard, db: Database) -> None:
    file = type_.folder / "connector.yaml"
    file.write_text(file.read_text().replace("kind: zendesk", "kind: zendesk\n    owner: Desk team, 555-0100"))
    with db.write() as tx:
        accounts.pause(tx, "zendesk:acme", "the credentials were refused")
        accounts.pause(tx, "salesforce:acme", "the credentials were refused")
    told = type_("status", "--json").json
    assert told["who_to_call"] == {"zendesk:acme": "Desk team, 555-0100"}
    type_("status").says(0, "who to call", "Desk team,")
