"""Which due intents travel together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import given

from connector.domain.model.intent import IntentState, Json, Promise, WriteKind
from connector.store.intents import IntentRow
from connector.store.writing import Wanted
from connector.sync.folding import Folded, fold, must_ask, pack

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEYLESS = Promise(native=False, can_ask=True, batch=1, endpoint_class="default")
KEYED = replace(KEYLESS, key_window=timedelta(hours=2))


def row(number: int, name: str = "person/1", **changes: object) -> IntentRow:
    plain = IntentRow(
        id=number,
        key=f"k{number}",
        account="twin:acme",
        kind=WriteKind.CONTACT_FIELDS,
        object=name,
        target=name,
        after=(),
        fields={"score": number},
        ours=frozenset(),
        if_blank=frozenset(),
        record=f"k{number}",
        state=IntentState.PLANNED,
        reason=None,
        priority=1,
        fold=True,
        cause_at=NOW,
        planned_at=NOW,
        not_before=NOW,
        give_up_at=NOW + timedelta(days=1),
        attempts=0,
        revision=0,
        batch_limit=None,
        ask_first=False,
        write_id=None,
        position=None,
        response_id=None,
        version=None,
        person_id=None,
        recovery_id=None,
        settled_at=None,
        erasing=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names and types are those of IntentRow


def create(number: int, **changes: object) -> IntentRow:
    return row(number, **{"name": f"ticket/{number}", "target": None, "fold": False, **changes})  # type: ignore[arg-type]


def ids(records: list[Folded]) -> list[list[int]]:
    return [[member.id for member in record.members] for record in records]


def test_the_newest_fact_wins_each_field_not_the_newest_intent() -> None:
    rows = [
        row(1, fields={"score": 40, "band": "at risk"}, cause_at=NOW),
        row(2, fields={"score": 30}, cause_at=NOW - SECOND),
        row(3, fields={"trend": -3}, cause_at=NOW - SECOND),
    ]
    (record,) = fold(rows, busy=(), now=NOW)
    values: dict[str, Json] = {name: want.value for name, want in record.fields.items()}
    assert values == {"score": 40, "band": "at risk", "trend": -3}
    assert record.fields["trend"] == Wanted(value=-3, event_at=NOW - SECOND)


def test_added_lists_are_joined() -> None:
    rows = [row(1, fields={"add_tags": ["a", "b"]}), row(2, fields={"add_tags": ["b", "c"]})]
    (record,) = fold(rows, busy=(), now=NOW)
    assert record.fields["add_tags"].value == ["a", "b", "c"]


def test_nothing_touches_an_object_with_an_open_write() -> None:
    note = create(2, target="ticket/1")
    assert ids(fold([row(1), note, row(3, "person/3")], busy={"person/1", "ticket/1"}, now=NOW)) == [[3]]


def test_two_names_of_one_remote_object_are_one() -> None:
    notes = [create(1, target="ticket/theirs"), create(2, target="recovery/1/ticket/1"), create(3, target="ticket/3")]
    remote = {"ticket/theirs": "77", "recovery/1/ticket/1": "77", "ticket/3": "78"}
    assert ids(fold(notes, busy=(), now=NOW, remote=remote)) == [[1], [3]]
    assert ids(fold(notes, busy={"ticket/theirs"}, now=NOW, remote=remote)) == [[3]]


def test_what_does_not_fold_goes_one_after_the_other() -> None:
    notes = [create(1, target="ticket/7"), create(2, target="ticket/7")]
    assert ids(fold(notes, busy=(), now=NOW)) == [[1]]


def test_company_within_the_linger_rides_along_but_never_after_a_failure() -> None:
    soon = NOW + 5 * SECOND
    rows = [
        row(1),
        row(2, "person/2", not_before=soon),
        row(3, "person/3", not_before=soon, attempts=1),
        row(4, "person/4", not_before=soon, kind=WriteKind.TASK),
        row(5, "person/5", not_before=NOW + 11 * SECOND),
    ]
    assert ids(fold(rows, busy=(), now=NOW, linger=10 * SECOND)) == [[1], [2]]
    assert ids(fold(rows[1:], busy=(), now=NOW, linger=10 * SECOND)) == [], "nobody leaves before anybody is due"


def test_a_fold_creates_when_one_of_it_creates() -> None:
    (record,) = fold([row(1, target=None, record="first"), row(2)], busy=(), now=NOW)
    assert (record.target, record.first.record) == (None, "first")


def test_a_field_is_only_to_fill_blanks_when_everybody_says_so() -> None:
    both = frozenset({"score", "band"})
    rows = [row(1, fields={"score": 1, "band": 1}, if_blank=both), row(2, fields={"score": 2})]
    (record,) = fold(rows, busy=(), now=NOW)
    assert record.if_blank == {"band"}


def test_batches_keep_the_order_of_urgency_and_every_limit() -> None:
    records = fold(
        [
            row(1, "a", priority=0),
            create(2),
            row(3, "b", batch_limit=1),
            row(4, "c", batch_limit=1),
            row(5, "d"),
            row(6, "e"),
        ],
        busy=(),
        now=NOW,
    )
    batches = pack(records, largest=lambda kind: 3)
    assert [ids(list(batch.records)) for batch in batches] == [[[1], [2], [5]], [[3]], [[4]], [[6]]]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([None, 1, 2]),
            st.sampled_from([WriteKind.TASK, WriteKind.CONTACT_FIELDS]),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_every_object_is_in_one_record_and_no_intent_is_lost_or_doubled(
    drawn: list[tuple[int, int | None, WriteKind, bool]],
) -> None:
    rows = [
        row(number, f"o{name}", batch_limit=limit, kind=kind, fold=folds)
        for number, (name, limit, kind, folds) in enumerate(drawn)
    ]
    records = fold(rows, busy=(), now=NOW)
    names = [name for record in records for name in record.touches]
    assert len(names) == len(set(names))
    assert set(names) == {row.object for row in rows}, "the first of each object always goes"
    batches = pack(records, largest=lambda kind: 3)
    assert sorted(id(record) for batch in batches for record in batch.records) == sorted(map(id, records))
    for batch in batches:
        assert len(batch.records) <= min([3, *(record.limit for record in batch.records if record.limit)])


def one(**changes: object) -> Folded:
    return Folded(members=(create(1, **changes),))


def test_a_young_create_is_sent_without_a_question() -> None:
    for promise in (KEYLESS, KEYED):
        assert not must_ask(one(cause_at=NOW - 60 * SECOND), promise, now=NOW, started_at=NOW)


def test_an_old_cause_is_asked_about_first() -> None:
    assert must_ask(one(cause_at=NOW - 61 * SECOND), KEYLESS, now=NOW, started_at=NOW)
    assert not must_ask(one(cause_at=NOW - timedelta(minutes=100)), KEYED, now=NOW, started_at=NOW)
    assert must_ask(one(cause_at=NOW - timedelta(minutes=110)), KEYED, now=NOW, started_at=NOW)


def test_what_an_earlier_process_planned_is_asked_about_unless_a_key_protects_it() -> None:
    before = one(planned_at=NOW - SECOND)
    assert must_ask(before, KEYLESS, now=NOW, started_at=NOW)
    assert not must_ask(before, KEYED, now=NOW, started_at=NOW)


def test_harmless_repeats_and_updates_are_never_asked_about() -> None:
    old = {"cause_at": NOW - timedelta(days=1)}
    assert not must_ask(one(**old), replace(KEYLESS, native=True), now=NOW, started_at=NOW)
    update = Folded(members=(row(1, cause_at=NOW - timedelta(days=1)),))
    assert not must_ask(update, KEYLESS, now=NOW, started_at=NOW)
    note = one(**old, kind=WriteKind.NOTE, target="ticket/1")
    assert must_ask(note, KEYLESS, now=NOW, started_at=NOW), "a note adds, though it has a target"


def test_a_promise_and_a_conflict_demand_the_question() -> None:
    assert must_ask(one(), replace(KEYLESS, native=True, ask_first=True), now=NOW, started_at=NOW)
    assert must_ask(one(ask_first=True), KEYED, now=NOW, started_at=NOW)


def test_creates_and_updates_travel_apart_where_one_request_cannot_hold_both() -> None:
    rows = [create(1), row(2, "person/2"), create(3), row(4, "person/4")]
    rows = [replace(one, kind=WriteKind.CONTACT_FIELDS) for one in rows]
    records = fold(rows, busy=(), now=NOW)
    together = pack(records, largest=lambda kind: 9)
    apart = pack(records, largest=lambda kind: 9, mixed=lambda kind: False)
    assert [len(batch.records) for batch in together] == [4]
    assert [[record.first.id for record in batch.records] for batch in apart] == [[1, 3], [2, 4]]


def test_what_only_rides_along_does_not_open_another_batch() -> None:
    rows = [create(number, not_before=NOW if number < 2 else NOW + SECOND) for number in range(5)]
    batches = pack(fold(rows, busy=(), now=NOW, linger=2 * SECOND), largest=lambda kind: 3)
    assert [len(batch.records) for batch in batches] == [3, 2]
    assert [batch.is_due(NOW) for batch in batches] == [True, False]
