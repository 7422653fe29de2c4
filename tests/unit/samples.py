"""Invented answers and an empty store, for the tests of recording and deciding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.clock import Clock, VirtualClock
from connector.domain.model.response import (
    Interaction,
    Metric,
    Rating,
    Respondent,
    Response,
    Scale,
    Understanding,
)
from connector.store.database import Database
from connector.testing.stores import KEY, ring, template
from tests.stores import prepared_url

__all__ = ["KEY", "NOON", "ONE_TO_FIVE", "PLAIN", "answer", "empty_store", "ring", "template"]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ONE_TO_FIVE = Scale.parse("1-5")
PLAIN = Understanding(language="en")


def prepare(url: str) -> None:
    """Make the tables of a store."""
    Database(url, ring(), VirtualClock(NOON)).create().close()


def empty_store(folder: Path, clock: Clock, graveyard: Path | None = None) -> Database:
    return Database(prepared_url(folder, prepare), ring(), clock, graveyard)


def answer(
    number: str = "1",
    *,
    stars: float = 2,
    email: str | None = "ada@example.org",
    comment: str | None = "Brakes squeak again",
    at: datetime = NOON - timedelta(minutes=5),
    received_at: datetime | None = None,
    respondent: Respondent | None = None,
    interaction: Interaction | None = None,
    segments: dict[str, str] | None = None,
) -> Response:
    return Response(
        key=f"typeform/aB3dE9/{number}",
        survey="service",
        form="aB3dE9",
        submitted_at=at,
        received_at=received_at or at + timedelta(seconds=2),
        ratings=(Rating(metric=Metric.CSAT, value=stars, scale=ONE_TO_FIVE),),
        comment=comment,
        respondent=respondent or Respondent(email=email, name="Ada Example" if email else None),
        interaction=interaction or Interaction(id="R-1", kind="repair_order", service="brakes"),
        segments=segments or {"service": "brakes"},
    )
