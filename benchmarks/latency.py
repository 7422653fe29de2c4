"""From an unhappy answer's webhook to the ticket an agent can see, beside the round trips it cannot do without.

    make bench ONLY=latency [SIZE=small|modest|full]

The helpdesk takes 150 ms for every call. What cannot be avoided is measured, not assumed: the same ticket, created by
httpx over a connection that is open already, in turn with the webhooks. Both are timed until the helpdesk committed it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import httpx

from benchmarks import answers
from benchmarks.endtoend import overrides
from benchmarks.report import Goal, Result, Series, load
from benchmarks.vendors import Terms, Vendors
from connector.clock import SystemClock
from connector.simulator import zendesk
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
DELAY = 0.15
BETWEEN = 0.4
"""Seconds left alone between a webhook and a call made directly, so that neither disturbs the other."""
P50_MOST, P99_MOST = 1.3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many tickets each way, after so many that are not counted."""

    tickets: int
    warm: int = 5


SIZES = {
    "smoke": Size(tickets=2, warm=1),
    "small": Size(tickets=30),
    "modest": Size(tickets=100),
    "full": Size(tickets=500),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Seconds until each ticket was there; `calls` are those to the helpdesk while the connector made its own."""

    connector: Sequence[float]
    direct: Sequence[float]
    calls: Mapping[str, int]


class Direct:
    """The ticket as one would create it by hand, with a token that was fetched before."""

    def __init__(self, url: str) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": zendesk.CLIENT_ID,
            "client_secret": zendesk.CLIENT_SECRET,
            "scope": "read write",
        }
        self._client = httpx.Client(base_url=url)
        token = self._client.post("/oauth/tokens", json=form).json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def create(self, email: str) -> None:
        """One ticket for this requester."""
        ticket = {
            "subject": "Service recovery: 2 of 5",
            "comment": {"body": "Call the customer.", "public": False},
            "requester": {"email": email, "name": "Somebody"},
            "priority": "high",
            "tags": ["csat-recovery"],
        }
        answer = self._client.post("/api/v2/tickets", json={"ticket": ticket})
        assert answer.status_code == 201, answer.text

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def measure(size: Size, delay: float, folder: Path) -> Found:
    """Webhooks and direct calls in turn."""
    clock = SystemClock()
    number = size.warm + size.tickets
    people = answers.names(2 * number)
    ours, theirs = people[:number], people[number:]
    began: dict[str, float] = {}
    with Vendors(known=answers.known(people), terms=Terms(delay=delay)) as vendors:
        with (
            closing(Direct(vendors.base_url("zendesk"))) as direct,
            Rehearsal(folder, ROOT, vendors, clock, overrides=overrides(vendors.crm)) as rehearsal,
        ):
            rehearsal.settle(300)
            before: Counter[str] = Counter()
            for index in range(number):
                if index == size.warm:
                    rehearsal.settle(300)
                    before = _zendesk(vendors)
                body = answers.bodies([ours[index]], unhappy=1.0, at=clock.now(), prefix=f"answer{index}x")[0]
                began[answers.email(ours[index])] = time.time()
                assert rehearsal.deliver("typeform", body) == 200
                clock.wait(Event(), BETWEEN + delay)
                began[answers.email(theirs[index])] = time.time()
                direct.create(answers.email(theirs[index]))
            rehearsal.settle(300)
            calls = _zendesk(vendors) - before
        there = vendors.tickets()
    waits = {email: there[email] - at for email, at in began.items()}
    calls["POST /api/v2/tickets"] -= size.tickets  # made directly
    return Found(
        connector=[waits[answers.email(name)] for name in ours[size.warm :]],
        direct=[waits[answers.email(name)] for name in theirs[size.warm :]],
        calls=dict(calls),
    )


def _zendesk(vendors: Vendors) -> Counter[str]:
    return Counter(one.endpoint for one in vendors.log() if one.vendor == "zendesk")


def result(found: Found, delay: float) -> Result:
    """The waits beside each other."""
    loads = [load()]
    series = []
    middle: dict[float, tuple[float, float]] = {}
    for share in (0.5, 0.95, 0.99):
        ours, theirs = _share(found.connector, share), _share(found.direct, share)
        middle[share] = (ours, theirs)
        series += [
            Series(what=f"connector, p{100 * share:.0f}", unit="ms", rounds=[1000 * ours], loads=loads),
            Series(what=f"the call itself, p{100 * share:.0f}", unit="ms", rounds=[1000 * theirs], loads=loads),
        ]
    ratios = {share: ours / theirs for share, (ours, theirs) in middle.items()}
    return Result(
        name="Webhook → ticket",
        claim=f"{len(found.connector)} unhappy answers, one at a time, to a helpdesk that takes {1000 * delay:.0f} ms.",
        command="make bench ONLY=latency",
        series=series,
        ratios=[f"p50 {ratios[0.5]:.2f} ×, p99 {ratios[0.99]:.2f} × the one call it cannot do without"],
        goals=[
            Goal(what="p50", wanted=f"≤ {P50_MOST} ×", found=f"{ratios[0.5]:.2f} ×", met=ratios[0.5] <= P50_MOST),
            Goal(what="p99", wanted=f"≤ {P99_MOST} ×", found=f"{ratios[0.99]:.2f} ×", met=ratios[0.99] <= P99_MOST),
        ],
        notes=[f"Calls to the helpdesk for them: {json.dumps(found.calls)}."],
    )


def _share(waits: Sequence[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(share * len(waits)))]


def results(size: str, delay: float = DELAY) -> list[Result]:
    """What `make bench` runs."""
    with tempfile.TemporaryDirectory() as folder:
        return [result(measure(SIZES[size], delay, Path(folder)), delay)]
