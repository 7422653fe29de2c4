"""When a response is unhappy and what that does to a recovery and its ticket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.model.recovery import Recovery, RecoveryState, Severity
from connector.domain.model.response import Metric, Polarity, Rating, Scale
from connector.domain.recovery.act_on import may_act, may_notify
from connector.domain.recovery.opening import (
    IfSolved,
    Move,
    Standing,
    TicketMove,
    on_happy,
    on_unhappy,
    ticket_move,
)
from connector.domain.recovery.thresholds import Threshold, judge_ratings, mirrored

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIVE = Scale(minimum=1, maximum=5)
GENERAL = Threshold(metric=Metric.CSAT, scale=FIVE, at=3)
BRAKES = Threshold(metric=Metric.CSAT, scale=FIVE, at=4, segments={"service": "brakes"})
BRAKES_GOLD = Threshold(metric=Metric.CSAT, scale=FIVE, at=2, segments={"service": "brakes", "tier": "gold"})
NPS = Threshold(metric=Metric.NPS, scale=Scale(minimum=0, maximum=10), at=6)
ALL = (GENERAL, BRAKES, BRAKES_GOLD, NPS)


def csat(value: float, best: Polarity = Polarity.HIGH_IS_BEST, about: str = "overall") -> Rating:
    return Rating(metric=Metric.CSAT, value=value, scale=Scale(minimum=1, maximum=5, best=best), about=about)


def nps(value: float) -> Rating:
    return Rating(metric=Metric.NPS, value=value, scale=NPS.scale)


@pytest.mark.parametrize(("value", "unhappy"), [(1, True), (3, True), (3.5, False), (4, False), (5, False)])
def test_at_or_below_is_unhappy(value: float, unhappy: bool) -> None:
    verdict = judge_ratings([csat(value)], {}, ALL)
    assert (verdict.unhappy, verdict.decided_by) == (unhappy, GENERAL)


@pytest.mark.parametrize(("value", "unhappy"), [(1, False), (2, False), (3, True), (4, True), (5, True)])
def test_where_low_is_best_the_threshold_is_mirrored(value: float, unhappy: bool) -> None:
    assert judge_ratings([csat(value, Polarity.LOW_IS_BEST)], {}, ALL).unhappy is unhappy


@given(value=st.integers(1, 5), at=st.integers(1, 5))
def test_both_polarities_agree_about_the_same_satisfaction(value: int, at: int) -> None:
    threshold = Threshold(metric=Metric.CSAT, scale=FIVE, at=at)
    high, low = csat(value), csat(6 - value, Polarity.LOW_IS_BEST)
    assert high.satisfaction == low.satisfaction
    assert mirrored(low) == value
    assert judge_ratings([high], {}, [threshold]).unhappy == judge_ratings([low], {}, [threshold]).unhappy


@pytest.mark.parametrize(
    ("segments", "threshold", "unhappy"),
    [
        ({}, GENERAL, False),
        ({"service": "tyres"}, GENERAL, False),
        ({"service": "Brakes "}, BRAKES, True),
        ({"service": "brakes", "tier": "gold"}, BRAKES_GOLD, False),
        ({"service": "brakes", "tier": "silver"}, BRAKES, True),
        ({"tier": "gold"}, GENERAL, False),
    ],
)
def test_the_narrowest_threshold_decides(segments: dict[str, str], threshold: Threshold, unhappy: bool) -> None:
    for thresholds in (ALL, ALL[::-1]):
        verdict = judge_ratings([csat(4)], segments, thresholds)
        assert (verdict.unhappy, verdict.decided_by) == (unhappy, threshold)


def test_of_equally_narrow_thresholds_the_one_that_catches_more_decides() -> None:
    here = Threshold(metric=Metric.CSAT, scale=FIVE, at=2, segments={"location": "Leipzig"})
    segments = {"service": "brakes", "location": "Leipzig"}
    for thresholds in ((here, BRAKES), (BRAKES, here)):
        assert judge_ratings([csat(4)], segments, thresholds).decided_by == BRAKES


def test_any_unhappy_rating_makes_the_response_unhappy_and_the_worst_leads() -> None:
    verdict = judge_ratings([csat(5), nps(3), csat(2, about="wait")], {}, ALL)
    assert verdict.unhappy
    assert verdict.leading == csat(2, about="wait")
    assert verdict.decided_by == GENERAL
    assert verdict.compared == (
        "csat overall: 5 on 1-5: not unhappy, the threshold is csat at or below 3 of 1-5",
        "nps overall: 3 on 0-10: unhappy, the threshold is nps at or below 6 of 0-10",
        "csat wait: 2 on 1-5: unhappy, the threshold is csat at or below 3 of 1-5",
    )


def test_an_unhappy_rating_leads_a_worse_one_that_is_not_unhappy() -> None:
    seven = Rating(metric=Metric.CES, value=1, scale=Scale(minimum=1, maximum=7))
    verdict = judge_ratings([seven, csat(3)], {}, ALL)
    assert verdict.leading == csat(3)
    assert verdict.compared[0] == "ces overall: 1 on 1-7: no threshold is about it"


def test_a_rating_on_another_scale_is_not_judged() -> None:
    ten = Rating(metric=Metric.CSAT, value=1, scale=Scale(minimum=1, maximum=10))
    verdict = judge_ratings([ten], {}, ALL)
    assert (verdict.unhappy, verdict.leading, verdict.decided_by) == (False, ten, None)


def test_without_ratings_nobody_is_unhappy() -> None:
    verdict = judge_ratings([], {}, ALL)
    assert (verdict.unhappy, verdict.leading, verdict.decided_by, verdict.compared) == (False, None, None, ())


def test_the_mirrored_value_is_explained() -> None:
    verdict = judge_ratings([csat(4, Polarity.LOW_IS_BEST)], {"service": "brakes"}, ALL)
    (line,) = verdict.compared
    assert line.startswith("csat overall: 4 on 1-5 where low is best, so 2: unhappy, ")
    assert line.endswith("the threshold is csat at or below 4 of 1-5, service brakes")


def recovery(severity: Severity = Severity.NORMAL, state: RecoveryState = RecoveryState.OPEN) -> Recovery:
    return Recovery(id=1, person_id=7, playbook="p", state=state, severity=severity, opened_by="a", opened_at=NOW)


def test_an_unhappy_answer_opens_a_recovery() -> None:
    step = on_unhappy("a", Severity.HIGH, Standing())
    assert (step.move, step.severity, step.raised) == (Move.OPEN, Severity.HIGH, False)


def test_a_closed_recovery_is_not_joined() -> None:
    standing = Standing(recovery=recovery(state=RecoveryState.CLOSED), answers=frozenset({"a"}), ticket_sent=True)
    assert on_unhappy("b", Severity.NORMAL, standing).move is Move.OPEN
    assert on_happy("a", standing).move is Move.NOTHING


def test_a_second_unhappy_answer_joins() -> None:
    step = on_unhappy("b", Severity.NORMAL, Standing(recovery=recovery(), answers=frozenset({"a"})))
    assert (step.move, step.raised) == (Move.JOIN, False)


def test_an_unhappy_edit_updates() -> None:
    standing = Standing(recovery=recovery(), answers=frozenset({"a"}), ticket_sent=True)
    assert on_unhappy("a", Severity.NORMAL, standing).move is Move.UPDATE


@given(before=st.sampled_from(Severity), now=st.sampled_from(Severity))
def test_severity_rises_and_never_falls(before: Severity, now: Severity) -> None:
    step = on_unhappy("b", now, Standing(recovery=recovery(before), answers=frozenset({"a"})))
    assert step.severity.rank == max(before.rank, now.rank)
    assert step.raised == (now.rank > before.rank)
    assert (now.value in step.why) == step.raised or not step.raised


@pytest.mark.parametrize(
    ("key", "answers", "sent", "move"),
    [
        ("a", {"a"}, False, Move.CANCEL),
        ("a", {"a"}, True, Move.NOTE),
        ("a", {"a", "b"}, False, Move.NOTE),
        ("a", {"a", "b"}, True, Move.NOTE),
        ("c", {"a"}, False, Move.NOTHING),
        ("c", {"a"}, True, Move.NOTHING),
    ],
)
def test_a_happy_answer_matters_only_as_an_edit(key: str, answers: set[str], sent: bool, move: Move) -> None:
    standing = Standing(recovery=recovery(Severity.HIGH), answers=frozenset(answers), ticket_sent=sent)
    step = on_happy(key, standing)
    assert (step.move, step.severity, step.raised) == (move, Severity.HIGH, False)


def test_a_happy_answer_of_somebody_without_a_recovery_does_nothing() -> None:
    assert on_happy("a", Standing()).move is Move.NOTHING


@pytest.mark.parametrize(
    ("status", "reopen", "follow_up"),
    [
        (None, TicketMove.NEW, TicketMove.NEW),
        ("new", TicketMove.NOTE, TicketMove.NOTE),
        ("open", TicketMove.NOTE, TicketMove.NOTE),
        ("pending", TicketMove.NOTE, TicketMove.NOTE),
        ("hold", TicketMove.NOTE, TicketMove.NOTE),
        ("solved", TicketMove.REOPEN, TicketMove.FOLLOW_UP),
        ("closed", TicketMove.FOLLOW_UP, TicketMove.FOLLOW_UP),
        ("deleted", TicketMove.NEW, TicketMove.NEW),
    ],
)
def test_the_tickets_status_decides_how_an_answer_reaches_it(
    status: str | None, reopen: TicketMove, follow_up: TicketMove
) -> None:
    assert ticket_move(status, IfSolved.REOPEN) is reopen
    assert ticket_move(status, IfSolved.FOLLOW_UP) is follow_up


def test_an_unknown_status_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="resolved"):
        ticket_move("resolved", IfSolved.REOPEN)


@pytest.mark.parametrize(("hours", "young"), [(-1, True), (0, True), (4, True), (4.001, False)])
def test_only_young_answers_alarm(hours: float, young: bool) -> None:
    event_at = NOW - timedelta(hours=hours)
    assert may_act(event_at, NOW, timedelta(hours=4)) is young
    assert may_notify(event_at, NOW, timedelta(hours=4)) is young
