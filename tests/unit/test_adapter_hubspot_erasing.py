"""A person is erased in HubSpot, against the strict simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connector.adapters.hubspot import HubSpot, Options
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.ports.erasing import Erasing, Fate, Subject
from connector.simulator import hubspot as simulator
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAIL, NAME, WORDS = "kanaria@leak.example", "Vogelprobe", "zwitscherzwitscher"


@pytest.fixture
def account() -> Iterator[simulator.HubSpot]:
    made = simulator.HubSpot(VirtualClock(NOON))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def crm(account: simulator.HubSpot) -> HubSpot:
    given = {"portal": "4711", "token": simulator.SERVICE_KEY, "base_url": account.site.base_url, "timeout": 5}
    made = HubSpot(
        "crm",
        Options.model_validate(given),
        Kit(clock=account.clock, token_store=MemoryTokens(account.clock)),
    )
    made.prepare()
    return made


def written(crm: HubSpot, kind: WriteKind, key: str, **fields: Json) -> str:
    item = Item(key=key, target=None, fields=fields, cause_at=NOON)
    (outcome,) = crm.send(kind, crm.render(kind, [item]), 1)
    assert isinstance(outcome, Receipt)
    return outcome.remote_id


@pytest.fixture
def subject(account: simulator.HubSpot, crm: HubSpot) -> Subject:
    who = written(crm, WriteKind.CONTACT, "p1", email=MAIL, lastname=NAME)
    written(crm, WriteKind.CONTACT, "p2", email="other@example.org", lastname="Other")
    note = written(
        crm, WriteKind.ACTIVITY, "n1", contact_id=who, hs_note_body=f"{NAME}: {WORDS}", hs_timestamp=NOON.isoformat()
    )
    task = written(
        crm, WriteKind.TASK, "t1", contact_id=who, hs_task_subject=f"Call {NAME}", hs_timestamp=NOON.isoformat()
    )
    assert all(word in json.dumps(account.truth) for word in (MAIL, NAME, WORDS))
    records = {WriteKind.ACTIVITY: (note,), WriteKind.TASK: (task,)}
    return Subject(emails=(MAIL,), contacts=(who,), records=records)


def test_nothing_of_them_is_left_and_again_changes_nothing(
    account: simulator.HubSpot, crm: HubSpot, subject: Subject
) -> None:
    assert isinstance(crm, Erasing)
    for _ in range(2):
        told = crm.erase(subject)
        assert {one.fate for one in told} == {Fate.ERASED}
        assert len(told) == 3
        assert not any(word in json.dumps(account.truth) for word in (MAIL, NAME, WORDS))
    assert "other@example.org" in json.dumps(account.truth)


def test_the_companys_contact_stays(account: simulator.HubSpot, crm: HubSpot, subject: Subject) -> None:
    told = crm.erase(replace(subject, keep_contacts=True))
    assert sorted(one.fate for one in told) == [Fate.ERASED, Fate.ERASED, Fate.KEPT]
    assert MAIL in json.dumps(account.truth["objects"])
    assert WORDS not in json.dumps(account.truth["objects"])
