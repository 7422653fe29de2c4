"""Every kind of write to Salesforce, Zendesk and Slack: what is wanted, and where the truth shows if it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from connector.adapters.salesforce import Options as SalesforceOptions
from connector.adapters.salesforce import Salesforce
from connector.adapters.salesforce import names as org_names
from connector.adapters.slack import PROMISES as SLACK_PROMISES
from connector.adapters.slack import Options as SlackOptions
from connector.adapters.slack import Slack
from connector.adapters.zendesk import Options as ZendeskOptions
from connector.adapters.zendesk import Zendesk
from connector.adapters.zendesk import names as desk_names
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind, refer
from connector.ports import Writer
from connector.ports.erasing import Subject
from connector.secret import Secret
from connector.simulator import salesforce, slack, zendesk
from connector.simulator.parts import Fault, FaultKind, Fields
from connector.simulator.zendesk_hooks import HOOK_SECRET
from connector.store import receipts
from connector.testing.effect import (
    SECOND,
    Blank,
    Dated,
    Effect,
    Held,
    Many,
    Merged,
    intent,
    later,
    mail,
    nothing,
    word,
)
from connector.testing.world import CALL_SECONDS, START, Stand, World
from connector.transport.kit import Kit

CONTACT = "person/7/contact@salesforce:acme"
ACTIVITY = "response/typeform/r1/activity@salesforce:acme"
ALERT = "response/typeform/r1/alert/0"
EMAIL = "ada@example.com"


def overloaded(match: str, seconds: int) -> Fault:
    """The day's quota names no time; the servers in front of an org do when they are overloaded."""
    return Fault(match=match, kind=FaultKind.REPLY, status=503, headers={"Retry-After": str(seconds)})


def org(clock: VirtualClock, *, task_key: bool = True) -> Stand:
    vendor = salesforce.Salesforce(clock, task_key=task_key)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = SalesforceOptions(
            domain="acme.my.salesforce.com",
            client_id=salesforce.CLIENT_ID,
            client_secret=Secret(salesforce.CLIENT_SECRET),
            base_url=url,
            timeout=CALL_SECONDS,
        )
        return Salesforce("crm", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.org.query_lag = lag

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        revoke=vendor.tokens.revoke,
        token_calls="POST /services/oauth2/token",
        too_fast=overloaded,
        secrets=(salesforce.CLIENT_SECRET,),
    )


def org_without_key(clock: VirtualClock) -> Stand:
    return org(clock, task_key=False)


def known_contact(world: World) -> None:
    vendor = world.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    world.adopt(CONTACT, vendor.add_contact(LastName="Sample", Email=EMAIL))


def rows(kind: str, *names: str) -> Callable[[World], Held]:
    """The objects of one kind, by the named fields."""

    def held(world: World) -> Held:
        found: list[Fields] = list(world.held.get(kind, {}).values())
        return [{name: row.get(name) for name in names} for row in found if not row.get("IsDeleted")]

    return held


def known_activity(world: World) -> None:
    known_contact(world)
    world.plan([activity()])
    world.run()


def person() -> Intent:
    fields: dict[str, Json] = {"LastName": "Sample", "Email": EMAIL}
    return intent("salesforce:acme", WriteKind.CONTACT, "person/4f2a", CONTACT, fields)


def score() -> Intent:
    fields: dict[str, Json] = {"CSAT_Health__c": 31.5, "CSAT_Band__c": "at risk"}
    return intent("salesforce:acme", WriteKind.CONTACT_FIELDS, "score/1", CONTACT, fields, target=CONTACT, fold=True)


def activity() -> Intent:
    fields: dict[str, Json] = {"Subject": "CSAT 2 of 5", "Description": "too slow", "WhoId": refer(CONTACT)}
    more = {"after": (CONTACT,), "fold": True, "record": "salesforce:acme/typeform/r1/activity", "version": 1}
    return intent("salesforce:acme", WriteKind.ACTIVITY, "typeform/r1/activity/1", ACTIVITY, fields, **more)


def edited_activity() -> Intent:
    return later(activity(), {"Subject": "CSAT 5 of 5", "Description": "all well", "WhoId": refer(CONTACT)})


def newest_activity() -> Intent:
    fields: dict[str, Json] = {"Subject": "CSAT 3 of 5", "Description": "hm", "WhoId": refer(CONTACT)}
    return replace(edited_activity(), key="salesforce:acme/a3", cause_at=START + 2 * SECOND, fields=fields, version=3)


def task() -> Intent:
    fields: dict[str, Json] = {"Subject": "Call Ada", "ActivityDate": "2026-11-21", "WhoId": refer(CONTACT)}
    return intent("salesforce:acme", WriteKind.TASK, "task/1", "recovery/3/task/1", fields, after=(CONTACT,))


def org_of(world: World) -> salesforce.Salesforce:
    vendor = world.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    return vendor


def contacts_of_many(world: World, count: int) -> None:
    for number in range(count):
        made = org_of(world).add_contact(LastName="Sample", Email=mail(number))
        world.adopt(contact_name(number), made)


def contact_name(number: int) -> str:
    return f"person/1{number}/contact@salesforce:acme"


def as_is(world: World, count: int) -> None:
    """What is there already is enough for all of them."""


def with_fields(**more: Json) -> Callable[[Intent], Intent]:
    """The same intent with some fields set otherwise."""

    def change(wanted: Intent) -> Intent:
        return replace(wanted, fields={**wanted.fields, **more})

    return change


def one_person(number: int) -> Intent:
    fields: dict[str, Json] = {"LastName": word(number), "Email": mail(number)}
    return intent("salesforce:acme", WriteKind.CONTACT, f"person/x{number}", contact_name(number), fields)


def one_score(number: int) -> Intent:
    name = contact_name(number)
    fields: dict[str, Json] = {"CSAT_Band__c": word(number), "CSAT_Health__c": 31.5}
    return intent("salesforce:acme", WriteKind.CONTACT_FIELDS, f"score/x{number}", name, fields, target=name, fold=True)


def one_task(kind: WriteKind) -> Callable[[int], Intent]:
    def make(number: int) -> Intent:
        fields: dict[str, Json] = {"Subject": word(number), "WhoId": refer(CONTACT)}
        return intent(
            "salesforce:acme", kind, f"{kind}/x{number}", f"recovery/x{number}/{kind}", fields, after=(CONTACT,)
        )

    return make


def contact_field(world: World, name: str) -> Json:
    (row,) = [row for row in world.held["Contact"].values() if row["Email"] == EMAIL]
    value: Json = row.get(name)
    return value


def merge_contact(world: World) -> None:
    winner = org_of(world).add_contact(LastName="Sample", Email="winner@example.com")
    org_of(world).merge(winner, world.names[CONTACT])


def delete_contact(world: World) -> None:
    org_of(world).human_delete(world.names[CONTACT])


def typed_in(world: World) -> None:
    org_of(world).add_contact(LastName="Sample", Email=EMAIL)


def subject_of(kind: WriteKind, key: str, *, contact: str = "") -> Callable[[World], Subject]:
    """The person that one record of ours is about."""

    def erase(world: World) -> Subject:
        with world.db.read() as tx:
            made = receipts.of_objects(tx, [key])
        record = [receipt.remote_id for receipt in made.values()]
        contacts = record if kind is WriteKind.CONTACT else [world.names[contact]] if contact else []
        is_contact = kind in {WriteKind.CONTACT, WriteKind.CONTACT_FIELDS}
        records: dict[WriteKind, Sequence[str]] = {} if is_contact else {kind: record}
        return Subject(emails=(EMAIL,), contacts=contacts, records=records)

    return erase


def dated_score() -> Intent:
    fields: dict[str, Json] = {"CSAT_As_Of__c": "2026-10-25T02:30:00+02:00", "Last_Service__c": "2026-10-25"}
    return replace(score(), key="salesforce:acme/dated", fields=fields)


def dates(world: World) -> Mapping[str, Json]:
    return {name: contact_field(world, name) for name in ("CSAT_As_Of__c", "Last_Service__c")}


COLLECTIONS = "P*/composite/sobjects*"
TASK_HELD = {"Subject": "Call Ada", "ActivityDate": "2026-11-21"}
SCORE_HELD = {"Email": EMAIL, "CSAT_Health__c": 31.5, "CSAT_Band__c": "at risk"}

_SCORE = Effect(
    kind=WriteKind.CONTACT_FIELDS,
    page="salesforce",
    promise=org_names.PROMISES[WriteKind.CONTACT_FIELDS],
    vendor=org,
    seed=known_contact,
    wanted=[score()],
    calls=COLLECTIONS,
    held=rows("Contact", "Email", "CSAT_Health__c", "CSAT_Band__c"),
    expected=[SCORE_HELD],
    newer=[later(score(), {"CSAT_Health__c": 77.0, "CSAT_Band__c": "healthy"})],
    changed=[{**SCORE_HELD, "CSAT_Health__c": 77.0, "CSAT_Band__c": "healthy"}],
    many=Many(seed=contacts_of_many, make=one_score, refuse=with_fields(CSAT_Nope__c="x"), named="CSAT_Nope__c"),
    blank=Blank(
        cleared="CSAT_Reason__c",
        kept="CSAT_Band__c",
        values={"CSAT_Reason__c": "slow", "CSAT_Band__c": "healthy"},
        read=contact_field,
    ),
    dated=Dated(
        wanted=dated_score(),
        held=dates,
        expected={"CSAT_As_Of__c": "2026-10-25T00:30:00.000+0000", "Last_Service__c": "2026-10-25"},
    ),
    merged=Merged(
        act=merge_contact,
        held=rows("Contact", "Email", "CSAT_Health__c"),
        expected=[{"Email": "winner@example.com", "CSAT_Health__c": 31.5}],
    ),
    delete=delete_contact,
    erase=subject_of(WriteKind.CONTACT_FIELDS, "", contact=CONTACT),
)
_CONTACT = replace(
    _SCORE,
    kind=WriteKind.CONTACT,
    promise=org_names.PROMISES[WriteKind.CONTACT],
    seed=nothing,
    wanted=[person()],
    newer=(),
    changed=(),
    many=Many(seed=as_is, make=one_person, refuse=with_fields(CSAT_Nope__c="x"), named="CSAT_Nope__c"),
    blank=None,
    dated=None,
    merged=None,
    delete=None,
    present=typed_in,
    erase=subject_of(WriteKind.CONTACT, CONTACT),
)
_TASK = replace(
    _CONTACT,
    kind=WriteKind.TASK,
    promise=org_names.KEYED,
    seed=known_contact,
    wanted=[task()],
    held=rows("Task", *TASK_HELD),
    many=Many(seed=as_is, make=one_task(WriteKind.TASK), refuse=with_fields(Status="Nope"), named="Status"),
    dated=Dated(wanted=task(), held=lambda world: rows("Task", *TASK_HELD)(world)[0], expected=TASK_HELD),
    delete=delete_contact,
    present=None,
    erase=subject_of(WriteKind.TASK, "recovery/3/task/1", contact=CONTACT),
    retracts=True,
)
_ACTIVITY = replace(
    _TASK,
    kind=WriteKind.ACTIVITY,
    many=Many(seed=as_is, make=one_task(WriteKind.ACTIVITY), refuse=with_fields(Status="Nope"), named="Status"),
    dated=None,
    erase=subject_of(WriteKind.ACTIVITY, ACTIVITY, contact=CONTACT),
    wanted=[activity()],
    held=rows("Task", "Subject"),
    expected=[{"Subject": "CSAT 2 of 5"}],
    newer=[edited_activity()],
    changed=[{"Subject": "CSAT 5 of 5"}],
)
_EDITED = replace(
    _ACTIVITY,
    seed=known_activity,
    wanted=[edited_activity()],
    expected=[{"Subject": "CSAT 5 of 5"}],
    newer=[newest_activity()],
    changed=[{"Subject": "CSAT 3 of 5"}],
    many=None,
    delete=None,
    retracts=False,
)
CHANGED = frozenset({"C4", "C14", "C18"})
"""What is asked of a further change of what another case made."""
LADEN = frozenset({"C3", "C4", "C5", "C7", "C11", "C18"})
"""What is asked of a create in which something rides, besides of the create alone."""
MARKED = CHANGED | {"C3", "C7", "C8", "C16", "C17", "P"}
"""What is asked of an account without our key, besides of one that has it."""
SALESFORCE: Mapping[str, Effect] = {
    "contact": replace(_CONTACT, held=rows("Contact", "LastName", "Email"), expected=[dict(person().fields)]),
    "contact with its score": replace(
        _CONTACT,
        wanted=[person(), replace(score(), after=(CONTACT,))],
        held=rows("Contact", "LastName", *SCORE_HELD),
        expected=[{**person().fields, **SCORE_HELD}],
        many=None,
        present=None,
        only=LADEN,
    ),
    "contact_fields": _SCORE,
    "activity, keyed": _ACTIVITY,
    "activity edited, keyed": replace(_EDITED, only=CHANGED),
    "task, keyed": replace(_TASK, expected=[TASK_HELD]),
    "activity, marker": replace(_ACTIVITY, vendor=org_without_key, promise=org_names.MARKED, only=MARKED),
    "activity edited, marker": replace(_EDITED, vendor=org_without_key, promise=org_names.MARKED, only=CHANGED),
    "task, marker": replace(_TASK, vendor=org_without_key, promise=org_names.MARKED, only=MARKED, expected=[TASK_HELD]),
}


def desk(clock: VirtualClock) -> Stand:
    vendor = zendesk.Zendesk(clock)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = ZendeskOptions(
            subdomain=zendesk.SUBDOMAIN,
            client_id=zendesk.CLIENT_ID,
            client_secret=Secret(zendesk.CLIENT_SECRET),
            webhook_secret=(Secret(HOOK_SECRET),),
            base_url=url,
            timeout=CALL_SECONDS,
        )
        return Zendesk("desk", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.lookup_lag = lag
        vendor.jobs.delay = max(vendor.jobs.delay, lag)

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        revoke=vendor.tokens.revoke,
        token_calls="POST /oauth/tokens",
        secrets=(zendesk.CLIENT_SECRET,),
    )


def ticket_name(number: int) -> str:
    return f"recovery/{number}/ticket/1"


def tickets(count: int) -> Callable[[World], None]:
    def seed(world: World) -> None:
        vendor = world.stand.account
        assert isinstance(vendor, zendesk.Zendesk)
        for number in range(count):
            made = vendor.add_ticket(requester_email=f"kim{number}@example.com", subject=f"ticket {number}")
            world.adopt(ticket_name(number), str(made))

    return seed


def opened(world: World) -> Held:
    return [
        {"subject": row["subject"], "texts": [comment["body"] for comment in row["comments"]]}
        for row in world.held["ticket"].values()
    ]


def noted(world: World) -> Held:
    """The private notes of each ticket, without their marker."""
    return [
        {"notes": [comment["body"].split("\n")[0] for comment in row["comments"] if not comment["public"]]}
        for row in world.held["ticket"].values()
    ]


def tagged(world: World) -> Held:
    return [{"priority": row["priority"], "tags": set(row["tags"])} for row in world.held["ticket"].values()]


def ticket() -> Intent:
    fields: dict[str, Json] = {"subject": "Win Ada back", "comment": "Call her.", "requester_email": EMAIL}
    return intent("zendesk:acme", WriteKind.TICKET, "recovery/1/ticket", ticket_name(1), fields)


def note(number: int) -> Intent:
    name, fields = ticket_name(number), {"text": f"note {number}"}
    more = {"target": name, "after": (name,)}
    return intent("zendesk:acme", WriteKind.NOTE, f"note/{number}", f"response/{number}/answer/1", dict(fields), **more)


def change(**fields: Json) -> Intent:
    name = ticket_name(0)
    return intent("zendesk:acme", WriteKind.TICKET_UPDATE, "change/1", name, fields, target=name, fold=True)


def desk_of(world: World) -> zendesk.Zendesk:
    vendor = world.stand.account
    assert isinstance(vendor, zendesk.Zendesk)
    return vendor


def tickets_of_many(world: World, count: int) -> None:
    for number in range(count):
        made = desk_of(world).add_ticket(requester_email=mail(number), subject=f"ticket {number}")
        world.adopt(ticket_name(100 + number), str(made))


def one_ticket(number: int) -> Intent:
    fields: dict[str, Json] = {"subject": word(number), "comment": "Call them.", "requester_email": mail(number)}
    return intent("zendesk:acme", WriteKind.TICKET, f"recovery/{100 + number}/t", ticket_name(100 + number), fields)


def one_note(number: int) -> Intent:
    wanted = note(100 + number)
    return replace(wanted, fields={"text": word(number)})


def one_change(number: int) -> Intent:
    name = ticket_name(100 + number)
    fields: dict[str, Json] = {"add_tags": [word(number)]}
    return intent("zendesk:acme", WriteKind.TICKET_UPDATE, f"change/{number}", name, fields, target=name, fold=True)


def ticket_field(world: World, name: str) -> Json:
    (row,) = world.held["ticket"].values()
    value: Json = row[name]
    return value


def delete_ticket(world: World) -> None:
    desk_of(world).human_delete(int(world.names[ticket_name(0)]))


def noted_person(world: World) -> Subject:
    """Who is named in notes on other people's tickets; each note bears its intent's key."""
    return Subject(notes=[(ticket, note(number).key) for number, ticket in enumerate(world.names.values())])


_TICKET = Effect(
    kind=WriteKind.TICKET,
    page="zendesk",
    promise=desk_names.PROMISES[WriteKind.TICKET],
    vendor=desk,
    seed=nothing,
    wanted=[ticket()],
    calls="POST /api/v2/tickets",
    held=opened,
    expected=[{"subject": "Win Ada back", "texts": ["Call her."]}],
    many=Many(seed=as_is, make=one_ticket, refuse=with_fields(priority="nope"), named="priority"),
    dated=Dated(
        wanted=replace(ticket(), fields={**ticket().fields, "due_at": "2026-10-25T02:30:00+02:00"}),
        held=lambda world: {"due_at": ticket_field(world, "due_at")},
        expected={"due_at": "2026-10-25T00:30:00Z"},
    ),
    erase=subject_of(WriteKind.TICKET, ticket_name(1)),
)
_NOTE = replace(
    _TICKET,
    kind=WriteKind.NOTE,
    promise=desk_names.PROMISES[WriteKind.NOTE],
    many=Many(seed=tickets_of_many, make=one_note, refuse=with_fields(text="x" * 70_000)),
    dated=None,
    delete=delete_ticket,
    erase=noted_person,
    seed=tickets(1),
    wanted=[note(0)],
    calls="PUT /api/v2/tickets/*",
    held=noted,
    expected=[{"notes": ["note 0"]}],
)
_CHANGE = replace(
    _NOTE,
    kind=WriteKind.TICKET_UPDATE,
    promise=desk_names.PROMISES[WriteKind.TICKET_UPDATE],
    many=None,
    blank=Blank(
        cleared="due_at",
        kept="priority",
        values={"due_at": "2026-11-21T09:00:00Z", "priority": "high"},
        read=ticket_field,
        is_text=False,
    ),
    dated=Dated(
        wanted=change(due_at="2026-10-25T02:30:00+01:00"),
        held=lambda world: {"due_at": ticket_field(world, "due_at")},
        expected={"due_at": "2026-10-25T01:30:00Z"},
    ),
    erase=None,
    wanted=[change(priority="urgent")],
    held=rows("ticket", "priority"),
    expected=[{"priority": "urgent"}],
    newer=[later(change(), {"priority": "low"})],
    changed=[{"priority": "low"}],
)
ZENDESK: Mapping[str, Effect] = {
    "ticket": _TICKET,
    "note": _NOTE,
    "three notes, job": replace(
        _NOTE,
        seed=tickets(3),
        wanted=[note(number) for number in range(3)],
        expected=[{"notes": [f"note {number}"]} for number in range(3)],
        is_job=True,
        only=CHANGED | {"C3", "C6", "C7", "C16", "P"},
        many=None,
        delete=None,
    ),
    "ticket_update": _CHANGE,
    "ticket_update with tags, job": replace(
        _CHANGE,
        wanted=[change(priority="urgent", add_tags=["vip"])],
        held=tagged,
        expected=[{"priority": "urgent", "tags": {"vip"}}],
        many=Many(seed=tickets_of_many, make=one_change, refuse=with_fields(priority="nope")),
        blank=None,
        dated=None,
        newer=[later(change(), {"priority": "low", "add_tags": ["calm"]})],
        changed=[{"priority": "low", "tags": {"calm", "vip"}}],
        is_job=True,
    ),
}


def workspace(clock: VirtualClock, *, may_read: bool = True) -> Stand:
    scopes = slack.SCOPES if may_read else slack.SCOPES - {"channels:history"}
    vendor = slack.Slack(clock, scopes=scopes)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = SlackOptions(token=Secret(slack.TOKEN), base_url=url, timeout=CALL_SECONDS)
        return Slack("chat", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.history_lag = lag

    def token_works(works: bool) -> None:
        vendor.token_works = works

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        lag=5 * SECOND,
        revoke=partial(token_works, False),
        readmit=partial(token_works, True),
        secrets=(slack.TOKEN,),
    )


def workspace_unread(clock: VirtualClock) -> Stand:
    return workspace(clock, may_read=False)


def alert() -> Intent:
    fields: dict[str, Json] = {"channel": "#csat-ops", "text": "Ada is unhappy"}
    return intent("slack:default", WriteKind.ALERT, "typeform/r1/alert/0/1", ALERT, fields, fold=True, version=1)


def edited_alert() -> Intent:
    return later(alert(), {"channel": "#csat-ops", "text": "Ada is happy again"})


def newest_alert() -> Intent:
    fields: dict[str, Json] = {"channel": "#csat-ops", "text": "Ada left"}
    return replace(edited_alert(), key="slack:default/a3", cause_at=START + 2 * SECOND, fields=fields, version=3)


def posted(world: World) -> None:
    world.plan([alert()])
    world.run()


def one_alert(number: int) -> Intent:
    fields: dict[str, Json] = {"channel": "#csat-ops", "text": word(number)}
    return intent("slack:default", WriteKind.ALERT, f"alert/{number}", f"response/{number}/alert/0", fields)


_ALERT = Effect(
    kind=WriteKind.ALERT,
    page="slack",
    promise=SLACK_PROMISES[WriteKind.ALERT],
    vendor=workspace,
    seed=nothing,
    wanted=[alert()],
    calls="POST /api/chat.*",
    held=rows("message", "text"),
    expected=[{"text": "Ada is unhappy"}],
    newer=[edited_alert()],
    changed=[{"text": "Ada is happy again"}],
    many=Many(seed=as_is, make=one_alert, refuse=with_fields(channel="#nope"), named="channel"),
    erase=subject_of(WriteKind.ALERT, ALERT),
)
SLACK: Mapping[str, Effect] = {
    "alert": _ALERT,
    "alert edited": replace(
        _ALERT,
        seed=posted,
        only=CHANGED,
        many=None,
        wanted=[edited_alert()],
        expected=[{"text": "Ada is happy again"}],
        newer=[newest_alert()],
        changed=[{"text": "Ada left"}],
    ),
}
