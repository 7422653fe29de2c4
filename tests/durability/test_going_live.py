"""The switch from observe to live: what is still wanted is sent, and nobody is alarmed about the time before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState as S
from connector.domain.model.intent import WriteKind
from connector.domain.model.transitions import Event
from connector.store import intents, runs
from connector.store.runs import RunKind
from connector.sync.outlet import Limits
from connector.testing.twin import Thing
from tests.durability.bench import TICKET, Bench, fields_of, intent
from tests.unit.samples import NOON

DAY = timedelta(days=1)
LATER = NOON + 30 * DAY
NOTE = intent(
    "note",
    kind=WriteKind.NOTE,
    object="response/r/recovery/1",
    target=TICKET,
    after=(TICKET,),
    fields={"text": "Again"},
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path, live=False, limits=Limits(parallel=1, timeout=timedelta(seconds=10), acts_within=7 * DAY))
    bench.adopt()
    bench.twin.things["contact-0"] = Thing(
        id="contact-0", kind=WriteKind.CONTACT, key="theirs", fields={}, seen_from=NOON
    )
    return bench


def go_live(bench: Bench, after: timedelta) -> None:
    bench.drain()
    bench.live = True
    bench.restart(after)
    bench.run(timedelta(minutes=10))


def test_what_was_held_is_sent_once_live(bench: Bench) -> None:
    bench.plan(intent(), fields_of("score", band="at_risk"))
    go_live(bench, DAY)
    assert (bench.state(), bench.state("score")) == (S.CONFIRMED, S.CONFIRMED)


def test_an_old_answer_opens_nothing_and_still_keeps_records(bench: Bench) -> None:
    bench.plan(intent(give_up_at=LATER), replace(fields_of("score", band="at_risk"), give_up_at=LATER))
    bench.plan(intent("young", object="recovery/4/ticket/1", cause_at=NOON + 3 * DAY, give_up_at=LATER))
    go_live(bench, 8 * DAY)
    assert (bench.state(), bench.state("young"), bench.state("score")) == (S.GIVEN_UP, S.CONFIRMED, S.CONFIRMED)
    assert "answered_within" in str(bench.row().reason)
    assert bench.told == [], "nobody needs to know"
    assert [row.key for row, receipt in bench.settled if receipt is None] == ["k1"], "its recovery hears of it"


def test_a_score_that_was_held_for_weeks_is_as_welcome_later(bench: Bench) -> None:
    bench.plan(replace(fields_of("score", band="at_risk"), give_up_at=LATER))
    go_live(bench, 20 * DAY)
    assert bench.state("score") is S.CONFIRMED


@pytest.mark.parametrize("is_live_then", [False, True], ids=["while observing", "once live"])
def test_what_grew_too_old_behind_something_held_alarms_nobody(bench: Bench, is_live_then: bool) -> None:
    bench.plan(intent(), replace(NOTE, give_up_at=NOON + timedelta(hours=4)))
    assert bench.state("note") is S.BLOCKED
    bench.drain()
    bench.live = is_live_then
    bench.restart(DAY)
    bench.drain()
    assert bench.state("note") is S.GIVEN_UP
    assert bench.told == []


def test_what_waited_for_something_never_opened_alarms_nobody(bench: Bench) -> None:
    """The ticket expired while observing; the note that hung on it grows too old only after the switch."""
    bench.plan(intent(give_up_at=NOON + DAY), NOTE)
    bench.drain()
    bench.restart(2 * DAY)
    bench.drain()
    assert (bench.state(), bench.state("note")) == (S.GIVEN_UP, S.BLOCKED)
    bench.live = True
    bench.restart(2 * DAY)
    bench.run(timedelta(minutes=10))
    assert bench.state("note") is S.GIVEN_UP
    assert bench.told == []


def test_nobody_is_alarmed_although_another_lane_went_live_first(bench: Bench) -> None:
    with bench.db.write() as tx:
        bench.db.run_id = runs.begin(tx, RunKind.START, mode="observe", config="")
    bench.plan(intent(), replace(NOTE, give_up_at=NOON + timedelta(hours=4)))
    bench.drain()
    held = bench.row()
    with bench.db.write() as tx:
        intents.move(tx, held, Event.RELEASED)
    bench.live = True
    bench.restart(DAY)
    bench.drain()
    assert bench.state("note") is S.GIVEN_UP
    assert bench.told == []


def test_what_grows_too_old_while_live_is_told(bench: Bench) -> None:
    bench.live = True
    bench.restart()
    note = {
        "kind": WriteKind.NOTE,
        "object": "response/r/recovery/1",
        "target": "ticket/x",
        "fields": {"text": "Again"},
    }
    bench.plan(intent("note", after=("ticket/x",), give_up_at=NOON + timedelta(hours=4), **note))
    bench.drain()
    bench.restart(DAY)
    bench.drain()
    assert bench.told == [("given_up/note", bench.told[0][1])]
