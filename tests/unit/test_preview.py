"""A plan: every difference a live run would write, what it leaves alone and why, and no trace of having looked."""

from __future__ import annotations

import base64
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock, VirtualClock
from connector.config import Loaded
from connector.domain.model.intent import Intent, IntentState, WriteKind
from connector.domain.model.response import Interaction
from connector.domain.model.transitions import Event
from connector.errors import StoreError
from connector.store import accounts, confirmed, intents, outbox, pauses, receipts
from connector.store.database import Database
from connector.sync.preview import LOOKED, Change, Known, PlannedWrite
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.adapters import make_adapters
from connector.wiring.preview import Plan, make_plan
from connector.wiring.settings import decide_settings
from tests.unit.deciding import CRM, DESK, ENVIRON, decide_all, feed, known_contact
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_wiring_readiness import example_with

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
STRANGER = "person/9/contact@salesforce:acme"
STEERING = "\x1b[2J\u202egnorw"


@dataclass
class Desk:
    """A store, the configuration it belongs to, and the time."""

    folder: Path
    loaded: Loaded
    clock: VirtualClock
    db: Database

    def decide(self) -> None:
        kit = Kit(clock=self.clock, token_store=MemoryTokens(self.clock), read_only=True)
        decide_all(self.db, decide_settings(self.loaded, make_adapters(self.loaded.config, kit).accounts))

    def plan(self) -> Plan:
        """What the command works with; the store must not notice."""
        before = dump(self.folder / "store.db")
        made = make_plan(self.loaded, self.clock)
        assert dump(self.folder / "store.db") == before
        return made

    def want(self, *wanted: Intent) -> None:
        with self.db.write() as tx:
            outbox.plan(tx, wanted)


def dump(store: Path) -> list[str]:
    with closing(sqlite3.connect(store)) as original, closing(sqlite3.connect(":memory:")) as copy:
        original.backup(copy)
        return list(copy.iterdump())


Set = Callable[..., Desk]


@pytest.fixture
def set_up(tmp_path: Path) -> Set:
    def make(**changes: str) -> Desk:
        clock = VirtualClock(NOON)
        environ = {**ENVIRON, "CONNECTOR_KEY": KEY, "CONNECTOR__STORE": f"sqlite:///{tmp_path}/store.db"}
        loaded = example_with(tmp_path / "config", changes, environ=environ)
        return Desk(tmp_path, loaded, clock, empty_store(tmp_path, clock))

    (tmp_path / "config").mkdir()
    return make


def score(**changes: object) -> Intent:
    """A score to be written to a contact that is known as person/1."""
    plain = Intent(
        key="s1",
        account=CRM,
        kind=WriteKind.CONTACT_FIELDS,
        object="person/1/contact@salesforce:acme",
        target="person/1/contact@salesforce:acme",
        fields={"CSAT_Health__c": 44, "CSAT_Band__c": "at_risk", "CSAT_Reason__c": "because"},
        cause_at=NOON,
        not_before=NOON + timedelta(minutes=5),
        give_up_at=NOON + timedelta(days=3),
        fold=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names and types are those of Intent


def known(desk: Desk, **values: object) -> None:
    """The contact exists there, and the account confirmed these values to us."""
    with desk.db.write() as tx:
        receipts.point(tx, CRM, "person/1/contact@salesforce:acme", "003A", None)
        confirmed.confirm(tx, CRM, "person/1/contact@salesforce:acme", values, dict.fromkeys(values, NOON))  # type: ignore[arg-type]  # JSON values


def kinds_of(plan: Plan) -> Counter[str]:
    return Counter(one.kind.value for one in plan.writes)


def changes_of(one: PlannedWrite) -> dict[str, Change]:
    return {change.field: change for change in one.changes}


def test_an_answer_nobody_decided_yet_is_planned_to_its_last_consequence(set_up: Set) -> None:
    desk = set_up()
    feed(desk.db, answer())
    plan = desk.plan()
    assert (plan.waiting, plan.unreadable) == (1, 0)
    assert kinds_of(plan) == {"contact": 1, "ticket": 1, "task": 1, "activity": 1}
    contact, activity = (next(o for o in plan.writes if o.kind is k) for k in (WriteKind.CONTACT, WriteKind.ACTIVITY))
    assert contact.unsure == (LOOKED,)
    assert changes_of(contact)["Email"] == Change(field="Email", value="ada@example.org", before=None, known=Known.NEW)
    assert changes_of(contact)["CSAT_Answers__c"].value == 1, "the score goes out with the contact"
    assert changes_of(activity)["WhoId"].value == f"‹id of {contact.object}›"
    task = next(one for one in plan.writes if one.kind is WriteKind.TASK)
    assert "‹address of recovery/1/ticket/1›" in str(changes_of(task)["Description"].value)
    assert {one.answers for one in plan.writes} == {("typeform/aB3dE9/1",)}


def test_what_was_decided_already_is_planned_alike(set_up: Set) -> None:
    desk = set_up()
    feed(desk.db, answer())
    undecided = desk.plan()
    desk.decide()
    decided = desk.plan()
    assert decided.waiting == 0
    assert [(o.kind, o.changes) for o in decided.writes] == [(o.kind, o.changes) for o in undecided.writes]
    assert all(one.intents for one in decided.writes)
    assert not any(one.intents for one in undecided.writes)


def test_each_field_says_what_it_holds_now_as_far_as_we_know(set_up: Set) -> None:
    desk = set_up()
    known(desk, CSAT_Health__c=61, CSAT_Band__c="healthy")
    with desk.db.write() as tx:
        confirmed.lose(tx, CRM, "person/1/contact@salesforce:acme", {"CSAT_Band__c": "healthy"})
    desk.want(score())
    (one,) = desk.plan().writes
    assert (one.remote_id, one.at) == ("003A", NOON + timedelta(minutes=5))
    found = changes_of(one)
    assert (found["CSAT_Health__c"].before, found["CSAT_Health__c"].known) == (61, Known.CONFIRMED)
    assert (found["CSAT_Band__c"].before, found["CSAT_Band__c"].known) == (None, Known.UNKNOWN)
    assert found["CSAT_Reason__c"].known is Known.UNKNOWN


def test_the_mirror_tells_what_was_never_confirmed(set_up: Set) -> None:
    desk = set_up()
    known_contact(desk.db, values={"CSAT_Health__c": 12})
    known(desk)
    desk.want(score(fields={"CSAT_Health__c": 44}))
    (one,) = desk.plan().writes
    assert one.changes == (Change(field="CSAT_Health__c", value=44, before=12, known=Known.READ),)


def test_what_a_person_changed_is_left_alone_or_overwritten_as_the_mapping_says(set_up: Set) -> None:
    desk = set_up()
    known(desk, CSAT_Health__c=61, CSAT_Band__c="healthy")
    with desk.db.write() as tx:
        confirmed.observe(
            tx, CRM, "person/1/contact@salesforce:acme", {"CSAT_Health__c": 99, "CSAT_Band__c": "vip"}, read_at=NOON
        )
    desk.want(score(ours=frozenset({"CSAT_Health__c"}), if_blank=frozenset({"CSAT_Reason__c"})))
    (one,) = desk.plan().writes
    assert one.changes == (Change(field="CSAT_Health__c", value=44, before=99, known=Known.THEIRS),)
    assert one.left_alone == {
        "CSAT_Band__c": "a person changed it",
        "CSAT_Reason__c": "never read, and only to be filled when blank",
    }


def test_what_folds_is_one_record(set_up: Set) -> None:
    desk = set_up()
    known(desk)
    desk.want(score(fields={"CSAT_Health__c": 50}), score(key="s2", fields={"CSAT_Band__c": "at_risk"}))
    (one,) = desk.plan().writes
    assert set(changes_of(one)) == {"CSAT_Health__c", "CSAT_Band__c"}
    assert len(one.intents) == 2


def test_what_will_not_be_sent_is_listed_with_its_reason(set_up: Set) -> None:
    desk = set_up()
    known(desk)
    late = NOON - timedelta(days=8)
    ticket = score(kind=WriteKind.TICKET, account=DESK, object="t", target=None, fields={"subject": "s"}, fold=False)
    desk.want(
        replace(ticket, key="expired", object="recovery/7/ticket/1", give_up_at=NOON),
        replace(ticket, key="old", object="recovery/8/ticket/1", cause_at=late),
        score(key="waits", object="a", target=STRANGER, after=(STRANGER,)),
    )
    with desk.db.write() as tx:
        for key in ("expired", "old"):
            held = intents.by_key(tx, key)
            assert held is not None
            intents.move(tx, held, Event.OBSERVED, "observe mode")
    plan = desk.plan()
    assert plan.writes == ()
    found = {(one.object, one.state): one.why for one in plan.not_sent}
    assert found["recovery/7/ticket/1", IntentState.GIVEN_UP] == "observe mode"
    assert "answered_within" in found["recovery/8/ticket/1", IntentState.GIVEN_UP]
    assert found["a", IntentState.BLOCKED] == "waits for the contact"


def test_above_the_ceiling_nothing_is_planned_within_the_hour(set_up: Set) -> None:
    desk = set_up(**{"new_tickets: 300/h": "new_tickets: 2/h"})
    about = (Interaction(id=f"R-{number}", kind="repair_order", service="brakes") for number in range(4))
    feed(desk.db, *(answer(f"{n}", email=f"p{n}@example.org", interaction=one) for n, one in enumerate(about)))
    plan = desk.plan()
    assert kinds_of(plan)["ticket"] == 2
    held = [one for one in plan.not_sent if one.state is IntentState.HELD]
    assert [one.why for one in held] == ["ceiling reached"] * 2
    alert = next(one for one in plan.writes if one.kind is WriteKind.ALERT)
    assert "more than 2 ticket" in str(changes_of(alert)["text"].value), "operators would be told, too"


def test_what_was_sent_and_not_answered_is_not_planned_again(set_up: Set) -> None:
    desk = set_up()
    ticket = score(kind=WriteKind.TICKET, account=DESK, object="t", target=None, fields={"subject": "s"}, fold=False)
    desk.want(replace(ticket, not_before=NOON))
    with desk.db.write() as tx:
        row = intents.by_key(tx, "s1")
        assert row is not None
        intents.move(tx, row, Event.SENT, None)
    plan = desk.plan()
    assert plan.writes == ()
    assert [one.why for one in plan.not_sent] == ["sent before; what became of it is found out by asking"]


def test_a_paused_connection_is_left_alone_and_one_that_refuses_us_is_planned_with_a_warning(set_up: Set) -> None:
    desk = set_up()
    known(desk)
    desk.want(score())
    with desk.db.write() as tx:
        accounts.pause(tx, CRM, "credentials refused")
    plan = desk.plan()
    assert len(plan.writes) == 1
    assert next(one for one in plan.accounts if one.account == CRM).paused == "credentials refused"
    with desk.db.write() as tx:
        pauses.begin(tx, "salesforce", CRM)
    plan = desk.plan()
    assert plan.writes == ()
    assert [one.why for one in plan.not_sent] == ["an operator paused the connection"]


@pytest.mark.parametrize("in_use", [False, True])
def test_no_file_is_left_beside_the_store_nor_touched(set_up: Set, *, in_use: bool) -> None:
    desk = set_up()
    feed(desk.db, answer())
    if not in_use:
        desk.db.close()

    def files() -> dict[str, tuple[int, bytes]]:
        here = [path for path in desk.folder.iterdir() if path.name.startswith("store.db")]
        # The index of a log that is in use notes who reads.
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in here if path.suffix != ".db-shm"}

    before = files()
    assert ("store.db-wal" in before) is in_use
    assert len(make_plan(desk.loaded, desk.clock).writes) == 4
    assert files() == before


def test_a_plan_needs_a_store(set_up: Set) -> None:
    desk = set_up()
    desk.db.close()
    (desk.folder / "store.db").unlink()
    with pytest.raises(StoreError, match="there is no store"):
        make_plan(desk.loaded, desk.clock)
    assert not (desk.folder / "store.db").exists()


def test_the_printed_plan_cannot_steer_a_terminal(
    set_up: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = set_up()
    desk.clock.advance(SystemClock().now() - NOON)
    at = desk.clock.now() - timedelta(minutes=5)
    feed(desk.db, answer(comment=f"[red]{STEERING} :100: brakes", at=at))
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KEY, "CONNECTOR__STORE": f"sqlite:///{tmp_path}/store.db"}.items():
        monkeypatch.setenv(name, text)
    type_ = Keyboard(monkeypatch, capsys, tmp_path)
    done = type_("plan", "--config", "config/config.yaml", "--limit", "9")
    done.says(0, "4 records would be written", "[red]", ":100:", "ada@example.org", "1 × ticket")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert KEY not in done.out
    only = type_("plan", "--config", "config/config.yaml", "--kind", "ticket", "--answer", "1", "--json").json
    assert [one["kind"] for one in only["writes"]] == ["ticket"]
    assert type_("plan", "--config", "config/config.yaml", "--answer", "2", "--json").json["writes"] == []
