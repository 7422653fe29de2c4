"""Health scores recomputed from what the oracle knows, without a line of the connector's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tests.chaos.evidence import Evidence, Row, instant
from tests.chaos.issued import Answer, Person, Version

WEIGHTS = {"csat": 40.0, "nps": 15.0, "sentiment": 15.0, "tickets": 15.0, "purchases": 15.0}
HALF_LIFE = {"csat": 90, "nps": 180, "sentiment": 60}
SIGNALS = ("tickets", "purchases")
TOWARD, COVERAGE, POINTS = 60.0, 0.4, 3.0
BANDS = ((70, "healthy"), (40, "at_risk"), (0, "critical"))
ROUNDED = 0.02
SECOND = timedelta(seconds=1)


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()  # reads its lexicon anew each time it is made


@cache
def _compound(text: str) -> float:
    return float(_analyzer().polarity_scores(text)["compound"])


def check(found: Evidence, person: Person, key: str, contact: Row) -> Iterator[str]:
    """The score on a contact against the answers decided by its date, and against those decided since."""
    shown, as_of, reason = _held(contact)
    latest = _ledger(found, person, None)
    if latest is None:
        return
    now = expected(found, person, instant(latest["as_of"]), latest)
    if shown is None:
        if now is not None:
            yield f"contact {key} has no score, {now:.2f} is due"
        return
    assert as_of is not None
    row = _ledger(found, person, as_of)
    if row is None:
        yield f"contact {key} has a score as of {as_of}, of which the ledger knows nothing"
        return
    # A CRM keeps the date to the second, and several answers may have been decided within it, in any order.
    rows = [one for one in found.tables["score"] if one["person_id"] == row["person_id"] and _is_at(one, as_of)] or [
        row
    ]
    then = [expected(found, person, at, one, some) for one in rows for at, some in _within(found, person, as_of)]
    if not any(one is not None and abs(one - shown) <= ROUNDED for one in then):
        yield f"contact {key} has {shown} as of {as_of}, its facts say {then}"
    if now is not None and abs(now - shown) >= POINTS + ROUNDED:
        yield f"contact {key} has {shown} as of {as_of}, {now:.2f} is known since {instant(latest['as_of'])}"
    by_hand = any(edited[0] == key and "reason" in edited[1].lower() for edited in found.journal.edited_by_people)
    if not by_hand and not re.match(rf"{round_half_up(shown)}\b", reason):
        yield f"contact {key} has {shown}, and the reason {reason[:20]!r}"


def _held(contact: Row) -> tuple[float | None, datetime | None, str]:
    shown = contact.get("CSAT_Health__c", contact.get("csat_health"))
    as_of = contact.get("CSAT_As_Of__c", contact.get("csat_as_of"))
    reason = contact.get("CSAT_Reason__c", contact.get("csat_reason")) or ""
    if shown in {None, ""}:
        return None, None, str(reason)
    return float(str(shown)), datetime.fromisoformat(str(as_of)), str(reason)


def _is_at(row: Row, as_of: datetime) -> bool:
    return as_of <= instant(row["as_of"]) < as_of + SECOND


def _within(found: Evidence, person: Person, as_of: datetime) -> list[tuple[datetime, frozenset[int]]]:
    """An instant, and versions decided in its second that may have counted: nobody says which of them came first."""
    keys = {answer.key for answer in found.journal.answers if answer.person is person}
    ids = {row["id"] for row in found.tables["response"] if row["key"] in keys}
    rows = [
        int(row["id"])
        for row in found.tables["response_version"]
        if row["response_id"] in ids
        and row["decided_at"] is not None
        and as_of <= instant(row["decided_at"]) < as_of + SECOND
    ]
    return [(as_of, frozenset(some)) for size in range(len(rows) + 1) for some in combinations(rows, size)]


def _ledger(found: Evidence, person: Person, as_of: datetime | None) -> Row | None:
    """The ledger's row of a score: the one as of an instant (the CRM keeps milliseconds), or the newest."""
    ids = {
        row["person_id"]
        for answer in found.journal.answers
        if answer.person is person and (row := found.response(answer.key)) is not None
    }
    rows = [row for row in found.tables["score"] if row["person_id"] in ids]
    if as_of is not None:  # a score that says the same as the one before is not written down again
        rows = [row for row in rows if instant(row["as_of"]) < as_of + SECOND]
    return max(rows, key=lambda row: int(row["as_of"]), default=None)


def expected(
    found: Evidence, person: Person, as_of: datetime, row: Row, some: frozenset[int] | None = None
) -> float | None:
    """The score of a person from the versions decided by `as_of`, of those at that second only `some`; outside figures
    are the ledger's own.
    """
    facts: dict[str, list[tuple[float, datetime]]] = {}
    for answer in found.journal.answers:
        if answer.person is not person:
            continue
        version = decided(found, answer, as_of, some)
        if version is None:
            continue
        values = dict(version.satisfactions)
        if version.comment is not None and abs(compound := _compound(version.comment)) >= 0.05:
            values["sentiment"] = 50 * (1 + compound)
        for component, value in values.items():
            facts.setdefault(component, []).append((value, version.at))
    figures: dict[str, float] = {}
    for component, known in facts.items():
        weights = [0.5 ** ((as_of - at).days / HALF_LIFE[component]) for _, at in known]
        total = sum(weight * value for weight, (value, _) in zip(weights, known, strict=True))
        figures[component] = (total + TOWARD) / (sum(weights) + 1)
    for part in json.loads(row["contributions"]):
        if part["component"] in SIGNALS and part["value"] is not None:
            figures[part["component"]] = part["value"] / 100
    weight = sum(WEIGHTS[name] for name in figures)
    if weight < COVERAGE * sum(WEIGHTS.values()):
        return None
    return sum(WEIGHTS[name] * value for name, value in figures.items()) / weight


def decided(found: Evidence, answer: Answer, as_of: datetime, some: frozenset[int] | None) -> Version | None:
    """The newest version of an answer that had been decided by an instant."""
    response = found.response(answer.key)
    if response is None:
        return None
    known = []
    for row in found.versions(response["id"]):
        if row["decided_at"] is None:
            continue
        at = instant(row["decided_at"])
        if at < as_of or (row["id"] in some if some is not None else at == as_of):
            known.append(row)
    if not known:
        return None
    newest = max(known, key=lambda row: int(row["version"]))
    return next((one for one in answer.versions if one.at == instant(newest["submitted_at"])), None)


def round_half_up(number: float) -> int:
    return int(number + 0.5)
