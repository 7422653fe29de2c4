"""The in-memory twin of a Writer keeps every shape of promise, or the suites would notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, Promise, WriteKind
from connector.ports.erasing import Subject
from connector.store import receipts
from connector.testing.effect import Blank, Dated, Effect, Held, Many, Merged, intent, later, mail, nothing, word
from connector.testing.twin import Twin
from connector.testing.twin_stand import twin_stand
from connector.testing.world import Stand, World
from connector.testing.writing import WriterSuite

ACCOUNT = "twin:acme"
CONTACT = "person/7/contact@twin:acme"
TICKET = "ticket/1@twin:acme"
EMAIL = "ada@example.com"

NATIVE = Promise(native=True, can_ask=False, batch=10, endpoint_class="updates")
KEYED = Promise(native=False, can_ask=True, batch=1, endpoint_class="calls", key_window=timedelta(hours=2))
ASKED = Promise(native=False, can_ask=True, batch=10, endpoint_class="calls", lookup_lag=timedelta(seconds=45))
FIRST = Promise(native=True, can_ask=True, ask_first=True, batch=10, endpoint_class="calls")


def vendor(kind: WriteKind, promise: Promise) -> Callable[[VirtualClock], Stand]:
    return lambda clock: twin_stand(clock, ACCOUNT, {kind: promise})


def twin_of(world: World) -> Twin:
    assert isinstance(world.stand.account, Twin)
    return world.stand.account


def held(kind: WriteKind, *names: str) -> Callable[[World], Held]:
    return lambda world: [{name: row.get(name) for name in names} for row in world.held.get(kind.value, {}).values()]


def noted(world: World) -> Held:
    return [{"notes": row["texts"]} for row in world.held.get("ticket", {}).values()]


def new(kind: WriteKind, number: int = 1) -> Intent:
    fields: dict[str, Json] = {"subject": word(number), "email": mail(number)}
    return intent(ACCOUNT, kind, f"{kind}/{number}", f"{kind}/{number}@twin:acme", fields)


def note(name: str, number: int) -> Intent:
    more = {"target": name, "after": (name,)}
    fields: dict[str, Json] = {"text": word(number)}
    return intent(ACCOUNT, WriteKind.NOTE, f"note/{name}/{number}", f"answer/{name}/{number}", fields, **more)


def score(name: str, **fields: Json) -> Intent:
    return intent(ACCOUNT, WriteKind.CONTACT_FIELDS, f"score/{name}", name, fields, target=name, fold=True)


def as_is(world: World, count: int) -> None:
    """Nothing more is needed."""


def known_contact(world: World) -> None:
    world.adopt(CONTACT, twin_of(world).add(WriteKind.CONTACT, email=EMAIL))


def known_ticket(world: World) -> None:
    world.adopt(TICKET, twin_of(world).add(WriteKind.TICKET, subject="Please help"))


def several(kind: WriteKind) -> Callable[[World, int], None]:
    def seed(world: World, count: int) -> None:
        for number in range(count):
            world.adopt(f"{kind}/x{number}", twin_of(world).add(kind, email=mail(number)))

    return seed


def bad(wanted: Intent) -> Intent:
    return replace(wanted, fields={**wanted.fields, "value": "bad"})


def bad_text(wanted: Intent) -> Intent:
    return replace(wanted, fields={"text": "bad"})


def gone(name: str) -> Callable[[World], None]:
    def act(world: World) -> None:
        del twin_of(world).things[world.names[name]]

    return act


def merged(world: World) -> None:
    twin = twin_of(world)
    twin.merge(world.names[CONTACT], twin.add(WriteKind.CONTACT, email="winner@example.com"))


def theirs(kind: WriteKind) -> Callable[[World], Subject]:
    def subject(world: World) -> Subject:
        with world.db.read() as tx:
            made = receipts.of_objects(tx, [f"{kind}/1@twin:acme"])
        return Subject(records={kind: [one.remote_id for one in made.values()]})

    return subject


def field(world: World, name: str) -> Json:
    (row,) = world.held["contact"].values()
    value: Json = row.get(name)
    return value


def create(kind: WriteKind, promise: Promise) -> Effect:
    return Effect(
        kind=kind,
        page="twin",
        promise=promise,
        vendor=vendor(kind, promise),
        seed=nothing,
        wanted=[new(kind)],
        calls=f"POST /{kind}",
        held=held(kind, "subject", "email"),
        expected=[{"subject": word(1), "email": mail(1)}],
        many=Many(seed=as_is, make=lambda number: new(kind, number), refuse=bad, named="value"),
        dated=Dated(
            wanted=replace(new(kind), fields={**new(kind).fields, "due": "2026-10-25T02:30:00+02:00"}),
            held=lambda world: held(kind, "due")(world)[0],
            expected={"due": "2026-10-25T02:30:00+02:00"},
        ),
        erase=theirs(kind),
    )


TICKET_KEYED = create(WriteKind.TICKET, KEYED)
SCORE = replace(
    create(WriteKind.CONTACT_FIELDS, NATIVE),
    seed=known_contact,
    wanted=[score(CONTACT, health=31.5, band="at risk")],
    held=held(WriteKind.CONTACT, "email", "health", "band"),
    expected=[{"email": EMAIL, "health": 31.5, "band": "at risk"}],
    newer=[later(score(CONTACT), {"health": 77.0, "band": "healthy"})],
    changed=[{"email": EMAIL, "health": 77.0, "band": "healthy"}],
    many=Many(
        seed=several(WriteKind.CONTACT),
        make=lambda number: score(f"contact/x{number}", band=word(number)),
        refuse=bad,
        named="value",
    ),
    blank=Blank(cleared="reason", kept="band", values={"reason": "slow", "band": "healthy"}, read=field),
    dated=Dated(
        wanted=score(CONTACT, as_of="2026-10-25T02:30:00+01:00", day="2026-10-25"),
        held=lambda world: {name: field(world, name) for name in ("as_of", "day")},
        expected={"as_of": "2026-10-25T02:30:00+01:00", "day": "2026-10-25"},
    ),
    merged=Merged(
        act=merged,
        held=held(WriteKind.CONTACT, "email", "health"),
        expected=[{"email": "winner@example.com", "health": 31.5}],
    ),
    delete=gone(CONTACT),
    erase=lambda world: Subject(contacts=(world.names[CONTACT],)),
)
NOTE = replace(
    create(WriteKind.NOTE, ASKED),
    seed=known_ticket,
    wanted=[note(TICKET, 1)],
    held=noted,
    expected=[{"notes": [word(1)]}],
    many=Many(
        seed=several(WriteKind.TICKET),
        make=lambda number: note(f"ticket/x{number}", number),
        refuse=bad_text,
        named="value",
    ),
    dated=None,
    delete=gone(TICKET),
    erase=lambda world: Subject(notes=((world.names[TICKET], note(TICKET, 1).key),)),
)


class TestTwin(WriterSuite):
    cases = {
        "ticket": TICKET_KEYED,
        "ticket, job": replace(
            create(WriteKind.TICKET, replace(ASKED, outcome="job")),
            is_job=True,
            only=frozenset({"C2", "C4", "C6", "C17", "C18", "P"}),
        ),
        "ticket, opaque": replace(
            create(WriteKind.TICKET, replace(ASKED, outcome="opaque")), only=frozenset({"C2", "C4", "C17", "P"})
        ),
        "contact": replace(
            create(WriteKind.CONTACT, FIRST),
            present=lambda world: void(twin_of(world).add(WriteKind.CONTACT, subject=word(1), email=mail(1))),
        ),
        "contact_fields": SCORE,
        "note": NOTE,
    }


def void(_: object) -> None:
    """What it returns is of no interest."""
