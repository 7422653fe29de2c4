"""Other rules over 50,000 recorded answers: how long `connector backtest` takes, beside deciding them again.

    make bench ONLY=backtest [SIZE=small|modest|full]

The history is written into the store as rows, sealed as the connector seals them: deciding so many would take longer
than everything measured here. Beside it a part of the answers is really decided again, by the code of a live run.
"""

from __future__ import annotations

import base64
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.report import Goal, Result, Series, load
from connector.adapters.registry import kinds
from connector.clock import VirtualClock
from connector.config import Loaded
from connector.config import load as load_file
from connector.domain.model.response import (
    Interaction,
    Metric,
    Rating,
    Respondent,
    Response,
    Scale,
    Sentiment,
    Understanding,
)
from connector.secret import Secret
from connector.store import looking_back, people, responses
from connector.store.canonical import content, response_to_json, understanding_to_json
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.responses import VersionState
from connector.store.schema import person, response, response_version
from connector.sync.decide import decide_alone
from connector.wiring.backtest import Report, backtest
from connector.wiring.settings import settings_at_rest

SIZES = {"smoke": 300, "small": 10_000, "modest": 50_000, "full": 200_000}
AGAIN = {"smoke": 30, "small": 300, "modest": 1_000, "full": 1_000}
WITHIN = 20.0
BEGAN = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
ROOT = Path(__file__).parents[1]
_SCALE = Scale.parse("1-5")
_BATCH = 2_000
_MOODS = (
    Understanding(language="en"),
    Understanding(language="en", sentiment=Sentiment.NEGATIVE, compound=-0.7, themes=("safety",)),
    Understanding(language="en", sentiment=Sentiment.POSITIVE, compound=0.6, themes=("staff",)),
)


def said(answers: int) -> Iterator[tuple[int, Response, Understanding]]:
    """So many answers within a year, in order, of two fifths as many persons: who gave each, and what it says."""
    dice = random.Random(7)
    step = timedelta(days=365) / answers
    for number in range(answers):
        who, at = dice.randrange(max(1, 2 * answers // 5)), BEGAN + number * step
        yield (
            who + 1,
            Response(
                key=f"typeform/aB3dE9/{number}",
                survey="service",
                form="aB3dE9",
                submitted_at=at,
                received_at=at + timedelta(seconds=2),
                ratings=(Rating(metric=Metric.CSAT, value=dice.choice([1, 2, 3, 4, 4, 5, 5, 5]), scale=_SCALE),),
                comment="The brakes squeal again and nobody called back" if number % 3 else None,
                respondent=Respondent(email=f"p{who}@example.com", name="Ada Example"),
                interaction=Interaction(id=f"R-{number}", kind="repair order", service="brakes"),
                segments={"service": dice.choice(["brakes", "tyres", "oil"])},
            ),
            dice.choice(_MOODS),
        )


def record(db: Database, answers: int) -> None:
    """Write the history as rows of decided answers."""
    given = said(answers)
    with db.write() as tx:
        tx.execute(person.insert(), [{"id": one + 1, "created_at": BEGAN} for one in range(max(1, 2 * answers // 5))])
    first = 1
    while some := list(islice(given, _BATCH)):
        with db.write() as tx:
            numbered = list(enumerate(some, first))
            rows = [
                {"id": number, "key": one.key, "survey": one.survey, "person_id": who, "latest_version": 1}
                for number, (who, one, _) in numbered
            ]
            tx.execute(response.insert(), rows)
            versions = [
                {
                    "response_id": number,
                    "version": 1,
                    "state": VersionState.DECIDED.value,
                    "event_at": one.event_at,
                    "submitted_at": one.submitted_at,
                    "received_at": one.received_at,
                    "content": tx.blind("content", content(one)),
                    "sealed": tx.seal(responses.SEALED, response_to_json(one)),
                    "understanding": tx.seal(responses.UNDERSTANDING, understanding_to_json(understood)),
                    "satisfaction": one.ratings[0].satisfaction,
                    "unhappy": one.ratings[0].value <= 3,
                    "decided_at": one.received_at + timedelta(seconds=1),
                }
                for number, (_, one, understood) in numbered
            ]
            tx.execute(response_version.insert(), versions)
        first += len(some)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Seconds of each run over the whole history, and seconds an answer where some are really decided again."""

    answers: int
    report: Report
    ours: Sequence[float]
    loads: Sequence[float]
    again: float


def measure(answers: int, again: int, folder: Path, rounds: int = 3) -> Found:
    """Record a history, play it `rounds` times, and decide `again` of its answers anew."""
    loaded = _loaded(folder)
    ring, clock = KeyRing([Secret(KEY)]), VirtualClock(BEGAN + timedelta(days=366))
    db = Database(loaded.config.store, ring, clock, durable=False).create()
    record(db, answers)
    db.close()
    took, loads, report = [], [], None
    for _ in range(rounds):
        began = time.perf_counter()
        report = backtest(loaded, clock)
        took.append(time.perf_counter() - began)
        loads.append(load())
    assert report is not None
    return Found(answers=answers, report=report, ours=took, loads=loads, again=_decide(loaded, ring, again, folder))


def _loaded(folder: Path) -> Loaded:
    """The shipped example with a stricter threshold, its store in the folder."""
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    (folder / "connector.yaml").write_text(text.replace("scale: 1-5, at: 3", "scale: 1-5, at: 4"), encoding="utf-8")
    if not (folder / "mappings").exists():
        (folder / "mappings").symlink_to(ROOT / "mappings")
    names = "TYPEFORM_SECRET INHOUSE_SECRET SALESFORCE_CLIENT_ID SALESFORCE_CLIENT_SECRET ZENDESK_CLIENT_ID "
    names += "ZENDESK_CLIENT_SECRET ZENDESK_WEBHOOK_SECRET SLACK_TOKEN"
    environ = dict.fromkeys(names.split(), "x" * 43) | {"CONNECTOR_KEY": KEY}
    return load_file(folder / "connector.yaml", kinds(), environ)


def _decide(loaded: Loaded, ring: KeyRing, answers: int, folder: Path) -> float:
    """Seconds an answer takes to be decided in an empty store."""
    clock = VirtualClock(BEGAN)
    db = Database(f"sqlite:///{folder / 'again.db'}", ring, clock, durable=False).create()
    settings = replace(settings_at_rest(loaded, clock), storm=None)
    began = time.perf_counter()
    for _, one, understood in islice(said(answers), answers):
        clock.advance(one.received_at - clock.now())
        with db.write() as tx:
            made = responses.record(tx, one, understood)
            assert made.response_id is not None
            version = responses.get(tx, made.response_id)
            assert version is not None
            decide_alone(tx, version, settings)
    took = time.perf_counter() - began
    with db.read() as tx:
        assert len(list(looking_back.decided(tx))) == answers
        assert people.next_score_due(tx) is not None
    db.close()
    return took / answers


def result(found: Found) -> Result:
    """In the common shape."""
    middle = sorted(found.ours)[len(found.ours) // 2]
    again = found.again * found.answers
    return Result(
        name=f"Other rules over {found.answers:,} recorded answers",
        claim="What would have come of the whole history under another configuration, without deciding it again.",
        command="make bench ONLY=backtest",
        ratios=[
            f"{again / middle:.0f} × as fast as deciding them again ({again:.0f} s at {1000 * found.again:.1f} ms)"
        ],
        goals=[
            Goal(
                what=f"{found.answers:,} recorded answers played again",
                wanted=f"within {WITHIN:.0f} s",
                found=f"{middle:.1f} s",
                met=middle <= WITHIN,
            )
        ],
        series=[Series(what="connector backtest", unit="s", rounds=found.ours, loads=found.loads)],
        notes=[_note(found.report)],
    )


def _note(report: Report) -> str:
    opened = f"{report.would.unhappy:,} unhappy answers open {sum(report.would.opened.values()):,} recoveries"
    return f"{opened}; copying the store, which is only read, is part of the time"


def results(size: str) -> list[Result]:
    """Everything this benchmark has to say."""
    with tempfile.TemporaryDirectory() as folder:
        return [result(measure(SIZES[size], AGAIN[size], Path(folder)))]
