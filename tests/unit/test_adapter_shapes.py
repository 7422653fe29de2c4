"""A vendor that answers 200 and JSON of the wrong shape: a typed error each time, never a crash and never a guess."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from connector.adapters.salesforce import Options as SalesforceOptions
from connector.adapters.salesforce import Salesforce
from connector.adapters.salesforce import replies as salesforce_replies
from connector.adapters.slack import EVENT_TYPE, Slack
from connector.adapters.slack import Options as SlackOptions
from connector.adapters.zendesk import Options as ZendeskOptions
from connector.adapters.zendesk import Zendesk
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, WriteKind
from connector.errors import InDoubt, RemoteError, Transient
from connector.ports import Failed
from connector.secret import Secret
from connector.simulator import salesforce, slack, zendesk
from connector.simulator.faults import Fault, FaultKind
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "canary-7431"
NOTHING: list[Json] = [None, [], [None], [CANARY], {}, CANARY, 7, True]
"""Bodies that say nothing any vendor would."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def org(clock: VirtualClock) -> Iterator[salesforce.Salesforce]:
    org = salesforce.Salesforce(clock)
    org.start()
    yield org
    org.stop()


@pytest.fixture
def crm(org: salesforce.Salesforce, clock: VirtualClock) -> Salesforce:
    options = SalesforceOptions(
        domain="acme.my.salesforce.com",
        client_id=salesforce.CLIENT_ID,
        client_secret=Secret(salesforce.CLIENT_SECRET),
        base_url=org.site.base_url,
    )
    return Salesforce("crm", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[zendesk.Zendesk]:
    desk = zendesk.Zendesk(clock)
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture
def helpdesk(desk: zendesk.Zendesk, clock: VirtualClock) -> Zendesk:
    options = ZendeskOptions(
        subdomain="acme",
        client_id=zendesk.CLIENT_ID,
        client_secret=Secret(zendesk.CLIENT_SECRET),
        base_url=desk.site.base_url,
    )
    made = Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock)))
    made.prepare()
    return made


def says(match: str, body: object) -> Fault:
    text = json.dumps(body)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(text))}
    return Fault(match=match, kind=FaultKind.REPLY, message=text, headers=headers, times=None)


def item(target: str | None = None, **fields: Json) -> Item:
    return Item(key="key-1", target=target, fields=fields, cause_at=NOON)


def page(*rows: Json) -> Json:
    return {"records": list(rows), "done": True, "totalSize": len(rows)}


SALESFORCE_READS: dict[str, Callable[[Salesforce], object]] = {
    "feed": lambda crm: crm.contacts_since(None, ["Email"]),
    "ask for a contact": lambda crm: crm.ask(WriteKind.CONTACT, [item(LastName="S", Email="kim@example.com")]),
    "ask for a task": lambda crm: crm.ask(WriteKind.TASK, [item(WhoId="003")]),
    "describe": lambda crm: crm.describe({WriteKind.CONTACT: frozenset({"Email"})}),
    "prepare": lambda crm: crm.prepare(),
}
ROWS: list[Json] = [
    {"records": None, "done": True},
    {"records": {"Id": CANARY}, "done": True},
    {"records": [], "done": False},
    page(None),
    page([CANARY]),
]


@pytest.mark.parametrize("body", [*NOTHING, *ROWS], ids=json.dumps)
@pytest.mark.parametrize("read", SALESFORCE_READS.values(), ids=SALESFORCE_READS)
def test_a_misshapen_reply_to_a_read_of_salesforce_is_tried_again(
    crm: Salesforce, org: salesforce.Salesforce, read: Callable[[Salesforce], object], body: Json
) -> None:
    org.faults.add(says("GET */sobjects/*", body))
    org.faults.add(says("GET */query*", body))
    org.faults.add(says("POST */composite", body))
    with pytest.raises(Transient) as caught:
        read(crm)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("body", [*NOTHING, {"fields": None}, {"fields": [CANARY]}], ids=json.dumps)
def test_a_misshapen_description_in_a_call_for_several_is_asked_for_again(
    crm: Salesforce, org: salesforce.Salesforce, body: Json
) -> None:
    told = [{"referenceId": f"q{number}", "httpStatusCode": 200, "body": body} for number in range(2)]
    org.faults.add(says("POST */composite", {"compositeResponse": told}))
    with pytest.raises(Transient) as caught:
        crm.describe({WriteKind.CONTACT: frozenset({"Email"})})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [{}, {"Id": "003"}, {"Id": "003", "SystemModstamp": None}, {"Id": "003", "SystemModstamp": CANARY}],
    ids=json.dumps,
)
def test_a_contact_without_an_id_or_a_time_is_no_page(crm: Salesforce, org: salesforce.Salesforce, row: Json) -> None:
    org.faults.add(says("GET */queryAll*", page(row)))
    with pytest.raises(Transient) as caught:
        crm.contacts_since(None, ["Email"])
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [*NOTHING, {"success": True}, {"success": True, "id": None}, {"success": False, "errors": CANARY}],
    ids=json.dumps,
)
def test_a_record_salesforce_says_nothing_of_is_in_doubt_and_the_others_are_not(
    crm: Salesforce, org: salesforce.Salesforce, row: Json
) -> None:
    made_one: dict[str, Json] = {"success": True, "id": "003B"}
    org.faults.add(says("PATCH */composite/*", [row, made_one]))
    items = [item(target=target, CSAT_Health__c=1) for target in ("003A", "003B")]
    lost, made = crm.send(WriteKind.CONTACT_FIELDS, crm.render(WriteKind.CONTACT_FIELDS, items), 2)
    assert isinstance(lost, Failed)
    assert isinstance(lost.error, InDoubt)
    assert CANARY not in str(lost.error)
    assert not isinstance(made, Failed)


@pytest.mark.parametrize("body", [body for body in NOTHING if not isinstance(body, list)], ids=json.dumps)
def test_a_misshapen_answer_to_a_write_of_salesforce_is_in_doubt(
    crm: Salesforce, org: salesforce.Salesforce, body: Json
) -> None:
    org.faults.add(says("PATCH */composite/*", body))
    with pytest.raises(InDoubt):
        crm.send(WriteKind.CONTACT_FIELDS, crm.render(WriteKind.CONTACT_FIELDS, [item(target="003A", X__c=1)]), 1)


@pytest.mark.parametrize(
    "entry",
    [
        {"errorCode": [CANARY]},
        {"errorCode": {"code": CANARY}},
        {"errorCode": "DUPLICATES_DETECTED", "duplicateResult": [CANARY]},
        {"errorCode": "DUPLICATES_DETECTED", "duplicateResult": {"matchResults": [{"matchRecords": [CANARY]}]}},
    ],
    ids=json.dumps,
)
def test_a_misshapen_error_of_salesforce_is_an_error_all_the_same(entry: Json, clock: VirtualClock) -> None:
    read = salesforce_replies.reply_table(clock)
    for status in (400, 500):
        found = read(status, {}, json.dumps([entry]).encode())
        assert found is None or isinstance(found, RemoteError)
        assert CANARY not in f"{found}"


ZENDESK_READS: dict[str, Callable[[Zendesk], object]] = {
    "feed": lambda helpdesk: helpdesk.tickets_since(None),
    "tickets": lambda helpdesk: helpdesk.read_tickets(["1"]),
    "ask for a ticket": lambda helpdesk: helpdesk.ask(WriteKind.TICKET, [item()]),
    "ask for a note": lambda helpdesk: helpdesk.ask(WriteKind.NOTE, [item(target="1")]),
}
NO_LISTS: list[Json] = [None, {}, CANARY, [None], [[CANARY]], [{"body": None}]]
LISTS: list[Json] = [{"tickets": listed, "comments": listed} for listed in NO_LISTS]


@pytest.mark.parametrize("body", [*NOTHING, *LISTS], ids=json.dumps)
@pytest.mark.parametrize("read", ZENDESK_READS.values(), ids=ZENDESK_READS)
def test_a_misshapen_reply_to_a_read_of_zendesk_is_tried_again(
    helpdesk: Zendesk, desk: zendesk.Zendesk, read: Callable[[Zendesk], object], body: Json
) -> None:
    """Above all no ticket and no note counts as absent because of it: it would be written a second time."""
    desk.faults.add(says("GET *", body))
    if body == LISTS[-1] and read is ZENDESK_READS["ask for a note"]:
        return  # a comment without a text is one, and not ours
    with pytest.raises(Transient) as caught:
        read(helpdesk)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [*NOTHING, {"groups": None}, {"groups": [None]}, {"groups": [{"id": 1}]}, {"groups": [{"name": CANARY}]}],
    ids=json.dumps,
)
def test_misshapen_groups_of_zendesk_are_learned_later(desk: zendesk.Zendesk, clock: VirtualClock, body: Json) -> None:
    desk.faults.add(says("GET *groups*", body))
    options = ZendeskOptions(
        subdomain="acme",
        client_id=zendesk.CLIENT_ID,
        client_secret=Secret(zendesk.CLIENT_SECRET),
        base_url=desk.site.base_url,
    )
    fresh = Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock)))
    with pytest.raises(Transient):
        fresh.prepare()


@pytest.mark.parametrize(
    "body",
    [
        *NOTHING,
        {"ticket": CANARY},
        {"ticket": {}},
        {"ticket": {"id": 1, "tags": 7}},
        {"ticket": {"id": 1, "group_id": [CANARY]}},
        {"job_status": CANARY},
        {"job_status": {}},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_misshapen_answer_to_a_write_of_zendesk_is_in_doubt(
    helpdesk: Zendesk, desk: zendesk.Zendesk, body: Json, count: int
) -> None:
    desk.faults.add(says("PUT *", body))
    notes = [item(target=str(number + 1), text="call her") for number in range(count)]
    with pytest.raises(InDoubt) as caught:
        helpdesk.send(WriteKind.NOTE, helpdesk.render(WriteKind.NOTE, notes), count)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("rows", [None, CANARY, [None], [CANARY], [{}], [{"success": True}]], ids=json.dumps)
def test_a_job_that_says_nothing_of_a_record_leaves_it_in_doubt(
    helpdesk: Zendesk, desk: zendesk.Zendesk, rows: Json
) -> None:
    desk.faults.add(says("GET *job_statuses*", {"job_status": {"status": "completed", "results": rows}}))
    outcomes = helpdesk.poll(WriteKind.NOTE, "job-1", 1)
    assert isinstance(outcomes, list)
    (lost,) = outcomes
    assert isinstance(lost, Failed)
    assert isinstance(lost.error, InDoubt)


@pytest.mark.parametrize("body", [{"ok": True, "messages": [{"metadata": {"event_type": EVENT_TYPE}}]}, *NOTHING])
def test_a_misshapen_history_of_slack_is_tried_again(clock: VirtualClock, body: Json) -> None:
    vendor = slack.Slack(clock)
    options = SlackOptions(token=Secret(slack.TOKEN), base_url=vendor.start())
    vendor.faults.add(says("GET *", body))
    chat = Slack("chat", options, Kit(clock=clock, token_store=MemoryTokens(clock)))
    try:
        with pytest.raises(Transient):
            chat.ask(WriteKind.ALERT, [item(channel="C0123", text="x")])
    finally:
        vendor.stop()
