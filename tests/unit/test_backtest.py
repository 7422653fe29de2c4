"""What `connector backtest` says would have happened is what happens when the same answers are really decided anew.

The oracle decides every answer into an empty store, by the code of a live run, and counts what is in it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import rule_names
from connector.domain.model.intent import IntentState, Receipt
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Metric, Respondent, Response, Sentiment, Understanding
from connector.domain.model.transitions import Event
from connector.domain.recovery.thresholds import Threshold
from connector.domain.scoring.config import Band
from connector.store import intents, looking_back, outbox, people, receipts, recoveries, responses
from connector.store.database import Database
from connector.store.looking_back import Recorded
from connector.store.responses import Version, VersionState
from connector.sync.backtest import KINDS
from connector.sync.decide import decide_alone
from connector.sync.identify import blinds_of
from connector.sync.imagined import Closings
from connector.sync.rescore import rescore
from connector.sync.settings import DecideSettings, OpenRecovery, Rule, SendAlert
from connector.sync.settled import settled
from connector.sync.winning_back import ANSWER_CHANGED
from connector.wiring.backtest import EVER, Report, play
from tests.unit.deciding import clock_of, example_settings
from tests.unit.samples import NOON, ONE_TO_FIVE, answer, empty_store

ANSWERS = 120
UNTIL = NOON + timedelta(days=60)
NAMES = rule_names(("service", "location", "technician", "tier", "channel"))
MOODS = (
    Understanding(language="en"),
    Understanding(language="en", sentiment=Sentiment.NEGATIVE, compound=-0.7, themes=("safety",)),
    Understanding(language="en", sentiment=Sentiment.POSITIVE, compound=0.6, themes=("staff",)),
)


def rule(name: str, when: str, *actions: OpenRecovery | SendAlert, stop: bool = False) -> Rule:
    return Rule(name=name, when=compile_expression(when, NAMES), actions=actions, stop=stop)


def book(severity: Severity = Severity.NORMAL) -> OpenRecovery:
    return OpenRecovery(playbook="service-recovery", severity=severity)


ALERT = SendAlert(
    connection="slack", channel=compile_template("#here", NAMES, "absent"), text=compile_template("x", NAMES, "absent")
)


def calm() -> DecideSettings:
    """The shipped example, which holds nothing back: what is planned is sent."""
    return replace(example_settings(), storm=None)


def same(settings: DecideSettings) -> DecideSettings:
    return settings


def stricter(settings: DecideSettings) -> DecideSettings:
    return replace(settings, thresholds=(Threshold(metric=Metric.CSAT, scale=ONE_TO_FIVE, at=4),))


def looser(settings: DecideSettings) -> DecideSettings:
    return replace(settings, thresholds=(Threshold(metric=Metric.CSAT, scale=ONE_TO_FIVE, at=1),))


def other_rules(settings: DecideSettings) -> DecideSettings:
    rules = (
        rule("twice", "recovery.answers >= 2", ALERT, ALERT),
        rule("worst", "unhappy and rating == 1", book(Severity.CRITICAL), stop=True),
        rule("edited", "edited", ALERT),
        rule("low", 'score.band == "critical" or score.points < 50', book(Severity.HIGH)),
        rule("known", 'respondent.email != "nobody@example.org" and unhappy and match.state is defined', book(), ALERT),
        rule("fresh", "age_hours < 1 and recent|length > 0", ALERT),
        rule("absent", "respondent.phone == 'x'", ALERT),
    )
    return replace(settings, rules=rules, notify_within=timedelta(hours=1), answered_within=timedelta(days=3))


def other_weights(settings: DecideSettings) -> DecideSettings:
    assert settings.score is not None
    config = replace(settings.score.config, bands=(Band(name="bad", floor=0), Band(name="good", floor=80)), coverage=0)
    rules = (rule("bad", 'score.band == "bad"', book()),)
    return replace(settings, score=replace(settings.score, config=config), rules=rules)


def no_steps(settings: DecideSettings) -> DecideSettings:
    """Nothing of a recovery is ever seen, so that an answer that changes calls it off."""
    return replace(settings, playbooks={"service-recovery": ()})


VARIANTS = [same, stricter, looser, other_rules, other_weights, no_steps]


def history(seed: int) -> Iterator[tuple[datetime, Response, Understanding, bool | None]]:
    """When each answer is decided, what it says and how, and whether an import brought it."""
    dice = Random(seed)
    at, known = NOON, []
    for number in range(ANSWERS):
        at += timedelta(hours=dice.choice([1, 3, 12, 20]), minutes=dice.randrange(60))
        late = timedelta(minutes=dice.choice([2, 2, 2, 90, 60 * 24 * 5, 60 * 24 * 30]))
        who = dice.randrange(22)
        if known and dice.random() < 0.2:
            before = dice.choice(known)
            comment = dice.choice([before.comment, "Never mind"])
            stars = dice.choice([before.ratings[0].value, 5, 1])
            submitted = max(before.submitted_at, at - late)
            said = answer(before.key.rpartition("/")[2], stars=stars, comment=comment, at=submitted, received_at=at)
            said = replace(said, respondent=before.respondent, interaction=before.interaction)
        else:
            name = dice.choice([None, "Ada Example"])
            offered = Respondent(email=None if who == 0 else f"p{who}@example.org", name=name)
            about = dice.choice(
                [Interaction(), Interaction(id=str(number), kind="ticket"), Interaction(id="x", kind="ticket")]
            )
            sliced = dice.choice([{"service": "brakes"}, {"service": "tyres"}])
            said = answer(str(number), stars=dice.randint(1, 5), respondent=offered, interaction=about, segments=sliced,
                          at=at - late, received_at=at)  # fmt: skip
            known.append(said)
        yield at, said, dice.choice(MOODS), dice.choice([None] * 8 + [True, False])


def at(db: Database, moment: datetime) -> None:
    clock_of(db).advance(moment - db.clock.now())


def decide_one(
    db: Database, settings: DecideSettings, said: Response, understood: Understanding, record_only: bool | None
) -> Version | None:
    """Record one answer and decide it; everything planned arrives at once. None for a repetition."""
    with db.write() as tx:
        run = None if record_only is None else 1
        made = responses.record(tx, said, understood, blinds=blinds_of(tx, said), run_id=run, record_only=record_only)
        assert made.response_id is not None
        version = responses.get(tx, made.response_id, made.version)
        if version is None or version.state is not VersionState.PENDING:
            return None
        assert decide_alone(tx, version, settings) is VersionState.DECIDED
        while waiting := [row for row in outbox.for_response(tx, made.response_id) if row.state is IntentState.PLANNED]:
            for row in waiting:
                done = intents.move(tx, intents.move(tx, row, Event.SENT), Event.ANSWERED)
                receipt = Receipt(remote_id=f"{row.kind.value}-{row.id}", url=None, created=True)
                receipts.add(tx, done, receipt)
                settled(tx, done, receipt)
        return responses.get(tx, made.response_id, made.version)


@contextmanager
def recorded_store(folder: Path, seed: int) -> Iterator[Database]:
    """A history really decided under the example configuration; some recoveries were closed."""
    db = empty_store(folder, VirtualClock(NOON))
    dice = Random(seed)
    for moment, said, understood, record_only in history(seed):
        at(db, moment)
        decide_one(db, calm(), said, understood, record_only)
        with db.write() as tx:
            for one in range(1, 400):
                found = recoveries.get(tx, one)
                if found is None:
                    break
                if found.closed_at is None and dice.random() < 0.03:
                    recoveries.close(tx, one, "solved", tx.now)
    at(db, UNTIL)
    yield db
    db.close()


def really(folder: Path, recorded: Database, settings: DecideSettings) -> Recorded:
    """The oracle: the decided versions decided anew, into an empty store."""
    folder.mkdir()
    db = empty_store(folder, VirtualClock(NOON))
    with recorded.read() as tx:
        versions = list(looking_back.decided(tx))
        closings = Closings.of(looking_back.spans(tx, ANSWER_CHANGED))
    persons: dict[int, int] = {}
    closing: dict[int, datetime | None] = {}
    for one in versions:
        assert one.decided_at is not None
        at(db, one.decided_at)
        with db.write() as tx:
            for number, moment in closing.items():
                if moment is not None and moment <= tx.now:
                    recoveries.close(tx, number, "solved", moment)
        after = decide_one(db, settings, one.response, one.understanding, one.record_only)
        assert after is not None
        if after.person_id is not None and one.person_id is not None:
            persons[after.person_id] = one.person_id
        with db.read() as tx:
            for found in recoveries.of_response(tx, after.response_id):
                if found.id not in closing:
                    closing[found.id] = closings.closes_at(persons[found.person_id], found.playbook, found.opened_at)
    at(db, UNTIL)
    with db.write() as tx:
        assert settings.score is not None
        for person in persons:
            rescore(tx, people.survivor(tx, person), settings.score)
        counted = looking_back.recorded(tx, EVER, KINDS, ANSWER_CHANGED)
    db.close()
    return counted


def said_of(db: Database, settings: DecideSettings, since: datetime | None = None) -> Report:
    return play(db, settings, batches={}, until=UNTIL, since=since)


@pytest.mark.parametrize("seed", [1])
def test_its_counts_equal_those_of_a_real_replay(tmp_path: Path, seed: int) -> None:
    with recorded_store(tmp_path, seed) as db:
        for variant in VARIANTS:
            settings = variant(calm())
            would = said_of(db, settings).would
            truth = really(tmp_path / variant.__name__, db, settings)
            assert (would.answers, would.unhappy) == (truth.answers, truth.unhappy), variant.__name__
            assert would.opened == truth.opened, variant.__name__
            assert (would.joined, would.called_off) == (truth.joined, truth.called_off), variant.__name__
            assert dict(would.made) == dict(truth.made), variant.__name__
            assert would.bands == truth.bands, variant.__name__
            assert sum(would.opened.values()) > 5, variant.__name__
