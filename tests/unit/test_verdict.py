"""The table that says what follows an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
    Unauthorized,
)
from connector.sync.verdict import TABLE, Next, judge

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)

ONE_OF_EACH: list[RemoteError] = [
    Transient("refused"),
    Throttled("slow down", retry_at=LATER),
    QuotaExhausted("none left", until=LATER),
    InDoubt("no answer"),
    Unauthorized("token"),
    Locked("row"),
    Conflict("exists"),
    Gone("merged", moved_to="2"),
    Rejected("field"),
]


def test_every_kind_of_error_has_its_row() -> None:
    assert {type(error) for error in ONE_OF_EACH} == set(TABLE) == set(RemoteError.__subclasses__())


@pytest.mark.parametrize(
    ("error", "expected"),
    list(
        zip(
            ONE_OF_EACH,
            [
                Next.LATER,
                Next.CLOSED,
                Next.CLOSED,
                Next.ASK,
                Next.PAUSE,
                Next.LATER,
                Next.LOOK,
                Next.FOLLOW,
                Next.REJECT,
            ],
            strict=True,
        )
    ),
    ids=lambda value: type(value).__name__,
)
def test_what_follows_is_decided_by_the_type(error: RemoteError, expected: Next) -> None:
    assert judge(error, attempts=0, now=NOW).next is expected


@pytest.mark.parametrize("error", ONE_OF_EACH[1:3], ids=lambda error: type(error).__name__)
def test_a_named_instant_is_kept_and_spends_no_attempt(error: RemoteError) -> None:
    verdict = judge(error, attempts=30, now=NOW)
    assert (verdict.at, verdict.spends) == (LATER, False)


def test_waits_grow_to_five_minutes() -> None:
    waits = [judge(Transient("x"), attempts=made, now=NOW).at for made in range(12)]
    assert waits[0] == NOW + timedelta(seconds=2)
    assert waits == sorted(waits, key=lambda at: at or NOW)
    assert waits[-1] == NOW + timedelta(minutes=5)


def test_many_records_do_not_come_back_together() -> None:
    at = {judge(Transient("x"), attempts=5, now=NOW, spread=share / 16).at for share in range(16)}
    assert len(at) == 16
    assert max(at, key=lambda one: one or NOW) <= NOW + timedelta(seconds=64 * 1.25)  # type: ignore[operator]


def test_a_locked_record_travels_alone() -> None:
    assert judge(Locked("row"), attempts=0, now=NOW, size=10).batch_limit == 1


@pytest.mark.parametrize("error", [Rejected("x"), Conflict("x"), Gone("x")], ids=lambda error: type(error).__name__)
def test_a_batch_whose_bad_record_is_not_named_is_halved(error: RemoteError) -> None:
    sizes = []
    size = 200
    while size > 1:
        verdict = judge(error, attempts=99, now=NOW, size=size)
        assert (verdict.next, verdict.spends) == (Next.SPLIT, False)
        assert verdict.batch_limit is not None
        size = verdict.batch_limit
        sizes.append(size)
    assert sizes == [100, 50, 25, 12, 6, 3, 1]
    assert judge(error, attempts=99, now=NOW, size=1).next is Next.REJECT


@pytest.mark.parametrize("error", [Conflict("x"), Gone("x", moved_to="2")], ids=lambda error: type(error).__name__)
def test_looking_again_ends_after_five_attempts(error: RemoteError) -> None:
    assert [judge(error, attempts=made, now=NOW).next is Next.REJECT for made in range(6)] == [False] * 4 + [True] * 2


def test_what_moved_is_tried_until_a_poll_has_seen_the_move_too() -> None:
    waits = [judge(Gone("x", moved_from="1", moved_to="2"), attempts=made, now=NOW).at for made in range(4)]
    assert sum((at - NOW for at in waits if at is not None), timedelta()) > 2 * timedelta(minutes=1)


def test_gone_without_a_pointer_is_rejected() -> None:
    assert judge(Gone("deleted"), attempts=0, now=NOW).next is Next.REJECT


def test_what_nobody_listed_is_asked_about() -> None:
    assert judge(RemoteError("?"), attempts=0, now=NOW).next is Next.ASK
