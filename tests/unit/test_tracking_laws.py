"""Deadlines under pauses, restarts and changed files, against a minute hand that counts what is left."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.recovery import StepState
from connector.store import lanes, steps
from connector.store.database import Database
from connector.sync.settings import DecideSettings
from connector.sync.timers import LANE, TimersLane
from tests.unit.deciding import decide_all, feed, planned, pretend_confirmed, take_lane
from tests.unit.samples import answer, empty_store
from tests.unit.test_tracking import REVIEW, TICKET, messages, seen, settings_with

MINUTE = timedelta(minutes=1)
ZONE = ZoneInfo("Europe/Berlin")
HOLIDAY = date(2026, 3, 30)
DESK = {"hours": {"mon-sun": ["08:00-12:00", "13:00-18:00"]}, "time_zone": "Europe/Berlin", "closed": ["2026-03-30"]}
WITHIN = 240
RUNG = {"notify": {"connection": "slack", "channel": "#leads", "text": "late"}}
# The night before the clock is set forward: the deadline falls on either side of it, and of a holiday.
BEGINS = datetime(2026, 3, 28, 10, 0, tzinfo=UTC)

actions = st.lists(
    st.tuples(st.sampled_from(["run", "pause", "go on", "other file"]), st.integers(0, 700)), min_size=1, max_size=8
)


def is_open(moment: datetime) -> bool:
    local = moment.astimezone(ZONE)
    minute = local.hour * 60 + local.minute
    return local.date() != HOLIDAY and (480 <= minute < 720 or 780 <= minute < 1080)


class Hand:
    """Counts down, minute by minute, what is left of the time; knows nothing of intervals."""

    def __init__(self) -> None:
        self.now, self.left, self.paused = BEGINS, WITHIN, False
        self.due: datetime | None = None

    def advance(self, minutes: int) -> None:
        for _ in range(minutes):
            if not self.paused and self.due is None and is_open(self.now):
                self.left -= 1
                if self.left == 0:
                    self.due = self.now + MINUTE
            self.now += MINUTE


def run_timers(db: Database, chosen: DecideSettings) -> None:
    hold = take_lane(db, LANE)
    due = TimersLane(db=db, settings=lambda: replace(chosen, score=None)).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)


@settings(max_examples=40, deadline=None)
@given(actions)
def test_a_deadline_is_where_the_hand_says_and_its_message_comes_once(doings: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = VirtualClock(BEGINS)
        db = empty_store(Path(folder), clock)
        written = ({"ticket": TICKET}, {"expect": {**REVIEW, "within": f"{WITHIN}m", "late": [RUNG]}})
        chosen = settings_with(*written, calendars={"desk": DESK}, calendar="desk", pause_while=["pending"])
        other = settings_with({"ticket": TICKET}, {"expect": {**REVIEW, "within": "1m", "late": []}})
        feed(db, answer("1", at=BEGINS - MINUTE))
        decide_all(db, chosen)
        [ticket] = planned(db, WriteKind.TICKET)
        pretend_confirmed(db, ticket, "501")
        hand, told = Hand(), 0
        for action, minutes in doings:
            clock.advance(minutes * MINUTE)
            hand.advance(minutes)
            if action == "other file":
                chosen, other = other, chosen
            elif action == "run":
                run_timers(db, chosen)
                told = told or int(hand.due is not None and not hand.paused)
            elif hand.due is None:
                hand.paused = action == "pause"
                seen(db, chosen, "pending" if hand.paused else "open")
            check(db, hand, told)
        db.close()


def check(db: Database, hand: Hand, told: int) -> None:
    """The row says what the hand says, and whoever was to be told was told once."""
    with db.read() as tx:
        [row] = steps.of(tx, 1)
    assert len(messages(db)) == told
    if row.state is StepState.PAUSED:
        assert row.remaining == hand.left * MINUTE
    elif hand.due is not None:
        assert row.due_at == hand.due
    else:
        probe = Hand()
        probe.now, probe.left = hand.now, hand.left
        probe.advance(8 * 24 * 60)
        assert row.due_at == probe.due
