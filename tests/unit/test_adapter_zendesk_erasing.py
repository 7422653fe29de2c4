"""A person is erased at Zendesk, against the strict simulator: for good, again after a crash, and no agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.zendesk import Options, Zendesk, erasing
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Receipt, WriteKind
from connector.ports.erasing import Erased, Erasing, Fate, Subject
from connector.simulator import zendesk as simulator
from connector.transport.client import Api, Reply
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAIL, NAME, WORDS = "kanaria@leak.example", "Kanaria Vogelprobe", "zwitscherzwitscher"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[simulator.Zendesk]:
    desk = simulator.Zendesk(clock)
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture
def helpdesk(desk: simulator.Zendesk, clock: VirtualClock) -> Zendesk:
    given = Options.model_validate(
        {
            "subdomain": simulator.SUBDOMAIN,
            "client_id": simulator.CLIENT_ID,
            "client_secret": simulator.CLIENT_SECRET,
            "webhook_secret": [simulator.HOOK_SECRET],
            "base_url": desk.site.base_url,
            "timeout": 5,
        }
    )
    return Zendesk("desk", given, Kit(clock=clock, token_store=MemoryTokens(clock)))


def written(helpdesk: Zendesk, kind: WriteKind, key: str, target: int | None = None, **fields: str) -> str:
    item = Item(key=key, target=None if target is None else str(target), fields=dict(fields), cause_at=NOON)
    (outcome,) = helpdesk.send(kind, helpdesk.render(kind, [item]), 1)  # type: ignore[misc]  # one ticket, no job
    assert isinstance(outcome, Receipt)
    return outcome.remote_id


def everything(desk: simulator.Zendesk) -> str:
    return json.dumps(desk.truth, ensure_ascii=False)


class Death(BaseException):
    """The process dies; what was reported before is noted."""


def carried_out(helpdesk: Zendesk, clock: VirtualClock, subject: Subject) -> dict[str, Erased]:
    told: dict[str, Erased] = {}
    for _ in range(6):
        with suppress(Death):
            told |= {one.object: one for one in helpdesk.erase(subject)}
        begun = tuple(one.object for one in told.values() if one.fate is Fate.UNDER_WAY)
        if not begun:
            return told
        subject = replace(subject, under_way=begun)
        clock.advance(timedelta(seconds=2))
    raise AssertionError("the jobs never ended")


@pytest.fixture
def subject(desk: simulator.Zendesk, helpdesk: Zendesk) -> Subject:
    """A ticket of ours, one of theirs, and a note of ours on a colleague's."""
    ours = written(
        helpdesk, WriteKind.TICKET, "k1", subject="S", comment=WORDS, requester_email=MAIL, requester_name=NAME
    )
    desk.add_ticket(requester_email=MAIL, requester_name=NAME, comment=WORDS)
    other = desk.add_ticket(requester_email="other@example.org", comment="Mine")
    written(helpdesk, WriteKind.NOTE, "n1", target=other, text=f"{NAME} <{MAIL}> said\n{WORDS}")
    assert all(word in everything(desk) for word in (MAIL, NAME, WORDS))
    return Subject(emails=(MAIL,), records={WriteKind.TICKET: (ours,)}, notes=((str(other), "n1"),))


def test_nothing_of_them_is_left_and_every_object_has_a_receipt(
    desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock, subject: Subject
) -> None:
    assert isinstance(helpdesk, Erasing)
    told = carried_out(helpdesk, clock, subject)
    assert not any(word in everything(desk) for word in (MAIL, NAME, WORDS))
    assert sorted(one.fate for one in told.values()) == [Fate.ANONYMISED, Fate.ERASED, Fate.ERASED, Fate.ERASED]
    assert all(one.request_id for one in told.values() if one.fate is Fate.ERASED)
    assert "Mine" in everything(desk)


@pytest.mark.parametrize("number", range(1, 7))
def test_what_was_deleted_before_a_death_is_deleted_for_good_after_it(
    desk: simulator.Zendesk,
    helpdesk: Zendesk,
    clock: VirtualClock,
    subject: Subject,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    write, made = erasing._write, list[str]()

    def dying(api: Api, method: str, path: str) -> Reply:
        reply = write(api, method, path)
        made.append(path)
        if len(made) == number:
            raise Death
        return reply

    monkeypatch.setattr(erasing, "_write", dying)
    told = carried_out(helpdesk, clock, subject)
    assert len(made) >= 6, "two tickets and a user, each deleted twice"
    assert not any(word in everything(desk) for word in (MAIL, NAME, WORDS))
    assert {one.fate for one in told.values()} == {Fate.ANONYMISED, Fate.ERASED}


def test_again_it_finds_nothing_and_says_erased(
    desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock, subject: Subject
) -> None:
    carried_out(helpdesk, clock, subject)
    before = everything(desk)
    again = carried_out(helpdesk, clock, subject)
    assert all(one.fate is not Fate.KEPT for one in again.values())
    assert everything(desk) == before


def test_the_companys_own_records_stay_where_they_are_to(
    desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock, subject: Subject
) -> None:
    told = carried_out(helpdesk, clock, replace(subject, keep_contacts=True))
    tickets = desk.truth["objects"]["ticket"]
    assert [ticket["status"] for ticket in tickets.values()].count("deleted") == 1
    kept = [one for one in told.values() if one.fate is Fate.KEPT]
    assert len(kept) == 1
    assert kept[0].object.startswith("user ")


def test_an_agent_is_never_deleted(desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock) -> None:
    mail = "robin@acme.example"
    told = carried_out(helpdesk, clock, Subject(emails=(mail,)))
    assert [one.fate for one in told.values()] == [Fate.KEPT]
    assert mail in everything(desk)
    assert not desk.requests.writes()


def test_somebody_whose_address_contains_theirs_is_left_alone(
    desk: simulator.Zendesk, helpdesk: Zendesk, clock: VirtualClock, subject: Subject
) -> None:
    desk.add_ticket(requester_email=f"x{MAIL}", requester_name="Another", comment="Hello")
    carried_out(helpdesk, clock, subject)
    assert f"x{MAIL}" in everything(desk)
