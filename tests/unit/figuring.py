"""A store with some weeks of invented answers and recoveries, for the tests of figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from connector.domain.model.response import Interaction, Metric, Rating, Response, Scale, Understanding
from connector.store.database import Database
from connector.store.schema import follow_up, recovery, recovery_response, recovery_step, response_version
from tests.unit.deciding import decide_all, example_settings, feed
from tests.unit.samples import NOON, answer

SERVICES = ("brakes", "tires", "oil change")
STAFF = ("t.berg", "k.lund", "o.sand")
PLACES = ("Hamburg", "Kiel")
NPS = Scale.parse("0-10")


def said(number: int, stars: float, at: datetime, **about: str | None) -> Response:
    """One answer of somebody of their own, about a service, a place and one of staff."""
    order = Interaction(
        id=f"R-{number}",
        kind="repair_order",
        service=about.get("service", "brakes"),
        location=about.get("location", "Hamburg"),
        staff=about.get("staff"),
    )
    one = answer(str(number), stars=stars, email=f"kim{number}@example.com", at=at, interaction=order)
    nps = Rating(metric=Metric.NPS, value=min(10, 2 * stars + 1), scale=NPS)
    return replace(one, ratings=(*one.ratings, nps), segments={})


def weeks(db: Database, number: int = 120, *, since: datetime = NOON - timedelta(days=28)) -> list[Response]:
    """`number` answers over four weeks, decided; brakes are worse in Kiel."""
    answers = []
    for each in range(number):
        service, place = SERVICES[each % 7 % 3], PLACES[each % 5 % 2]
        stars = 1 + (each * 7919) % 3 if (service, place) == ("brakes", "Kiel") else 3 + (each * 104729) % 3
        at = since + timedelta(days=28) * each / number
        staff = STAFF[each % 3]
        answers.append(said(each, stars, at, service=service, location=place, staff=staff))
    feed(db, *answers, understanding=Understanding(language="en", themes=("waiting",)))
    decide_all(db, replace(example_settings(), answered_within=timedelta(days=90), storm=None))
    return answers


def worked_on(db: Database) -> int:
    """What people did about the recoveries there are: some in time, some late, some not at all; how many there are."""
    with db.write() as tx:
        answered_at = select(recovery.c.id, response_version.c.event_at)
        answered_at = answered_at.join(recovery_response, recovery_response.c.recovery_id == recovery.c.id)
        answered_at = answered_at.join(
            response_version, response_version.c.response_id == recovery_response.c.response_id
        )
        for table in (recovery_step, follow_up):  # what the example's playbook began is told anew
            tx.execute(delete(table))
        opened = tx.execute(answered_at.order_by(recovery.c.id)).all()
        tx.execute(delete(recovery_step))  # those of the playbook: the ones below have told ends
        for place, (one, began) in enumerate(opened):
            done = {
                "opened_at": began,
                "touched_at": began + timedelta(minutes=10 + place),
                "closed_at": began + timedelta(hours=4 + place) if place % 3 else None,
                "state": "closed" if place % 3 else "open",
                "stage": ("opened", "won_back", "lost")[place % 3],
                "root_cause": ("parts", "rework", "communication")[place % 3] if place % 3 else None,
            }
            tx.execute(update(recovery).where(recovery.c.id == one).values(**done))
            for number in range(2):
                late = place % 4 == 0 and number == 1
                step = {
                    "recovery_id": one,
                    "number": number,
                    "name": f"step {number}",
                    "state": "waiting" if late else "done",
                    "began_at": began,
                    "due_at": began + timedelta(hours=1),
                    "done_at": None if late else began + timedelta(minutes=30),
                    "missed": late,
                }
                tx.execute(recovery_step.insert().values(**step))
            answered = began + timedelta(days=1) if place % 2 else None
            sent = {"recovery_id": one, "number": 0, "kind": "survey", "intent_key": f"k/{one}", "planned_at": began}
            tx.execute(follow_up.insert().values(**sent, answered_at=answered))
    return len(opened)
