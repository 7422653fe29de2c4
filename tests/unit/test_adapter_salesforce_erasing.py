"""A person is erased in Salesforce, against the strict simulator: overwritten, then deleted; or our part alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connector.adapters.salesforce import Options, Salesforce
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Receipt, WriteKind
from connector.errors import RemoteError
from connector.ports.erasing import Erasing, Fate, Subject
from connector.simulator import salesforce as simulator
from connector.simulator.faults import Fault, FaultKind
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAIL, NAME, PHONE, WORDS = "kanaria@leak.example", "Vogelprobe", "+4930555000177", "zwitscherzwitscher"
COLLECTIONS = "/services/data/v67.0/composite/sobjects"


@pytest.fixture
def org() -> Iterator[simulator.Salesforce]:
    org = simulator.Salesforce(VirtualClock(NOON))
    org.start()
    yield org
    org.stop()


@pytest.fixture
def crm(org: simulator.Salesforce) -> Salesforce:
    given = Options.model_validate(
        {
            "domain": "acme.my.salesforce.com",
            "client_id": simulator.CLIENT_ID,
            "client_secret": simulator.CLIENT_SECRET,
            "base_url": org.site.base_url,
            "timeout": 5,
        }
    )
    return Salesforce("crm", given, Kit(clock=org.clock, token_store=MemoryTokens(org.clock)))


@pytest.fixture
def subject(org: simulator.Salesforce, crm: Salesforce) -> Subject:
    """A contact somebody entered, our score and task on it, a second contact with the same address, and a stranger."""
    who = org.add_contact(LastName=NAME, Email=MAIL, Phone=PHONE, Description=WORDS, CSAT_Band__c="red")
    org.add_contact(LastName=NAME, Email=MAIL)
    org.add_contact(LastName="Other", Email="other@example.org")
    crm.prepare()
    fields = {"WhoId": who, "Subject": f"Call {NAME}", "Description": WORDS}
    item = Item(key="t1", target=None, fields=fields, cause_at=NOON)
    (outcome,) = crm.send(WriteKind.TASK, crm.render(WriteKind.TASK, [item]), 1)
    assert isinstance(outcome, Receipt)
    assert all(word in everything(org) for word in (MAIL, NAME, PHONE, WORDS))
    return Subject(emails=(MAIL,), contacts=(who,), records={WriteKind.TASK: (outcome.remote_id,)})


def everything(org: simulator.Salesforce) -> str:
    return json.dumps(org.truth["objects"], ensure_ascii=False)


def test_nothing_of_them_is_left_not_even_in_the_recycle_bin(
    org: simulator.Salesforce, crm: Salesforce, subject: Subject
) -> None:
    assert isinstance(crm, Erasing)
    told = crm.erase(subject)
    assert {one.fate for one in told} == {Fate.ERASED}
    assert len(told) == 3
    assert not any(word in everything(org) for word in (MAIL, NAME, PHONE, WORDS))
    assert "other@example.org" in everything(org)
    rows = org.truth["objects"]
    assert all(rows[name][one]["IsDeleted"] for name, one in _named(told))


def _named(told: object) -> list[tuple[str, str]]:
    assert isinstance(told, list)
    return [(one.object.split()[0].capitalize(), one.object.split()[1]) for one in told]


def test_again_everything_is_gone_already(org: simulator.Salesforce, crm: Salesforce, subject: Subject) -> None:
    crm.erase(subject)
    writes = len(org.truth["writes"])
    assert {one.fate for one in crm.erase(subject)} == {Fate.ERASED}
    assert len(org.truth["writes"]) == writes


def test_the_companys_contact_stays_and_our_fields_and_tasks_go(
    org: simulator.Salesforce, crm: Salesforce, subject: Subject
) -> None:
    told = crm.erase(replace(subject, keep_contacts=True))
    assert sorted(one.fate for one in told) == [Fate.ERASED, Fate.KEPT, Fate.KEPT]
    (who,) = subject.contacts
    row = org.truth["objects"]["Contact"][who]
    assert (row["Email"], row["CSAT_Band__c"], row["IsDeleted"]) == (MAIL, None, False)


def test_a_locked_record_is_tried_again_as_a_whole(
    org: simulator.Salesforce, crm: Salesforce, subject: Subject
) -> None:
    org.faults.add(Fault(match=f"PATCH {COLLECTIONS}", kind=FaultKind.RECORD_ERRORS))
    with pytest.raises(RemoteError):
        crm.erase(subject)
    assert {one.fate for one in crm.erase(subject)} == {Fate.ERASED}
    assert MAIL not in everything(org)


def test_what_cannot_be_overwritten_is_deleted_and_says_so(
    org: simulator.Salesforce, crm: Salesforce, subject: Subject
) -> None:
    code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    fault = Fault(match=f"PATCH {COLLECTIONS}", kind=FaultKind.RECORD_ERRORS, code=code, records=(0,))
    org.faults.add(fault)
    task = next(one for one in crm.erase(subject) if one.object.startswith("task"))
    assert task.fate is Fate.ERASED
    assert "recycle bin" in task.why
