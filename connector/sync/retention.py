"""The retention lane: once a day, what was kept long enough goes, in slices that hold the store for a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.store import retention
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold

LANE: Final = "retention"
EVERY: Final = timedelta(days=1)
SLICE: Final = 25
"""Rows of one transaction: opening and sealing so many takes some milliseconds."""
TURN: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How long each class of data is kept, counted from when it came here; None: for ever."""

    payloads: timedelta | None
    comments: timedelta | None
    answers: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLane:
    """Drains what is due to go."""

    db: Database
    spans: Spans

    def drain(self, hold: LaneHold) -> datetime | None:
        """Take slices for about a second; due again at once while there is more, else tomorrow."""
        clock = self.db.clock
        ends_at = clock.monotonic() + TURN
        for span, step in self._steps():
            if span is None:
                continue
            while self._slice(hold, span, step):
                if clock.monotonic() > ends_at:
                    return clock.now()
        self.db.empty_log()
        return clock.now() + EVERY

    def _steps(self) -> tuple[tuple[timedelta | None, Callable[[Transaction, datetime, int], int]], ...]:
        spans = self.spans
        return (
            (spans.payloads, retention.drop_payloads),
            (spans.comments, retention.drop_comments),
            (spans.comments, retention.drop_texts),
            (spans.answers, retention.make_anonymous),
            (spans.answers, retention.drop_interactions),
        )

    def _slice(self, hold: LaneHold, span: timedelta, step: Callable[[Transaction, datetime, int], int]) -> int:
        with self.db.write() as tx:
            hold.confirm(tx)
            return step(tx, tx.now - span, SLICE)
