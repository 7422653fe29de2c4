"""What the vendors really hold, counted from their truth tables: nothing a client believes about itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.simulator.demo_world import crm_of
from connector.simulator.suite import Simulators


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Objects about one person: contacts with their address, answers on their timeline, tasks, tickets, scores."""

    contacts: int = 0
    answers: int = 0
    tasks: int = 0
    tickets: int = 0
    scores: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call: whose it was (`crm`, `zendesk`), its route, its status (0: no answer), why it was refused, and when."""

    vendor: str
    endpoint: str
    status: int
    refusal: str
    fault: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`expected` objects, of which so many are not there, and so many that are there and should not be."""

    expected: int
    lost: int
    doubled: int


def judge(found: Mapping[str, Effects], happy: Sequence[str], unhappy: Sequence[str]) -> Judgement:
    """Everybody answered once: one contact, one answer and one score each; unhappy ones a ticket and a task as well."""
    expected = lost = doubled = 0
    for people, wanted in (
        (happy, Effects(contacts=1, answers=1, scores=1)),
        (unhappy, Effects(contacts=1, answers=1, scores=1, tasks=1, tickets=1)),
    ):
        for person in people:
            there = found.get(person, Effects())
            for name in ("contacts", "answers", "tasks", "tickets", "scores"):
                number, right = getattr(there, name), getattr(wanted, name)
                expected += right
                lost += max(0, right - number)
                doubled += max(0, number - right)
    return Judgement(expected=expected, lost=lost, doubled=doubled)


def count(simulators: Simulators) -> dict[str, Effects]:
    """What there is about each person, by e-mail address."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = _hubspot(simulators) if simulators.crm == "hubspot" else _salesforce(simulators)
    desk = simulators.zendesk.site
    with desk.lock:
        users, tickets = desk.truth.kind("user"), list(desk.truth.kind("ticket").values())
        rows += [(users[str(ticket["requester_id"])]["email"], "tickets") for ticket in tickets]
    for email, name in rows:
        counts[email.lower()][name] += 1
    return {email: Effects(**each) for email, each in counts.items()}


def _salesforce(simulators: Simulators) -> list[tuple[str, str]]:
    site = simulators.salesforce.site
    with site.lock:
        contacts, tasks = dict(site.truth.kind("Contact")), list(site.truth.kind("Task").values())
        rows = [(row["Email"] or key, "contacts") for key, row in contacts.items()]
        rows += [(row["Email"] or key, "scores") for key, row in contacts.items() if row["CSAT_Health__c"] is not None]
        for task in tasks:
            who = contacts.get(task["WhoId"] or "", {}).get("Email") or "nobody"
            rows.append((who, "answers" if task["Status"] == "Completed" else "tasks"))
    return rows


def _hubspot(simulators: Simulators) -> list[tuple[str, str]]:
    site = simulators.hubspot.site
    with site.lock:
        contacts = {key: row["properties"] for key, row in site.truth.kind("contacts").items()}
        rows = [(row.get("email") or key, "contacts") for key, row in contacts.items()]
        rows += [(row.get("email") or key, "scores") for key, row in contacts.items() if row.get("csat_health")]
        for kind, name in (("notes", "answers"), ("tasks", "tasks")):
            for record in list(site.truth.kind(kind).values()):
                ends: Sequence[str] = record["associations"].get("contacts", [])
                rows += [(contacts.get(end, {}).get("email") or "nobody", name) for end in ends or [""]]
    return rows


def written(simulators: Simulators) -> list[float]:
    """When CRM and helpdesk committed something by API."""
    found: list[float] = []
    for site in (crm_of(simulators).site, simulators.zendesk.site):
        with site.lock:
            found += [_epoch(one) for one in site.truth.writes if one["by"] == "api"]
    return sorted(found)


def tickets(simulators: Simulators) -> dict[str, float]:
    """When the first ticket of each requester was made by API."""
    site = simulators.zendesk.site
    found: dict[str, float] = {}
    with site.lock:
        rows, users = site.truth.kind("ticket"), site.truth.kind("user")
        for one in site.truth.writes:
            if one["kind"] == "ticket" and one["action"] == "create" and one["by"] == "api":
                email = users[str(rows[one["id"]]["requester_id"])]["email"].lower()
                found.setdefault(email, _epoch(one))
    return found


def log(simulators: Simulators) -> list[Line]:
    """Every call to CRM and helpdesk in the order it was answered."""
    found: list[Line] = []
    for name, site in (("crm", crm_of(simulators).site), ("zendesk", simulators.zendesk.site)):
        found += [
            Line(
                vendor=name,
                endpoint=one.endpoint,
                status=one.status,
                refusal=one.refusal,
                fault=one.fault,
                at=one.at.timestamp(),
            )
            for one in site.requests.entries()
        ]
    return sorted(found, key=lambda one: one.at)


def _epoch(note: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(note["at"]).timestamp()
