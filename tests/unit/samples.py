"""Invented answers and an empty store, for the tests of recording and deciding."""

from __future__ import annotations

import base64
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
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
from connector.secret import Secret
from connector.store.database import Database
from connector.store.keyring import KeyRing

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ONE_TO_FIVE = Scale.parse("1-5")
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
PLAIN = Understanding(language="en")


def ring() -> KeyRing:
    return KeyRing([Secret(KEY)])


@cache
def template() -> Path:
    """A store made once by the migrations; copying it takes a hundredth of making it."""
    made = Path(tempfile.mkdtemp(prefix="connector-template-")) / "store.db"
    Database(f"sqlite:///{made}", ring(), VirtualClock(NOON)).create().close()
    return made


def empty_store(folder: Path, clock: Clock) -> Database:
    shutil.copy(template(), folder / "store.db")
    return Database(f"sqlite:///{folder / 'store.db'}", ring(), clock)


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
