"""What a thousand answers cost in vendor calls, and how soon an unhappy one is a ticket, in one run as shipped.

    python -m benchmarks.calls [--crm salesforce|hubspot] [--linger 60s]

A real daemon and the simulators, answers at an even pace whatever the receiver does, tokens, polls and look-ups counted
by the simulators. Exits 1 where a figure is above what is promised. Seconds are only worth judging where nothing
else runs, which is why no test does.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from benchmarks.report import Goal, Result, Series, load
from connector.clock import SystemClock
from connector.simulator.demo_world import crm_of
from connector.simulator.suite import Simulators, start_all
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
ANSWERS, PER_SECOND, UNHAPPY = 1000, 20, 0.2
CRM_MOST: Mapping[str, float] = {"salesforce": 20.0, "hubspot": 33.0}
CRM_GOAL: Mapping[str, float] = {"salesforce": 20.0, "hubspot": 30.0}
"""What was aimed at; why HubSpot takes more: docs/performance.md."""
ZENDESK_MOST, SECONDS_MOST = 1.3, 2.0
LINGER = "60s"
"""Longer than the fifty seconds of answers, like the shipped five minutes: either way all scores go out together, in as
many calls, and nobody need wait for the rest of the five minutes."""
SETTLE = 180.0
COMPLAINTS = [
    "Terrible experience. I waited three hours and nobody told me what was happening, I am very angry.",
    "Ich habe drei Stunden gewartet und die Rechnung war viel zu teuer, das ist sehr enttäuschend.",
    "La espera fue demasiado larga y la factura muy cara, no estoy nada contento con el servicio.",
]
PRAISE = ["Great work, I love how honest and helpful the team is.", "Sehr freundlich und pünktlich, vielen Dank dafür."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One answer: when its POST was due (a late sender must not hide a slow receiver) and what it was answered."""

    token: str
    unhappy: bool
    due: datetime
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run took: calls by simulator and endpoint, and seconds from each unhappy answer to its ticket."""

    crm: str
    answers: int
    unhappy: int
    calls: Mapping[str, Counter[str]]
    waits: Sequence[float]

    @property
    def to_crm(self) -> float:
        """Calls to the CRM for a thousand answers."""
        return 1000 * self.calls[self.crm].total() / self.answers

    @property
    def to_zendesk(self) -> float:
        """Calls to Zendesk for one unhappy answer."""
        return self.calls["Zendesk"].total() / self.unhappy

    def seconds(self, share: float) -> float:
        """The wait that this share of the tickets did not exceed."""
        return sorted(self.waits)[int(share * len(self.waits))]

    def table(self) -> str:
        """All of it, for people."""
        lines = [
            f"{name:10} {count.total():5} calls, {1000 * count.total() / self.answers:6.1f} per 1,000 answers, "
            f"{count.total() / self.unhappy:5.2f} per unhappy one"
            + "".join(f"\n{'':10} {number:5} {endpoint}" for endpoint, number in count.most_common())
            for name, count in self.calls.items()
        ]
        waited = f"p50 {self.seconds(0.5):.2f} s, p95 {self.seconds(0.95):.2f} s, most {max(self.waits):.2f} s"
        return "\n".join([*lines, f"webhook → ticket: {waited}"])


def measure(crm: str, folder: Path, *, answers: int = ANSWERS, linger: str = LINGER) -> Figures:
    """Feed a daemon in `folder` and count. Raises ConnectorError when it does not come to rest."""
    clock = SystemClock()
    with start_all(clock, crm=crm) as simulators:
        people = people_in(simulators, answers)
        overrides = {"CONNECTOR__HEALTH_SCORE__WRITE__LINGER": linger}
        with Rehearsal(folder, ROOT, simulators, clock, overrides=overrides) as rehearsal:
            sent = _feed(rehearsal, people)
            assert {one.status for one in sent} == {200}
            now = rehearsal.settle(SETTLE)
            assert now.responses == {"decided": answers}
            assert {state for state, number in now.intents.items() if number} <= {"confirmed", "superseded"}
        unhappy = sum(one.unhappy for one in sent)
        waits = seconds_to_tickets(simulators, {one.token: one.due for one in sent if one.unhappy})
        assert len(waits) == unhappy
        return Figures(
            crm=crm_of(simulators).name, answers=answers, unhappy=unhappy, calls=calls_of(simulators), waits=waits
        )


def people_in(simulators: Simulators, answers: int) -> list[str]:
    """One name an answer, like no other: who looks like a contact would be held. Every second is a contact already."""
    dice = random.Random(7)
    people = [f"{_word(dice)} {_word(dice)}" for _ in range(answers)]
    for number, name in enumerate(people):
        if number % 2:
            first, last = name.split()
            crm_of(simulators).add(first, last, _email(name))
    return people


def _word(dice: random.Random) -> str:
    return "".join(dice.choice("bdfgklmnprstvz") + dice.choice("aeiou") for _ in range(4)).capitalize()


def _email(name: str) -> str:
    return f"{name.replace(' ', '.').lower()}@example.com"


def _feed(rehearsal: Rehearsal, people: list[str]) -> list[Sent]:
    """Post the answers at an even pace, whatever the receiver does."""
    clock, dice = SystemClock(), random.Random(3)
    unhappy = set(dice.sample(range(len(people)), round(UNHAPPY * len(people))))
    began, started = clock.now(), clock.monotonic()

    def post(number: int) -> Sent:
        due = began + timedelta(seconds=number / PER_SECOND)
        body = delivery(f"tok{number:05d}", people[number], due, dice, unhappy=number in unhappy)
        status = rehearsal.deliver("typeform", body.encode())
        return Sent(token=f"tok{number:05d}", unhappy=number in unhappy, due=due, status=status)

    futures: list[Future[Sent]] = []
    with ThreadPoolExecutor(max_workers=16) as pool:
        for number in range(len(people)):
            wait = started + number / PER_SECOND - clock.monotonic()
            if wait > 0:
                clock.wait(Event(), wait)
            futures.append(pool.submit(post, number))
    return [future.result() for future in futures]


def delivery(token: str, name: str, at: datetime, dice: random.Random, *, unhappy: bool) -> str:
    """An answer as Typeform's webhook says it."""
    answers: list[dict[str, object]] = [
        _number("csat", "opinion_scale", dice.choice([1, 2]) if unhappy else 5),
        _number("recommend", "nps", dice.choice([0, 3]) if unhappy else 9),
        {"type": "text", "text": dice.choice(COMPLAINTS if unhappy else PRAISE), "field": _field("why", "long_text")},
    ]
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(
        {
            "event_id": f"ev-{token}",
            "event_type": "form_response",
            "form_response": {
                "form_id": "aB3dE9",
                "token": token,
                "landed_at": stamp,
                "submitted_at": stamp,
                "hidden": {"email": _email(name), "name": name, "service": "tyres", "location": "Hamburg"},
                "definition": {"id": "aB3dE9", "title": "How did we do?", "fields": [one["field"] for one in answers]},
                "answers": answers,
            },
        }
    )


def _number(ref: str, kind: str, value: int) -> dict[str, object]:
    return {"type": "number", "number": value, "field": _field(ref, kind)}


def _field(ref: str, kind: str) -> dict[str, object]:
    return {"id": f"fld-{ref}", "ref": ref, "type": kind}


def seconds_to_tickets(simulators: Simulators, due: Mapping[str, datetime]) -> list[float]:
    """Seconds until each ticket was there, from when the answer with its token was due."""
    site = simulators.zendesk.site
    tickets = site.truth.kind("ticket")
    made = {
        tickets[entry["id"]]["external_id"].split("/")[3]: datetime.fromisoformat(entry["at"]).astimezone(UTC)
        for entry in site.truth.writes
        if entry["kind"] == "ticket" and entry["action"] == "create"
    }
    return [(made[token] - at).total_seconds() for token, at in due.items()]


def calls_of(simulators: Simulators) -> dict[str, Counter[str]]:
    """Every call so far, by vendor and endpoint."""
    crm = crm_of(simulators)
    sites = {crm.name: crm.site, "Zendesk": simulators.zendesk.site, "Slack": simulators.slack.site}
    return {name: Counter(site.requests.counts()) for name, site in sites.items()}


def results(size: str) -> list[Result]:
    """What `make bench` runs: one CRM where it is to be short."""
    found = []
    for crm in sorted(CRM_MOST) if size == "full" else ["salesforce"]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(result(measure(crm, Path(folder), answers=ANSWERS)))
    return found


def result(found: Figures) -> Result:
    """Against what was aimed at."""
    crm, most = found.crm.lower(), CRM_GOAL[found.crm.lower()]
    late = found.seconds(0.95)
    return Result(
        name=f"Calls per 1,000 answers ({crm})",
        claim=f"{found.answers:,} answers at {PER_SECOND} a second, {UNHAPPY:.0%} unhappy; tokens and polls included.",
        command=f"make bench-calls CRM={crm}",
        series=[
            Series(what=f"calls to {found.crm} per 1,000 answers", unit="", rounds=[found.to_crm], loads=[load()]),
            Series(what="calls to Zendesk per unhappy answer", unit="", rounds=[found.to_zendesk], loads=[load()]),
            Series(what="webhook → ticket, p95", unit="s", rounds=[late], loads=[load()]),
        ],
        goals=[
            Goal(
                what=f"calls to {found.crm}",
                wanted=f"≤ {most:g}",
                found=f"{found.to_crm:.0f}",
                met=found.to_crm <= most,
            ),
            Goal(
                what="calls to Zendesk per unhappy answer",
                wanted=f"≤ {ZENDESK_MOST}",
                found=f"{found.to_zendesk:.2f}",
                met=found.to_zendesk <= ZENDESK_MOST,
            ),
            Goal(what="p95", wanted=f"≤ {SECONDS_MOST:g} s", found=f"{late:.1f} s", met=late <= SECONDS_MOST),
        ],
    )


def main() -> int:
    """Run it for each CRM asked for; 1 where a figure is above its promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crm", choices=sorted(CRM_MOST), action="append")
    parser.add_argument("--linger", default=LINGER)
    asked = parser.parse_args()
    above = False
    for crm in asked.crm or sorted(CRM_MOST):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(crm, Path(folder), linger=asked.linger)
        print(found.table(), flush=True)
        above |= found.to_crm > CRM_MOST[crm] or found.to_zendesk > ZENDESK_MOST or found.seconds(0.95) > SECONDS_MOST
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
