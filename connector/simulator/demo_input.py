"""The demo's world and its deliveries: a repair chain, a B2B service desk, three languages, all that goes wrong.

Invented people at example domains; the same seed makes the same input.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.simulator.demo_crm import CONTACT_IDS

Json = dict[str, object]

FIRST = ["Ada", "Ben", "Cleo", "Dario", "Elif", "Finn", "Greta", "Hugo", "Ines", "Kira", "Luis", "Mara", "Nils"]
# Seventeen, so that no two of the people have one name: they would be suggested for each other.
LAST = ["Abend", "Bergmann", "Castro", "Dorn", "Engel", "Fuentes", "Gruber", "Hoyos", "Iglesias", "Jansen", "Kranz"]
LAST += ["Lorca", "Moreno", "Nowak", "Ortega", "Pfeiffer", "Quast"]
SERVICES = ["brakes", "oil change", "tyres", "inspection", "air conditioning"]
LOCATIONS = ["Hamburg", "Leipzig", "Girona"]
TECHNICIANS = ["T-11", "T-12", "T-21", "T-31"]
QUEUES = ["network", "backup", "telephony"]
REGULARS = 170  # of the people; the rest own tickets
FIRST_TICKET = 10_001  # what the Zendesk simulator calls its first

# (language, text, is about safety). Long enough to tell the language; English ones but the last carry clear sentiment.
HAPPY = [
    ("en", "Wonderful service, the advisor was friendly and everything was ready on time. Thank you so much!", False),
    ("en", "Great work, I love how honest and helpful the team is.", False),
    ("de", "Sehr freundliche Beratung und alles war pünktlich fertig, vielen Dank dafür.", False),
    ("es", "Muy buena atención y el coche quedó perfecto, muchas gracias a todos.", False),
]
UNHAPPY = [
    ("en", "Terrible experience. I waited three hours and nobody told me what was happening, I am very angry.", False),
    ("en", "The invoice was awful and overpriced, and the car has the same problem again. Very disappointed.", False),
    ("en", "The brakes are dangerous now, I nearly had an accident. This is horrible and unsafe work.", True),
    ("de", "Ich habe drei Stunden gewartet und die Rechnung war viel zu teuer, das ist sehr enttäuschend.", False),
    ("de", "Das Problem ist immer noch nicht repariert und es gab keinen Rückruf von der Werkstatt.", False),
    ("es", "La espera fue demasiado larga y la factura muy cara, no estoy nada contento con el servicio.", False),
    (
        "de",
        "Nach der Reparatur haben die Bremsen versagt, wir hatten fast einen Unfall. Das ist lebensgefährlich.",
        True,
    ),
    ("es", "Después de la reparación fallaron los frenos y casi tuvimos un accidente. Es muy peligroso.", True),
    ("en", "When I drove it home on Monday there was smoke coming out from under the front of the car.", True),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in the demo. `contact_id` is their contact in the CRM, None for people the CRM does not know."""

    name: str
    email: str
    phone: str
    contact_id: str | None
    last_service_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook call. `signature` is `good`, `forged` or `none`; `meaning` is what the writer of the comment meant:
    what an oracle may rely on instead of reading the comment. Waves are delivered one after the other, each after the
    one before has settled.
    """

    wave: int
    hook: str
    body: str
    signature: str = "good"
    meaning: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoInput:
    """Everything the demo starts from."""

    now: datetime
    people: tuple[Person, ...]
    twins: tuple[Person, ...]
    tickets: tuple[tuple[int, str], ...]
    deliveries: tuple[Delivery, ...]


def make_demo_input(seed: int, now: datetime, order: int = 0, crm: str = "salesforce") -> DemoInput:
    """Build the input of one demo run; `order` shuffles the deliveries within each wave, 0 leaves them as generated.

    Some answers carry the id of a contact, so it matters which `crm` they are for: salesforce or hubspot.
    """
    dice = random.Random(seed)  # noqa: S311  a reproducible script, not a secret
    people = tuple(_person(number, crm, known=number < 120) for number in range(190))
    twins = tuple(_twin(number) for number in range(3))
    # Whom the tickets belong to answers about nothing else, so that it does not matter which answer comes first.
    tickets = tuple((FIRST_TICKET + number, people[REGULARS + number].email) for number in range(16))
    deliveries = [
        *_service_answers(dice, now, people),
        *_desk_answers(dice, now, people, tickets),
        *_kiosk_answers(dice, now),
        *_doubtful(now, twins),
        *_old_answers(dice, now, people),
        *_broken(now),
    ]
    deliveries += _duplicates(dice, deliveries)
    deliveries += _edits(dice, now, people)
    shuffled: list[Delivery] = []
    for wave in (1, 2):
        part = [delivery for delivery in deliveries if delivery.wave == wave]
        if order:
            random.Random(order).shuffle(part)  # noqa: S311  a reproducible order
        shuffled += part
    return DemoInput(now=now, people=people, twins=twins, tickets=tickets, deliveries=tuple(shuffled))


def _person(number: int, crm: str, *, known: bool) -> Person:
    first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
    return Person(
        name=f"{first} {last}",
        email=f"{first}.{last}.{number}@example.com".lower(),
        phone=f"+49301234{number:04d}",
        contact_id=CONTACT_IDS[crm](number + 1) if known else None,
        last_service_days=(number * 13) % 700 if known and number % 4 else None,
    )


def _twin(number: int) -> Person:
    """Two contacts of the CRM share this e-mail or telephone, so nobody can say which of them answered."""
    return Person(
        name=f"Robin Doppel {number}",
        email=f"shared.{number}@example.org",
        phone=f"+49409876{number:04d}",
        contact_id=None,
        last_service_days=None,
    )


def _service_answers(dice: random.Random, now: datetime, people: tuple[Person, ...]) -> list[Delivery]:
    answers = []
    for number in range(260):
        person = people[dice.randrange(REGULARS)] if number >= 10 else people[number]
        unhappy = dice.random() < 0.18
        token = f"svc{number:05d}"
        hidden = {
            "order_id": f"RO-{number:05d}",
            "service": dice.choice(SERVICES),
            "location": dice.choice(LOCATIONS),
            "technician": dice.choice(TECHNICIANS),
            "name": person.name,
        }
        identity = dice.choice(["mail", "email", "crm", "nobody" if number >= 245 else "mail"])
        if identity == "crm" and person.contact_id:
            hidden["contact_id"] = person.contact_id
        elif identity != "nobody":
            hidden["email"] = person.email
        answers.append(
            _typeform(
                wave=1,
                form="aB3dE9",
                token=token,
                at=now - timedelta(minutes=dice.randrange(1, 90)),
                rating=("csat", dice.choice([1, 2, 2, 3]) if unhappy else dice.choice([4, 5, 5])),
                second=("recommend", dice.choice([0, 3, 5]) if unhappy else dice.choice([8, 9, 10])),
                comment=_comment(dice, unhappy),
                question="why",
                hidden=hidden,
                mail=person.email if identity == "mail" else None,
            )
        )
    return answers


def _desk_answers(
    dice: random.Random, now: datetime, people: tuple[Person, ...], tickets: tuple[tuple[int, str], ...]
) -> list[Delivery]:
    """The desk asks the other way round, 1 is best; some answers are about a ticket the helpdesk holds."""
    answers = []
    owners = {person.email: person for person in people}
    for number in range(110):
        about = tickets[number] if number < len(tickets) else None
        person = owners[about[1]] if about else people[dice.randrange(REGULARS)]
        unhappy = number in {2, 5, 9, 13} if about else dice.random() < 0.15
        hidden = {
            "email": person.email,
            "name": person.name,
            "company": "Example Logistics GmbH",
            "queue": dice.choice(QUEUES),
            "agent": "A-7",
            "tier": dice.choice(["gold", "silver"]),
            "channel": "portal",
        }
        if about:
            hidden["ticket_id"] = str(about[0])
        answers.append(
            _typeform(
                wave=1,
                form="xY7zQ1",
                token=f"dsk{number:05d}",
                at=now - timedelta(minutes=dice.randrange(1, 90)),
                rating=("satisfaction", dice.choice([4, 5]) if unhappy else dice.choice([1, 1, 2])),
                second=None,
                comment=_comment(dice, unhappy),
                question="comment",
                hidden=hidden,
                mail=None,
            )
        )
    return answers


def _kiosk_answers(dice: random.Random, now: datetime) -> list[Delivery]:
    """Nobody leaves a name at the kiosk: anonymous, a final state."""
    answers = []
    for number in range(20):
        stars = dice.choice([2, 4, 5])
        body = {
            "id": f"ksk{number:04d}",
            "form": "kiosk",
            "submitted_at": _iso(now - timedelta(minutes=dice.randrange(1, 60))),
            "answers": {"stars": stars, "text": ""},
            "hidden": {"location": dice.choice(LOCATIONS)},
            "metadata": {},
        }
        answers.append(Delivery(wave=1, hook="inhouse", body=json.dumps(body)))
    return answers


def _doubtful(now: datetime, twins: tuple[Person, ...]) -> list[Delivery]:
    return [
        _typeform(
            wave=1,
            form="aB3dE9",
            token=f"twn{number:05d}",
            at=now - timedelta(minutes=20),
            rating=("csat", 1 if number == 0 else 5),
            second=None,
            comment=UNHAPPY[0] if number == 0 else HAPPY[0],
            question="why",
            hidden={
                "email": twin.email,
                "phone": twin.phone,
                "name": twin.name,
                "service": "tyres",
                "location": "Hamburg",
            },
            mail=None,
        )
        for number, twin in enumerate(twins)
    ]


def _old_answers(dice: random.Random, now: datetime, people: tuple[Person, ...]) -> list[Delivery]:
    """Older than `act_on`: they inform, they do not alarm."""
    return [
        _typeform(
            wave=1,
            form="aB3dE9",
            token=f"old{number:05d}",
            at=now - timedelta(days=dice.randrange(8, 60)),
            rating=("csat", dice.choice([1, 5])),
            second=None,
            comment=None,
            question="why",
            hidden={"email": people[dice.randrange(120)].email, "service": "inspection", "location": "Leipzig"},
            mail=None,
        )
        for number in range(30)
    ]


def _broken(now: datetime) -> list[Delivery]:
    forged = _typeform(
        wave=1, form="aB3dE9", token="frg00001", at=now, rating=("csat", 1), second=None, comment=None,
        question="why", hidden={"email": "mallory@example.net"}, mail=None,
    )  # fmt: skip
    outside = _typeform(
        wave=1, form="aB3dE9", token="bad00001", at=now, rating=("csat", 9), second=None, comment=None,
        question="why", hidden={"email": "nine.of.five@example.com"}, mail=None,
    )  # fmt: skip
    return [
        Delivery(wave=1, hook="typeform", body=forged.body, signature="forged"),
        Delivery(wave=1, hook="typeform", body='{"event_id": "torn", "form_response": {"token":'),
        outside,
    ]


def _duplicates(dice: random.Random, deliveries: list[Delivery]) -> list[Delivery]:
    """The same bytes again, and the same answer in another envelope."""
    good = [
        d
        for d in deliveries
        if d.signature == "good" and d.hook == "typeform" and '"landed' in d.body and "bad0" not in d.body
    ]
    again = dice.sample(good, 40)
    rewrapped = []
    for delivery in dice.sample(good, 10):
        body = json.loads(delivery.body)
        body["event_id"] += "-again"
        rewrapped.append(Delivery(wave=1, hook=delivery.hook, body=json.dumps(body), meaning=delivery.meaning))
    return again + rewrapped


def _edits(dice: random.Random, now: datetime, people: tuple[Person, ...]) -> list[Delivery]:
    """People change their mind, in both directions; for some the newer version arrives first."""
    edits = []
    for number in range(20):
        person = people[130 + number]
        before, after = (2, 5) if number % 2 else (5, 2)
        newer_first = number >= 16
        for version, rating in enumerate((before, after)):
            edits.append(
                _typeform(
                    wave=(2 - version) if newer_first else (1 + version),
                    form="aB3dE9",
                    token=f"edt{number:05d}",
                    at=now - timedelta(minutes=60 - 30 * version),
                    rating=("csat", rating),
                    second=None,
                    comment=_comment(dice, rating < 4),
                    question="why",
                    hidden={"email": person.email, "name": person.name, "service": "tyres", "location": "Girona"},
                    mail=None,
                )
            )
    return edits


def _comment(dice: random.Random, unhappy: bool) -> tuple[str, str, bool] | None:  # noqa: FBT001  a private shorthand
    return None if dice.random() < 0.3 else dice.choice(UNHAPPY if unhappy else HAPPY)


def _typeform(
    *,
    wave: int,
    form: str,
    token: str,
    at: datetime,
    rating: tuple[str, int],
    second: tuple[str, int] | None,
    comment: tuple[str, str, bool] | None,
    question: str,
    hidden: dict[str, str],
    mail: str | None,
) -> Delivery:
    answers: list[Json] = [_number(*rating, kind="opinion_scale")]
    if second:
        answers.append(_number(*second, kind="nps"))
    if comment:
        answers.append({"type": "text", "text": comment[1], "field": _field(question, "long_text")})
    if mail:
        answers.append({"type": "email", "email": mail, "field": _field("mail", "email")})
    body = {
        "event_id": f"ev-{token}-{rating[1]}",
        "event_type": "form_response",
        "form_response": {
            "form_id": form,
            "token": token,
            "landed_at": _iso(at - timedelta(minutes=2)),
            "submitted_at": _iso(at),
            "hidden": hidden,
            "definition": {"id": form, "title": "How did we do?", "fields": [answer["field"] for answer in answers]},
            "answers": answers,
        },
    }
    meaning: Json = {"language": comment[0], "safety": comment[2]} if comment else {}
    return Delivery(wave=wave, hook="typeform", body=json.dumps(body), meaning=meaning)


def _number(ref: str, value: int, *, kind: str) -> Json:
    return {"type": "number", "number": value, "field": _field(ref, kind)}


def _field(ref: str, kind: str) -> Json:
    return {"id": f"fld-{ref}", "ref": ref, "type": kind}


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
