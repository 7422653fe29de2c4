"""Whether HubSpot's properties take what will be written, seen before it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.adapters.hubspot import HubSpot
from connector.clock import VirtualClock
from connector.domain.model.account import Demand, FieldUse, Shape
from connector.domain.model.intent import WriteKind
from connector.ports import Inspectable, Setup
from connector.simulator import hubspot as simulator
from tests.unit.test_adapter_hubspot import NOON, connect, running


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def account(clock: VirtualClock) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock))


@pytest.fixture
def crm(account: simulator.HubSpot, clock: VirtualClock) -> HubSpot:
    return connect(account, clock)


def demand(*uses: FieldUse, reads: frozenset[str] = frozenset()) -> Demand:
    hanging = FieldUse(kind=WriteKind.TASK, name="contact_id")
    return Demand(connection="crm", fields=[hanging, *uses], reads=reads)


def test_it_can_be_looked_at_closely_and_prepared(crm: HubSpot) -> None:
    assert isinstance(crm, Inspectable)
    assert isinstance(crm, Setup)


def test_what_fits_is_not_mentioned(crm: HubSpot) -> None:
    fits = demand(
        FieldUse(kind=WriteKind.TASK, name="hs_task_status", shape=Shape.TEXT, values=["NOT_STARTED"]),
        FieldUse(kind=WriteKind.TASK, name="hs_timestamp", shape=Shape.INSTANT),
        FieldUse(kind=WriteKind.TASK, name="hubspot_owner_id", shape=Shape.TEXT, values=["101"]),
        FieldUse(kind=WriteKind.CONTACT_FIELDS, name="csat_health", shape=Shape.NUMBER),
        reads=frozenset({"last_service"}),
    )
    assert list(crm.inspect(fits)) == []


def test_what_would_be_refused_is(crm: HubSpot) -> None:
    found = crm.inspect(
        demand(
            FieldUse(kind=WriteKind.TASK, name="hs_task_priority", shape=Shape.TEXT, values=["HIGH", "Urgent"]),
            FieldUse(kind=WriteKind.CONTACT_FIELDS, name="last_service", shape=Shape.NUMBER),
            reads=frozenset({"Last_Service__c"}),
        )
    )
    assert [one.subject for one in found] == [
        "tasks.hs_task_priority",
        "contacts.last_service",
        "contacts.Last_Service__c",
    ]
    assert all(one.blocking for one in found)
    assert "'Urgent'" in found[0].message
    assert "HIGH" in found[0].fix
    assert "'HIGH'" not in found[0].message


def test_a_key_that_is_not_unique_is_for_a_person(crm: HubSpot, account: simulator.HubSpot) -> None:
    schema = account.portal.schemas["tasks"]
    schema["csat_key"] = replace(schema["csat_key"], unique=False)
    changes = crm.wanted(demand())
    assert [(one.subject, one.only_by_hand) for one in changes] == [("tasks.csat_key", True)]


def test_after_the_key_was_made_tasks_are_created_under_it(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, bare=True)):
        crm = connect(account, clock)
        crm.prepare()
        assert not crm.promises[WriteKind.TASK].native
        (change,) = crm.wanted(demand())
        assert crm.apply(change) == "custom property, single-line text, unique values"
        assert crm.apply(change) == "was there already"
        crm.prepare()
        assert crm.promises[WriteKind.TASK].native
