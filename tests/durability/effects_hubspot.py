"""Every kind of write to HubSpot: what is wanted, and where its truth shows whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from connector.adapters.hubspot import HubSpot, Options, names
from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind, refer
from connector.ports import Writer
from connector.secret import Secret
from connector.simulator import hubspot
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
from tests.durability.effects import CHANGED, EMAIL, LADEN, MARKED, as_is, subject_of, with_fields

HUB_CONTACT = "person/7/contact@hubspot:4711"
HUB_NOTE = "response/typeform/r1/activity@hubspot:4711"
ACCOUNT = "hubspot:4711"
CALLS = "POST /crm/objects/*/batch/[cu]*"


def hub(clock: VirtualClock, *, task_key: bool = True, merge_mints: bool = False) -> Stand:
    vendor = hubspot.HubSpot(clock, task_key=task_key, merge_mints=merge_mints)
    url = vendor.start()

    def connect(kit: Kit) -> Writer:
        options = Options(portal="4711", token=Secret(hubspot.SERVICE_KEY), base_url=url, timeout=CALL_SECONDS)
        return HubSpot("crm", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.portal.search_lag = lag  # no question of ours is put to the search

    def revoke(gone: bool) -> None:
        vendor.gate.revoked = gone

    return Stand(
        site=vendor.site,
        hide=hide,
        connect=connect,
        account=vendor,
        revoke=partial(revoke, True),
        readmit=partial(revoke, False),
        secrets=(hubspot.SERVICE_KEY,),
    )


def hub_without_key(clock: VirtualClock) -> Stand:
    return hub(clock, task_key=False)


def hub_that_mints(clock: VirtualClock) -> Stand:
    return hub(clock, merge_mints=True)


def hub_of(world: World) -> hubspot.HubSpot:
    vendor = world.stand.account
    assert isinstance(vendor, hubspot.HubSpot)
    return vendor


def properties(kind: str, *names: str) -> Callable[[World], Held]:
    """The records of one kind that are not archived, by the named properties."""

    def held(world: World) -> Held:
        found = [row["properties"] for row in world.held.get(kind, {}).values() if not row["archived"]]
        return [{name: row.get(name) for name in names} for row in found]

    return held


def texts(world: World) -> Held:
    """The notes, without their marker."""
    rows = world.held.get("notes", {}).values()
    return [{"hs_note_body": row["properties"]["hs_note_body"].split("<br>")[0]} for row in rows]


def known_hub_contact(world: World) -> None:
    world.adopt(HUB_CONTACT, hub_of(world).add_contact(lastname="Sample", email=EMAIL))


def known_note(world: World) -> None:
    known_hub_contact(world)
    world.plan([note()])
    world.run()


def hub_person() -> Intent:
    fields: dict[str, Json] = {"lastname": "Sample", "email": EMAIL}
    return intent(ACCOUNT, WriteKind.CONTACT, "person/4f2a", HUB_CONTACT, fields)


def hub_score() -> Intent:
    fields: dict[str, Json] = {"csat_health": 31.5, "csat_band": "at risk"}
    return intent(ACCOUNT, WriteKind.CONTACT_FIELDS, "score/1", HUB_CONTACT, fields, target=HUB_CONTACT, fold=True)


def note() -> Intent:
    fields: dict[str, Json] = {"hs_note_body": "CSAT 2 of 5", "contact_id": refer(HUB_CONTACT)}
    more = {"after": (HUB_CONTACT,), "fold": True, "record": f"{ACCOUNT}/typeform/r1/activity", "version": 1}
    return intent(ACCOUNT, WriteKind.ACTIVITY, "typeform/r1/activity/1", HUB_NOTE, fields, **more)


def edited_note() -> Intent:
    return later(note(), {"hs_note_body": "CSAT 5 of 5", "contact_id": refer(HUB_CONTACT)})


def newest_note() -> Intent:
    fields: dict[str, Json] = {"hs_note_body": "CSAT 3 of 5", "contact_id": refer(HUB_CONTACT)}
    return replace(edited_note(), key=f"{ACCOUNT}/a3", cause_at=START + 2 * SECOND, fields=fields, version=3)


def hub_task() -> Intent:
    when = "2026-11-21T09:00:00Z"
    fields: dict[str, Json] = {"hs_task_subject": "Call Ada", "hs_timestamp": when, "contact_id": refer(HUB_CONTACT)}
    return intent(ACCOUNT, WriteKind.TASK, "task/1", "recovery/3/task/1", fields, after=(HUB_CONTACT,))


def hub_name(number: int) -> str:
    return f"person/1{number}/contact@{ACCOUNT}"


def contacts_of_many(world: World, count: int) -> None:
    for number in range(count):
        world.adopt(hub_name(number), hub_of(world).add_contact(lastname="Sample", email=mail(number)))


def one_person(number: int) -> Intent:
    fields: dict[str, Json] = {"lastname": word(number), "email": mail(number)}
    return intent(ACCOUNT, WriteKind.CONTACT, f"person/x{number}", hub_name(number), fields)


def one_score(number: int) -> Intent:
    name = hub_name(number)
    fields: dict[str, Json] = {"csat_band": word(number), "csat_health": 31.5}
    return intent(ACCOUNT, WriteKind.CONTACT_FIELDS, f"score/x{number}", name, fields, target=name, fold=True)


def one_note(number: int) -> Intent:
    fields: dict[str, Json] = {"hs_note_body": word(number), "contact_id": refer(HUB_CONTACT)}
    return intent(ACCOUNT, WriteKind.ACTIVITY, f"note/x{number}", f"r/x{number}/note", fields, after=(HUB_CONTACT,))


def one_task(number: int) -> Intent:
    wanted = replace(hub_task(), key=f"{ACCOUNT}/task/x{number}", object=f"recovery/x{number}/task")
    return replace(wanted, fields={**wanted.fields, "hs_task_subject": word(number)})


def hub_field(world: World, name: str) -> Json:
    (row,) = [row["properties"] for row in world.held["contacts"].values() if row["properties"]["email"] == EMAIL]
    value: Json = row.get(name)
    return value


def merge_hub_contact(world: World) -> None:
    winner = hub_of(world).add_contact(lastname="Sample", email="winner@example.com")
    hub_of(world).merge(winner, world.names[HUB_CONTACT])


def delete_hub_contact(world: World) -> None:
    hub_of(world).human_delete(world.names[HUB_CONTACT])


def typed_in(world: World) -> None:
    hub_of(world).add_contact(lastname="Sample", email=EMAIL)


def dated_score() -> Intent:
    fields: dict[str, Json] = {"csat_as_of": "2026-10-25T02:30:00+02:00", "last_service": "2026-10-25"}
    return replace(hub_score(), key=f"{ACCOUNT}/dated", fields=fields)


_TASK_HELD = {"hs_task_subject": "Call Ada", "hs_timestamp": "2026-11-21T09:00:00.000Z"}
_SCORE_HELD = {"email": EMAIL, "csat_health": "31.5", "csat_band": "at risk"}

_SCORE = Effect(
    kind=WriteKind.CONTACT_FIELDS,
    page="hubspot",
    promise=names.PROMISES[WriteKind.CONTACT_FIELDS],
    vendor=hub,
    seed=known_hub_contact,
    wanted=[hub_score()],
    calls=CALLS,
    held=properties("contacts", "email", "csat_health", "csat_band"),
    expected=[_SCORE_HELD],
    newer=[later(hub_score(), {"csat_health": 77.0, "csat_band": "healthy"})],
    changed=[{**_SCORE_HELD, "csat_health": "77", "csat_band": "healthy"}],
    many=Many(seed=contacts_of_many, make=one_score, refuse=with_fields(csat_nope="x"), named="csat_nope"),
    blank=Blank(
        cleared="csat_reason",
        kept="csat_band",
        values={"csat_reason": "slow", "csat_band": "healthy"},
        read=hub_field,
    ),
    dated=Dated(
        wanted=dated_score(),
        held=lambda world: {name: hub_field(world, name) for name in ("csat_as_of", "last_service")},
        expected={"csat_as_of": "2026-10-25T00:30:00.000Z", "last_service": "2026-10-25"},
    ),
    merged=Merged(
        act=merge_hub_contact,
        held=properties("contacts", "email", "csat_health"),
        expected=[{"email": "winner@example.com", "csat_health": "31.5"}],
    ),
    delete=delete_hub_contact,
    erase=subject_of(WriteKind.CONTACT_FIELDS, "", contact=HUB_CONTACT),
)
_CONTACT = replace(
    _SCORE,
    kind=WriteKind.CONTACT,
    promise=names.PROMISES[WriteKind.CONTACT],
    seed=nothing,
    wanted=[hub_person()],
    newer=(),
    changed=(),
    many=Many(seed=as_is, make=one_person, refuse=with_fields(csat_nope="x"), named="csat_nope"),
    blank=None,
    dated=None,
    merged=None,
    delete=None,
    present=typed_in,
    erase=subject_of(WriteKind.CONTACT, HUB_CONTACT),
)
_TASK = replace(
    _CONTACT,
    kind=WriteKind.TASK,
    promise=names.KEYED,
    many=Many(seed=as_is, make=one_task, refuse=with_fields(hs_task_status="NOPE"), named="hs_task_status"),
    dated=Dated(wanted=hub_task(), held=lambda world: properties("tasks", *_TASK_HELD)(world)[0], expected=_TASK_HELD),
    delete=delete_hub_contact,
    present=None,
    erase=subject_of(WriteKind.TASK, "recovery/3/task/1", contact=HUB_CONTACT),
    retracts=True,
    seed=known_hub_contact,
    wanted=[hub_task()],
    held=properties("tasks", *_TASK_HELD),
    expected=[_TASK_HELD],
)
_NOTE = replace(
    _TASK,
    kind=WriteKind.ACTIVITY,
    many=Many(seed=as_is, make=one_note, refuse=with_fields(hs_nope="x"), named="hs_nope"),
    dated=None,
    erase=subject_of(WriteKind.ACTIVITY, HUB_NOTE, contact=HUB_CONTACT),
    wanted=[note()],
    held=texts,
    expected=[{"hs_note_body": "CSAT 2 of 5"}],
    newer=[edited_note()],
    changed=[{"hs_note_body": "CSAT 5 of 5"}],
)
_EDITED = replace(
    _NOTE,
    seed=known_note,
    wanted=[edited_note()],
    expected=[{"hs_note_body": "CSAT 5 of 5"}],
    newer=[newest_note()],
    changed=[{"hs_note_body": "CSAT 3 of 5"}],
    many=None,
    delete=None,
    retracts=False,
)
HUBSPOT: Mapping[str, Effect] = {
    "contact": replace(
        _CONTACT, held=properties("contacts", "lastname", "email"), expected=[dict(hub_person().fields)]
    ),
    "contact with its score": replace(
        _CONTACT,
        wanted=[hub_person(), replace(hub_score(), after=(HUB_CONTACT,))],
        held=properties("contacts", "lastname", *_SCORE_HELD),
        expected=[{**hub_person().fields, **_SCORE_HELD}],
        many=None,
        present=None,
        only=LADEN,
    ),
    "contact_fields": _SCORE,
    "activity, keyed": _NOTE,
    "activity edited, keyed": replace(_EDITED, only=CHANGED),
    "task, keyed": _TASK,
    "activity, marker": replace(_NOTE, vendor=hub_without_key, promise=names.MARKED, only=MARKED),
    "activity edited, marker": replace(_EDITED, vendor=hub_without_key, promise=names.MARKED, only=CHANGED),
    "task, marker": replace(_TASK, vendor=hub_without_key, promise=names.MARKED, only=MARKED),
}
