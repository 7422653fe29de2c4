"""Every kind of write to Salesforce, Zendesk and Slack: what is wanted, and where the truth shows if it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from connector.adapters.salesforce import Options as SalesforceOptions
from connector.adapters.salesforce import Salesforce
from connector.adapters.slack import Options as SlackOptions
from connector.adapters.slack import Slack
from connector.adapters.zendesk import Options as ZendeskOptions
from connector.adapters.zendesk import Zendesk
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, Priority, WriteKind, refer
from connector.ports import TokenStore, Writer
from connector.secret import Secret
from connector.simulator import salesforce, slack, zendesk
from connector.simulator.parts import Fields
from connector.transport.kit import Kit
from tests.durability.world import CALL_SECONDS, START, Stand, World

CONTACT = "person/7/contact@salesforce:acme"
ACTIVITY = "response/typeform/r1/activity@salesforce:acme"
ALERT = "response/typeform/r1/alert/0"
EMAIL = "ada@example.com"
SECOND = timedelta(seconds=1)

Held = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One kind of write.

    `vendor` makes the simulator, `seed` what has to be there before, `wanted` the intents. `calls` is the write they
    become, as faults match it. `held` is what the truth has of it, one entry an object. `newer`, for updates, is what a
    later answer wants of the same objects, and `changed` what is held then.
    """

    kind: WriteKind
    page: str
    vendor: Callable[[VirtualClock], Stand]
    seed: Callable[[World], None]
    wanted: Sequence[Intent]
    calls: str
    held: Callable[[World], Held]
    expected: Held
    newer: Sequence[Intent] = ()
    changed: Held = ()
    is_job: bool = False


def intent(account: str, kind: WriteKind, key: str, name: str, fields: Mapping[str, Json], **more: Any) -> Intent:
    plain = Intent(
        key=f"{account}/{key}",
        account=account,
        kind=kind,
        object=name,
        fields=fields,
        cause_at=START,
        not_before=START,
        give_up_at=START + timedelta(days=3),
        priority=Priority.RECOVERY,
    )
    return replace(plain, **more)


def later(first: Intent, fields: Mapping[str, Json]) -> Intent:
    """What a newer version of the same answer wants of the same object."""
    at = START + SECOND
    target = first.target or first.object
    return replace(first, key=f"{first.key}/2", fields=fields, cause_at=at, target=target, version=2)


def nothing(world: World) -> None:
    """The account as it comes."""


def org(clock: VirtualClock, *, task_key: bool = True) -> Stand:
    vendor = salesforce.Salesforce(clock, task_key=task_key)
    url = vendor.start()

    def connect(clock: VirtualClock, tokens: TokenStore) -> Writer:
        options = SalesforceOptions(
            domain="acme.my.salesforce.com",
            client_id=salesforce.CLIENT_ID,
            client_secret=Secret(salesforce.CLIENT_SECRET),
            base_url=url,
            timeout=CALL_SECONDS,
        )
        return Salesforce("crm", options, Kit(clock=clock, token_store=tokens))

    def hide(lag: timedelta) -> None:
        vendor.org.query_lag = lag

    return Stand(site=vendor.site, hide=hide, connect=connect, account=vendor)


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


COLLECTIONS = "P*/composite/sobjects*"
TASK_HELD = {"Subject": "Call Ada", "ActivityDate": "2026-11-21"}
SCORE_HELD = {"Email": EMAIL, "CSAT_Health__c": 31.5, "CSAT_Band__c": "at risk"}

_SCORE = Effect(
    kind=WriteKind.CONTACT_FIELDS,
    page="salesforce",
    vendor=org,
    seed=known_contact,
    wanted=[score()],
    calls=COLLECTIONS,
    held=rows("Contact", "Email", "CSAT_Health__c", "CSAT_Band__c"),
    expected=[SCORE_HELD],
    newer=[later(score(), {"CSAT_Health__c": 77.0, "CSAT_Band__c": "healthy"})],
    changed=[{**SCORE_HELD, "CSAT_Health__c": 77.0, "CSAT_Band__c": "healthy"}],
)
_CONTACT = replace(_SCORE, kind=WriteKind.CONTACT, seed=nothing, wanted=[person()], newer=(), changed=())
_TASK = replace(_CONTACT, kind=WriteKind.TASK, seed=known_contact, wanted=[task()], held=rows("Task", *TASK_HELD))
_ACTIVITY = replace(
    _TASK,
    kind=WriteKind.ACTIVITY,
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
)
SALESFORCE: Mapping[str, Effect] = {
    "contact": replace(_CONTACT, held=rows("Contact", "LastName", "Email"), expected=[dict(person().fields)]),
    "contact_fields": _SCORE,
    "activity, keyed": _ACTIVITY,
    "activity edited, keyed": _EDITED,
    "task, keyed": replace(_TASK, expected=[TASK_HELD]),
    "activity, marker": replace(_ACTIVITY, vendor=org_without_key),
    "activity edited, marker": replace(_EDITED, vendor=org_without_key),
    "task, marker": replace(_TASK, vendor=org_without_key, expected=[TASK_HELD]),
}


def desk(clock: VirtualClock) -> Stand:
    vendor = zendesk.Zendesk(clock)
    url = vendor.start()

    def connect(clock: VirtualClock, tokens: TokenStore) -> Writer:
        options = ZendeskOptions(
            subdomain=zendesk.SUBDOMAIN,
            client_id=zendesk.CLIENT_ID,
            client_secret=Secret(zendesk.CLIENT_SECRET),
            base_url=url,
            timeout=CALL_SECONDS,
        )
        return Zendesk("desk", options, Kit(clock=clock, token_store=tokens))

    def hide(lag: timedelta) -> None:
        vendor.lookup_lag = lag
        vendor.jobs.delay = max(vendor.jobs.delay, lag)

    return Stand(site=vendor.site, hide=hide, connect=connect, account=vendor)


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


_TICKET = Effect(
    kind=WriteKind.TICKET,
    page="zendesk",
    vendor=desk,
    seed=nothing,
    wanted=[ticket()],
    calls="POST /api/v2/tickets",
    held=opened,
    expected=[{"subject": "Win Ada back", "texts": ["Call her."]}],
)
_NOTE = replace(
    _TICKET,
    kind=WriteKind.NOTE,
    seed=tickets(1),
    wanted=[note(0)],
    calls="PUT /api/v2/tickets/*",
    held=noted,
    expected=[{"notes": ["note 0"]}],
)
_CHANGE = replace(
    _NOTE,
    kind=WriteKind.TICKET_UPDATE,
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
    ),
    "ticket_update": _CHANGE,
    "ticket_update with tags, job": replace(
        _CHANGE,
        wanted=[change(priority="urgent", add_tags=["vip"])],
        held=tagged,
        expected=[{"priority": "urgent", "tags": {"vip"}}],
        newer=[later(change(), {"priority": "low", "add_tags": ["calm"]})],
        changed=[{"priority": "low", "tags": {"calm", "vip"}}],
        is_job=True,
    ),
}


def workspace(clock: VirtualClock, *, may_read: bool = True) -> Stand:
    scopes = slack.SCOPES if may_read else slack.SCOPES - {"channels:history"}
    vendor = slack.Slack(clock, scopes=scopes)
    url = vendor.start()

    def connect(clock: VirtualClock, tokens: TokenStore) -> Writer:
        options = SlackOptions(token=Secret(slack.TOKEN), base_url=url, timeout=CALL_SECONDS)
        return Slack("chat", options, Kit(clock=clock, token_store=tokens))

    def hide(lag: timedelta) -> None:
        vendor.history_lag = lag

    return Stand(site=vendor.site, hide=hide, connect=connect, account=vendor)


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


_ALERT = Effect(
    kind=WriteKind.ALERT,
    page="slack",
    vendor=workspace,
    seed=nothing,
    wanted=[alert()],
    calls="POST /api/chat.*",
    held=rows("message", "text"),
    expected=[{"text": "Ada is unhappy"}],
    newer=[edited_alert()],
    changed=[{"text": "Ada is happy again"}],
)
SLACK: Mapping[str, Effect] = {
    "alert": _ALERT,
    "alert edited": replace(
        _ALERT,
        seed=posted,
        wanted=[edited_alert()],
        expected=[{"text": "Ada is happy again"}],
        newer=[newest_alert()],
        changed=[{"text": "Ada left"}],
    ),
}
