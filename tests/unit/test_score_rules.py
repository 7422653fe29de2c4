"""Rules about a health score: they act when something begins to hold, once, and never because of what is no news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import names_in
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.recovery.night import Night
from connector.errors import ConfigError
from connector.store import history, lanes, outbox, responses
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.sync.identify import blinds_of
from connector.sync.settings import DecideSettings, Rule, SendAlert, StartWorkflow, Target
from connector.sync.timers import TimersLane
from connector.wiring.opening import load_config
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, take_lane
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, PLAIN, answer, empty_store
from tests.unit.test_cli_rule_tests import tried as try_tests
from tests.unit.test_cli_rule_tests import type_

__all__ = ["type_"]  # the fixture

NAMES = names_in("score", ())
DAY = timedelta(days=1)
FELL = 'score.fell_into == "at_risk" or score.fell_into == "critical"'


def told(text: str = "{{ respondent.email }} fell from {{ score.before.points }} to {{ score.points }}") -> SendAlert:
    return SendAlert(
        connection="slack",
        channel=compile_template("#{{ score.band }}", NAMES, "absent"),
        text=compile_template(text, NAMES, "absent"),
    )


def on_score(when: str = FELL, *actions: SendAlert | StartWorkflow, name: str = "fell", stop: bool = False) -> Rule:
    return Rule(name=name, when=compile_expression(when, NAMES), actions=actions or (told(),), stop=stop)


def watching(*rules: Rule) -> DecideSettings:
    """The example, with rules about the score alone; csat is all of it."""
    example = example_settings()
    assert example.score is not None
    config = replace(
        example.score.config,
        components=tuple(one for one in example.score.config.components if one.name == "csat"),
        coverage=0,
    )
    return replace(example, rules=(), score_rules=rules, score=replace(example.score, config=config), storm=None)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = empty_store(tmp_path, VirtualClock(NOON))
    yield made
    made.close()


def fired(db: Database) -> list[IntentRow]:
    with db.read() as tx:
        rows = sorted(outbox.listed(tx, limit=1000), key=lambda row: row.id)
    return [row for row in rows if row.kind in {WriteKind.ALERT, WriteKind.EVENT} and row.person_id is not None]


def texts(db: Database) -> list[object]:
    return [row.fields.get("text") for row in fired(db)]


def say(db: Database, number: str, stars: float, settings: DecideSettings, *, late: timedelta = timedelta(0)) -> None:
    feed(db, answer(number, stars=stars, at=db.clock.now() - late, received_at=db.clock.now()))
    decide_all(db, settings)


def wait(db: Database, span: timedelta, settings: DecideSettings, step: timedelta = DAY) -> None:
    """Let time pass, with the timers at work every `step`."""
    until = db.clock.now() + span
    while db.clock.now() < until:
        clock_of(db).advance(min(step, until - db.clock.now()))
        run_timers(db, settings)


def run_timers(db: Database, settings: DecideSettings) -> None:
    hold = take_lane(db, "timers")
    TimersLane(db=db, settings=lambda: settings).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def test_an_answer_that_brings_somebody_down_is_told_once(db: Database) -> None:
    settings = watching(on_score())
    for number in range(2):
        say(db, f"good{number}", 5, settings)
    say(db, "bad", 1, settings)
    assert texts(db) == ["ada@example.org fell from 86.67 to 65"]
    (row,) = fired(db)
    assert (row.fields["channel"], row.state, row.response_id) == ("#at_risk", IntentState.PLANNED, None)
    run_timers(db, settings)
    wait(db, 3 * DAY, settings)
    assert len(fired(db)) == 1
    for number in range(2):
        say(db, f"worse{number}", 1, settings)
    assert [row.fields["channel"] for row in fired(db)] == ["#at_risk"]
    say(db, "worst", 1, settings)
    assert [row.fields["channel"] for row in fired(db)] == ["#at_risk", "#critical"]


def test_the_first_score_has_not_fallen_from_anywhere(db: Database) -> None:
    say(db, "bad", 1, watching(on_score("score.points < 99", told())))
    assert fired(db) == []


def test_time_alone_brings_somebody_down_and_the_timers_tell_it_once(db: Database) -> None:
    settings = watching(on_score())
    say(db, "good", 5, settings)
    wait(db, 230 * DAY, settings, 10 * DAY)
    assert [row.fields["channel"] for row in fired(db)] == ["#at_risk"]
    wait(db, 30 * DAY, settings, 10 * DAY)
    assert len(fired(db)) == 1


def test_points_within_thirty_days_cross_a_line_once(db: Database) -> None:
    settings = watching(on_score("score.fell_30d >= 15"))
    say(db, "good", 5, settings)
    wait(db, 31 * DAY, settings, 3 * DAY)
    say(db, "bad", 1, settings)
    assert len(fired(db)) == 1
    wait(db, 5 * DAY, settings)
    say(db, "bad again", 1, settings)
    assert len(fired(db)) == 1


def test_who_recovers_and_falls_again_is_told_again(db: Database) -> None:
    settings = watching(on_score(), on_score('score.rose_into == "healthy"', told("up"), name="rose"))
    for number, stars in enumerate([5, 1, *[5] * 12, *[1] * 6]):
        say(db, str(number), stars, settings)
        clock_of(db).advance(timedelta(minutes=1))
    assert texts(db) == [
        "ada@example.org fell from 80 to 53.33",
        "up",
        "ada@example.org fell from 68 to 64.76",
    ]


def test_at_night_a_message_waits_for_the_morning(db: Database) -> None:
    night = Night(begins=time(0), ends=time(18))
    settings = replace(watching(on_score()), quiet=night, time_zone=ZoneInfo("UTC"))
    say(db, "1", 5, settings)
    clock_of(db).advance(DAY)
    say(db, "2", 1, settings)
    [alert] = fired(db)
    assert alert.not_before == (NOON + DAY).replace(hour=18)
    assert alert.give_up_at == alert.not_before + settings.notify_within


def test_new_weights_and_bands_move_everybody_quietly(db: Database) -> None:
    settings = watching(on_score("score.points < 70"), on_score(name="two"))
    say(db, "good", 5, settings)
    clock_of(db).advance(timedelta(hours=1))
    assert settings.score is not None
    config = replace(settings.score.config, shrink=replace(settings.score.config.shrink, toward=0.0))
    changed = replace(settings, score=replace(settings.score, config=config))
    run_timers(db, changed)
    wait(db, 2 * DAY, changed)
    assert fired(db) == []
    say(db, "bad", 1, changed)
    assert len(fired(db)) == 1, "and what happens afterwards is told: into critical"


def test_what_an_import_brings_moves_people_quietly(db: Database) -> None:
    settings = watching(on_score())
    say(db, "good", 5, settings)
    clock_of(db).advance(20 * DAY)
    with db.write() as tx:
        for number in range(3):
            bad = answer(f"imported{number}", stars=1, at=db.clock.now() - 5 * DAY)
            responses.record(tx, bad, PLAIN, blinds=blinds_of(tx, bad), run_id=1, record_only=True)
    decide_all(db, settings)
    wait(db, 3 * DAY, settings)
    assert fired(db) == []


def test_an_answer_too_old_to_act_on_is_no_news(db: Database) -> None:
    settings = watching(on_score())
    say(db, "good", 5, settings)
    clock_of(db).advance(20 * DAY)
    say(db, "bad", 1, settings, late=8 * DAY)
    wait(db, 3 * DAY, settings)
    assert fired(db) == []


def test_an_answer_that_arrives_after_a_later_evaluation_is_news(db: Database) -> None:
    settings = watching(on_score())
    say(db, "good", 5, settings)
    clock_of(db).advance(3 * DAY)
    run_timers(db, settings)
    say(db, "bad", 1, settings, late=timedelta(hours=1))
    assert len(fired(db)) == 1


def test_keys_are_derived_from_what_happened_and_not_from_names(db: Database) -> None:
    settings = watching(on_score(name="fell"), on_score(name="again"))
    say(db, "a", 5, settings)
    say(db, "b", 1, settings)
    keys = [row.key for row in fired(db)]
    assert [key.rpartition("/score/")[2] for key in keys] == [
        "typeform/aB3dE9/b/1/alert/0",
        "typeform/aB3dE9/b/1/alert/1",
    ]
    assert not any("fell" in key or "again" in key for key in keys)
    with db.read() as tx:
        found = responses.find(tx, "typeform/aB3dE9/b")
        assert found is not None
        (entry,) = [one for one in history.for_response(tx, found) if one.event == "score_rules"]
    assert isinstance(entry.detail, dict)
    assert entry.detail["before"] == {"points": 80.0, "band": "healthy"}


def test_other_programs_are_started_and_stop_ends_the_list(db: Database) -> None:
    data = {
        "band": compile_expression("score.band", NAMES, "absent"),
        "owner": compile_expression("contact.owner", NAMES, "absent"),
    }
    start = StartWorkflow(connection="zapier", event="fell", data=data)
    settings = watching(on_score(FELL, start, start, stop=True), on_score(name="never"))
    zapier = Target(account="workflow:zapier", roles=frozenset({"workflow"}))
    settings = replace(settings, targets={**settings.targets, "zapier": zapier})
    say(db, "a", 5, settings)
    say(db, "b", 1, settings)
    assert [row.kind for row in fired(db)] == [WriteKind.EVENT, WriteKind.EVENT]
    assert fired(db)[0].fields == {"event": "fell", "data": {"band": "at_risk", "owner": None}}
    assert len({row.key for row in fired(db)}) == len({row.object for row in fired(db)}) == 2


@tried(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(0, 40)), min_size=2, max_size=6),
    often=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_looking_again_fires_nothing_more(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, int]], often: list[bool]
) -> None:
    """However often scores are computed at one instant, each crossing of a band is told once."""

    def run(*, twice: bool) -> list[object]:
        db = empty_store(tmp_path_factory.mktemp("store"), VirtualClock(NOON))
        settings = watching(on_score())
        for number, (stars, days) in enumerate(said):
            clock_of(db).advance(timedelta(days=days, hours=1))
            say(db, str(number), stars, settings)
            for _ in range(3 if twice and often[number] else 1):
                run_timers(db, settings)
                decide_all(db, settings)
        found = texts(db)
        db.close()
        return found

    assert run(twice=True) == run(twice=False)


RULE = """
  - name: fell
    on: score
    when: {when}
    do: [{{{do}}}]
"""
NOTIFY = 'notify: {connection: slack, channel: "#x", text: "{{ score.before.band }}"}'


@pytest.mark.parametrize(
    ("when", "do", "words"),
    [
        ("score.points < 40", "open_recovery: service-recovery", "has no answer to open a recovery for"),
        ("unhappy", NOTIFY, "'unhappy' never has a value here"),
        ("score.fell_into == 'at_rsk'", NOTIFY, "did you mean 'at_risk'?"),
        ("score.fell == 'at_risk'", NOTIFY, "there is no 'score.fell'"),
        ("score.points < 40", NOTIFY.replace("score.before.band", "ticket.url"), "never has a value here"),
    ],
)
def test_what_a_rule_about_scores_cannot_say_is_refused(type_: Keyboard, when: str, do: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(type_, RULE.format(when=f'"{when}"', do=do))
    assert any(words in str(problem) for problem in caught.value.problems), caught.value.problems
    assert len(caught.value.problems) == 1


def test_a_rule_about_answers_knows_no_movement(type_: Keyboard) -> None:
    with pytest.raises(ConfigError, match=r"score\.fell_into' never has a value here"):
        configured(
            type_, RULE.format(when="score.fell_into == 'at_risk'", do=NOTIFY).replace("on: score", "on: answer")
        )


def test_it_is_configured_and_tested_like_any_other(type_: Keyboard) -> None:
    configured(type_, RULE.format(when="score.fell_into == 'at_risk' or score.fell_into == 'critical'", do=NOTIFY))
    text = (
        "rules:\n  - name: one\n"
        "    before: [{ago: 2d, survey: service, ratings: {csat: 5}, person: {email: ada@example.com}}]\n"
        "    answer: {survey: service, ratings: {csat: 1}, person: {email: ada@example.com}}\n"
        "    expect: {rules: [unhappy, fell], messages: 1}\n"
    )
    try_tests(type_, text).says(0, "1 passed.")


def configured(type_: Keyboard, rule: str) -> None:
    path = type_.folder / "connector.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\ncalendars:", f"{rule}\ncalendars:"), encoding="utf-8")
    load_config(str(path))


def test_without_a_score_there_is_nothing_to_be_about(type_: Keyboard) -> None:
    path = type_.folder / "connector.yaml"
    text = path.read_text(encoding="utf-8")
    begin, end = text.index("health_score:"), text.index("answers: {write_to")
    path.write_text(text[:begin] + text[end:], encoding="utf-8")
    with pytest.raises(ConfigError, match="nobody is scored"):
        configured(type_, RULE.format(when="score.points < 40", do=NOTIFY))
