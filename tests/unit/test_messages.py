"""Messages to customers: once, to who wants them, by day, and looked at again before they leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from connector.adapters.smtp import Smtp
from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import rule_names
from connector.domain.model.intent import IntentState, Item, Request, WriteKind
from connector.domain.model.person import Evidence, KeyKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Respondent
from connector.domain.recovery.night import Night, awake_from
from connector.simulator import smtp
from connector.store import (
    codes,
    consent,
    follow_ups,
    history,
    lanes,
    outbox,
    people,
    recoveries,
    responses,
    runs,
    tombstones,
    writes,
)
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.runs import RunKind
from connector.store.schema import intent
from connector.store.schema import recovery as recovery_table
from connector.store.writes import Record
from connector.sync.message_settings import Codes, MessagePolicy, MessageStep
from connector.sync.messages import address as messages_to
from connector.sync.outlet import Limits, Replan
from connector.sync.recall import recall
from connector.sync.settings import DecideSettings, OpenRecovery, Rule, Step, Target, TaskStep, TicketStep
from connector.sync.withholding import NIGHT, OBSERVED, MessageLook
from connector.sync.write import WriteLane
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.durability.effects_smtp import options_of
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, known_contact, planned, take_lane
from tests.unit.samples import NOON, answer, empty_store

MAIL = "smtp:mail.example.com/1"
ADA = "ada@example.org"
NAMES = rule_names(())
APOLOGY = MessageStep(
    connection="post",
    kind="apology",
    subject=compile_template("We are sorry, {{ respondent.name }}", NAMES, "absent"),
    text=compile_template("You said: {{ comment }}", NAMES, "absent"),
    after=timedelta(hours=1),
)
OFFER = replace(
    APOLOGY,
    kind="offer",
    text=compile_template("Your code: {{ message.code }}", NAMES, "absent"),
    codes=Codes(listed=("A1", "A2"), one_per=timedelta(days=90)),
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def plain(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The ticket and the task; what people are to do besides is no matter here."""
    return tuple(step for step in steps if isinstance(step, TicketStep | TaskStep))


def settings(*steps: MessageStep, account: str = MAIL, **more: Any) -> DecideSettings:
    base = example_settings()
    return replace(
        base,
        targets={**base.targets, "post": Target(account=account, roles=frozenset({"messenger"}))},
        playbooks={
            name: replace(book, steps=(*plain(book.steps), *(steps or (APOLOGY,))))
            for name, book in base.playbooks.items()
        },
        **more,
    )


def unhappy(number: str = "1", *, agrees: bool | None = True, **more: Any) -> Any:
    return replace(answer(number, **more), consent=agrees)


def messages(db: Database) -> list[IntentRow]:
    return planned(db, WriteKind.MESSAGE)


def reasons(db: Database) -> list[str]:
    with db.read() as tx:
        told = history.for_recovery(tx, 1)
    found = [one.detail for one in told if one.event == "message_withheld"]
    return [str(detail["reason"]) for detail in found if isinstance(detail, dict)]


def look(db: Database, wanted: DecideSettings) -> Sequence[Item | Replan]:
    """What becomes of the messages that are about to be sent; what is planned in their place is planned."""
    rows = [row for row in messages(db) if row.state is IntentState.PLANNED]
    items = [
        Item(key=row.record, target=None, fields=row.fields, cause_at=row.cause_at, intent=row.key) for row in rows
    ]
    found = MessageLook(db=db, settings=lambda: wanted)(WriteKind.MESSAGE, items)
    with db.write() as tx:
        for row, one in zip(rows, found, strict=True):
            if isinstance(one, Replan):
                outbox.drop(tx, row.id, one.reason)
                if one.then is not None:
                    one.then(tx)
                outbox.plan(tx, one.intents)
    return found


def test_a_message_is_planned_once_in_a_recovery(db: Database) -> None:
    feed(db, unhappy())
    decide_all(db, settings())
    feed(db, unhappy("2", at=NOON - timedelta(minutes=2)))
    decide_all(db, settings())
    (row,) = messages(db)
    assert row.account == MAIL
    assert row.fields == {
        "to": ADA,
        "subject": "We are sorry, Ada Example",
        "text": "You said: Brakes squeak again",
    }
    assert row.not_before == NOON + timedelta(hours=1)
    assert row.give_up_at == row.not_before + timedelta(days=1)
    assert row.key == f"{MAIL}/typeform/aB3dE9/1/recovery/0/2/message"
    with db.read() as tx:
        (sent,) = follow_ups.of(tx, 1)
    assert (sent.kind, sent.intent_key) == ("apology", row.key)


@pytest.mark.parametrize(
    ("became", "was_sent", "again"),
    [
        (IntentState.PLANNED, False, False),
        (IntentState.CONFIRMED, True, False),
        (IntentState.GIVEN_UP, True, False),
        (IntentState.GIVEN_UP, False, True),
        (IntentState.REJECTED, True, True),
        (IntentState.SUPERSEDED, False, True),
    ],
)
def test_an_answer_that_opens_a_second_recovery_is_not_written_about_twice(
    db: Database, became: IntentState, was_sent: bool, again: bool
) -> None:
    feed(db, unhappy())
    decide_all(db, settings())
    (first,) = messages(db)
    with db.write() as tx:
        item = Item(key=first.record, target=None, fields=first.fields, cause_at=NOON)
        record = Record(item=item, about=first.object, event_at=dict.fromkeys(first.fields, NOON))
        request = Request(method="MAIL", path=ADA, body=b"{}")
        frozen = writes.freeze(tx, account=MAIL, kind=first.kind, request=request, records=[record], epoch=1)
        tx.execute(
            update(intent)
            .where(intent.c.id == first.id)
            .values(state=became.value, write_id=frozen if was_sent else None)
        )
        recoveries.close(tx, 1, "solved in helpdesk", NOON)
    feed(db, unhappy(comment="And nobody called me back"))
    decide_all(db, settings())
    with db.read() as tx:
        assert recoveries.get(tx, 2) is not None
        told = [row.detail for row in history.for_recovery(tx, 2) if row.event == "message_withheld"]
    assert len(messages(db)) == 1 + again
    assert bool(told) is not again


@pytest.mark.parametrize(
    ("needs", "agrees", "sent"),
    [(True, True, 1), (True, None, 0), (True, False, 0), (False, True, 1), (False, None, 1), (False, False, 0)],
)
def test_only_who_agrees_is_written_to(db: Database, needs: bool, agrees: bool | None, sent: int) -> None:
    feed(db, unhappy(agrees=agrees))
    decide_all(db, settings(messages=MessagePolicy(needs_consent=needs)))
    assert len(messages(db)) == sent
    assert len(reasons(db)) == 1 - sent


def test_nobody_is_written_to_without_an_address(db: Database) -> None:
    feed(db, unhappy(respondent=Respondent(phone="+49301234567")))
    decide_all(db, settings())
    assert messages(db) == []
    assert reasons(db) == ["no e-mail address is known"]


def test_who_only_looks_like_them_is_not_written_to(db: Database) -> None:
    """An answer without an address, linked by likeness to a contact that has one: by an exact key it is theirs."""
    wanted = settings()
    known_contact(db, email="eve@example.org")
    feed(db, unhappy(respondent=Respondent(crm_id="003A", name="Ada Example")))
    decide_all(db, wanted)
    with db.read() as tx:
        version = responses.get(tx, 1)
        assert version is not None
        matter = recall(tx, version, wanted)
    assert messages_to(matter) == "eve@example.org"
    (link,) = matter.identity.links.values()
    alike = replace(link, link=replace(link.link, evidence=Evidence(decided_by="found by similarity, certainty 97")))
    guessed = replace(matter, identity=replace(matter.identity, links={"salesforce:acme": alike}))
    assert messages_to(guessed) is None


def test_who_opted_out_hears_nothing_and_may_opt_in_again(db: Database) -> None:
    with db.write() as tx:
        assert consent.opt_out(tx, ADA)
        assert not consent.opt_out(tx, ADA)
    feed(db, unhappy())
    decide_all(db, settings())
    assert messages(db) == []
    assert reasons(db) == ["they opted out of messages"]
    with db.write() as tx:
        assert consent.count(tx) == 1
        assert consent.opt_in(tx, ADA)
        assert not consent.opt_in(tx, ADA)
        assert not consent.is_opted_out(tx, ADA)


def opts_out(db: Database, wanted: DecideSettings) -> str:
    with db.write() as tx:
        consent.opt_out(tx, ADA)
    return "they opted out of messages"


def is_erased(db: Database, wanted: DecideSettings) -> str:
    with db.write() as tx:
        tombstones.add(tx, [people.blind(tx, KeyKind.EMAIL, ADA)])
    return "they were erased"


def takes_it_back(db: Database, wanted: DecideSettings) -> str:
    feed(db, unhappy(agrees=False, at=NOON - timedelta(minutes=1)))
    return "they do not want to be contacted"


def is_happy_after_all(db: Database, wanted: DecideSettings) -> str:
    feed(db, unhappy(stars=5, at=NOON - timedelta(minutes=1)))
    return "the answer was edited to a happy one"


@pytest.mark.parametrize("happens", [opts_out, is_erased, takes_it_back, is_happy_after_all])
def test_what_happens_before_it_leaves_counts(db: Database, happens: Any) -> None:
    wanted = settings()
    feed(db, unhappy())
    decide_all(db, wanted)
    assert isinstance(look(db, wanted)[0], Item)
    why = happens(db, wanted)
    (answer_,) = look(db, wanted)
    assert isinstance(answer_, Replan)
    assert (answer_.reason, answer_.intents) == (why, ())
    assert reasons(db) == [why]
    with db.read() as tx:
        assert follow_ups.of(tx, 1) == []


def test_what_is_no_message_is_left_alone(db: Database) -> None:
    items = [Item(key="k", target=None, fields={"text": "x"}, cause_at=NOON, intent="k")]
    assert MessageLook(db=db, settings=settings)(WriteKind.ALERT, items) == items
    assert MessageLook(db=db, settings=settings)(WriteKind.MESSAGE, items) == items


def test_a_call_back_is_not_announced_once_the_recovery_is_closed(db: Database) -> None:
    wanted = settings(replace(APOLOGY, kind="call_back"), APOLOGY)
    feed(db, unhappy())
    decide_all(db, wanted)
    with db.write() as tx:
        recoveries.close(tx, 1, "solved in helpdesk", NOON)
    call, sorry = look(db, wanted)
    assert isinstance(call, Replan)
    assert isinstance(sorry, Item)


def test_messages_go_by_severity_also_when_it_rises(db: Database) -> None:
    critical = replace(APOLOGY, when=compile_expression('recovery.severity == "critical"', NAMES))
    missing = replace(APOLOGY, when=compile_expression("score.trend > 0", NAMES))
    wanted = settings(critical, missing, OFFER)
    feed(db, unhappy())
    decide_all(db, wanted)
    (offer,) = messages(db)
    assert reasons(db)[0] == 'this does not hold: recovery.severity == "critical"'
    rule = Rule(
        name="all critical",
        when=compile_expression("unhappy", NAMES),
        actions=(OpenRecovery(playbook="service-recovery", severity=Severity.CRITICAL),),
    )
    feed(db, unhappy("2", at=NOON - timedelta(minutes=2)))
    decide_all(db, replace(wanted, rules=(rule,)))
    first, row = messages(db)
    assert first == offer, "what was planned is not planned again"
    assert row.key.endswith("/recovery/0/2/message")
    with db.read() as tx:
        assert codes.count(tx) == 1
        assert [one.kind for one in follow_ups.of(tx, 1)] == ["offer", "apology"]


@pytest.mark.both_stores
def test_a_code_is_given_once_and_to_nobody_too_often(db: Database) -> None:
    wanted = settings(OFFER)
    for number, email in (("1", ADA), ("2", "kim@example.org"), ("3", "lee@example.org")):
        feed(db, unhappy(number, email=email, interaction=_about(number)))
        decide_all(db, wanted)
    assert [row.fields["text"] for row in messages(db)] == ["Your code: A1", "Your code: A2"]
    told = [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT) if "code" in str(row.fields["text"])]
    assert len(told) == 1
    with db.write() as tx:
        assert codes.left(tx, ("A1", "A2", "A3")) == 1
        assert codes.count(tx) == 2
        assert codes.give(tx, ("A1", "A2"), ADA) is None
        assert codes.given_since(tx, ADA, NOON - timedelta(days=1))
        assert not codes.given_since(tx, ADA, NOON)
        assert codes.forget(tx, [people.blind(tx, KeyKind.EMAIL, ADA)]) == 1
        assert not codes.given_since(tx, ADA, NOON - timedelta(days=1))


def test_who_was_given_a_code_gets_no_other_one_soon(db: Database) -> None:
    with db.write() as tx:
        codes.give(tx, ("A0",), ADA)
    feed(db, unhappy())
    decide_all(db, settings(OFFER))
    assert messages(db) == []
    assert reasons(db) == ["they were given a code not long ago"]


def _about(number: str) -> Any:
    return Interaction(id=f"R-{number}", kind="repair_order", service="brakes")


def test_a_step_whose_connection_is_gone_does_nothing(db: Database) -> None:
    wanted = settings()
    feed(db, unhappy())
    decide_all(db, replace(wanted, targets={name: one for name, one in wanted.targets.items() if name != "post"}))
    assert messages(db) == []


def changed_when_over(db: Database, wanted: DecideSettings) -> list[IntentRow]:
    """The recovery is closed, the answer is changed and opens another one; the messages but for superseded ones."""
    with db.write() as tx:
        recoveries.close(tx, 1, "solved in helpdesk", db.clock.now())
    feed(db, unhappy(comment="And nobody called me back"))
    decide_all(db, wanted)
    return [row for row in messages(db) if row.state is not IntentState.SUPERSEDED]


def test_what_waits_for_another_morning_counts_as_said(db: Database) -> None:
    wanted = settings(replace(APOLOGY, after=timedelta(hours=9)), messages=NIGHTLY)
    feed(db, unhappy())
    decide_all(db, wanted)
    clock_of(db).advance(datetime(2026, 3, 3, 21, tzinfo=BERLIN).astimezone(UTC) - NOON)
    look(db, wanted)
    (waiting,) = changed_when_over(db, wanted)
    assert waiting.recovery_id == 1


def test_whom_nobody_calls_any_more_is_told_by_the_next_recovery(db: Database) -> None:
    wanted = settings(replace(APOLOGY, kind="call_back"))
    feed(db, unhappy())
    decide_all(db, wanted)
    assert [row.recovery_id for row in changed_when_over(db, wanted)] == [1, 2]
    look(db, wanted)
    assert [row.recovery_id for row in messages(db) if row.state is IntentState.PLANNED] == [2]


def test_what_was_planned_while_observing_does_not_count_as_said(db: Database) -> None:
    wanted = settings()
    feed(db, unhappy())
    decide_all(db, wanted)
    with db.write() as tx:
        tx.execute(update(intent).values(run_id=runs.begin(tx, RunKind.START, mode="observe", config="x")))
    assert [row.recovery_id for row in changed_when_over(db, wanted)] == [1, 2]


def test_another_playbook_says_it_in_its_own_words(db: Database) -> None:
    wanted = settings()
    feed(db, unhappy())
    decide_all(db, wanted)
    with db.write() as tx:
        tx.execute(update(recovery_table).where(recovery_table.c.id == 1).values(playbook="another"))
    assert [row.recovery_id for row in changed_when_over(db, wanted)] == [1, 2]


BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = MessagePolicy(night=Night(begins=time(20), ends=time(8)))


def test_nobody_is_woken(db: Database) -> None:
    """Planned for the night it waits for the morning; delayed into one, it waits for the next, as the same mail."""
    wanted = settings(replace(APOLOGY, after=timedelta(hours=9)), messages=NIGHTLY)
    feed(db, unhappy())
    decide_all(db, wanted)
    (row,) = messages(db)
    morning = datetime(2026, 3, 3, 8, tzinfo=BERLIN).astimezone(UTC)
    assert row.not_before == morning
    clock_of(db).advance(morning + timedelta(hours=13) - NOON)
    (answer_,) = look(db, wanted)
    assert isinstance(answer_, Replan)
    assert answer_.reason == NIGHT
    first, second = messages(db)
    assert first.state is IntentState.SUPERSEDED
    assert second.not_before == morning + timedelta(days=1)
    assert (second.record, second.fields) == (first.record, first.fields)
    assert second.give_up_at == second.not_before + timedelta(days=1)
    clock_of(db).advance(timedelta(hours=12))
    assert isinstance(look(db, wanted)[0], Item)


@given(
    st.integers(0, 365 * 24 * 60),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
)
def test_nights_end_and_days_are_left_alone(minute: int, begins: time, ends: time, zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    night = Night(begins=begins, ends=ends.replace(microsecond=0))
    there = awake_from(moment, night, ZoneInfo(zone))
    assert moment <= there <= moment + timedelta(hours=25)
    is_night = night.covers(moment.astimezone(ZoneInfo(zone)).time())
    assert is_night or there == moment
    assert awake_from(moment, None, ZoneInfo(zone)) == moment
    before, after = moment.astimezone(ZoneInfo(zone)), there.astimezone(ZoneInfo(zone))
    if is_night and there > moment and before.utcoffset() == after.utcoffset():
        assert after.time() == night.ends


def test_an_hour_that_comes_twice_is_night_once() -> None:
    """The night ends at half past two; when the clock shows a quarter past two for the second time, it is over."""
    night = Night(begins=time(20), ends=time(2, 30))
    first, second = (datetime(2026, 10, 25, 2, 15, fold=fold, tzinfo=BERLIN).astimezone(UTC) for fold in (0, 1))
    assert awake_from(first, night, BERLIN) == first + timedelta(minutes=15)
    assert awake_from(second, night, BERLIN) == second


@pytest.fixture
def vendor(db: Database) -> Iterator[smtp.Smtp]:
    server = smtp.Smtp(db.clock)
    server.start()
    yield server
    server.stop()


def send(db: Database, vendor: smtp.Smtp, wanted: DecideSettings, *, live: bool = True) -> None:
    """A turn of the lane with the real adapter, and its look."""
    kit = Kit(clock=db.clock, token_store=MemoryTokens(db.clock), read_only=not live)
    lane = WriteLane(
        db,
        Smtp("post", options_of(vendor), kit),
        db.clock,
        Limits(parallel=1, timeout=timedelta(seconds=20)),
        live=live,
        notify_operators=lambda *_: None,
        on_settled=lambda *_: None,
        prepare=MessageLook(db=db, settings=lambda: wanted),
    )
    hold = take_lane(db, lane.name)
    lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


ACCOUNT = "smtp:127.0.0.1/78c1a029"


def test_a_message_arrives_and_who_opts_out_in_time_hears_nothing(db: Database, vendor: smtp.Smtp) -> None:
    wanted = settings(APOLOGY, account=ACCOUNT)
    for number, email in (("1", ADA), ("2", "kim@example.org")):
        feed(db, unhappy(number, email=email, interaction=_about(number)))
    decide_all(db, wanted)
    with db.write() as tx:
        consent.opt_out(tx, "kim@example.org")
    clock_of(db).advance(timedelta(hours=1))
    send(db, vendor, wanted)
    assert [(mail["to"], mail["subject"]) for mail in vendor.mails] == [(ADA, "We are sorry, Ada Example")]
    assert [row.state for row in messages(db)] == [IntentState.CONFIRMED, IntentState.SUPERSEDED]


def test_what_was_planned_while_observing_is_never_sent(db: Database, vendor: smtp.Smtp) -> None:
    wanted = settings(APOLOGY, account=ACCOUNT)
    with db.write() as tx:
        run = runs.begin(tx, RunKind.START, mode="observe", config="x")
    feed(db, unhappy())
    decide_all(db, wanted)
    with db.write() as tx:
        tx.execute(update(intent).values(run_id=run))
    clock_of(db).advance(timedelta(hours=1))
    send(db, vendor, wanted, live=False)
    assert [row.state for row in messages(db)] == [IntentState.HELD]
    send(db, vendor, wanted)
    assert vendor.mails == []
    (row,) = messages(db)
    assert (row.state, row.reason) == (IntentState.SUPERSEDED, OBSERVED)
