"""The reference program, in scenes: what comes in, what people do meanwhile, what operators order.

Small, and yet every kind of write, every lane, an edit, a join, a poll, an import, lost answers, a choice, an undoing,
an erasure and the end of what is kept happen in it once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connector.config import Config
from connector.simulator import typeform
from connector.simulator.demo_world import crm_of
from connector.simulator.faults import Fault, FaultKind
from connector.store import erasures, inbox, pauses, resealing, subjects, undoings
from connector.store.backup import back_up as back_up_
from connector.store.backup import restore
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.sync.importing import Columns, Import
from connector.sync.tables import Table
from connector.wiring.erasing import Errand
from connector.wiring.importing import Importer
from connector.wiring.readiness import Readiness
from tests.chaos.world import CALL, START, World
from tests.crash.life import Life, Scene

MINUTE = timedelta(minutes=1)
DANGER = "The brakes are dangerous now, I nearly had an accident. This is horrible and unsafe work."
ANGRY = "Nobody called me back, and the same noise again. I am very disappointed."
ADA, BEA, CAL, DORA = (f"{name}@example.com" for name in ("ada", "bea", "cal", "dora"))
TWINS, TWINS_PHONE = "twins@example.com", "+493012345678"
BEAS_TICKET = 10001
SECOND_RUN = 2


def event(token: str, at: datetime, csat: int, why: str, mail: str, **hidden: str) -> dict[str, Any]:
    """An answer to the repair chain's form."""
    given = {"csat": csat, "why": why, "mail": mail}
    given = {name: value for name, value in given.items() if value}
    return typeform.payload(
        typeform.SERVICE,
        given,
        token=token,
        submitted_at=at,
        hidden={"name": mail.partition("@")[0].title() + " Abend", "service": "tyres", **hidden},
        event_id=f"event-{token}-{int(at.timestamp())}",
    )


def answer(life: Life, token: str, csat: int, why: str, mail: str, **hidden: str) -> bytes:
    """The delivery of an answer given just before the scene began; the same bytes whoever delivers it."""
    return typeform.encode(event(token, life.began - timedelta(seconds=5), csat, why, mail, **hidden))


def rehearse(world: World) -> None:
    """A little of everything, for what is read and compiled on first use."""
    body = typeform.encode(event("warm", START, 1, ANGRY, "warm@example.com", service="brakes"))
    assert world.deliver("typeform", body) == 200
    world.run_for(20 * MINUTE)


def furnish(world: World) -> None:
    """Who and what was there before: Bea with a ticket of hers, and two whom nobody can tell apart."""
    crm = crm_of(world.simulators)
    crm.add("Bea", "Abend", BEA, served="2026-10-01")
    crm.add_twins(TWINS, TWINS_PHONE)
    ticket = world.simulators.zendesk.add_ticket(requester_email=BEA, subject="Please help")
    assert ticket == BEAS_TICKET, "the simulator numbers its tickets in order"
    world.simulators.zendesk.desk.backdate(ticket, timedelta(days=3))


def quiet(life: Life) -> None:
    """Nothing comes in."""


def starts(life: Life) -> None:
    """The first start; and the account is asked whether it is ready."""
    life.process.db.probe()
    _ask_readiness(life.process._works._readiness)


def _ask_readiness(readiness: Readiness) -> None:
    """What the daemon's threads ask each account, one after the other."""
    for thread in readiness._threads:
        thread.run()


def unhappy(life: Life) -> None:
    """A stranger is in danger: contact, score, timeline, ticket, task, alert, event."""
    life.deliver(0, "typeform", answer(life, "ada1", 1, DANGER, ADA, service="brakes"))


def busy(life: Life) -> None:
    """She changes her answer after its effects were sent, and is unhappy once more, which joins what is open. A kiosk
    hears from nobody in particular. Bea is unhappy about a ticket she has, which is changed; Ada about the same, which
    she has not. And nobody can say which of two it was: a person waits, with candidates, for somebody to choose."""
    life.deliver(0, "typeform", answer(life, "ada1", 3, ANGRY, ADA, service="brakes"))
    life.deliver(1, "typeform", answer(life, "ada2", 2, ANGRY, ADA))
    life.deliver(2, "typeform", about_the_ticket(life, "bea1", 5, BEA))
    life.deliver(3, "typeform", about_the_ticket(life, "ada3", 1, ADA))
    life.deliver(4, "typeform", answer(life, "twin1", 1, ANGRY, TWINS, phone=TWINS_PHONE))
    kiosk = {
        "id": "k1",
        "form": "kiosk",
        "submitted_at": life.began.isoformat(),
        "answers": {"stars": 2, "text": ""},
        "hidden": {"location": "Hamburg"},
    }
    life.deliver(5, "inhouse", json.dumps(kiosk).encode())


def about_the_ticket(life: Life, token: str, rating: int, mail: str) -> bytes:
    """An answer to the service desk's form, 1 being best."""
    body = typeform.payload(
        typeform.DESK,
        {"satisfaction": rating, "comment": ANGRY},
        token=token,
        submitted_at=life.began - timedelta(seconds=5),
        hidden={"email": mail, "ticket_id": str(BEAS_TICKET), "queue": "first"},
    )
    return typeform.encode(body)


def people_act(world: World) -> None:
    """An agent solves Ada's ticket, and an answer is only there to be fetched; the vendors are slow that hour."""
    desk = world.simulators.zendesk
    mine = next(key for key, row in desk.truth["objects"]["ticket"].items() if row["external_id"])
    desk.human_update(int(mine), status="solved")
    fetched_later = event("cal1", world.clock.now() - MINUTE, 5, "Lovely work, thank you.", CAL)
    world.simulators.typeform.responses.add(fetched_later)
    world._call_takes = lambda note: timedelta(seconds=1.9)


def fetched(life: Life) -> None:
    life.until(7 * MINUTE)


def break_down(world: World) -> None:
    """Every access token is forgotten, a token endpoint refuses, reads are refused, and each vendor does what it is
    told and says nothing, once for each kind of write."""
    world._call_takes = lambda note: CALL
    world.simulators.zendesk.tokens._grants.clear()
    if world.vendors.crm == "salesforce":
        world.simulators.salesforce.tokens._grants.clear()
    lost, refused = FaultKind.RESET_AFTER_COMMIT, FaultKind.REFUSE
    for site, match in (
        ("salesforce", "PATCH */composite/sobjects/Contact*"),
        ("salesforce", "PATCH */composite/sobjects/Task*"),
        ("hubspot", "POST *contacts/batch/create"),
        ("hubspot", "POST *tasks/batch/create"),
        ("hubspot", "POST *notes/batch/create"),
        ("zendesk", "POST */tickets"),
        ("zendesk", "PUT */tickets/*"),
        ("slack", "POST */chat.postMessage"),
        ("zapier", "POST *"),
    ):
        if site in world.sites:
            world.sites[site].faults.add(Fault(match=match, kind=lost))
    # Twice, so that who dies with a refusal nobody has heard of yet leaves one to hear of.
    zendesk = world.sites["zendesk"].faults
    zendesk.add(Fault(match="POST /oauth/tokens", kind=refused, status=401, times=2))
    zendesk.add(Fault(match="GET */incremental/*", kind=refused, status=403, times=2))
    listing = Fault(match="GET */responses", kind=FaultKind.THROTTLE, retry_after=120, after=1)
    world.sites["typeform"].faults.add(listing)


def lost(life: Life) -> None:
    life.deliver(0, "typeform", answer(life, "dora1", 1, DANGER, DORA, service="brakes"))
    life.until(8 * MINUTE)


def unreadable(life: Life) -> None:
    """What cannot be read is kept; a pause; and an operator puts it back in line."""
    life.deliver(0, "typeform", typeform.encode({"event_id": "x", "event_type": "form_response"}))
    life.command(1, lambda: _in_one(life, lambda db, tx: pauses.begin(tx, "zendesk", "zendesk:acme")))
    life.deliver(2, "typeform", answer(life, "cal2", 4, "All fine, thank you very much indeed.", CAL))
    life.until(2 * MINUTE)
    life.command(3, lambda: _in_one(life, lambda db, tx: inbox.replay(tx, None)))
    life.command(4, lambda: _in_one(life, lambda db, tx: (pauses.end(tx, "zendesk"), tx.wake(inbox.LANE))))


def _in_one(life: Life, act: Callable[[Database, Any], object]) -> None:
    """What a command of one transaction does, in its own connection."""
    db = life.open_store()
    with db.write() as tx:
        act(db, tx)
    db.close()


def imported(life: Life) -> None:
    """Old answers from a file, read and scored by the command itself; one row cannot be read."""
    file = life.world.store.with_name("old.csv")
    life.command(0, lambda: _import(life, file))


def _import(life: Life, file: Path) -> None:
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "submitted_at", "csat", "why", "mail", "name"])
        rows.writerow(["i1", "2026-06-01T10:00:00Z", 5, "Fine.", BEA, "Bea Abend"])
        rows.writerow(["i2", "2026-06-02T10:00:00Z", 2, "Late again.", "eve@example.com", "Eve Abend"])
        rows.writerow(["i3", "when?", 2, "Late again.", "eve@example.com", "Eve Abend"])
    db, loaded = life.open_store(), life.world.configuration()
    importer = Importer(loaded, db, life.world.clock)
    columns = Columns(id="id", time="submitted_at", zone=ZoneInfo("UTC"))
    taken = Import(db, importer.into("service", None), columns, act=False, mode="live", config="c")
    with Table(file) as table:
        for _ in taken.take(table):
            pass
    foreground = importer.lanes()
    while importer.left(taken.run_id).total and foreground.turn():
        pass
    importer._occupation.close()
    db.close()


def with_company(text: str) -> str:
    """Another configuration."""
    return text.replace("segments: [service,", "segments: [company, service,")


def reconfigure(world: World) -> None:
    world.rewrite = with_company


def undone(life: Life) -> None:
    """Another configuration has taken over, and is read once more; what followed from it is undone."""
    life.process.reload(life.world.configuration())
    life.deliver(0, "typeform", answer(life, "cal3", 1, ANGRY, CAL))
    life.until(6 * MINUTE)
    life.command(1, lambda: _in_one(life, lambda db, tx: undoings.ask(tx, SECOND_RUN)))


def back_up(world: World) -> None:
    """A copy from before she is forgotten; and the helpdesk makes a ticket and does not say so."""
    back_up_(world.configuration().config.store, copy_of(world))
    world.sites["zendesk"].faults.add(Fault(match="POST */tickets", kind=FaultKind.RESET_AFTER_COMMIT))


def copy_of(world: World) -> Path:
    """Where the copy is; it goes where the store goes."""
    return world.store.with_name(f"{world.store.name}.copy")


def erased(life: Life) -> None:
    """Ada wants to be forgotten while a request about her is in doubt, by a command that waits until it is done."""
    life.deliver(0, "typeform", answer(life, "ada4", 2, ANGRY, ADA))
    life.until(timedelta(seconds=33))
    life.command(1, lambda: _erase(life))


def _erase(life: Life) -> None:
    db = life.open_store()
    with db.read() as tx:
        known, begun = subjects.of_address(tx, email=ADA), erasures.under_way(tx)
        is_done = not begun and subjects.is_nobody(tx, known)
    if not begun and not is_done:
        with db.write() as tx:
            number = erasures.begin(tx, known)
    elif begun:
        number = begun[0].id
    if not is_done:
        errand = Errand(life.world.configuration(), db, life.world.clock)
        done = errand.run(number, seconds=900, say=lambda text: None)
        assert done.state is erasures.State.DONE, done.waits_for
    db.close()


def restore_the_copy(life: Life) -> None:
    """The copy from before is put back while nobody runs."""
    config = life.world.configuration().config
    life.command(0, lambda: _restore(life, config, copy_of(life.world)))
    life.make_tables()


def _restore(life: Life, config: Config, copy: Path) -> None:
    restore(config.store, copy, KeyRing(config.privacy.keys), life.world.clock)


def watch(world: World) -> None:
    """From now on nothing is written elsewhere; a last answer of before was lost."""
    world.mode = "observe"


def watched(life: Life) -> None:
    """In observe mode everything runs, and what it leads to is held."""
    life.deliver(0, "typeform", answer(life, "eve1", 1, ANGRY, "eve@example.com"))


def resealed(life: Life) -> None:
    """Everything is sealed with the first key once more, in slices."""
    life.command(0, lambda: _reseal(life))


def _reseal(life: Life) -> None:
    db = life.open_store()
    for place in resealing.places():
        with db.write() as tx:
            resealing.reseal(tx, db.keyring, place)
    with db.write() as tx:
        resealing.finish(tx, db.keyring)
    db.close()


SCENES: tuple[Scene, ...] = (
    Scene(name="made", before=Life.make_tables, play=quiet, runs=False),
    Scene(name="start", play=starts, awake=False),
    Scene(name="unhappy", play=unhappy),
    Scene(name="busy", play=busy),
    Scene(name="fetched", prepare=people_act, play=fetched),
    Scene(name="lost", prepare=break_down, play=lost),
    Scene(name="unreadable", play=unreadable),
    Scene(name="imported", play=imported),
    Scene(name="undone", prepare=reconfigure, play=undone),
    Scene(name="erased", prepare=back_up, play=erased),
    Scene(name="restored", before=restore_the_copy, play=quiet, awake=False),
    Scene(name="resealed", play=resealed),
    Scene(name="watched", prepare=watch, play=watched),
)
