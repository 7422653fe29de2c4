"""Rules about a health score: they act when what they ask for begins to hold, once, from one evaluation to the next.

What is compared is the score as of the last evaluation and the score now, both from the same facts but for those of the
answer that is being decided, and both under the same configuration. So new weights fire nothing, and neither does what
is learnt late of times that were evaluated already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.domain.mapping.fields import travelling
from connector.domain.model.intent import Intent, Json, Priority, WriteKind
from connector.domain.model.person import LinkState
from connector.domain.model.score import Fact, Score
from connector.domain.scoring.config import ScoringConfig
from connector.domain.scoring.score import score
from connector.store import contacts, history, intents, links, people, scores
from connector.store.looking_back import FIRED
from connector.store.transaction import Transaction
from connector.sync import names, rules
from connector.sync.context import contact_values, respondent_values, score_values
from connector.sync.planning import PATIENCE
from connector.sync.quiet import loud_from
from connector.sync.rules import Ruling
from connector.sync.settings import DecideSettings, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A person as their score was computed last: that score, and the facts that are known before anything changes."""

    last: Score
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What is told: whose score moved because of what, as of when, and the values texts may speak of."""

    person_id: int
    context: Mapping[str, object]
    settings: DecideSettings
    cause: str
    at: datetime

    def key(self, tx: Transaction, target: Target) -> str:
        """What the keys of its intents begin with."""
        return names.score_key(target.account, names.person_key(tx, self.person_id), self.cause)


def before(tx: Transaction, person_id: int | None, settings: DecideSettings) -> Before | None:
    """To be asked once signals are gathered, before an answer adds its facts and the score is computed.

    None where no rule is about scores, or the person has none yet: the first score has moved from nowhere.
    """
    if person_id is None or not settings.score_rules:
        return None
    last = scores.latest(tx, person_id)
    return None if last is None else Before(last=last, facts=scores.facts(tx, person_id))


def react(
    tx: Transaction,
    person_id: int,
    known: Before | None,
    computed: Score | None,
    settings: DecideSettings,
    *,
    cause: str,
    response_id: int | None = None,
) -> list[Intent]:
    """The messages and events of the rules that begin to hold with `computed`; `cause` as in `names.score_key`.

    `computed` None: as far as time alone has moved the score; what an old answer changed is not news.
    """
    policy = settings.score
    if known is None or policy is None:
        return []
    then = score(known.facts, known.last.as_of, policy.config)
    now = score(known.facts, tx.now, policy.config) if computed is None else computed
    rulings, context = begun(settings, person_values(tx, person_id, settings), now, then, policy.config)
    if not rulings:
        return []
    news = _News(person_id=person_id, context=context, settings=settings, cause=cause, at=now.as_of)
    planned = [*_alerts(tx, news, rulings), *_events(tx, news, rulings)]
    fired: dict[str, Json] = {
        "cause": cause,
        "why": ", ".join(ruling.rule for ruling in rulings),
        "rules": [ruling.to_json() for ruling in rulings],
        "before": {"points": then.points, "band": then.band},
        "now": {"points": now.points, "band": now.band},
    }
    history.append(tx, FIRED, response_id=response_id, person_id=person_id, detail=fired)
    return [intent for intent in planned if intents.by_key(tx, intent.key) is None]


def begun(
    settings: DecideSettings, person: Mapping[str, object], now: Score, then: Score, config: ScoringConfig
) -> tuple[list[Ruling], Mapping[str, object]]:
    """The rules that begin to hold from `then` to `now`, and the values they and their texts speak of. Pure."""
    context = {**person, "score": _moved(now, then, config)}
    return rules.begun(settings.score_rules, context, {**person, "score": _moved(then, then, config)}), context


def held(settings: DecideSettings, person: Mapping[str, object], one: Score, config: ScoringConfig) -> tuple[bool, ...]:
    """Which of the rules hold while the score stays at `one`. Pure."""
    return rules.held(settings.score_rules, {**person, "score": _moved(one, one, config)})


def _moved(now: Score, then: Score, config: ScoringConfig) -> dict[str, object]:
    order = {band.name: number for number, band in enumerate(config.bands)}
    here, there = order.get(now.band or ""), order.get(then.band or "")
    fell = here is not None and there is not None and here < there
    rose = here is not None and there is not None and here > there
    return {
        **score_values(now, config),
        "before": {"points": then.points, "band": then.band},
        "fell_into": now.band if fell else None,
        "rose_into": now.band if rose else None,
        "fell_30d": None if now.trend is None else max(0.0, -now.trend / 100),
    }


def person_values(tx: Transaction, person_id: int, settings: DecideSettings) -> Mapping[str, object]:
    """What a rule about a score may say of whose it is."""
    contact = None
    for target in settings.crms():
        link = links.get(tx, person_id, target.account)
        if contact is None and link is not None and link.state is LinkState.LINKED and link.remote_id is not None:
            contact = contacts.get(tx, target.account, link.remote_id)
    return {"respondent": respondent_values(people.details(tx, person_id)), "contact": contact_values(contact)}


def _alerts(tx: Transaction, news: _News, rulings: Sequence[Ruling]) -> Iterator[Intent]:
    loud = loud_from(news.settings, tx.now, critical=False)
    for ordinal, alert in enumerate(rules.alerts_wanted(rulings)):
        target = news.settings.targets[alert.connection]
        yield Intent(
            key=f"{news.key(tx, target)}/alert/{ordinal}",
            account=target.account,
            kind=WriteKind.ALERT,
            object=names.score_alert_object(news.person_id, news.cause, ordinal),
            fields={
                "channel": alert.channel.render(news.context).strip(),
                "text": alert.text.render(news.context).strip(),
            },
            cause_at=news.at,
            not_before=max(tx.now + target.linger, loud),
            give_up_at=loud + news.settings.notify_within,
            priority=Priority.NORMAL,
            person_id=news.person_id,
        )


def _events(tx: Transaction, news: _News, rulings: Sequence[Ruling]) -> Iterator[Intent]:
    seen: Counter[tuple[str, str]] = Counter()
    for start in rules.events_wanted(rulings):
        target = news.settings.targets[start.connection]
        ordinal = seen[target.account, start.event]
        seen[target.account, start.event] += 1
        data = {name: travelling(value.evaluate(news.context)) for name, value in start.data.items()}
        yield Intent(
            key=f"{news.key(tx, target)}/event/{start.event}/{ordinal}",
            account=target.account,
            kind=WriteKind.EVENT,
            object=names.score_event_object(news.person_id, news.cause, start.event, ordinal, target.account),
            fields={"event": start.event, "data": data},
            cause_at=news.at,
            not_before=tx.now + target.linger,
            give_up_at=tx.now + PATIENCE,
            priority=Priority.NORMAL,
            person_id=news.person_id,
        )
