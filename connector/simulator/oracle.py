"""What the demo must end with, computed from its input alone. Imports nothing of the connector, on purpose.

It knows the example configuration by heart: thresholds, weights, half-lives, what is acted on. Where it and the
connector differ, one of them is wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

WEIGHTS = {"csat": 40, "nps": 15, "sentiment": 15, "tickets": 15, "purchases": 15}
HALF_LIFE = {"csat": 90, "nps": 180, "sentiment": 60}
TOWARD, COVERAGE = 60.0, 0.4
ACT_ON, NOTIFY = timedelta(days=7), timedelta(hours=4)


@dataclass
class Someone:
    """A person as the oracle sees them: facts by component and source, whether a recovery is open."""

    contact: str | None = None
    held: bool = False
    created: bool = False
    recovery: bool = False
    facts: dict[tuple[str, str], tuple[float, datetime]] = field(default_factory=dict)


class Oracle:
    """Reads deliveries in the order they were sent and keeps count."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.now = datetime.fromisoformat(world["now"])
        self.known = {p["email"]: p for p in world["people"] if p["contact_id"]}
        self.by_contact = {p["contact_id"]: p["email"] for p in self.known.values()}
        self.shared = {p["email"] for p in world["twins"]}
        self.tickets = {str(number): email for number, email in world["tickets"]}
        self.people: dict[str, Someone] = {}
        self.bodies: set[str] = set()
        self.answers: dict[str, tuple[datetime, str]] = {}
        self.count: Counter[str] = Counter()
        self.vader = SentimentIntensityAnalyzer()

    def deliver(self, delivery: dict[str, Any]) -> None:
        """One webhook call."""
        if delivery["signature"] != "good":
            self.count["forged"] += 1
            return
        self.count["accepted"] += 1
        if delivery["body"] in self.bodies:
            self.count["duplicates"] += 1
            return
        self.bodies.add(delivery["body"])
        try:
            answer = self.read(json.loads(delivery["body"]))
        except ValueError:
            self.count["quarantined"] += 1
            return
        self.version(answer, delivery["meaning"])

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        """Any of the three forms in one shape. Raises ValueError for what cannot be an answer."""
        if "form_response" not in body:
            ratings = [("csat", body["answers"]["stars"], 25.0 * (body["answers"]["stars"] - 1))]
            return {"id": body["id"], "at": parse(body["submitted_at"]), "ratings": ratings, "hidden": {}, "said": ""}
        form = body["form_response"]
        given = {a["field"]["ref"]: a[a["type"]] for a in form["answers"]}
        ratings = []
        if "csat" in given:
            ratings.append(("csat", given["csat"], 25.0 * (given["csat"] - 1)))
        if "recommend" in given:
            ratings.append(("nps", given["recommend"], 10.0 * given["recommend"]))
        if "satisfaction" in given:  # 1 is best: mirrored
            ratings.append(("csat", 6 - given["satisfaction"], 25.0 * (5 - given["satisfaction"])))
        if any(not 0 <= satisfaction <= 100 for _, _, satisfaction in ratings):
            raise ValueError("outside its scale")
        hidden = {**form["hidden"], **({"email": given["mail"]} if "mail" in given else {})}
        said = given.get("why") or given.get("comment") or ""
        return {
            "id": form["token"],
            "at": parse(form["submitted_at"]),
            "ratings": ratings,
            "hidden": hidden,
            "said": said,
        }

    def version(self, answer: dict[str, Any], meaning: dict[str, Any]) -> None:
        """A new answer, the same again, an edit, or an older version that comes late."""
        seen = self.answers.get(answer["id"])
        content = json.dumps(answer, default=str)
        if seen and seen[1] == content:
            self.count["duplicates"] += 1
            return
        if seen and answer["at"] < seen[0]:
            self.count["stale"] += 1
            return
        self.answers[answer["id"]] = (answer["at"], content)
        self.count["decided"] += 1
        self.decide(answer, meaning, edited=seen is not None)

    def decide(self, answer: dict[str, Any], meaning: dict[str, Any], *, edited: bool) -> None:
        """Who, how well, and what to do about it."""
        hidden, age = answer["hidden"], self.now - answer["at"]
        brakes = hidden.get("service") == "brakes"
        limits = {"csat": 4 if brakes else 3, "nps": 6}
        unhappy = any(value <= limits[metric] for metric, value, _ in answer["ratings"])
        who = self.by_contact.get(hidden.get("contact_id", "")) or hidden.get("email")
        if unhappy and meaning.get("safety") and age <= NOTIFY and self.compound(answer, meaning) < 0.05:
            self.count["messages"] += 1
        if not who:
            self.count["anonymous"] += 1
            return
        person = self.people.setdefault(who, Someone(held=who in self.shared))
        person.created = not person.held and who not in self.known
        self.remember(person, answer, meaning)
        if not person.held and not edited:
            self.count["timeline"] += 1
        about = self.tickets.get(hidden.get("ticket_id", ""))
        if unhappy and age <= ACT_ON and not person.recovery:
            person.recovery = True
            self.count["recoveries"] += 1
            self.count["tickets"] += about is None
            self.count["tasks"] += not person.held

    def remember(self, person: Someone, answer: dict[str, Any], meaning: dict[str, Any]) -> None:
        """Replace the facts of this answer."""
        mine = answer["id"]
        person.facts = {key: value for key, value in person.facts.items() if key[1] != mine}
        for metric, _, satisfaction in answer["ratings"]:
            person.facts[metric, mine] = (satisfaction, answer["at"])
        compound = self.compound(answer, meaning)
        if abs(compound) >= 0.05:
            person.facts["sentiment", mine] = (50 * (1 + compound), answer["at"])

    def compound(self, answer: dict[str, Any], meaning: dict[str, Any]) -> float:
        """What the English lexicon says of the comment; 0 for other languages."""
        if meaning.get("language") != "en":
            return 0.0
        return float(self.vader.polarity_scores(answer["said"])["compound"])

    def score(self, email: str, person: Someone) -> float | None:
        """The weighted score at `now`; None when too little of the weight has data."""
        figures: dict[str, float] = {}
        for component, half_life in HALF_LIFE.items():
            facts = [fact for key, fact in person.facts.items() if key[0] == component]
            weights = [0.5 ** ((self.now - at).days / half_life) for _, at in facts]
            if facts:
                total = sum(weight * value for weight, (value, _) in zip(weights, facts, strict=True))
                figures[component] = (total + TOWARD) / (sum(weights) + 1)
        visits = sum(owner == email for owner in self.tickets.values())
        if visits:
            figures["tickets"] = max(0.0, 100 * (1 - visits / 5))
        days = self.known.get(email, {}).get("last_service_days")
        if days is not None:
            figures["purchases"] = min(100.0, max(0.0, 100 * (540 - days) / (540 - 180)))
        weight = sum(WEIGHTS[name] for name in figures)
        if weight < COVERAGE * sum(WEIGHTS.values()):
            return None
        return sum(WEIGHTS[name] * value for name, value in figures.items()) / weight


def parse(text: str) -> datetime:
    """An ISO instant."""
    return datetime.fromisoformat(text).astimezone(UTC)


def foretell(world: dict[str, Any], deliveries: Iterable[dict[str, Any]]) -> tuple[dict[str, int], dict[str, float]]:
    """Figures the demo must end with, and the score of each person by e-mail."""
    oracle = Oracle(world)
    for delivery in deliveries:
        oracle.deliver(delivery)
    linked = {email: person for email, person in oracle.people.items() if not person.held}
    scores = {email: score for email, p in linked.items() if (score := oracle.score(email, p)) is not None}
    oracle.count["contacts"] = sum(person.created for person in oracle.people.values())
    oracle.count["held"] = sum(person.held for person in oracle.people.values())
    oracle.count["scores"] = len(scores)
    return dict(sorted(oracle.count.items())), scores
