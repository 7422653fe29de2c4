"""What `connector backtest` says would have happened is what happens when the same answers are really decided anew.

The oracle decides every answer into an empty store, by the code of a live run, and counts what is in it afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import names_in, rule_names
from connector.domain.model.intent import IntentState, Receipt, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Metric, Respondent, Response, Sentiment, Understanding
from connector.domain.model.transitions import Event
from connector.domain.recovery.thresholds import Threshold
from connector.domain.scoring.config import Band
from connector.store import intents, lanes, looking_back, outbox, people, receipts, recoveries, responses
from connector.store.database import Database
from connector.store.looking_back import Recorded, Span
from connector.store.responses import Version, VersionState
from connector.sync import evaluations, timers
from connector.sync.backtest import KINDS
from connector.sync.decide import decide_alone
from connector.sync.identify import blinds_of
from connector.sync.imagined import Closings
from connector.sync.rescore import rescore
from connector.sync.settings import DecideSettings, OpenRecovery, Playbook, Rule, SendAlert, StartWorkflow
from connector.sync.settled import settled
from connector.sync.winning_back import ANSWER_CHANGED
from connector.wiring.backtest import EVER, Report, play
from connector.wiring.opening import load_config, open_store
from tests.unit.deciding import clock_of, example_settings, take_lane
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, ONE_TO_FIVE, answer, empty_store
from tests.unit.test_cli_rule_tests import type_

__all__ = ["type_"]  # the fixture

ANSWERS = int(os.environ.get("BACKTEST_ANSWERS", "80"))
PEOPLE = max(15, ANSWERS // 6)
UNTIL = NOON + timedelta(days=max(60, ANSWERS))
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
    return replace(settings, playbooks={"service-recovery": Playbook()})


VARIANTS = [same, stricter, looser, other_rules, other_weights, no_steps]


def history(seed: int) -> Iterator[tuple[datetime, Response, Understanding, bool | None]]:
    """When each answer is decided, what it says and how, and whether an import brought it."""
    dice = Random(seed)
    at = NOON
    known: list[Response] = []
    for number in range(ANSWERS):
        at += timedelta(hours=dice.choice([1, 3, 12, 20]), minutes=dice.randrange(60))
        late = timedelta(minutes=dice.choice([2, 2, 2, 90, 60 * 24 * 5, 60 * 24 * 30]))
        who = dice.randrange(PEOPLE)
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
        at(db, moment + timedelta(minutes=1))
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


def pass_time(db: Database, settings: DecideSettings, until: datetime) -> None:
    """Let the timers compute scores, each a day after the last time, as a live run does."""
    while True:
        with db.read() as tx:
            due = timers.due_since(tx)
        if due is None or due >= until:
            break
        at(db, due + timedelta(milliseconds=1))
        compute(db, settings)
    at(db, until)


def compute(db: Database, settings: DecideSettings) -> None:
    hold = take_lane(db, timers.LANE)
    timers.TimersLane(db=db, settings=lambda: settings, deadlines=False).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


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
        if settings.score_rules:
            pass_time(db, settings, one.decided_at)
        at(db, one.decided_at)
        with db.write() as tx:
            for number, moment in closing.items():
                if moment is not None and moment <= tx.now:
                    recoveries.close(tx, number, "solved", moment)
        after = decide_one(db, settings, one.response, one.understanding, one.record_only)
        assert after is not None
        if settings.score_rules and one.record_only:
            compute(db, settings)
        if after.person_id is not None and one.person_id is not None:
            persons[after.person_id] = one.person_id
        with db.read() as tx:
            for found in recoveries.of_response(tx, after.response_id):
                if found.id not in closing:
                    closing[found.id] = closings.closes_at(persons[found.person_id], found.playbook, found.opened_at)
    if settings.score_rules:
        pass_time(db, settings, UNTIL)
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


def on_score(name: str, when: str, *actions: SendAlert | StartWorkflow, stop: bool = False) -> Rule:
    return Rule(name=name, when=compile_expression(when, names_in("score", ())), actions=actions, stop=stop)


def of_scores(settings: DecideSettings, *rules_: Rule) -> DecideSettings:
    """The example with a score of answers alone that moves quickly, and rules about it."""
    assert settings.score is not None
    (csat,) = (one for one in settings.score.config.components if one.name == "csat")
    config = replace(settings.score.config, components=(replace(csat, half_life=timedelta(days=7)),), coverage=0)
    return replace(settings, score=replace(settings.score, config=config, signals=()), score_rules=rules_)


def moving(settings: DecideSettings) -> DecideSettings:
    """Bands that are fallen into and left, a fall within a month, what time alone brings about, and rules that stop."""
    return of_scores(
        replace(settings, answered_within=timedelta(days=3)),
        on_score("known", 'respondent.email != "nobody@example.org" and score.points < 60', ALERT),
        on_score("fell", 'score.fell_into == "at_risk" or score.fell_into == "critical"', ALERT),
        on_score("rose", 'score.rose_into == "healthy"', ALERT, ALERT),
        on_score("dropped", "score.fell_30d >= 10", ALERT, stop=True),
        on_score("recovers", "score.points >= 55 and score.answers > 1", ALERT),
    )


@pytest.mark.parametrize("seed", [2])
def test_rules_about_scores_begin_as_often_as_in_a_real_replay(tmp_path: Path, seed: int) -> None:
    with recorded_store(tmp_path, seed) as db:
        settings = moving(calm())
        would = said_of(db, settings).would
        truth = really(tmp_path / "anew", db, settings)
    assert dict(would.fired) == dict(truth.fired)
    assert would.made == truth.made
    assert {"fell", "rose", "dropped", "recovers", "known"} == would.fired.keys()


@pytest.mark.parametrize("seed", [3, 4])
def test_days_that_are_looked_at_together_say_what_each_says(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded_store(tmp_path, seed) as db:
        together = said_of(db, moving(calm())).would
        monkeypatch.setattr(evaluations, "LONGEST", 1)
        assert said_of(db, moving(calm())).would == together
    assert sum(together.fired.values()) > 20


def test_what_time_alone_brings_about_is_counted_and_only_from_the_moment_on(tmp_path: Path) -> None:
    with recorded_store(tmp_path, 2) as db:
        settings = moving(calm())
        whole = said_of(db, settings).would
        with db.read() as tx:
            *_, last = looking_back.decided(tx)
        assert last.decided_at is not None
        late = said_of(db, settings, since=last.decided_at + timedelta(seconds=1)).would
        quiet = said_of(db, replace(settings, score_rules=())).would
    assert late.answers == 0
    assert 0 < sum(late.fired.values()) < sum(whole.fired.values())
    assert quiet.fired == {}
    told = whole.made[WriteKind.ALERT] - quiet.made[WriteKind.ALERT]
    assert told == sum(whole.fired.values()) + whole.fired["rose"], "one sends two"


def test_counting_begins_at_a_moment_and_what_was_open_before_is_joined(tmp_path: Path) -> None:
    with recorded_store(tmp_path, 3) as db:
        whole = said_of(db, calm())
        half = said_of(db, calm(), since=NOON + timedelta(days=25))
        with db.read() as tx:
            truth = looking_back.recorded(tx, NOON + timedelta(days=25), KINDS, ANSWER_CHANGED)
    assert 0 < half.would.answers < whole.would.answers
    assert half.would.joined > 0
    assert (half.would.opened, half.would.joined) == (truth.opened, truth.joined)
    assert half.would.made == truth.made == half.did.made
    assert half.would.bands == whole.would.bands


def test_without_a_change_it_says_what_was_and_nobody_turns(tmp_path: Path) -> None:
    with recorded_store(tmp_path, 4) as db:
        report = said_of(db, calm())
        stricter_ = said_of(db, stricter(calm())).would
    did, would = report.did, report.would
    assert (did.answers, did.unhappy, did.opened, did.joined) == (
        would.answers, would.unhappy, would.opened, would.joined,
    )  # fmt: skip
    assert did.made == would.made
    assert (would.turned, would.calmed) == (0, 0)
    assert stricter_.turned > 0
    assert stricter_.unhappy == would.unhappy + stricter_.turned - stricter_.calmed


def test_requests_are_counted_by_batch_and_moment(tmp_path: Path) -> None:
    with recorded_store(tmp_path, 5) as db:
        alone = play(db, calm(), batches={}, until=UNTIL).would
        tasks = play(db, calm(), batches={("salesforce:acme", WriteKind.TASK): 200}, until=UNTIL).would
    assert alone.requests == sum(alone.made.values())
    assert alone.requests - alone.made[WriteKind.TASK] < tasks.requests <= alone.requests


@pytest.mark.both_stores
def test_only_the_newest_are_looked_at(tmp_path: Path) -> None:
    with recorded_store(tmp_path, 6) as db:
        report = play(db, calm(), batches={}, until=UNTIL, newest=10)
        with db.read() as tx:
            tenth = list(looking_back.decided(tx))[-10].decided_at
    assert report.would.answers == report.did.answers == 10
    assert report.since == tenth


@pytest.mark.parametrize(
    ("opened", "closes"),
    [(0, 2), (1, 2), (2, 6), (5, 9), (11, None)],
    ids=["with the real one", "within it", "after it: as usual", "between two", "the real one is still open"],
)
def test_when_a_recovery_would_be_closed(opened: int, closes: int | None) -> None:
    def day(number: int) -> datetime:
        return NOON + timedelta(days=number)

    spans = {
        (1, "a"): [Span(since=day(0), until=day(2)), Span(since=day(10), until=None)],
        (2, "a"): [Span(since=day(0), until=day(4)), Span(since=day(0), until=day(40))],
    }
    found = Closings.of(spans).closes_at(1, "a", day(opened))
    assert found == (None if closes is None else day(closes))


def test_a_playbook_nobody_closed_lasts_as_long_as_the_others_and_without_any_for_ever() -> None:
    span = Span(since=NOON, until=NOON + timedelta(days=4))
    known = Closings.of({(2, "a"): [span]})
    assert known.closes_at(1, "b", NOON) == NOON + timedelta(days=4)
    assert Closings.of({}).closes_at(1, "b", NOON) is None


ON_SCORE = """
  - name: moved
    on: score
    when: score.points != score.before.points
    do: [{notify: {connection: slack, channel: "#here", text: x}}]
"""


def test_the_command_prints_both_and_leaves_the_store_as_it_was(type_: Keyboard) -> None:
    path = type_.folder / "connector.db"
    settings = calm()
    loaded = load_config(str(type_.folder / "connector.yaml"))
    db = open_store(loaded.config, VirtualClock(NOON)).create()
    for moment, said, understood, record_only in islice(history(7), 12):
        at(db, moment)
        decide_one(db, settings, said, understood, record_only)
    db.close()
    names = [one for one in type_.folder.iterdir() if one.name.startswith("connector.db")]
    before = {one: one.read_bytes() for one in names}
    config = type_.folder / "connector.yaml"
    stricter_ = config.read_text().replace("scale: 1-5, at: 3", "scale: 1-5, at: 5")
    (type_.folder / "new.yaml").write_text(
        stricter_.replace("\n  - name: unhappy\n", f"{ON_SCORE}  - name: unhappy\n", 1)
    )
    said = type_("backtest", "--config", "new.yaml", "--format", "json").json
    assert said["did"]["score_rules"] == {}
    fired = said["would"]["score_rules"]["moved"]
    assert fired > 0
    line = f"moved, on a score 0 {fired}"
    type_("backtest", "--config", "new.yaml").says(0, "What came of it", "answers 12 12", "A recovery is closed", line)
    done = type_("backtest", "--config", "new.yaml", "--format", "json", "--since", "2026-03-03")
    assert done.json["would"]["unhappy"] == done.json["would"]["answers"] > done.json["did"]["unhappy"]
    assert done.json["since"].startswith("2026-03-02T23:00")
    assert type_("backtest", "--limit", "3", "--format", "json").json["did"]["answers"] == 3
    type_("backtest", "--since", "lately").says(2, "expected a day such as 2026-11-01")
    assert {one: one.read_bytes() for one in type_.folder.iterdir() if one.name.startswith("connector.db")} == before
    assert path in before
