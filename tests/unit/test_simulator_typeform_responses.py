"""The listing of answers refuses what Typeform refuses, and shows what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connector.simulator.typeform import SERVICE, TOKEN, Typeform, payload
from connector.simulator.typeform_responses import REFUSALS
from tests.unit.simulator_calls import Caller, Got, new_clock

PATH = f"/forms/{SERVICE.id}/responses"


class Reader:
    """A Typeform with five answers, a minute apart, and a client that never calls it too fast."""

    def __init__(self) -> None:
        self.clock = new_clock()
        self.typeform = Typeform(self.clock)
        self.caller = Caller(self.typeform.site.start())
        self.caller.token = TOKEN
        for number in range(5):
            self.answer(f"t{number}")
            self.clock.advance(timedelta(minutes=1))

    def answer(self, token: str) -> None:
        self.typeform.responses.add(payload(SERVICE, {"csat": 1}, token=token, submitted_at=self.clock.now()))

    def get(self, query: str = "", path: str = PATH) -> Got:
        self.clock.advance(timedelta(seconds=1))
        return self.caller.send("GET", f"{path}?{query}")

    def tokens(self, query: str = "") -> list[str]:
        return [item["token"] for item in self.get(query).data["items"]]


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.caller.close()
    made.typeform.site.stop()


BAD = {
    "no-responses": ("", "/forms/nothing/responses"),
    "parameter": ("pagesize=3", PATH),
    "page-size": ("page_size=1001", PATH),
    "instant": ("since=yesterday", PATH),
    "response-type": ("response_type=all", PATH),
    "sort": ("sort=submitted_at", PATH),
    "sorted-cursor": ("sort=submitted_at,asc&before=t1", PATH),
    "token-unknown": ("before=t99", PATH),
    "no-ids": ("included_response_ids=", PATH),
}


@pytest.mark.parametrize("refusal", sorted(BAD))
def test_every_refusal_is_provoked(reader: Reader, refusal: str) -> None:
    query, path = BAD[refusal]
    got = reader.get(query, path) if refusal != "no-ids" else reader.caller.send("DELETE", f"{path}?{query}")
    row = REFUSALS[refusal]
    assert (got.status, got.data["code"]) == (row.status, row.code)
    assert reader.typeform.site.requests.entries()[-1].refusal == refusal


def test_no_refusal_goes_untested() -> None:
    assert set(BAD) == set(REFUSALS)


@pytest.mark.parametrize(
    "query",
    ["page_size=0", "page_size=x", "page_size=-1", "since=2026-11-20T12:00:00.5", "until=2026-11-20T12:00:00%2B01:00"],
)
def test_what_is_nearly_right_is_refused(reader: Reader, query: str) -> None:
    assert reader.get(query).status == 400


def test_newest_come_first_and_pages_go_back(reader: Reader) -> None:
    assert reader.tokens() == ["t4", "t3", "t2", "t1", "t0"]
    got = reader.get("page_size=2").data
    assert ([item["token"] for item in got["items"]], got["total_items"], got["page_count"]) == (["t4", "t3"], 5, 3)
    assert reader.tokens("page_size=2&before=t3") == ["t2", "t1"]
    assert reader.tokens("before=t0") == []
    assert reader.tokens("after=t1") == ["t2", "t3", "t4"], "in the order of processing"


def test_both_ends_of_a_span_count(reader: Reader) -> None:
    assert reader.tokens("since=2026-11-20T12:01:00Z&until=2026-11-20T12:03:00") == ["t3", "t2", "t1"]


def test_a_new_answer_is_listed_late(reader: Reader) -> None:
    reader.typeform.responses.lag = timedelta(minutes=30)
    reader.answer("new")
    assert "new" not in reader.tokens()
    reader.clock.advance(timedelta(minutes=30))
    assert reader.tokens()[0] == "new"


def test_two_calls_a_second_are_allowed_and_a_token_needs_its_scope(reader: Reader) -> None:
    assert [reader.caller.send("GET", PATH).status for _ in range(4)].count(429) >= 1
    reader.typeform.account.scopes = frozenset({"forms:read"})
    assert reader.get().status == 403
    reader.caller.token = "tfp_other"
    assert reader.get().status == 403
