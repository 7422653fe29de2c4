"""The suites of what is read: contacts of a CRM, tickets of a helpdesk, answers of a survey tool.

Their cases are values of `Feed`. Everything a feed must hold is asked of all three; what only one of them has follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from connector.clock import VirtualClock
from connector.errors import Forged, MappingError, RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Contacts, Hook, Page, Tickets
from connector.simulator.parts import Fault, FaultKind
from connector.testing.suite import Suite, asks
from connector.testing.world import START, Stand
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

PATIENCE = 120
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
PAGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One thing that is read page by page.

    `vendor` makes the simulator; its stand connects an adapter with the role. `read` asks it for a page, `id_of` names
    a record of it. `add` puts the thing with that number there and returns its id, `change` makes somebody change one.
    `calls` is the request for a page, as faults match it. `lag` is how long something new may stay out of the feed.
    `merge` joins the first into the second, `delete` takes one away, and returns nothing; None where that cannot be.
    `sign` is a genuine hook about one of them, as the helpdesk would send it.
    """

    page: str
    vendor: Callable[[VirtualClock], Stand]
    read: Callable[[Any, str | None], Page[Any]]
    id_of: Callable[[Any], str]
    add: Callable[[Stand, int], str]
    calls: str
    change: Callable[[Stand, str], None] | None = None
    merge: Callable[[Stand, str, str], None] | None = None
    delete: Callable[[Stand, str], None] | None = None
    sign: Callable[[Stand, str, datetime], Hook] | None = None
    lag: timedelta = timedelta(0)


class Reader:
    """A vendor, and an adapter that reads from it as the poll lane does, remembering where it was."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.clock = VirtualClock(START)
        self.stand = feed.vendor(self.clock)
        self.adapter = self.connect()
        self.cursor: str | None = None

    def connect(self, *, read_only: bool = False) -> Any:
        """An adapter, as a process of ours would make it."""
        return self.stand.connect(Kit(clock=self.clock, token_store=MemoryTokens(self.clock), read_only=read_only))

    def page(self) -> Page[Any]:
        """The next page; the cursor moves with it."""
        page = self.feed.read(self.adapter, self.cursor)
        self.cursor = page.cursor
        return page

    def sweep(self) -> dict[str, Any]:
        """Every page until there are no more, by id."""
        found: dict[str, Any] = {}
        for _ in range(PAGES):
            page = self.page()
            found |= {self.feed.id_of(record): record for record in page.records}
            if not page.more:
                return found
        raise AssertionError("the feed never rests")

    def hours_later(self) -> dict[str, Any]:
        """What three hours of reading bring: some changes are looked for now and then only."""
        found: dict[str, Any] = {}
        for _ in range(3):
            self.pass_time(HOUR)
            found |= self.sweep()
        return found

    def pass_time(self, step: timedelta) -> None:
        """Let time pass, here and there."""
        self.clock.advance(step)
        with self.stand.site.lock:
            self.stand.site.settle()


@contextmanager
def reader_of(feed: Feed) -> Iterator[Reader]:
    """A reader, whose vendor stops in the end."""
    reader = Reader(feed)
    try:
        yield reader
    finally:
        reader.stand.site.stop()


class FeedSuite(Suite):
    """What everything that is read page by page must hold."""

    @asks("C1")
    def test_a_feed_at_rest_says_so(self, case: Feed) -> None:
        """Nothing changed: it comes to an end, without records and without an error of an empty account."""
        with reader_of(case) as reader:
            assert reader.sweep() == {}
            reader.pass_time(HOUR)
            assert reader.sweep() == {}

    @asks("C3")
    def test_nothing_is_skipped_between_pages(self, case: Feed) -> None:
        """What comes while we read, at the same instant or later, is in a later page; repeats are allowed."""
        with reader_of(case) as reader:
            first = {case.add(reader.stand, number) for number in range(3)}
            reader.pass_time(case.lag + SECOND)
            seen = set(reader.sweep())
            second = {case.add(reader.stand, number) for number in (3, 4)}
            seen |= set(reader.sweep())
            for _ in range(3):
                reader.pass_time(case.lag + HOUR)
                seen |= set(reader.sweep())
            assert seen >= first | second

    @asks("C4")
    def test_half_a_page_is_an_error_and_no_empty_page(self, case: Feed) -> None:
        """The answer is torn: it is told, and the same place is read again."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(case.lag + HOUR)
            reader.stand.site.faults.add(Fault(match=case.calls, kind=FaultKind.TORN, times=None))
            with pytest.raises(Transient):
                reader.sweep()
            reader.stand.site.faults.clear()
            assert made in reader.sweep()

    @asks("C5")
    def test_the_named_time_reaches_who_waits(self, case: Feed) -> None:
        """The adapter neither waits nor repeats: it says until when."""
        with reader_of(case) as reader:
            reader.stand.site.faults.add(reader.stand.too_fast(case.calls, PATIENCE))
            with pytest.raises(Throttled) as told:
                reader.sweep()
            assert told.value.retry_at >= reader.clock.now() + timedelta(seconds=PATIENCE)

    @asks("C7", lambda case: bool(case.lag))
    def test_what_is_listed_late_is_not_skipped(self, case: Feed) -> None:
        """It is there and not listed yet, the feed is read meanwhile, and what came after it is listed before it."""
        with reader_of(case) as reader:
            made = set()
            for number, lag in enumerate((case.lag, timedelta(0), case.lag)):
                reader.stand.hide(lag)
                made.add(case.add(reader.stand, number))
                reader.pass_time(SECOND)
            seen = set(reader.sweep())
            for _ in range(6):
                reader.pass_time(case.lag / 4 + SECOND)
                seen |= set(reader.sweep())
            assert seen >= made

    @asks("C11")
    def test_a_token_that_ends_midway(self, case: Feed) -> None:
        """It is renewed once; where it cannot be, it is told as such."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(case.lag + HOUR)
            reader.sweep()
            assert reader.stand.revoke is not None, "the stand must say how credentials end"
            reader.stand.revoke()
            reader.cursor = None
            before = len(reader.stand.site.requests)
            if not reader.stand.token_calls:
                with pytest.raises(Unauthorized):
                    reader.sweep()
                assert reader.stand.readmit is not None
                reader.stand.readmit()
            assert made in reader.sweep()
            fetched = [call for call in reader.stand.site.requests.entries(before) if _is(call, reader.stand)]
            assert len(fetched) == bool(reader.stand.token_calls)

    @asks("C12")
    def test_nothing_secret_is_in_an_error(self, case: Feed) -> None:
        """The vendor's own words hold what we sent it."""
        with reader_of(case) as reader:
            said = f"wrong: kim0000@example.com {' '.join(reader.stand.secrets)}"
            fault = Fault(match=case.calls, kind=FaultKind.REFUSE, status=500, message=said, times=None)
            reader.stand.site.faults.add(fault)
            with pytest.raises(RemoteError) as told:
                reader.sweep()
            text = f"{told.value} {told.value!r} {told.value.reply} {told.value.operation}"
            assert not any(secret in text for secret in (*reader.stand.secrets, "kim0000@example.com"))

    @asks("C15")
    def test_reading_writes_nothing(self, case: Feed) -> None:
        """An adapter that may only read reads as well."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(case.lag + HOUR)
            reader.adapter = reader.connect(read_only=True)
            before = len(reader.stand.site.requests)
            assert made in reader.sweep()
            writes = reader.stand.site.requests.writes(before)
            assert [call for call in writes if not _is(call, reader.stand)] == []


class ContactsSuite(FeedSuite):
    """What the contacts of every CRM must hold."""

    @asks("C8", lambda case: case.merge is not None)
    def test_a_merge_names_who_is_left(self, case: Feed) -> None:
        """The loser points at the winner, and the winner lives."""
        with reader_of(case) as reader:
            loser, winner = (case.add(reader.stand, number) for number in (1, 2))
            reader.pass_time(HOUR)
            reader.sweep()
            assert case.merge is not None
            case.merge(reader.stand, loser, winner)
            seen = reader.hours_later()
            assert seen[loser].merged_into == winner
            assert not seen[winner].deleted

    @asks("C8", lambda case: case.delete is not None)
    def test_who_is_deleted_is_said_to_be(self, case: Feed) -> None:
        """Without a successor."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(HOUR)
            reader.sweep()
            assert case.delete is not None
            case.delete(reader.stand, made)
            gone = reader.hours_later()[made]
            assert (gone.deleted, gone.merged_into) == (True, None)

    @asks("C9")
    def test_what_is_absent_is_none(self, case: Feed) -> None:
        """A contact without a telephone has None, no empty text, and is nobody's."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(HOUR)
            contact = reader.sweep()[made]
            assert contact.email
            assert contact.phone is None
            assert contact.account == cast("Contacts", reader.adapter).account

    @asks("C10")
    def test_when_it_changed_is_an_instant(self, case: Feed) -> None:
        """In UTC, and the one at which it happened there."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(HOUR)
            at = reader.sweep()[made].modified_at
            assert at.utcoffset() == timedelta(0)
            assert abs(at - START) <= SECOND


class TicketsSuite(FeedSuite):
    """What the tickets of every helpdesk must hold."""

    @asks("C1")
    def test_no_ids_make_no_call(self, case: Feed) -> None:
        """Nothing was asked for."""
        with reader_of(case) as reader:
            reader.sweep()
            before = len(reader.stand.site.requests)
            assert _tickets(reader).read_tickets([]) == {}
            assert len(reader.stand.site.requests) == before

    @asks("C8", lambda case: case.delete is not None)
    def test_a_deleted_ticket_is_absent_and_told(self, case: Feed) -> None:
        """In the feed as deleted, by id not at all; its neighbour is unharmed."""
        with reader_of(case) as reader:
            gone, other = (case.add(reader.stand, number) for number in (1, 2))
            reader.pass_time(HOUR)
            reader.sweep()
            assert case.delete is not None
            case.delete(reader.stand, gone)
            assert reader.hours_later()[gone].status == "deleted"
            assert set(_tickets(reader).read_tickets([gone, other])) == {other}

    @asks("C10")
    def test_when_it_changed_is_an_instant(self, case: Feed) -> None:
        """In UTC, and the one at which it happened there; by id it reads the same as in the feed."""
        with reader_of(case) as reader:
            made = case.add(reader.stand, 1)
            reader.pass_time(HOUR)
            ticket = reader.sweep()[made]
            assert ticket.updated_at.utcoffset() == timedelta(0)
            assert abs(ticket.updated_at - START) <= SECOND
            assert _tickets(reader).read_tickets([made])[made] == ticket
            assert ticket.key is None, "it is not ours"

    @asks("C12", lambda case: case.sign is not None)
    def test_a_forged_hook_is_refused(self, case: Feed) -> None:
        """Another body under the same signature, none at all, and a genuine one."""
        with reader_of(case) as reader:
            assert case.sign is not None
            made = case.add(reader.stand, 1)
            hook = case.sign(reader.stand, made, reader.clock.now())
            tickets = _tickets(reader)
            tickets.verify(hook)
            assert list(tickets.read_hook(hook.body)) == [made]
            for headers, body in ((hook.headers, hook.body + b" "), ({}, hook.body)):
                with pytest.raises(Forged):
                    tickets.verify(_altered(hook, headers, body))
            with pytest.raises(MappingError):
                tickets.read_hook(b"{}")


def _altered(hook: Hook, headers: Mapping[str, str], body: bytes) -> Hook:
    return Hook(method=hook.method, path=hook.path, headers=headers, body=body, received_at=hook.received_at)


def _tickets(reader: Reader) -> Tickets:
    assert isinstance(reader.adapter, Tickets)
    return reader.adapter


def _is(call: Any, stand: Stand) -> bool:
    """Whether it is a call for a token."""
    return f"{call.method} {call.path}" == stand.token_calls
