"""What waits for a contact rides in the request that makes it, and travels apart as soon as anything goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import Intent, IntentState, Item, Json, Receipt, WriteKind, refer
from connector.store import confirmed, history, intents, outbox, receipts
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.outlet import Ceiling, Limits, Replan
from connector.testing.twin import Fault, Trouble
from tests.durability.bench import ACCOUNT, CONTACT, CONTACTS, NOON, PROMISES, Bench, fields_of, intent

pytestmark = pytest.mark.both_stores

S = IntentState
CARRYING = {**PROMISES, WriteKind.CONTACT: replace(CONTACTS, carries=frozenset({WriteKind.CONTACT_FIELDS}))}
WHOLE = {"name": "Ada", "email": "ada@example.com", "health": 42}


def unheard(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
    """Nobody is told what was settled."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, promises=CARRYING)


def person(**changes: object) -> Intent:
    fields = {"name": "Ada", "email": "ada@example.com"}
    return intent("person", kind=WriteKind.CONTACT, object=CONTACT, fields=fields, **changes)


def score(key: str = "score", **changes: object) -> Intent:
    return replace(fields_of(key, health=42), **{"after": (CONTACT,), **changes})  # type: ignore[arg-type]  # of Intent


def sent(bench: Bench) -> list[WriteKind]:
    return [kind for _, kind, _ in bench.twin.requests]


def there(bench: Bench) -> list[dict[str, Json]]:
    return [dict(thing.fields) for thing in bench.twin.things.values()]


@pytest.mark.parametrize("scored_first", [False, True])
def test_blocked_to_sending_in_the_request_that_makes_its_object(
    bench: Bench,
    scored_first: bool,  # a parameter of the test
) -> None:
    wanted = [person(), score(not_before=NOON + timedelta(minutes=5))]
    bench.plan(*(reversed(wanted) if scored_first else wanted))
    assert bench.state("score") is S.BLOCKED
    bench.drain()
    assert [bench.state(key) for key in ("person", "score")] == [S.CONFIRMED, S.CONFIRMED]
    assert sent(bench) == [WriteKind.CONTACT]
    assert there(bench) == [WHOLE]
    rows = [bench.row(key) for key in ("person", "score")]
    with bench.db.read() as tx:
        made, told = (receipts.of_intent(tx, one.id) for one in rows)
    assert made is not None
    assert told is not None
    assert (told.remote_id, made.created, told.created) == (made.remote_id, True, False)


def test_what_rode_is_known_to_be_there_and_its_story_says_how(bench: Bench) -> None:
    bench.plan(person(), score())
    bench.drain()
    number = bench.row("score").id
    with bench.db.read() as tx:
        values = {name: one.value for name, one in confirmed.of(tx, ACCOUNT, CONTACT).items() if one.known}
        told = [one for one in history.of_event(tx, "sent", NOON) if one.intent_id == number]
    assert values == WHOLE
    (one,) = told
    assert isinstance(one.detail, dict)
    assert one.detail["rides"] == "contact"
    bench.plan(score("again", cause_at=NOON + timedelta(minutes=1)))
    bench.drain()
    assert (bench.state("again"), sent(bench)) == (S.SUPERSEDED, [WriteKind.CONTACT]), "it holds already"


@pytest.mark.parametrize("trouble", [Trouble.LOST_AFTER, Trouble.LOST_BEFORE, Trouble.LATE])
def test_in_doubt_both_are_settled_and_nothing_is_there_twice(bench: Bench, trouble: Trouble) -> None:
    bench.twin.faults.append(Fault(trouble=trouble, late=timedelta(seconds=20)))
    bench.plan(person(), score())
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.CONFIRMED, S.CONFIRMED]
    assert there(bench) == [WHOLE]
    assert sent(bench)[-1] is WriteKind.CONTACT_FIELDS, "apart from then on"


@pytest.mark.parametrize("trouble", [Trouble.CRASH_AFTER, Trouble.CRASH_BEFORE])
def test_a_sender_that_dies_leaves_both_to_be_settled(bench: Bench, trouble: Trouble) -> None:
    bench.twin.faults.append(Fault(trouble=trouble))
    bench.plan(person(), score())
    bench.crash()
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.CONFIRMED, S.CONFIRMED]
    assert there(bench) == [WHOLE]


def test_a_refused_score_costs_nobody_the_contact(bench: Bench) -> None:
    bench.twin.bad = frozenset({"wrong"})
    bench.plan(person(), score(fields={"band": "wrong"}))
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.CONFIRMED, S.REJECTED]
    assert there(bench) == [{"name": "Ada", "email": "ada@example.com"}]
    assert sent(bench) == [WriteKind.CONTACT, WriteKind.CONTACT, WriteKind.CONTACT_FIELDS]


def test_a_refused_contact_leaves_its_score_waiting_and_saying_why(bench: Bench) -> None:
    bench.twin.bad = frozenset({"Ada"})
    bench.plan(person(), score())
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.REJECTED, S.BLOCKED]
    assert bench.row("score").reason == f"waits for {CONTACT}, which was rejected"
    assert there(bench) == []


@pytest.mark.parametrize("trouble", [Trouble.REJECTED, Trouble.CONFLICT, Trouble.LOCKED, Trouble.UNAUTHORIZED])
def test_a_request_refused_as_a_whole_is_sent_in_parts(bench: Bench, trouble: Trouble) -> None:
    others = f"person/8/contact@{ACCOUNT}"
    bench.twin.faults.append(Fault(trouble=trouble))
    bench.plan(person(), score(), intent("other", kind=WriteKind.CONTACT, object=others, fields={"name": "Bo"}))
    bench.run()
    assert [bench.state(key) for key in ("person", "score", "other")] == [S.CONFIRMED] * 3
    assert sorted(there(bench), key=len) == [{"name": "Bo"}, WHOLE]


def test_a_contact_that_is_found_gets_its_score_by_itself(bench: Bench) -> None:
    bench.twin.add(WriteKind.CONTACT, name="A. Person", email="ada@example.com")
    bench.plan(person(), score())
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.CONFIRMED, S.CONFIRMED]
    assert there(bench) == [{"name": "A. Person", "email": "ada@example.com", "health": 42}], "nothing else was written"
    assert sent(bench) == [WriteKind.CONTACT_FIELDS]


def test_of_several_scores_the_newest_is_written(bench: Bench) -> None:
    newer = replace(fields_of("newer", health=50, trend=8), after=(CONTACT,), cause_at=NOON + timedelta(minutes=1))
    bench.plan(person(), replace(newer, fields={"health": 50}), score("older", fields={"health": 42, "band": "low"}))
    bench.drain()
    assert [bench.state(key) for key in ("person", "newer", "older")] == [S.CONFIRMED] * 3
    assert there(bench) == [{"name": "Ada", "email": "ada@example.com", "health": 50, "band": "low"}]
    assert sent(bench) == [WriteKind.CONTACT]


def names_the_contact(bench: Bench) -> Intent:
    return score(fields={"link": refer(CONTACT)})


def waits_for_more(bench: Bench) -> Intent:
    return score(after=(CONTACT, "recovery/1/ticket/1"))


def above_a_ceiling(bench: Bench) -> Intent:
    ceilings = {WriteKind.CONTACT_FIELDS: Ceiling(count=5, per=timedelta(hours=1))}
    bench.limits = Limits(parallel=1, timeout=timedelta(seconds=10), ceilings=ceilings)
    bench.restart()
    return score()


def undeclared(bench: Bench) -> Intent:
    bench.twin.promises = PROMISES
    return score()


@pytest.mark.parametrize("of", [names_the_contact, waits_for_more, above_a_ceiling, undeclared])
def test_what_needs_more_than_its_contact_or_is_counted_apart_does_not_ride(
    bench: Bench, of: Callable[[Bench], Intent]
) -> None:
    wanted = of(bench)
    bench.plan(person(), wanted)
    bench.drain()
    assert bench.state("person") is S.CONFIRMED
    first = bench.twin.requests[0]
    assert first[1] is WriteKind.CONTACT
    assert b"health" not in first[2].body
    assert b"link" not in first[2].body


def test_what_was_called_off_before_the_request_does_not_ride(bench: Bench) -> None:
    """Between drafting and freezing: the draft is made anew."""
    bench.plan(person(), score())
    number = bench.row("score").id

    def drop(kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        with bench.db.write() as tx:
            outbox.drop(tx, number)
        return items

    bench.lane = bench.lane_with(unheard, drop)
    bench.run()
    assert (bench.state("person"), bench.state("score")) == (S.CONFIRMED, S.SUPERSEDED)
    assert there(bench) == [{"name": "Ada", "email": "ada@example.com"}]


def test_a_contact_chosen_while_one_was_being_made_gets_the_score(bench: Bench) -> None:
    chosen = bench.twin.add(WriteKind.CONTACT, name="Ada by hand")

    def choose(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
        if row.kind is WriteKind.CONTACT and receipt is not None:
            outbox.adopt(tx, ACCOUNT, CONTACT, chosen)

    bench.lane = bench.lane_with(choose, bench.prepare)
    bench.plan(person(), score())
    bench.run()
    assert bench.state("score") is S.CONFIRMED
    assert bench.twin.things[chosen].fields == {"name": "Ada by hand", "health": 42}


def test_a_person_erased_meanwhile_leaves_neither(bench: Bench) -> None:
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_AFTER))
    bench.plan(person(), score())
    bench.drain()
    rows = [bench.row(key) for key in ("person", "score")]
    with bench.db.write() as tx:
        for row in rows:
            intents.set_aside(tx, row, erasing=True)
    bench.run()
    assert [bench.state(key) for key in ("person", "score")] == [S.ERASED, S.ERASED]
    assert [bench.row(key).fields for key in ("person", "score")] == [{}, {}]
    assert sent(bench) == [WriteKind.CONTACT]
