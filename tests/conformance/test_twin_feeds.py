"""The in-memory twins of Contacts, Tickets, Source and Polling hold what the real ones must."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connector.clock import VirtualClock
from connector.domain.model.person import Contact
from connector.ports import Hook, Ticket
from connector.testing.answers import Answers, PollingSuite, SourceSuite
from connector.testing.effect import mail
from connector.testing.feeds import ContactsSuite, Feed, TicketsSuite
from connector.testing.twin_feeds import CALLS, SECRET, Changes, TwinContacts, TwinSource, TwinTickets, posted, signed
from connector.testing.world import START, Stand
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

MINUTES = timedelta(minutes=1)


def stand_of(adapter: Callable[[Any, Kit], object]) -> Callable[[VirtualClock], Stand]:
    def make(clock: VirtualClock) -> Stand:
        there: Changes[Any] = Changes(clock)

        def hide(lag: timedelta) -> None:
            there.lag = lag

        def token_works(works: bool) -> None:
            there.site.token_works = works

        return Stand(
            site=there.site,
            account=there,
            connect=lambda kit: adapter(there, kit),
            hide=hide,
            revoke=lambda: token_works(False),
            readmit=lambda: token_works(True),
        )

    return make


def there(stand: Stand) -> Changes[Any]:
    assert isinstance(stand.account, Changes)
    return stand.account


def add_contact(stand: Stand, number: int) -> str:
    at = stand.site.clock.now()
    contact = Contact(account="twin:acme", id=f"c{number}", email=mail(number), modified_at=at)
    return there(stand).put(contact.id, contact)


def change(stand: Stand, key: str, **fields: object) -> None:
    there(stand).put(key, replace(there(stand).now[key], **fields))


def merge(stand: Stand, loser: str, winner: str) -> None:
    change(stand, loser, merged_into=winner, deleted=True)


def add_ticket(stand: Stand, number: int) -> str:
    ticket = Ticket(
        account="twin:acme",
        id=str(number),
        status="new",
        requester_email=mail(number),
        key=None,
        url=None,
        updated_at=stand.site.clock.now(),
        values={},
    )
    return there(stand).put(ticket.id, ticket)


def about(stand: Stand, ticket: str, at: datetime) -> Hook:
    return signed(json.dumps({"ticket": ticket}).encode(), at)


def add_answer(stand: Stand, number: int) -> str:
    key = f"a{number}"
    there(stand).put(key, posted(key, {"question": "slow"}, stand.site.clock.now().isoformat()))
    return key


def source() -> TwinSource:
    clock = VirtualClock(START)
    return TwinSource(Changes(clock), Kit(clock=clock, token_store=MemoryTokens(clock)))


class TestContacts(ContactsSuite):
    cases = {
        "contacts": Feed(
            page="twin",
            vendor=stand_of(TwinContacts),
            read=lambda crm, cursor: crm.contacts_since(cursor, ("score",)),
            id_of=lambda contact: contact.id,
            add=add_contact,
            calls=CALLS,
            merge=merge,
            delete=lambda stand, contact: change(stand, contact, deleted=True),
            lag=2 * MINUTES,
        )
    }


class TestTickets(TicketsSuite):
    cases = {
        "tickets": Feed(
            page="twin",
            vendor=stand_of(TwinTickets),
            read=lambda desk, cursor: desk.tickets_since(cursor),
            id_of=lambda ticket: ticket.id,
            add=add_ticket,
            calls=CALLS,
            delete=lambda stand, ticket: change(stand, ticket, status="deleted"),
            sign=about,
            lag=2 * MINUTES,
        )
    }


class TestSource(SourceSuite):
    cases = {
        "answers": Answers(page="twin", connect=source, body=posted, sign=signed, says_null=True, secrets=(SECRET,))
    }


class TestPolling(PollingSuite):
    cases = {
        "answers": Feed(
            page="twin",
            vendor=stand_of(TwinSource),
            read=lambda tool, cursor: tool.responses_since("f", cursor, None),
            id_of=lambda raw: json.loads(raw)["id"],
            add=add_answer,
            calls=CALLS,
            lag=2 * MINUTES,
        )
    }
