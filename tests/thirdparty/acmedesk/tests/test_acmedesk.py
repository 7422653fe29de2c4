"""AcmeDesk passes the connector's conformance suites."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from acmedesk import PROMISES, Acmedesk, Options
from acmedesk import simulator as acme

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.ports import Hook
from connector.ports.erasing import Subject
from connector.secret import Secret
from connector.store import receipts
from connector.testing.effect import Blank, Dated, Effect, Held, Many, intent, later, mail, nothing, word
from connector.testing.feeds import Feed, TicketsSuite
from connector.testing.world import CALL_SECONDS, Stand, World
from connector.testing.writing import WriterSuite
from connector.transport.kit import Kit

ACCOUNT = "acmedesk:acme"
EMAIL = "ada@example.com"


def desk(clock: VirtualClock) -> Stand:
    vendor = acme.Acmedesk(clock)
    url = vendor.site.start()

    def connect(kit: Kit) -> Acmedesk:
        secrets = (Secret(acme.HOOK_SECRET),)
        options = Options(
            desk="acme", api_token=Secret(acme.TOKEN), webhook_secret=secrets, base_url=url, timeout=CALL_SECONDS
        )
        return Acmedesk("desk", options, kit)

    def hide(lag: timedelta) -> None:
        vendor.index_lag = lag

    def token_works(works: bool) -> None:
        vendor.token_works = works

    return Stand(
        site=vendor.site,
        account=vendor,
        connect=connect,
        hide=hide,
        lag=timedelta(seconds=20),
        revoke=partial(token_works, False),
        readmit=partial(token_works, True),
        secrets=(acme.TOKEN,),
    )


def there(stand: Stand) -> acme.Acmedesk:
    assert isinstance(stand.account, acme.Acmedesk)
    return stand.account


def name(number: int) -> str:
    return f"recovery/{number}/ticket/1"


def tickets(world: World, count: int) -> None:
    for number in range(count):
        world.adopt(name(100 + number), there(world.stand).add_ticket(mail(number)))


def one_ticket(world: World) -> None:
    world.adopt(name(0), there(world.stand).add_ticket(EMAIL))


def enough(world: World, count: int) -> None:
    """What is there already is enough."""


def ticket(number: int = 1) -> Intent:
    fields: dict[str, Json] = {"subject": word(number), "comment": "Call them.", "requester_email": mail(number)}
    return intent(ACCOUNT, WriteKind.TICKET, f"ticket/{number}", name(number), fields)


def note(number: int) -> Intent:
    of, fields = name(number), {"text": word(number % 100)}
    more = {"target": of, "after": (of,)}
    return intent(ACCOUNT, WriteKind.NOTE, f"note/{number}", f"response/{number}/answer/1", dict(fields), **more)


def change(number: int = 0, **fields: Json) -> Intent:
    of = name(number)
    return intent(ACCOUNT, WriteKind.TICKET_UPDATE, f"change/{number}", of, fields, target=of, fold=True)


def tag(number: int) -> Intent:
    return change(100 + number, add_tags=[word(number)])


def with_fields(**more: Json) -> Callable[[Intent], Intent]:
    return lambda wanted: replace(wanted, fields={**wanted.fields, **more})


def rows(*names: str) -> Callable[[World], Held]:
    def held(world: World) -> Held:
        found = [row for row in world.held.get("ticket", {}).values() if row["status"] != "deleted"]
        return [{name: row.get(name) for name in names} for row in found]

    return held


def noted(world: World) -> Held:
    return [
        {"notes": [one["text"].split("\n")[0] for one in row["notes"]]}
        for row in world.held.get("ticket", {}).values()
        if row["status"] != "deleted"
    ]


def field(world: World, wanted: str) -> Json:
    (row,) = world.held["ticket"].values()
    value: Json = row[wanted]
    return value


def delete(world: World) -> None:
    there(world.stand).human_delete(world.names[name(0)])


def asker(world: World) -> Subject:
    with world.db.read() as tx:
        made = receipts.of_objects(tx, [name(1)])
    return Subject(emails=(mail(1),), records={WriteKind.TICKET: [one.remote_id for one in made.values()]})


def noted_person(world: World) -> Subject:
    return Subject(notes=((world.names[name(0)], note(0).key),))


def due(world: World) -> Mapping[str, Any]:
    return {"due_at": field(world, "due_at")}


AUTUMN = "2026-10-25T02:30:00+02:00"
TICKET = Effect(
    kind=WriteKind.TICKET,
    page="acmedesk",
    promise=PROMISES[WriteKind.TICKET],
    vendor=desk,
    seed=nothing,
    wanted=[ticket()],
    calls="POST /v1/*/bulk*",
    held=rows("subject", "body", "requester_email"),
    expected=[{"subject": word(1), "body": "Call them.", "requester_email": mail(1)}],
    many=Many(seed=enough, make=ticket, refuse=with_fields(priority="nope")),
    dated=Dated(
        wanted=replace(ticket(), fields={**ticket().fields, "due_at": AUTUMN}), held=due, expected={"due_at": AUTUMN}
    ),
    erase=asker,
)
NOTE = replace(
    TICKET,
    kind=WriteKind.NOTE,
    promise=PROMISES[WriteKind.NOTE],
    seed=one_ticket,
    wanted=[note(0)],
    held=noted,
    expected=[{"notes": [word(0)]}],
    many=Many(seed=tickets, make=lambda number: note(100 + number), refuse=with_fields(text="x" * 20_000)),
    dated=None,
    delete=delete,
    erase=noted_person,
)
CHANGE = replace(
    NOTE,
    kind=WriteKind.TICKET_UPDATE,
    promise=PROMISES[WriteKind.TICKET_UPDATE],
    wanted=[change(priority="urgent")],
    held=rows("priority", "tags"),
    expected=[{"priority": "urgent", "tags": []}],
    newer=[later(change(), {"priority": "low"})],
    changed=[{"priority": "low", "tags": []}],
    many=Many(seed=tickets, make=tag, refuse=with_fields(priority="nope")),
    blank=Blank(
        cleared="due_at", kept="priority", values={"due_at": AUTUMN, "priority": "high"}, read=field, is_text=False
    ),
    dated=Dated(wanted=change(due_at=AUTUMN), held=due, expected={"due_at": AUTUMN}),
    erase=None,
)


def hook(stand: Stand, made: str, at: datetime) -> Hook:
    body = json.dumps({"ticket": int(made)}).encode()
    signature = "sha256=" + hmac.new(acme.HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-acme-signature": signature}
    return Hook(method="POST", path="/hooks/desk", headers=headers, body=body, received_at=at)


class TestWrites(WriterSuite):
    cases = {"ticket": TICKET, "note": NOTE, "ticket_update": CHANGE}
    lacks = {"C13": "AcmeDesk says that a record is invalid, and neither which nor why."}


class TestTickets(TicketsSuite):
    cases = {
        "tickets": Feed(
            page="acmedesk",
            vendor=desk,
            read=lambda helpdesk, cursor: helpdesk.tickets_since(cursor),
            id_of=lambda found: found.id,
            add=lambda stand, number: there(stand).add_ticket(mail(number)),
            calls="GET /v1/changes",
            delete=lambda stand, made: there(stand).human_delete(made),
            sign=hook,
        )
    }
    lacks = {"C7": "The counter of changes does not lag."}
