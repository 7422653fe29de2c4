"""Records of interactions: they win over the form, say whose an answer is, and what figures and scores rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.domain.model.response import Interaction, Respondent
from connector.domain.recovery.thresholds import Threshold
from connector.domain.scoring.config import ComponentConfig, ComponentKind, Measure
from connector.domain.visits import Visit, came_back, frequency, repeat_rate, response_rate, spent
from connector.errors import Transient
from connector.ports import Page
from connector.store import (
    cursors,
    exporting,
    forgetting,
    interactions,
    lanes,
    people,
    responses,
    retention,
    scores,
    subjects,
)
from connector.store.database import Database
from connector.store.schema import interaction, interaction_answer
from connector.store.transaction import Transaction
from connector.sync.about import with_record
from connector.sync.explain import story
from connector.sync.interactions import InteractionsPoll, interactions_feed, interactions_lane, take_record
from connector.sync.settings import INTERACTIONS, DecideSettings, Signal
from tests.unit.deciding import decide_all, example_settings, feed, planned, take_lane
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores
SHOP = "csv:shop"
DAY = timedelta(days=1)


def record(number: str = "R-1042", **fields: object) -> InteractionRecord:
    known: dict[str, object] = {
        "account": SHOP,
        "id": number,
        "kind": "repair order",
        "occurred_at": NOON - 2 * DAY,
        "service": "brakes",
        "location": "North",
        "staff": "Jim Example",
        "email": "ada@example.org",
    }
    return InteractionRecord(**{**known, **fields})  # type: ignore[arg-type]  # the fields of a record


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def settings() -> DecideSettings:
    return replace(example_settings(), interactions=frozenset({SHOP}))


def take(db: Database, *records: InteractionRecord, by: DecideSettings | None = None) -> None:
    with db.write() as tx:
        for one in records:
            take_record(tx, one, by or settings())


def about(number: str = "R-1042", **fields: object) -> Interaction:
    return Interaction(id=number, kind="repair_order", **fields)  # type: ignore[arg-type]  # the fields of one


def explained(db: Database, number: str = "1") -> str:
    with db.read() as tx:
        told = story(tx, f"typeform/aB3dE9/{number}", settings())
    assert told is not None
    return "\n".join((*told.answer, *told.identity))


def test_the_record_wins_over_the_form_and_the_story_says_so(db: Database) -> None:
    take(db, record())
    rating = answer().ratings[0]
    here = {"service": "brakes", "location": "North"}
    strict = (*settings().thresholds, Threshold(metric=rating.metric, scale=rating.scale, at=4, segments=here))
    said = answer(stars=4, interaction=about(service="tires", location="North"), segments={"service": "tires"})
    feed(db, said)
    decide_all(db, replace(settings(), thresholds=strict))
    told = explained(db)
    assert "about repair order R-1042, on record at csv:shop" in told
    assert "service brakes: from repair order R-1042 of csv:shop, the form said tires" in told
    assert "staff Jim Example: from repair order R-1042 of csv:shop, the form did not say" in told
    assert "location" not in told.replace("location North", "")
    assert "unhappy" in told.splitlines()  # 4 of 5 is, where brakes are concerned
    assert [row.kind for row in planned(db, WriteKind.TICKET)] == [WriteKind.TICKET]


def test_without_a_record_the_form_stands_and_one_that_comes_later_changes_no_decision(db: Database) -> None:
    feed(db, answer(interaction=about(service="tires"), segments={"service": "tires"}))
    decide_all(db, settings())
    before = [(row.id, row.key, row.fields) for row in planned(db)]
    assert "came after" not in explained(db)
    take(db, record())
    assert "the record of repair order R-1042 of csv:shop came after this was decided" in explained(db)
    assert [(row.id, row.key, row.fields) for row in planned(db)] == before


@pytest.mark.parametrize(
    ("answered", "kept", "found"),
    [
        (about(), [record()], True),
        (Interaction(id=" R-1042 "), [record()], True),
        (Interaction(id="R-1042", kind="ticket"), [record()], False),
        (about("R-1043"), [record()], False),
        (about(), [record(account="csv:other")], False),  # whom nobody configured
        (Interaction(id="R-1042"), [record(), record(account="csv:shop2")], False),  # of two shops, who knows
        (Interaction(), [record()], False),
    ],
)
def test_a_record_is_found_by_id_and_kind_and_never_guessed(
    db: Database, answered: Interaction, kept: list[InteractionRecord], found: bool
) -> None:
    take(db, *kept)
    with db.read() as tx:
        assert (interactions.find(tx, answered, {SHOP, "csv:shop2"}) is not None) is found


def test_who_gave_no_name_is_the_customer_on_record(db: Database) -> None:
    take(db, record(phone="+493012345678"))
    feed(db, answer(respondent=Respondent(), interaction=about(), segments={}))
    decide_all(db, settings())
    [ticket] = planned(db, WriteKind.TICKET)
    assert ticket.fields["requester_email"] == "ada@example.org"
    assert "and so is who answered" in explained(db)


def test_the_customer_on_record_is_recognised_by_the_interaction(db: Database) -> None:
    feed(db, answer("1", interaction=Interaction(), segments={}))
    decide_all(db, settings())
    take(db, record())
    feed(db, answer("2", email="somebody.else@example.org", interaction=about(), segments={}))
    decide_all(db, settings())
    with db.read() as tx:
        both = [responses.get(tx, number) for number in (1, 2)]
    assert [one and one.person_id for one in both] == [1, 1]
    assert "recognised by interaction" in explained(db, "2")


def test_an_answer_that_says_the_same_again_leads_to_nothing_though_its_record_says_more(db: Database) -> None:
    take(db, record())
    first = answer(interaction=about(service="tires"), segments={"service": "tires"})
    feed(db, first)
    decide_all(db, settings())
    before = len(planned(db))
    feed(db, replace(first, submitted_at=NOON, received_at=NOON))
    decide_all(db, settings())
    assert "the answer says the same as before" in explained(db)
    assert len(planned(db)) == before


@pytest.mark.only_sqlite
def test_segments_called_otherwise_are_the_records_too() -> None:
    form = answer(interaction=about(staff="T-9"), segments={"technician": "T-9", "tier": "gold", "service": "tires"})
    found = with_record(form, record(location=None), ["technician", "channel"]).response
    assert dict(found.segments) == {"technician": "Jim Example", "tier": "gold", "service": "brakes"}
    assert (found.interaction.staff, found.interaction.location) == ("Jim Example", None)
    assert found.interaction.kind == "repair_order"  # the key of earlier answers
    assert found.interaction.occurred_at == NOON - 2 * DAY


def test_the_same_record_again_is_nothing_new(db: Database) -> None:
    with db.write() as tx:
        assert interactions.put(tx, record())
        assert not interactions.put(tx, record())
        assert interactions.put(tx, record(amount=12.5))
        assert interactions.counts(tx) == {SHOP: 1}
        found = interactions.find(tx, about(), {SHOP})
    assert found == record(amount=12.5)


def test_nothing_of_a_customer_or_of_staff_lies_open(db: Database) -> None:
    take(db, record(email="kanaria@leak.example", phone="+4930555000177", crm_id="003KANARIA", staff="Kanaria"))
    with db.read() as tx:
        rows = tx.execute(interaction.select()).all()
    assert rows
    for value in rows[0]:
        assert not any(word in str(value).lower() for word in ("kanaria", "555000177"))


# Figures.


def test_who_was_invited_and_who_answered(db: Database) -> None:
    asked = [
        record(f"R-{number}", invited_at=NOON - (5 - number) * DAY, location=place)
        for number, place in enumerate(("N", "N", "S"))
    ]
    take(db, *asked, record("R-9"))
    feed(db, answer("1", interaction=about("R-1")), answer("2", interaction=Interaction(id="R-2", kind="ticket")))
    decide_all(db, settings())
    since, until = NOON - 5 * DAY, NOON
    with db.read() as tx:
        assert (interactions.invited(tx, since, until), interactions.answered(tx, since, until)) == (3, 1)
        assert interactions.invited(tx, since + DAY, until - 3 * DAY) == 1
        assert interactions.answered(tx, since, since + DAY) == 0
        cut = [(each.location, each.answered) for each in interactions.invitations(tx, since, until)]
    assert cut == [("N", False), ("N", True), ("S", False)]


def test_an_answer_that_was_edited_is_about_what_it_says_last(db: Database) -> None:
    take(db, record("R-1", invited_at=NOON - DAY), record("R-2", invited_at=NOON - DAY))
    first = answer("1", interaction=about("R-1"))
    feed(db, first)
    decide_all(db, settings())
    feed(db, replace(first, interaction=about("R-2"), submitted_at=NOON, received_at=NOON))
    decide_all(db, settings())
    with db.read() as tx:
        kept = [each.answered for each in interactions.invitations(tx, NOON - 2 * DAY, NOON)]
    assert kept == [False, True]


def test_whose_visit_it_is_is_the_strongest_key_that_anybody_is_known_by(db: Database) -> None:
    feed(
        db, answer("1", email="ada@example.org"), answer("2", email="bob@example.org", interaction=Interaction(id="x"))
    )
    decide_all(db, settings())
    take(
        db,
        record("R-1", amount=10),
        record("R-2", email="BOB@example.org"),
        record("R-3", email="nobody@example.org"),
        record("R-4", email=None),
        record("R-5", occurred_at=NOON - 400 * DAY),
    )
    with db.read() as tx:
        found = interactions.visits_by_person(tx, NOON - 30 * DAY, NOON)
        assert {person: [one.id for one in visits] for person, visits in found.items()} == {
            1: ["csv:shop/R-1"],
            2: ["csv:shop/R-2"],
        }
        assert [one.id for one in interactions.visits_of(tx, 1)] == ["csv:shop/R-5", "csv:shop/R-1"]
        assert interactions.visits_of(tx, 3) == []


def test_a_visit_with_two_peoples_keys_is_the_strongers(db: Database) -> None:
    both = Respondent(phone="+493012345678")
    feed(db, answer("1"), answer("2", respondent=both, interaction=Interaction(id="x"), segments={}))
    decide_all(db, settings())
    take(db, record("R-7", phone="+493012345678"))  # her address, his telephone
    with db.read() as tx:
        assert [one.id for one in interactions.visits_of(tx, 1)] == ["csv:shop/R-7"]
        assert interactions.visits_of(tx, 2) == []
        assert list(interactions.visits_by_person(tx, NOON - 30 * DAY, NOON)) == [1]


VISITS = st.lists(st.builds(Visit, id=st.text(max_size=3), at=st.integers(0, 900).map(lambda day: NOON + day * DAY)))


@pytest.mark.only_sqlite
@given(VISITS, st.integers(1, 900))
def test_frequencies_of_parts_add_up(visits: list[Visit], cut: int) -> None:
    since, middle, until = NOON, NOON + cut * DAY, NOON + 901 * DAY
    parts = frequency(visits, since, middle) * cut + frequency(visits, middle, until) * (901 - cut)
    assert parts == frequency(visits, since, until) * 901
    assert frequency(visits, since, until) == Fraction(365 * len(visits), 901)


@pytest.mark.only_sqlite
@given(st.dictionaries(st.integers(1, 9), VISITS))
def test_the_repeat_rate_is_a_share_of_those_who_came(visits: dict[int, list[Visit]]) -> None:
    rate = repeat_rate(visits, NOON, NOON + 901 * DAY)
    came = [each for each in visits.values() if each]
    assert rate == (None if not came else Fraction(sum(len(each) > 1 for each in came), len(came)))


@pytest.mark.only_sqlite
def test_small_figures() -> None:
    assert response_rate(0, 0) is None
    assert response_rate(3, 1) == Fraction(1, 3)
    visits = [Visit(id="a", at=NOON, amount=1.1), Visit(id="b", at=NOON + 5 * DAY, amount=2.2), Visit(id="c", at=NOON)]
    assert spent(visits, NOON, NOON + 9 * DAY) == 3.3
    assert came_back(visits, NOON, 5 * DAY, NOON + 9 * DAY) is True
    assert came_back(visits, NOON, 4 * DAY, NOON + 9 * DAY) is False
    assert came_back(visits, NOON, 6 * DAY, NOON + 4 * DAY) is None
    with pytest.raises(ValueError, match="two instants"):
        frequency(visits, NOON, NOON)


# The score.


def scoring(measure: Measure, best: float, worst: float) -> DecideSettings:
    policy = settings().score
    assert policy is not None
    part = ComponentConfig(
        name="visits", weight=1, kind=ComponentKind.SIGNAL, measure=measure, best=best, worst=worst, window=365 * DAY
    )
    config = replace(policy.config, components=(part,), coverage=0)
    signal = Signal(component="visits", connection=INTERACTIONS, field=None)
    return replace(settings(), score=replace(policy, config=config, signals=(signal,)))


@pytest.mark.parametrize(
    ("measure", "best", "worst", "points"),
    [(Measure.COUNT, 4, 0, 50), (Measure.AMOUNT, 1000, 0, 25), (Measure.DAYS_SINCE, 0, 20, 90)],
)
def test_a_component_from_visits(db: Database, measure: Measure, best: float, worst: float, points: float) -> None:
    by = scoring(measure, best, worst)
    take(db, record("R-1", amount=250.0), record("R-2", occurred_at=NOON - 9 * DAY), by=by)
    feed(db, answer())
    decide_all(db, by)
    with db.read() as tx:
        score = scores.latest(tx, 1)
    assert score is not None
    assert score.points == points


def test_a_visit_makes_the_score_due_and_only_where_it_rests_on_visits(db: Database) -> None:
    feed(db, answer())
    decide_all(db, settings())
    take(db, record("R-1"))
    with db.read() as tx:
        assert people.unscored(tx) == 0
    take(db, record("R-2"), by=scoring(Measure.COUNT, 4, 0))
    with db.read() as tx:
        assert people.unscored(tx) == 1


# Reading.


class Shop:
    """Hands out pages."""

    account = SHOP
    read_class = "read"

    def __init__(self, *pages: Page[InteractionRecord | Unreadable] | Transient) -> None:
        self.pages = list(pages)
        self.asked: list[str | None] = []

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        self.asked.append(cursor)
        page = self.pages.pop(0)
        if isinstance(page, Transient):
            raise page
        return page


def drain(db: Database, shop: Shop, keep: timedelta | None = None) -> datetime | None:
    hold = take_lane(db, interactions_lane(SHOP))
    poll = InteractionsPoll(db=db, source=shop, settings=settings, every=timedelta(minutes=15), keep=keep)
    due = poll.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)
    return due


def test_a_page_and_its_cursor_are_kept_together_and_trouble_asks_again(db: Database) -> None:
    shop = Shop(
        Page(records=[record("R-1")], cursor="a", more=True),
        Transient("the database does not answer"),
        Page(records=[record("R-1"), record("R-2")], cursor="b", more=False),
    )
    assert drain(db, shop) == NOON + timedelta(minutes=1)
    assert drain(db, shop) == NOON + timedelta(minutes=15)
    assert shop.asked == [None, "a", "a"]
    with db.read() as tx:
        assert interactions.counts(tx) == {SHOP: 2}
        assert cursors.get(tx, interactions_feed(SHOP)) == "b"


def test_what_cannot_be_read_stops_nothing_and_is_told_once_a_day(db: Database) -> None:
    bad = Unreadable(place="orders.csv:3", reason="closed_at: is no date or time such as 2026-03-02 12:30")
    drain(db, Shop(Page(records=[bad, record("R-1"), bad], cursor="a", more=False)))
    [told] = planned(db, WriteKind.ALERT)
    assert "orders.csv:3: closed_at: is no date" in str(told.fields["text"])
    with db.read() as tx:
        assert interactions.counts(tx) == {SHOP: 1}


def test_what_retention_would_drop_is_not_taken(db: Database) -> None:
    old, young = record("R-1", occurred_at=NOON - 31 * DAY), record("R-2", occurred_at=NOON - 29 * DAY)
    drain(db, Shop(Page(records=[old, young], cursor="a", more=False)), keep=30 * DAY)
    with db.read() as tx:
        assert [each.id for each in found(tx)] == ["R-2"]


def found(tx: Transaction) -> list[InteractionRecord]:
    known = (interactions.find(tx, about(f"R-{number}"), {SHOP}) for number in range(10))
    return [one for one in known if one is not None]


# Privacy.


def test_retention_takes_what_happened_long_ago(db: Database) -> None:
    take(db, record("R-1", occurred_at=NOON - 400 * DAY), record("R-2"))
    with db.write() as tx:
        assert retention.drop_interactions(tx, NOON - 365 * DAY, 25) == 1
        assert [each.id for each in found(tx)] == ["R-2"]
        assert retention.taken(tx) == {"interactions": 1}


def test_a_person_is_exported_and_erased_with_their_records_and_stays_so(db: Database) -> None:
    take(db, record("R-1"), record("R-2", email="bob@example.org"), record("R-3", email=None, crm_id="003B"))
    with db.read() as tx:
        known = subjects.of_address(tx, email="ada@example.org")
        assert not subjects.is_nobody(tx, known)  # known by nothing but what the shop wrote down
        rows = exporting.export(tx, known)["records of interactions"]
    assert isinstance(rows, list)
    [row] = rows
    assert isinstance(row, dict)
    assert row["remote_id"] == "R-1"
    assert "ada@example.org" in str(row["sealed"])
    with db.write() as tx:
        erase(tx, known)
    take(db, record("R-1"), record("R-4"))
    with db.read() as tx:
        assert [each.id for each in found(tx)] == ["R-2", "R-3"]
        assert subjects.is_nobody(tx, known)


def erase(tx: Transaction, known: subjects.Known) -> None:
    forgetting.bury(tx, known)
    forgetting.stop(tx, known)
    forgetting.delete_here(tx, known)


def test_an_erased_answer_leaves_no_trace_of_what_it_was_about(db: Database) -> None:
    feed(db, answer(interaction=about("R-1")))
    decide_all(db, settings())
    with db.write() as tx:
        assert len(tx.execute(interaction_answer.select()).all()) == 1
        erase(tx, subjects.of_person(tx, 1))
        assert tx.execute(interaction_answer.select()).all() == []
