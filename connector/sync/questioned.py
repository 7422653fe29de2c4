"""A person's health score, questioned: what it is made of, on any date, and how it came to be what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.score import Contribution, Fact, Score
from connector.domain.scoring.components import WHOLE, decay
from connector.domain.scoring.config import ComponentConfig, ComponentKind, Measure, Missing
from connector.domain.scoring.facts import facts_of
from connector.domain.scoring.reason import reason
from connector.domain.scoring.score import score
from connector.store import looking_back, scores
from connector.store.transaction import Transaction
from connector.sync.rescore import SIGNALS
from connector.sync.settings import ScorePolicy

_DAY: Final = timedelta(days=1)
_STANDS_IN: Final = {
    Missing.RENORMALIZE: "the others share its weight",
    Missing.NEUTRAL: "it counts as neither good nor bad",
    Missing.ZERO: "it counts as 0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """One fact. `counts` is its weight beside a fresh one, 0–1, as far as it has aged by the date."""

    what: str
    at: datetime
    value: float
    counts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One component: its weight as a share of all weights (0–1), its own 0–100 figure, the points it adds.

    `missing` says what it does without data; None with data.
    """

    name: str
    share: float
    value: float | None
    points: float
    facts: tuple[Behind, ...]
    missing: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The score as it was computed and recorded once."""

    as_of: datetime
    points: float | None
    band: str | None
    coverage: float
    trend: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Questioned:
    """A score and everything behind it; `points` are the sum of what the components add.

    `recorded` is what was computed by that date, with the weights of then; `history` the evaluations up to it, newest
    first.
    """

    person: int
    as_of: datetime
    points: float | None
    band: str | None
    coverage: float
    needed: float
    trend: float | None
    answers: int
    reason: str
    components: tuple[Component, ...]
    recorded: Evaluation | None
    history: tuple[Evaluation, ...]


def question(tx: Transaction, person_id: int, policy: ScorePolicy, as_of: datetime, *, most: int) -> Questioned:
    """The person's score at `as_of` from what was known then, under the configuration of now.

    `as_of` not before the present: from what is known. `most`: so many evaluations of the history.
    """
    facts = scores.facts(tx, person_id) if as_of >= tx.now else facts_known(tx, person_id, policy, as_of)
    computed = score(facts, as_of, policy.config)
    recorded = scores.as_of_then(tx, person_id, as_of)
    return Questioned(
        person=person_id,
        as_of=as_of,
        points=computed.points,
        band=computed.band,
        coverage=computed.coverage,
        needed=policy.config.coverage,
        trend=_points(computed.trend),
        answers=computed.answers,
        reason=reason(computed, policy.config),
        components=tuple(_components(computed, facts, policy, as_of)),
        recorded=None if recorded is None else _evaluation(recorded),
        history=tuple(_evaluation(one) for one in scores.history(tx, person_id, limit=most, by=as_of)),
    )


def facts_known(tx: Transaction, person_id: int, policy: ScorePolicy, moment: datetime) -> list[Fact]:
    """The facts as they were known at `moment`: of each answer the version decided by then, and signals by their time.

    Of a field of the CRM only its newest value is kept; one that changed since is not known.
    """
    said = looking_back.known_by(tx, person_id, moment)
    found = [fact for one in said for fact in facts_of(one.response, one.understanding, policy.config)]
    return found + [one for one in scores.facts(tx, person_id) if one.source.startswith(SIGNALS) and one.at <= moment]


def _components(computed: Score, facts: Sequence[Fact], policy: ScorePolicy, as_of: datetime) -> Iterator[Component]:
    configured = {one.name: one for one in policy.config.components}
    whole = sum(one.weight for one in policy.config.components)
    for part in computed.contributions:
        mine = [one for one in facts if one.component == part.component and one.at <= as_of]
        yield Component(
            name=part.component,
            share=part.weight / whole,
            value=_points(part.value),
            points=part.points / 100,
            facts=tuple(
                _behind(one, configured[part.component], as_of)
                for one in sorted(mine, key=lambda one: (one.at, one.source), reverse=True)
            ),
            missing=_missing(part, computed, policy),
        )


def _missing(part: Contribution, computed: Score, policy: ScorePolicy) -> str | None:
    if part.value is not None:
        return None
    return "no data" if computed.hundredths is None else f"no data: {_STANDS_IN[policy.config.missing]}"


def _behind(fact: Fact, component: ComponentConfig, as_of: datetime) -> Behind:
    counts = 1.0
    if component.kind is not ComponentKind.SIGNAL:
        counts = decay((as_of - fact.at) // _DAY, component.half_life) / WHOLE
    elif component.measure is Measure.COUNT and component.window is not None and as_of - fact.at >= component.window:
        counts = 0.0
    return Behind(what=_what(fact), at=fact.at, value=fact.value, counts=round(counts, 4))


def _what(fact: Fact) -> str:
    """`answer typeform/aB3dE9/1, csat/overall`, `zendesk:acme ticket 12`, `salesforce:acme Last_Service__c`."""
    if not fact.source.startswith(SIGNALS):
        key, _, rest = fact.source.rpartition("#")
        return f"answer {key}, {rest if rest == 'sentiment' else rest.rpartition('/')[0]}"
    return fact.source.removeprefix(SIGNALS).replace("/", " ")


def _evaluation(one: Score) -> Evaluation:
    return Evaluation(
        as_of=one.as_of, points=one.points, band=one.band, coverage=one.coverage, trend=_points(one.trend)
    )


def _points(hundredths: int | None) -> float | None:
    return None if hundredths is None else hundredths / 100
