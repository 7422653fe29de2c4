"""Salesforce's feed of contacts, and whether an org is ready."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.salesforce import KNOWN_FIELDS, Options, Salesforce, contacts
from connector.adapters.salesforce.names import KEY_FIELD, PERSON_FIELD
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.person import Contact
from connector.errors import Rejected
from connector.secret import Secret
from connector.simulator import salesforce as simulator
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SCORE = frozenset({"CSAT_Health__c", "CSAT_Band__c"})
FIELDS = ("Last_Service__c", "Email")
CONTACT = frozenset({"LastName", "Email"})

FIELDS = ("Last_Service__c", "Email")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def org(clock: VirtualClock) -> Iterator[simulator.Salesforce]:
    org = simulator.Salesforce(clock)
    org.start()
    yield org
    org.stop()


@pytest.fixture
def crm(org: simulator.Salesforce, clock: VirtualClock) -> Salesforce:
    options = Options(
        domain="acme.my.salesforce.com",
        client_id=simulator.CLIENT_ID,
        client_secret=Secret(simulator.CLIENT_SECRET),
        base_url=org.site.base_url,
    )
    return Salesforce("crm", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def sweep(crm: Salesforce, cursor: str | None = None) -> tuple[list[Contact], str]:
    """Every page from `cursor` on."""
    found: list[Contact] = []
    while True:
        page = crm.contacts_since(cursor, FIELDS)
        found += page.records
        cursor = page.cursor
        if not page.more:
            return found, cursor


def test_a_contact_is_read_with_what_matching_and_scores_need(crm: Salesforce, org: simulator.Salesforce) -> None:
    record = org.add_contact(
        LastName="Sample",
        FirstName="Kim",
        Email="kim@mail.example",
        Phone="+49 30 5550100",
        Last_Service__c="2026-09-01",
    )
    ((contact,), _) = sweep(crm)
    assert (contact.id, contact.name, contact.email, contact.phone) == (
        record,
        "Kim Sample",
        "kim@mail.example",
        "+49 30 5550100",
    )
    assert contact.account == "salesforce:acme"
    assert contact.values == {"Last_Service__c": "2026-09-01", "Email": "kim@mail.example"}
    assert contact.modified_at == NOON
    assert contact.owner is not None
    assert contact.url == f"{org.site.base_url}/lightning/r/Contact/{record}/view"


def test_a_contact_is_read_with_what_tells_namesakes_apart(crm: Salesforce, org: simulator.Salesforce) -> None:
    account = org.org.add_account("Sample Logistics GmbH")
    org.add_contact(LastName="Sample", AccountId=account, MailingPostalCode="10115")
    org.add_contact(LastName="Other")
    ((first, second), _) = sweep(crm)
    assert (first.company, first.postcode) == ("Sample Logistics GmbH", "10115")
    assert (second.company, second.postcode) == (None, None)


def test_a_run_as_user_who_may_not_see_postcodes_reads_contacts_without(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    org.org.remove_field("Contact", "MailingPostalCode")
    record = org.add_contact(LastName="Sample")
    for _ in range(2):
        ((contact,), _) = sweep(crm)
        assert (contact.id, contact.company, contact.postcode) == (record, None, None)
    org.org.remove_field("Contact", "Last_Service__c")
    with pytest.raises(Rejected, match="Last_Service__c"):
        sweep(crm)


def test_changes_merges_and_deletions_come_after_the_cursor(
    crm: Salesforce, org: simulator.Salesforce, clock: VirtualClock
) -> None:
    winner, loser, other, quiet = (org.add_contact(LastName=f"S{number}") for number in range(4))
    seen, cursor = sweep(crm)
    assert {contact.id for contact in seen} == {winner, loser, other, quiet}
    clock.advance(timedelta(hours=1))
    org.merge(winner, loser)
    org.human_delete(other)
    changed = {contact.id: contact for contact in sweep(crm, cursor)[0] if contact.modified_at != NOON}
    assert quiet not in changed
    assert changed[loser].merged_into == winner
    assert changed[loser].deleted
    assert (changed[other].deleted, changed[other].merged_into) == (True, None)
    assert not changed[winner].deleted


def test_a_sweep_overlaps_the_last_one_by_five_minutes(
    crm: Salesforce, org: simulator.Salesforce, clock: VirtualClock
) -> None:
    old = org.add_contact(LastName="Old")
    clock.advance(timedelta(minutes=6))
    late = org.add_contact(LastName="Late")
    clock.advance(timedelta(minutes=4))
    last = org.add_contact(LastName="Last")
    _, cursor = sweep(crm)
    assert {contact.id for contact in sweep(crm, cursor)[0]} == {late, last}
    assert old not in {late, last}


def test_many_contacts_with_one_stamp_are_each_read_once(
    crm: Salesforce, org: simulator.Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "PAGE", 3)
    records = [org.add_contact(LastName=f"S{number}") for number in range(10)]
    seen, cursor = sweep(crm)
    assert sorted(contact.id for contact in seen) == sorted(records)
    assert cursor.endswith("|")


def test_an_empty_org_is_read_from_the_beginning_again(crm: Salesforce, org: simulator.Salesforce) -> None:
    seen, cursor = sweep(crm)
    assert seen == []
    record = org.add_contact(LastName="First")
    assert [contact.id for contact in sweep(crm, cursor)[0]] == [record]


def test_a_quiet_org_keeps_its_cursor(crm: Salesforce, org: simulator.Salesforce, clock: VirtualClock) -> None:
    org.add_contact(LastName="S")
    _, cursor = sweep(crm)
    clock.advance(timedelta(hours=1))
    assert sweep(crm, cursor)[1] == cursor


def test_pages_the_vendor_cuts_shorter_are_followed(clock: VirtualClock) -> None:
    org = simulator.Salesforce(clock, page=2)
    org.start()
    try:
        options = Options(
            domain="acme.my.salesforce.com",
            client_id=simulator.CLIENT_ID,
            client_secret=Secret(simulator.CLIENT_SECRET),
            base_url=org.site.base_url,
        )
        crm = Salesforce("crm", options, Kit(clock=clock, token_store=MemoryTokens(clock)))
        records = {org.add_contact(LastName=f"S{number}") for number in range(5)}
        assert {contact.id for contact in crm.contacts_since(None, FIELDS).records} == records
    finally:
        org.stop()


def test_a_ready_org_has_no_findings_and_says_so_in_one_call(crm: Salesforce, org: simulator.Salesforce) -> None:
    wanted = {
        WriteKind.CONTACT: CONTACT,
        WriteKind.CONTACT_FIELDS: SCORE,
        WriteKind.TASK: frozenset({"WhoId", "Subject"}),
    }
    before = len(org.requests.entries())
    assert crm.describe(wanted) == []
    assert crm.promises[WriteKind.ACTIVITY].native
    asked = [call.endpoint for call in org.requests.entries()[before:]]
    assert asked == ["POST /services/oauth2/token", "POST /services/data/{version}/composite"]


def test_findings_name_what_is_missing_and_what_to_do(crm: Salesforce, org: simulator.Salesforce) -> None:
    org.org.remove_field("Contact", "CSAT_Band__c")
    org.org.remove_field("Contact", PERSON_FIELD)
    org.org.remove_field("Task", KEY_FIELD)
    found = crm.describe(
        {
            WriteKind.CONTACT: frozenset({"Email", "SystemModstamp"}),
            WriteKind.CONTACT_FIELDS: SCORE,
            WriteKind.TASK: frozenset({"Subject"}),
        }
    )
    assert [(finding.subject, finding.blocking) for finding in found] == [
        ("Contact.SystemModstamp", True),
        ("Contact.CSAT_Band__c", True),
        (f"Contact.{PERSON_FIELD}", True),
        ("contact", True),
        ("task", False),
        (f"Task.{KEY_FIELD}", False),
    ]
    assert all(finding.fix for finding in found)
    assert crm.promises[WriteKind.TASK].ask_first


def test_the_fields_we_call_known_are_no_custom_ones() -> None:
    for names in KNOWN_FIELDS.values():
        assert not any(name.endswith("__c") for name in names)
    assert "CallDisposition" not in KNOWN_FIELDS[WriteKind.CONTACT]
