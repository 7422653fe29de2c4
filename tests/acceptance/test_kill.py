"""Many times `kill -9` while a write is under way: in the end nothing is missing, nothing is there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connector.clock import SystemClock
from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.simulator.demo_world import crm_of
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.server import Site
from connector.simulator.suite import Simulators
from connector.store import outbox, schema
from connector.store.keyring import KeyRing
from connector.store.writes import WriteState
from connector.sync.names import foreign_ticket
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.answers import typeform_delivery
from tests.acceptance.holdings import Thing, held
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

HELPDESK = "zendesk:acme"
HANG = 4.0  # seconds a vendor takes while we kill: long enough to see the write, shorter than what follows
PATIENCE = 40.0
TIMEOUT = "8"  # a dead process's write is asked about once this and the vendor's settle time have passed
ANGRY = "The brakes are dangerous now, I nearly had an accident. This is horrible and unsafe work."
KIND_WORDS = "Great work, I love how honest and helpful the team is."

Calls = dict[WriteKind, tuple[str, str, str]]

# Where each kind is written, and what tells its bodies from others at that endpoint.
SALESFORCE: Calls = {
    WriteKind.CONTACT: ("salesforce", "PATCH /services/data/*/composite/sobjects/Contact/*", ""),
    WriteKind.CONTACT_FIELDS: ("salesforce", "PATCH /services/data/*/composite/sobjects", ""),
    WriteKind.ACTIVITY: ("salesforce", "PATCH /services/data/*/composite/sobjects/Task/*", '"Completed"'),
    WriteKind.TASK: ("salesforce", "PATCH /services/data/*/composite/sobjects/Task/*", '"Not Started"'),
    WriteKind.TICKET: ("zendesk", "POST /api/v2/tickets", ""),
    WriteKind.NOTE: ("zendesk", "PUT /api/v2/tickets/*", '"comment"'),
    WriteKind.TICKET_UPDATE: ("zendesk", "PUT /api/v2/tickets/*", '"subject"'),
    WriteKind.ALERT: ("slack", "POST /api/chat.postMessage", ""),
}
HUBSPOT: Calls = {
    WriteKind.CONTACT: ("hubspot", "POST /crm/objects/*/contacts/batch/create", ""),
    WriteKind.CONTACT_FIELDS: ("hubspot", "POST /crm/objects/*/contacts/batch/update", ""),
    WriteKind.ACTIVITY: ("hubspot", "POST /crm/objects/*/notes/batch/create", ""),
    WriteKind.TASK: ("hubspot", "POST /crm/objects/*/tasks/batch/create", ""),
}
# Each kind before and after the vendor committed; what takes no key once more. With another CRM, only what goes there.
ROUNDS = [*SALESFORCE, *SALESFORCE, WriteKind.TICKET, WriteKind.NOTE, WriteKind.ALERT, WriteKind.ACTIVITY]
UNUSED = {WriteKind.EVENT, WriteKind.MESSAGE, WriteKind.ISSUE, WriteKind.ISSUE_STATE, WriteKind.ISSUE_NOTE}
TRIALS = {"salesforce": (SALESFORCE, ROUNDS), "hubspot": (HUBSPOT, [*HUBSPOT, *HUBSPOT])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What comes in in one round: answers, and a change of a ticket that no rule plans yet."""

    answers: tuple[str, ...]
    change: Intent


@pytest.mark.parametrize("crm", list(TRIALS))
def test_kills_leave_what_an_undisturbed_run_leaves(tmp_path: Path, crm: str) -> None:
    assert len(ROUNDS) == 20
    assert set(ROUNDS) == set(WriteKind) - UNUSED
    key = KeyRing.generate()
    began = SystemClock().now()
    disturbed = _run(tmp_path / "disturbed", key, began, crm, kill=True)
    undisturbed = _run(tmp_path / "undisturbed", key, began, crm, kill=False)

    kinds = Counter(kind for _, kind, _, _ in undisturbed)
    assert kinds["message"] == len(TRIALS[crm][1])
    missing = Counter(undisturbed) - Counter(disturbed)
    extra = Counter(disturbed) - Counter(undisturbed)
    assert not missing, sorted(missing)
    assert not extra, sorted(extra)


def _run(folder: Path, key: str, began: datetime, crm: str, *, kill: bool) -> list[Thing]:
    """Play all rounds; return what the vendors hold in the end."""
    calls, rounds = TRIALS[crm]
    impatient = {f"CONNECTOR__CONNECTIONS__{name.upper()}__TIMEOUT": TIMEOUT for name in (crm, "zendesk", "slack")}
    with staged(folder, overrides={**impatient, "CONNECTOR_KEY": key}, dated=False, crm=crm) as stage:
        stage.rehearsal.start()
        wait_for_mirrors(stage)
        steps = list(_steps(stage, began, len(rounds)))
        for number, (kind, step) in enumerate(zip(rounds, steps, strict=True)):
            if kill:
                is_after = (number + number // len(calls)) % 2
                _order(stage.simulators, calls[kind], FaultKind.SLOW_ANSWER if is_after else FaultKind.SLOW)
            _play(stage.rehearsal, step)
            if kill:
                _kill_while_sending(stage.rehearsal, kind)
                _behave(stage.simulators)
                stage.rehearsal.start()
        now = stage.rehearsal.settle(150)
        unwell = {state: number for state, number in now.intents.items() if state not in {"confirmed", "superseded"}}
        assert not any(unwell.values()), unwell
        assert now.responses == {"decided": sum(len(step.answers) for step in steps)}
        assert stage.rehearsal.stop() == 0
        return held(stage.simulators)


def wait_for_mirrors(stage: Stage) -> None:
    """Until all contacts and tickets that are there are known: what texts say of them must not be chance."""
    clock = SystemClock()
    contacts = crm_of(stage.simulators).contacts()
    deadline = clock.monotonic() + PATIENCE
    while _count(stage.rehearsal) != (contacts, len(stage.world.tickets)):
        assert clock.monotonic() < deadline, "the mirrors are not complete"
        stage.rehearsal.pause(0.1)


def _count(rehearsal: Rehearsal) -> tuple[int, int]:
    with rehearsal.db.read() as tx:
        found = [
            tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.contact, schema.ticket)
        ]
    return found[0], found[1]


def _steps(stage: Stage, began: datetime, rounds: int) -> Iterator[Step]:
    """One round each: an angry answer, a happy one, one of a stranger, one about a ticket; everybody answers once."""
    # Whoever owns a ticket is heard about that ticket only.
    known = [person for person in stage.world.people if person.contact_id is not None]
    for number in range(rounds):
        angry, happy = known[2 * number], known[2 * number + 1]
        ticket, owner = stage.world.tickets[number % len(stage.world.tickets)]
        yield Step(
            answers=(
                _answer(f"ang{number}", began, angry.email, 1, 0, ANGRY, {"service": "brakes"}),
                _answer(f"hap{number}", began, happy.email, 5, 10, KIND_WORDS, {"service": "tyres"}),
                _answer(
                    f"new{number}", began, f"new.{number}@example.com", 4, 9, KIND_WORDS, {"name": f"New {number}"}
                ),
                _desk_answer(f"dsk{number}", began, owner, ticket),
            ),
            change=_change(number, ticket, began),
        )


def _answer(token: str, at: datetime, email: str, csat: int, nps: int, said: str, hidden: dict[str, str]) -> str:
    answers: list[dict[str, object]] = [
        {"type": "number", "number": csat, "field": {"id": "f1", "ref": "csat", "type": "opinion_scale"}},
        {"type": "number", "number": nps, "field": {"id": "f2", "ref": "recommend", "type": "nps"}},
        {"type": "text", "text": said, "field": {"id": "f3", "ref": "why", "type": "long_text"}},
    ]
    return typeform_delivery("aB3dE9", token, at, answers, {"email": email, **hidden})


def _desk_answer(token: str, at: datetime, email: str, ticket: int) -> str:
    question = {"id": "f1", "ref": "satisfaction", "type": "opinion_scale"}
    answer: dict[str, object] = {"type": "number", "number": 1, "field": question}
    return typeform_delivery("xY7zQ1", token, at, [answer], {"email": email, "ticket_id": str(ticket)})


def _change(number: int, ticket: int, at: datetime) -> Intent:
    name = foreign_ticket(HELPDESK, str(ticket))
    return Intent(
        key=f"{HELPDESK}/change/{number}",
        account=HELPDESK,
        kind=WriteKind.TICKET_UPDATE,
        object=name,
        target=name,
        fields={"subject": f"Changed in round {number}"},
        cause_at=at + timedelta(seconds=number),
        not_before=at,
        give_up_at=at + timedelta(days=1),
        priority=Priority.NORMAL,
    )


def _play(rehearsal: Rehearsal, step: Step) -> None:
    for body in step.answers:
        assert rehearsal.deliver("typeform", body.encode()) == 200
    assert step.change.target is not None
    with rehearsal.db.write() as tx:
        outbox.adopt(tx, HELPDESK, step.change.target, step.change.target.rpartition("/")[2])
        outbox.plan(tx, [step.change])


def _order(simulators: Simulators, call: tuple[str, str, str], fault: FaultKind) -> None:
    name, match, contains = call
    _site(simulators, name).faults.add(Fault(match=match, kind=fault, contains=contains, times=None, seconds=HANG))


def _behave(simulators: Simulators) -> None:
    for name in ("salesforce", "hubspot", "zendesk", "slack"):
        _site(simulators, name).faults.clear()


def _site(simulators: Simulators, name: str) -> Site:
    return {
        "salesforce": simulators.salesforce.site,
        "hubspot": simulators.hubspot.site,
        "zendesk": simulators.zendesk.site,
        "slack": simulators.slack.site,
    }[name]


def _kill_while_sending(rehearsal: Rehearsal, kind: WriteKind) -> None:
    """Kill the daemon as soon as a write of `kind` is under way, and find that write abandoned in its store."""
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE
    while kind not in _sending(rehearsal):
        assert clock.monotonic() < deadline, f"no {kind} was sent; {rehearsal.status().intents}"
        rehearsal.pause(0.02)
    assert rehearsal.stop(kill=True) == -9
    assert kind in _sending(rehearsal), f"the write of a {kind} had ended before the kill"


def _sending(rehearsal: Rehearsal) -> set[WriteKind]:
    with rehearsal.db.read() as tx:
        sending = select(schema.write.c.kind).where(schema.write.c.state == WriteState.SENDING.value)
        return {WriteKind(kind) for kind in tx.execute(sending).scalars()}
