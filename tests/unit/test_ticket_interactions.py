"""A helpdesk's own tickets as interactions: who asked, from when to when, where and with whom; not a word of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.registry import kinds
from connector.adapters.zendesk import Options, Zendesk, feed
from connector.clock import VirtualClock
from connector.config import load
from connector.domain.model.directory import Directory, enrol
from connector.domain.model.intent import Item, WriteKind
from connector.domain.model.interaction import InteractionRecord
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Interaction, Respondent
from connector.ports import Interactions
from connector.secret import Secret
from connector.simulator import zendesk as simulator
from connector.store import cursors, interactions, lanes, people, retention, subjects
from connector.store.database import Database
from connector.store.schema import interaction
from connector.sync.explain import story
from connector.sync.interactions import InteractionsPoll, interactions_feed, interactions_lane, take_record
from connector.sync.mirroring import take_ticket
from connector.sync.settings import DecideSettings
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.settings import adapters_at_rest, settings_with
from tests.unit.deciding import ENVIRON, decide_all, example_settings, take_lane
from tests.unit.deciding import feed as deliver
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_interactions import erase

DESK = "zendesk:acme"
DAY = timedelta(days=1)
PLACES = enrol(
    ("location", "group", "manager"),
    [
        {"location": "Hamburg", "group": "Support", "manager": "Nora Nord"},
        {"location": "Kiel", "group": "Shared"},
        {"location": "Bremen", "group": "Shared"},
    ],
    key="location",
)
STAFF = enrol(("number", "email", "name"), [{"number": "17", "email": "robin@acme.example", "name": "R"}], key="number")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[simulator.Zendesk]:
    made = simulator.Zendesk(clock)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def helpdesk(desk: simulator.Zendesk, clock: VirtualClock) -> Zendesk:
    options = Options(
        subdomain="acme",
        client_id=simulator.CLIENT_ID,
        client_secret=Secret(simulator.CLIENT_SECRET),
        base_url=desk.site.base_url,
    )
    return Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    store = empty_store(tmp_path, clock)
    yield store
    store.close()


def settings() -> DecideSettings:
    lists = Directory(places=PLACES, staff=STAFF)
    return replace(example_settings(), interactions=frozenset({DESK}), directory=lists)


def drain(db: Database, helpdesk: Zendesk, clock: VirtualClock) -> None:
    """Read what there is, the export's last minute included."""
    clock.advance(timedelta(minutes=2))
    poll = InteractionsPoll(db=db, source=helpdesk, settings=settings, every=timedelta(minutes=15))
    hold = take_lane(db, interactions_lane(DESK))
    due = poll.drain(hold)
    assert due is not None
    assert due > clock.now()
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def kept(db: Database, number: int) -> InteractionRecord | None:
    with db.read() as tx:
        return interactions.find(tx, Interaction(id=str(number), kind="ticket"), {DESK})


def ticket(desk: simulator.Zendesk, email: str = "kim@mail.example", **fields: Any) -> int:
    asked: dict[str, Any] = {
        "subject": "Kim's brakes",
        "comment": "They squeak",
        "group_id": 501,
        "assignee_id": 1002,
        **fields,
    }
    return desk.add_ticket(requester_email=email, **asked)


def test_a_customers_ticket_is_on_record_from_its_opening_to_its_end(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    assert isinstance(helpdesk, Interactions)
    number, opened = ticket(desk), clock.now()
    drain(db, helpdesk, clock)
    record = kept(db, number)
    assert record is not None
    assert (record.kind, record.occurred_at, record.ended_at) == ("ticket", opened, None)
    assert (record.location, record.staff, record.channel) == ("Hamburg", "17", "web")
    assert record.email == "kim@mail.example"
    clock.advance(DAY)
    solved = clock.now()
    desk.human_update(number, status="solved")
    clock.advance(DAY)
    desk.human_update(number, tags=["later"])
    drain(db, helpdesk, clock)
    record = kept(db, number)
    assert record is not None
    assert (record.occurred_at, record.ended_at) == (opened, solved)
    desk.customer_reply(number, "It squeaks again")
    drain(db, helpdesk, clock)
    record = kept(db, number)
    assert record is not None
    assert record.ended_at is None, "it goes on"


def test_nothing_that_was_written_is_kept(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    ticket(desk)
    page = helpdesk.interactions_since(None)
    assert page.records == []
    clock.advance(timedelta(minutes=2))
    page = helpdesk.interactions_since(None)
    assert "brakes" not in repr(page.records)
    assert "squeak" not in repr(page.records)
    drain(db, helpdesk, clock)
    with db.read() as tx:
        [row] = tx.execute(interaction.select()).all()
        sealed = tx.unseal(interactions.SEALED, row.sealed)
    assert isinstance(sealed, dict)
    assert set(sealed) == {"staff", "email", "changed_at"}
    assert (row.location, row.service) == ("Hamburg", None)


@pytest.mark.parametrize(
    ("fields", "place", "staff"),
    [
        ({"group_id": 502}, None, "17"),
        ({"group_id": None, "assignee_id": None}, None, None),
        ({"assignee_id": 1001}, "Hamburg", None),
    ],
    ids=["no place", "nobody's", "not on the list"],
)
def test_what_the_lists_do_not_have_is_nobodys(
    db: Database,
    desk: simulator.Zendesk,
    helpdesk: Zendesk,
    clock: VirtualClock,
    fields: dict[str, Any],
    place: str | None,
    staff: str | None,
) -> None:
    number = ticket(desk, **fields)
    drain(db, helpdesk, clock)
    record = kept(db, number)
    assert record is not None
    assert (record.location, record.staff) == (place, staff)


def test_a_row_is_found_by_its_key_an_alias_or_the_one_column_that_says_it() -> None:
    assert PLACES.key_of(" hamburg ", "group") == "Hamburg"
    assert PLACES.key_of("support", "group") == "Hamburg"
    assert PLACES.key_of("Shared", "group") is None, "two places share it"
    assert PLACES.key_of(None, "group") is None
    assert Directory().places.key_of("Support", "group") is None


def test_ours_and_what_agents_ask_for_are_none(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    item = Item(
        key="r-1", target=None, fields={"subject": "S", "comment": "C", "requester_email": "k@x.example"}, cause_at=NOON
    )
    helpdesk.prepare()
    helpdesk.send(WriteKind.TICKET, helpdesk.render(WriteKind.TICKET, [item]), 1)
    ticket(desk, "robin@acme.example")
    theirs = ticket(desk)
    drain(db, helpdesk, clock)
    with db.read() as tx:
        assert [row.remote_id for row in tx.execute(interaction.select())] == [str(theirs)]


def test_read_again_it_changes_nothing_and_the_latest_version_counts(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE", 2)
    numbers = [ticket(desk) for _ in range(5)]
    drain(db, helpdesk, clock)
    old = kept(db, numbers[0])
    assert old is not None
    desk.human_update(numbers[0], status="solved", group_id=502)
    drain(db, helpdesk, clock)
    with db.write() as tx:
        before = tx.execute(interaction.select()).all()
        cursors.move(tx, interactions_feed(DESK), "start_time=0")
    drain(db, helpdesk, clock)
    with db.write() as tx:
        assert tx.execute(interaction.select()).all() == before
        take_record(tx, old, settings())
        assert tx.execute(interaction.select()).all() == before
        assert interactions.counts(tx) == {DESK: 5}


def test_one_that_is_deleted_there_goes(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    gone, stays = ticket(desk), ticket(desk)
    drain(db, helpdesk, clock)
    desk.human_delete(gone)
    drain(db, helpdesk, clock)
    assert kept(db, gone) is None
    assert kept(db, stays) is not None


def test_an_answer_about_it_rests_on_it(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    number = ticket(desk)
    desk.human_update(number, status="solved")
    drain(db, helpdesk, clock)
    about = Interaction(id=str(number), kind="ticket", location="Berlin")
    deliver(db, answer("1", interaction=about, respondent=Respondent(), received_at=clock.now(), at=clock.now()))
    decide_all(db, settings())
    with db.read() as tx:
        told = story(tx, "typeform/aB3dE9/1", settings())
        person = people.find(tx, KeyKind.EMAIL, "kim@mail.example")
    assert told is not None
    said = "\n".join((*told.answer, *told.identity))
    assert f"location Hamburg: from ticket {number} of {DESK}, the form said Berlin" in said
    assert "over on 2026" in said
    assert person is not None, "who gave no name is who asked"


def test_whose_it_is_says_the_phone_number_too(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    number = ticket(desk)
    user = next(one for one in desk.desk.users.values() if one["email"] == "kim@mail.example")
    user |= {"email": None, "phone": "+49 30 123456"}
    drain(db, helpdesk, clock)
    record = kept(db, number)
    assert record is not None
    assert (record.email, record.phone) == (None, "+4930123456")
    with db.write() as tx:
        person = people.create(tx)
        people.learn(tx, person, {KeyKind.PHONE: "+4930123456"})
        assert interactions.person_of(tx, record) == person


def test_an_erased_persons_tickets_go_and_are_refused(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    mine, other = ticket(desk), ticket(desk, "lee@mail.example")
    drain(db, helpdesk, clock)
    with db.write() as tx:
        erase(tx, subjects.of_address(tx, email="kim@mail.example"))
    assert kept(db, mine) is None
    desk.human_update(mine, status="solved")
    again = ticket(desk)
    drain(db, helpdesk, clock)
    assert [kept(db, number) is None for number in (mine, again, other)] == [True, True, False]


def test_an_erased_ticket_is_refused_under_whatever_address(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    number = ticket(desk)
    clock.advance(timedelta(minutes=2))
    with db.write() as tx:
        for one in helpdesk.tickets_since(None).records:
            take_ticket(tx, one, settings(), clock.now())
        erase(tx, subjects.of_address(tx, email="kim@mail.example"))
    desk.desk.users[str(desk.desk.by_email["kim@mail.example"])]["email"] = "kim.new@mail.example"
    drain(db, helpdesk, clock)
    assert kept(db, number) is None


def test_retention_takes_them_too(
    db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock
) -> None:
    number = ticket(desk)
    drain(db, helpdesk, clock)
    with db.write() as tx:
        assert retention.drop_interactions(tx, clock.now() + DAY, 25) == 1
    assert kept(db, number) is None


def test_a_ticket_is_no_visit(db: Database, desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock) -> None:
    ticket(desk)
    drain(db, helpdesk, clock)
    with db.write() as tx:
        person = people.create(tx)
        people.learn(tx, person, {KeyKind.EMAIL: "kim@mail.example"})
        assert interactions.visits_of(tx, person) == []
        assert interactions.visits_by_person(tx, NOON - DAY, NOON + DAY) == {}
        assert not interactions.has_visits(tx)
        shop = InteractionRecord(
            account="csv:shop", id="R-1", kind="repair order", occurred_at=NOON, email="kim@mail.example"
        )
        take_record(tx, shop, settings())
        assert [one.id for one in interactions.visits_of(tx, person)] == ["csv:shop/R-1"]
        assert interactions.has_visits(tx)


def test_the_configuration_names_it_like_a_shop(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "config.example.yaml"
    for name in ("mappings", "data"):
        source = example.parent / name
        if source.is_dir():
            (tmp_path / name).symlink_to(source)
    (tmp_path / "config.yaml").write_text(example.read_text() + "\ninteractions: {from: [zendesk], every: 5m}\n")
    loaded = load(tmp_path / "config.yaml", kinds(), ENVIRON)
    adapters = adapters_at_rest(loaded, VirtualClock(datetime(2026, 11, 21, tzinfo=UTC)))
    assert settings_with(loaded, adapters).interactions == {DESK}
