"""The look at what is about to be undone: real adapters, and people who were there first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.adapters.salesforce import Options as CrmOptions
from connector.adapters.salesforce import Salesforce
from connector.adapters.zendesk import Options as DeskOptions
from connector.adapters.zendesk import Zendesk
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Item, Json, Receipt, WriteKind
from connector.ports import Writer
from connector.ports.taking_back import Attended, Retractable
from connector.secret import Secret
from connector.simulator import salesforce as crm_simulator
from connector.simulator import zendesk as desk_simulator
from connector.store import confirmed, outbox, priors
from connector.store.database import Database
from connector.store.distrust import distrust
from connector.store.priors import Prior
from connector.sync.outlet import Replan
from connector.sync.unchanged import CHANGED, UndoLook
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.samples import empty_store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(slots=True)
class Looked:
    """A store, an adapter, and what went to the look of everything else."""

    db: Database
    writer: Writer
    others: list[Item]

    def about(
        self, kind: WriteKind, target: str, fields: Mapping[str, Json], ours: Mapping[str, Json]
    ) -> Item | Replan:
        """What the look makes of an intent that undoes something whose fields we confirmed as `ours`."""
        word = "close" if "status" in fields else "restore"
        intent = Intent(
            key=f"undo/1/{word}/{target}",
            account=self.writer.account,
            kind=kind,
            object="thing",
            target="thing",
            fields=fields,
            cause_at=NOON,
            not_before=NOON,
            give_up_at=NOON + timedelta(days=1),
        )
        with self.db.write() as tx:
            outbox.adopt(tx, self.writer.account, "thing", target)
            outbox.plan(tx, [intent])
            confirmed.confirm(tx, self.writer.account, "thing", ours, dict.fromkeys(ours, NOON))
        item = Item(key="marker", target=target, fields=fields, cause_at=NOON, intent=intent.key)
        other = Item(key="other", target=target, fields={}, cause_at=NOON, intent="another")
        look = UndoLook(db=self.db, writer=self.writer, otherwise=self._otherwise)
        passed, answer = look(kind, [other, item])
        assert passed is other
        return answer

    def again(self, kind: WriteKind, item: Item) -> Item | Replan:
        """What the look makes of it now."""
        [answer] = UndoLook(db=self.db, writer=self.writer, otherwise=self._otherwise)(kind, [item])
        return answer

    def doubted(self, fields: Mapping[str, Json], run_id: int | None = None) -> None:
        """A run wrote to the contact, and nobody knows whether it arrived."""
        intent = Intent(
            key=f"doubted/{run_id}",
            account=self.writer.account,
            kind=WriteKind.CONTACT_FIELDS,
            object="thing",
            target="thing",
            fields=fields,
            cause_at=NOON,
            not_before=NOON,
            give_up_at=NOON + timedelta(days=1),
            run_id=run_id,
        )
        with self.db.write() as tx:
            [number] = outbox.plan(tx, [intent])
            priors.remember(tx, number, {name: Prior(known=False) for name in fields})
            confirmed.lose(tx, self.writer.account, "thing", fields)

    def _otherwise(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        self.others += items
        return items


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def store(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    made = empty_store(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def org(clock: VirtualClock) -> Iterator[crm_simulator.Salesforce]:
    made = crm_simulator.Salesforce(clock)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def crm(org: crm_simulator.Salesforce, clock: VirtualClock, store: Database) -> Looked:
    options = CrmOptions(
        domain="acme.my.salesforce.com",
        client_id=crm_simulator.CLIENT_ID,
        client_secret=Secret(crm_simulator.CLIENT_SECRET),
        base_url=org.site.base_url,
    )
    return Looked(
        db=store, writer=Salesforce("crm", options, Kit(clock=clock, token_store=MemoryTokens(clock))), others=[]
    )


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[desk_simulator.Zendesk]:
    made = desk_simulator.Zendesk(clock)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def helpdesk(desk: desk_simulator.Zendesk, clock: VirtualClock, store: Database) -> Looked:
    options = DeskOptions(
        subdomain="acme",
        client_id=desk_simulator.CLIENT_ID,
        client_secret=Secret(desk_simulator.CLIENT_SECRET),
        webhook_secret=(Secret(desk_simulator.HOOK_SECRET),),
        base_url=desk.site.base_url,
    )
    return Looked(
        db=store, writer=Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock))), others=[]
    )


def send(looked: Looked, kind: WriteKind, target: str | None, fields: Mapping[str, Json]) -> str:
    """Write something as the lane does; its id."""
    item = Item(key="made/1", target=target, fields=fields, cause_at=NOON)
    outcomes = looked.writer.send(kind, looked.writer.render(kind, [item]), 1)
    assert isinstance(outcomes, Sequence)
    [receipt] = outcomes
    assert isinstance(receipt, Receipt)
    return receipt.remote_id


SCORE: Mapping[str, Json] = {"CSAT_Band__c": "critical", "CSAT_Health__c": 20, "CSAT_As_Of__c": "2026-11-21T12:00:00Z"}
BACK: Mapping[str, Json] = dict.fromkeys(SCORE)


def test_a_field_a_person_changed_is_left_and_the_others_go_back(crm: Looked, org: crm_simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="Lovelace")
    send(crm, WriteKind.CONTACT_FIELDS, contact, SCORE)
    whole = crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE)
    assert isinstance(whole, Item)
    assert whole.fields == BACK
    org.human_update(contact, CSAT_Band__c="healthy")
    rest = crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE)
    assert isinstance(rest, Item)
    assert set(rest.fields) == {"CSAT_Health__c", "CSAT_As_Of__c"}
    org.human_update(contact, CSAT_Health__c=90, CSAT_As_Of__c=None)
    assert crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE) == Replan(reason=CHANGED)
    org.human_delete(contact)
    assert crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE) == Replan(reason="it is gone")


def test_a_task_somebody_touched_is_theirs(crm: Looked, org: crm_simulator.Salesforce) -> None:
    fields: Mapping[str, Json] = {"Subject": "Call back", "Description": "Squeaks", "Status": "Not Started"}
    task = send(crm, WriteKind.TASK, None, {**fields, "WhoId": org.add_contact(LastName="Lovelace")})
    assert isinstance(crm.writer, Retractable)
    why = "Undone with run 2"
    change = crm.writer.retract(WriteKind.TASK, fields, why)
    assert change == {"Status": "Completed", "Subject": f"{why}: Call back", "Description": f"{why}.\n\nSqueaks"}
    assert crm.writer.retract(WriteKind.ACTIVITY, {}, why) == {"Subject": why, "Description": f"{why}."}
    assert crm.writer.retract(WriteKind.CONTACT, {"LastName": "Lovelace"}, why) == {}
    assert isinstance(crm.about(WriteKind.TASK, task, change, fields), Item)
    org.human_update(task, Priority="Low")
    assert isinstance(crm.about(WriteKind.TASK, task, change, fields), Item), "what we never wrote is not looked at"
    org.human_update(task, Status="In Progress")
    assert crm.about(WriteKind.TASK, task, change, fields) == Replan(reason=CHANGED)


def test_what_a_person_changed_is_theirs_also_when_the_store_forgot_what_it_wrote(
    crm: Looked, org: crm_simulator.Salesforce
) -> None:
    contact = org.add_contact(LastName="Lovelace")
    send(crm, WriteKind.CONTACT_FIELDS, contact, SCORE)
    whole = crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE)
    assert isinstance(whole, Item)
    with crm.db.write() as tx:
        distrust(tx)  # what a restored backup believes
    assert crm.again(WriteKind.CONTACT_FIELDS, whole) == whole, "nobody changed anything"
    org.human_update(contact, CSAT_Band__c="healthy")
    rest = crm.again(WriteKind.CONTACT_FIELDS, whole)
    assert isinstance(rest, Item)
    assert set(rest.fields) == {"CSAT_Health__c", "CSAT_As_Of__c"}


def test_a_write_that_got_no_answer_is_ours_and_anything_else_is_not(
    crm: Looked, org: crm_simulator.Salesforce
) -> None:
    contact = org.add_contact(LastName="Lovelace", CSAT_Band__c="healthy")
    whole = crm.about(WriteKind.CONTACT_FIELDS, contact, {"CSAT_Band__c": "healthy"}, {"CSAT_Band__c": "healthy"})
    assert isinstance(whole, Item)
    crm.doubted({"CSAT_Band__c": "critical", "CSAT_Health__c": 20})
    org.human_update(contact, CSAT_Band__c="at_risk")
    assert crm.again(WriteKind.CONTACT_FIELDS, whole) == Replan(reason=CHANGED)
    org.human_update(contact, CSAT_Band__c="critical")
    assert crm.again(WriteKind.CONTACT_FIELDS, whole) == whole


def test_what_a_later_run_wrote_while_the_undoing_waited_stays(crm: Looked, org: crm_simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="Lovelace")
    crm.doubted({"CSAT_Band__c": "critical", "CSAT_Health__c": 20}, run_id=1)
    send(crm, WriteKind.CONTACT_FIELDS, contact, {"CSAT_Band__c": "healthy", "CSAT_Health__c": 20})
    crm.doubted({"CSAT_Band__c": "healthy"}, run_id=2)
    rest = crm.about(
        WriteKind.CONTACT_FIELDS,
        contact,
        {"CSAT_Band__c": None, "CSAT_Health__c": None},
        {"CSAT_Band__c": "healthy", "CSAT_Health__c": 20},
    )
    assert isinstance(rest, Item)
    assert rest.fields == {"CSAT_Health__c": None}


CLOSE: Mapping[str, Json] = {"text": "A mistake", "status": "solved", "add_tags": ["csat-no-survey"]}
OPENED: Mapping[str, Json] = {"status": "open", "priority": "high"}


def opened(helpdesk: Looked) -> str:
    assert isinstance(helpdesk.writer, Zendesk)
    helpdesk.writer.prepare()
    fields = {"subject": "S", "comment": "C", "requester_email": "kim@mail.example", **OPENED}
    return send(helpdesk, WriteKind.TICKET, None, fields)


def test_a_ticket_nobody_worked_on_is_closed(helpdesk: Looked) -> None:
    answer = helpdesk.about(WriteKind.NOTE, opened(helpdesk), CLOSE, OPENED)
    assert isinstance(answer, Item)
    assert answer.fields == CLOSE


@pytest.mark.parametrize(
    "work",
    [
        {"comment": {"body": "I called them.", "public": True}},
        {"comment": {"body": "Left a voice mail.", "public": False}},
        {"assignee_id": 1002},
        {"tags": ["vip"]},
        {"status": "pending"},
    ],
    ids=["public comment", "private comment", "assignee", "tags", "status"],
)
def test_a_ticket_somebody_worked_on_gets_the_note_alone(
    helpdesk: Looked, desk: desk_simulator.Zendesk, work: Mapping[str, Json]
) -> None:
    ticket = opened(helpdesk)
    desk.human_update(int(ticket), **work)
    answer = helpdesk.about(WriteKind.NOTE, ticket, CLOSE, OPENED)
    assert isinstance(answer, Item)
    assert answer.fields == {"text": "A mistake"}


def test_so_does_one_the_customer_answered_and_none_that_is_closed(
    helpdesk: Looked, desk: desk_simulator.Zendesk
) -> None:
    ticket = opened(helpdesk)
    assert isinstance(helpdesk.writer, Attended)
    assert helpdesk.writer.worked_on([ticket, "99999"]) == frozenset()
    desk.customer_reply(int(ticket), "Thank you, but why?")
    assert helpdesk.writer.worked_on([ticket]) == {ticket}
    desk.human_update(int(ticket), status="closed")
    assert helpdesk.about(WriteKind.NOTE, ticket, CLOSE, OPENED) == Replan(reason="the ticket is closed")
    desk.human_delete(int(ticket))
    assert helpdesk.about(WriteKind.NOTE, ticket, CLOSE, OPENED) == Replan(reason="the ticket is gone")


def test_fields_of_a_customers_own_ticket_go_back_unless_an_agent_changed_them(
    helpdesk: Looked, desk: desk_simulator.Zendesk
) -> None:
    ticket = str(desk.add_ticket(requester_email="kim@mail.example", priority="high", group_id=502))
    ours: Mapping[str, Json] = {"priority": "high", "group": "Service Recovery"}
    back: Mapping[str, Json] = {"priority": "low", "group": None}
    whole = helpdesk.about(WriteKind.TICKET_UPDATE, ticket, back, ours)
    assert isinstance(whole, Item)
    assert whole.fields == back
    desk.human_update(int(ticket), priority="urgent")
    rest = helpdesk.about(WriteKind.TICKET_UPDATE, ticket, back, ours)
    assert isinstance(rest, Item)
    assert rest.fields == {"group": None}
