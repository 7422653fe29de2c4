"""Answers that are fetched or come from a file are the same answers as those of the webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.adapters.typeform import Options, Typeform
from connector.adapters.typeform.listing import PAGE, delivered, rendered
from connector.clock import VirtualClock
from connector.domain.model.intent import Json
from connector.domain.model.response import Response
from connector.errors import Forged, Gone, Throttled, Transient, Unauthorized
from connector.ports import Hinted, Hook, Importing, Polling, Record, Row
from connector.simulator import typeform as simulator
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store.canonical import content
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.deciding import example
from tests.unit.loopback import reply, vendor

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)


@dataclass
class Account:
    """A Typeform on loopback, and the adapter that reads it."""

    there: simulator.Typeform
    clock: VirtualClock
    source: Typeform
    seen: list[str] = field(default_factory=list)

    def answer(self, token: str, at: datetime = NOW, **values: object) -> bytes:
        """Somebody answers; returns what the webhook would have sent."""
        event = payload(SERVICE, {"csat": 2, **values}, token=token, submitted_at=at, hidden={"service": "brakes"})
        self.there.responses.add(event)
        return encode(event)

    def walk(self, cursor: str | None = None, since: date | None = None, most: int = 20) -> tuple[list[Record], str]:
        """Everything there is to read from `cursor` on, and where to go on."""
        records: list[Record] = []
        for _ in range(most):
            self.clock.advance(timedelta(seconds=1))
            page = self.source.responses_since(SERVICE.id, cursor, since)
            records += [found for one in page.records if (found := self.source.read(one)) is not None]
            assert len(page.records) <= PAGE
            cursor = page.cursor
            if not page.more:
                return records, cursor
        raise AssertionError("it never ends")


def source(clock: VirtualClock, base_url: str = "https://api.typeform.com", **options: object) -> Typeform:
    keys = {"api_token": "tfp_simulator", "base_url": base_url, "webhook_secret": ["s"], **options}
    return Typeform("forms", Options.model_validate(keys), Kit(clock=clock, token_store=MemoryTokens(clock)))


@pytest.fixture
def account() -> Iterator[Account]:
    clock = VirtualClock(NOW + timedelta(hours=2))
    there = simulator.Typeform(clock)
    url = there.site.start()
    yield Account(there=there, clock=clock, source=source(clock, url))
    there.site.stop()


def response_of(record: Record | None) -> Response:
    assert record is not None
    return (
        example()
        .survey_mappings["service"]
        .respond(
            kind="typeform",
            survey="service",
            form=record.form,
            id=record.id,
            submitted_at=record.submitted_at,
            received_at=NOW,
            answers=record.answers,
            hidden=record.hidden,
            metadata=record.metadata,
        )
    )


def test_it_can_be_polled_and_imported() -> None:
    one = source(VirtualClock(NOW))
    assert isinstance(one, Polling)
    assert isinstance(one, Importing)
    assert isinstance(one, Hinted)
    assert one.account == "typeform:api.typeform.com"


def test_a_fetched_answer_is_the_webhooks_answer(account: Account) -> None:
    hooked = account.answer("t1", why="Nie wieder 😡 <b>", mail="ann@example.com", may_contact=False, recommend=0)
    (record,), _ = account.walk()
    by_hook = account.source.read(hooked)
    assert by_hook is not None
    assert replace(record, metadata={}) == replace(by_hook, metadata={})
    assert dict(record.metadata) == {**by_hook.metadata, "score": 0}
    assert content(response_of(record)) == content(response_of(by_hook))


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "csat": st.integers(1, 5),
        "recommend": st.integers(0, 10),
        "why": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
        "mail": st.emails(),
        "may_contact": st.booleans(),
    },
).filter(lambda values: "csat" in values or "recommend" in values)
HIDDEN = st.dictionaries(
    st.sampled_from(["inv", "contact_id", "order_id", "service", "location", "technician", "name", "phone"]),
    st.text(st.characters(categories=["L", "N", "Zs"]), max_size=12),
)


@settings(deadline=None)  # the first example compiles the configuration
@given(values=VALUES, hidden=HIDDEN, seconds=st.integers(0, 10**8))
def test_webhook_listing_and_export_say_the_same(values: dict[str, Json], hidden: dict[str, str], seconds: int) -> None:
    clock = VirtualClock(NOW)
    at = NOW - timedelta(seconds=seconds)
    there, here = simulator.Typeform(clock), source(clock)
    event = payload(SERVICE, values, token="t1", submitted_at=at, hidden=hidden)
    there.responses.add(event)
    item = there.responses._held[SERVICE.id]["t1"].item
    # An export is flat and everything in it is text; what was not answered is an empty cell.
    flat: dict[str, Json] = {f"answers.{name}": _cell(value) for name, value in values.items()}
    flat |= {f"hidden.{name}": value for name, value in hidden.items() if value}
    row = Row(id="t1", form=SERVICE.id, submitted_at=at, values=flat)
    one, two, three = (
        response_of(here.read(body)) for body in (encode(event), rendered(SERVICE.id, item), delivered(row))
    )
    assert one.key == two.key == three.key == "typeform/aB3dE9/t1"
    assert content(one) == content(two) == content(three)


def _cell(value: Json) -> Json:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_nothing_of_the_browser_is_taken(account: Account) -> None:
    account.answer("t1")
    (one,) = account.source.responses_since(SERVICE.id, None, None).records
    for word in (b"user_agent", b"Mozilla", b"network_id", b"referer", b"platform"):
        assert word not in one


def test_three_thousand_answers_are_three_pages_and_each_comes_once(account: Account) -> None:
    for number in range(2 * PAGE + 500):
        account.answer(f"t{number:04d}", NOW - timedelta(minutes=number))
    records, cursor = account.walk()
    assert sorted(record.id for record in records) == [f"t{number:04d}" for number in range(2 * PAGE + 500)]
    assert [entry.query.get("before") for entry in account.there.site.requests.entries()] == [None, "t0999", "t1999"]
    again, _ = account.walk(cursor)
    assert {record.id for record in again} == {f"t{number:04d}" for number in range(61)}, "the last hour, both ends"


def test_what_is_listed_late_is_still_found(account: Account) -> None:
    account.answer("at-once", NOW)
    account.there.responses.lag = timedelta(minutes=30)
    account.answer("late", NOW - timedelta(minutes=20))
    found, cursor = account.walk()
    assert [record.id for record in found] == ["at-once"]
    account.clock.advance(timedelta(minutes=30))
    found, _ = account.walk(cursor)
    assert {record.id for record in found} == {"at-once", "late"}


def test_an_answer_that_arrives_during_the_walk_is_in_the_next_one(account: Account) -> None:
    for number in range(PAGE + 1):
        account.answer(f"t{number:04d}", NOW - timedelta(minutes=number))
    first = account.source.responses_since(SERVICE.id, None, None)
    account.answer("new", NOW + timedelta(minutes=1))
    _, cursor = account.walk(first.cursor)
    found, _ = account.walk(cursor)
    assert "new" in {record.id for record in found}


def test_an_answer_deleted_during_the_walk_begins_it_again(account: Account) -> None:
    for number in range(PAGE + 1):
        account.answer(f"t{number:04d}", NOW - timedelta(minutes=number))
    first = account.source.responses_since(SERVICE.id, None, None)
    account.there.responses.remove(SERVICE.id, f"t{PAGE - 1:04d}")
    second = account.source.responses_since(SERVICE.id, first.cursor, None)
    assert (second.records, second.more) == ((), False), "not at once: whoever refuses every cursor is asked seldom"
    found, _ = account.walk(second.cursor)
    assert len(found) == PAGE


def test_an_empty_form_is_asked_from_the_same_day_again(account: Account) -> None:
    found, cursor = account.walk(since=date(2026, 11, 20))
    assert found == []
    account.answer("t1", datetime(2026, 11, 20, 0, 0, tzinfo=UTC))
    account.answer("t0", datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC))
    found, cursor = account.walk(cursor, since=date(2026, 11, 20))
    assert [record.id for record in found] == ["t1"]
    found, _ = account.walk(cursor, since=date(2026, 11, 20))
    assert [record.id for record in found] == ["t1"], "the overlap stays within the day asked for"


def test_refusals_are_typed(account: Account) -> None:
    with pytest.raises(Gone):
        account.source.responses_since("no-such-form", None, None)
    account.answer("t1")
    account.source.responses_since(SERVICE.id, None, None)
    with pytest.raises(Throttled):
        account.source.responses_since(SERVICE.id, None, None)
    for wrong in ({"api_token": "tfp_revoked"}, {"api_token": ""}):
        other = source(account.clock, account.there.site.base_url, **wrong)
        account.clock.advance(timedelta(seconds=1))
        with pytest.raises(Unauthorized):
            other.responses_since(SERVICE.id, None, None)


@pytest.mark.parametrize("answer", [[], {}, {"items": [1]}, {"items": [{}]}, {"items": None}])
def test_a_listing_of_another_shape_is_read_again(answer: object) -> None:
    with vendor(lambda seen: reply(200, answer)) as there, pytest.raises(Transient, match="does not say which answers"):
        source(VirtualClock(NOW), there.url).responses_since(SERVICE.id, None, None)


def test_a_form_id_cannot_lead_elsewhere(account: Account) -> None:
    with pytest.raises(Gone):
        account.source.responses_since("../me?", None, None)
    assert account.there.site.requests.entries()[-1].path != "/me"


def test_a_hint_names_its_form_and_is_never_believed() -> None:
    one = source(VirtualClock(NOW), webhook_secret=[], verify="refetch")
    assert one.is_hint
    assert not source(VirtualClock(NOW)).is_hint
    event = encode(payload(SERVICE, {"csat": 1}, token="t1", submitted_at=NOW))
    assert one.hint(event) == SERVICE.id
    for body in (b"", b"[]", b"{}", b'{"form_response": 3}', b"\xff"):
        assert one.hint(body) is None
    with pytest.raises(Forged):
        one.verify(Hook(method="POST", path="/hooks/forms", headers={}, body=event, received_at=NOW))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"webhook_secret": []}, "exactly one"),
        ({"verify": "refetch"}, "exactly one"),
        ({"webhook_secret": [], "verify": "refetch", "api_token": ""}, "needs api_token"),
    ],
)
def test_exactly_one_way_to_tell_a_hook_is_configured(options: dict[str, object], words: str) -> None:
    usual: dict[str, object] = {"api_token": "tfp_simulator", "webhook_secret": ["s"]}
    with pytest.raises(ValidationError, match=words):
        Options.model_validate({**usual, **options})
