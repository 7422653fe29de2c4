"""Answers of an erased person are deleted at Typeform, and seen to be gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.typeform import Options, Typeform
from connector.clock import VirtualClock
from connector.ports.erasing import Erasing, Fate, Subject
from connector.simulator import typeform as simulator
from connector.simulator.typeform import DESK, SERVICE, payload
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
ASKED = Subject(responses=(f"typeform/{SERVICE.id}/theirs", f"typeform/{SERVICE.id}/theirs/2"))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def there(clock: VirtualClock) -> Iterator[simulator.Typeform]:
    made = simulator.Typeform(clock)
    made.site.start()
    for token in ("theirs", "theirs/2", "others"):
        made.responses.add(payload(SERVICE, {"csat": 2}, token=token, submitted_at=NOW))
    yield made
    made.site.stop()


def connected(there: simulator.Typeform, clock: VirtualClock, **options: object) -> Typeform:
    given = {"webhook_secret": ["x"], "base_url": there.site.base_url, **options}
    return Typeform("typeform", Options.model_validate(given), Kit(clock=clock, token_store=MemoryTokens(clock)))


def test_it_is_under_way_until_it_is_seen_to_be_gone(there: simulator.Typeform, clock: VirtualClock) -> None:
    source = connected(there, clock, api_token=simulator.TOKEN)
    assert isinstance(source, Erasing)
    assert {one.fate for one in source.erase(ASKED)} == {Fate.UNDER_WAY}
    clock.advance(timedelta(seconds=3))
    assert [one.fate for one in source.erase(ASKED)] == [Fate.ERASED, Fate.ERASED]
    assert list(there.responses.kept) == ["others"]


def test_answers_to_two_forms_are_gone_in_the_end_though_they_take_more_calls_than_a_second_has(
    there: simulator.Typeform, clock: VirtualClock
) -> None:
    there.responses.add(payload(DESK, {"satisfaction": 2}, token="desk", submitted_at=NOW))
    source = connected(there, clock, api_token=simulator.TOKEN)
    keys = (*ASKED.responses, f"typeform/{DESK.id}/desk")
    fates: dict[str, Fate] = {}
    for _ in range(6):
        begun = tuple(name for name, fate in fates.items() if fate is Fate.UNDER_WAY)
        fates |= {one.object: one.fate for one in source.erase(Subject(responses=keys, under_way=begun))}
        clock.advance(timedelta(seconds=3))
        if set(fates.values()) == {Fate.ERASED}:
            break
    assert fates == dict.fromkeys(("response theirs", "response theirs/2", "response desk"), Fate.ERASED)
    assert not any(entry.refusal for entry in there.site.requests.entries())
    assert list(there.responses.kept) == ["others"]


def test_a_form_that_is_gone_holds_nothing(there: simulator.Typeform, clock: VirtualClock) -> None:
    source = connected(there, clock, api_token=simulator.TOKEN)
    (told,) = source.erase(Subject(responses=("typeform/gone/1",)))
    assert told.fate is Fate.ERASED


def test_without_a_token_the_certificate_says_what_to_delete(there: simulator.Typeform, clock: VirtualClock) -> None:
    told = connected(there, clock).erase(ASKED)
    assert [one.object for one in told] == ["response theirs", "response theirs/2"]
    assert {one.fate for one in told} == {Fate.KEPT}
    assert len(there.site.requests) == 0
