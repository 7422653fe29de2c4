"""Carrying an erasure out, and the suite of systems that can forget but not be written to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from connector.ports.erasing import Erased, Erasing, Fate, Subject
from connector.testing.feeds import HOUR, Feed, reader_of
from connector.testing.suite import Suite, asks

_TRIES = 10
_STEP = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """A system that knows a person.

    `feed` makes it, `seed` makes it know the person and a stranger, `knows` is everything it holds, as text. `gone` are
    words about the person, `stays` is one about the stranger.
    """

    page: str
    feed: Feed
    seed: Callable[[Any], Subject]
    knows: Callable[[Any], str]
    gone: tuple[str, ...]
    stays: str


def carry_out(adapter: Erasing, subject: Subject, pass_time: Callable[[timedelta], None]) -> list[Erased]:
    """Ask as the connector does, until nothing is under way; the last word about each object."""
    told: dict[str, Erased] = {}
    for _ in range(_TRIES):
        answered = adapter.erase(subject)
        assert len({one.object for one in answered}) == len(answered), "each object is reported once"
        told |= {one.object: one for one in answered}
        under_way = tuple(one.object for one in told.values() if one.fate is Fate.UNDER_WAY)
        if not under_way:
            assert all(one.why for one in told.values() if one.fate is Fate.KEPT), "what is kept says why"
            return list(told.values())
        subject = replace(subject, under_way=under_way)
        pass_time(_STEP)
    raise AssertionError("the erasure never ends")


class ErasingSuite(Suite):
    """What every system that can forget a person must hold. Writers are asked the same by their own suite."""

    @asks("C1")
    def test_nobody_to_erase_makes_no_call(self, case: Forgetting) -> None:
        """Nothing is known about them."""
        with reader_of(case.feed) as reader:
            assert isinstance(reader.adapter, Erasing)
            assert list(reader.adapter.erase(Subject())) == []
            assert len(reader.stand.site.requests) == 0

    @asks("C16")
    def test_an_erased_person_is_gone_and_nobody_else(self, case: Forgetting) -> None:
        """Asking again finds nothing more."""
        with reader_of(case.feed) as reader:
            account = reader.stand.account
            subject = case.seed(account)
            assert all(word in case.knows(account) for word in (*case.gone, case.stays))
            assert isinstance(reader.adapter, Erasing)
            for _ in range(2):
                reader.pass_time(HOUR)
                carry_out(reader.adapter, subject, reader.pass_time)
                assert not any(word in case.knows(account) for word in case.gone)
            assert case.stays in case.knows(account)
