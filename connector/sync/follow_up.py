"""Closing the loop: once its ticket is solved a recovery's customer is asked how it went, and the answer counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from connector.domain.model.intent import Priority
from connector.domain.model.recovery import Recovery, Severity
from connector.domain.model.response import Response
from connector.domain.recovery.follow_up import Return, on_follow_up
from connector.store import follow_ups, history, intents, outbox, people, recoveries, responses
from connector.store.follow_ups import SURVEY, Sent
from connector.store.transaction import Transaction
from connector.sync import messages, names
from connector.sync.context import Matter, build
from connector.sync.identify import Identity
from connector.sync.messages import Letter
from connector.sync.planning import Pace
from connector.sync.recall import identity_of, recall
from connector.sync.settings import DecideSettings
from connector.sync.work import Work, key_of, work_on

ABOUT: Final = "recovery"
"""What an answer to a follow-up says it is about: the kind of its interaction."""
BY_REFERENCE: Final = "the reference of their follow-up"
PATIENCE: Final = timedelta(days=3)


def ask(tx: Transaction, recovery_id: int, settings: DecideSettings) -> None:
    """A recovery's ticket was solved: plan the survey its playbook asks for, once in its life.

    A survey that was called off before it left (the recovery went on) does not count: the next end asks.
    """
    recovery = recoveries.get(tx, recovery_id)
    wanted = None if recovery is None else settings.follow_ups.get(recovery.playbook)
    if recovery is None or wanted is None or follow_ups.survey_of(tx, recovery_id) is not None:
        return
    work = _recalled(tx, recovery, settings)
    target = settings.targets.get(wanted.connection)
    if work is None or target is None:
        return
    why = messages.refusal(tx, work.matter, settings)
    if why is not None:
        messages.withheld(tx, work, SURVEY, why)
        return
    ordinal = recoveries.ordinal(tx, recovery.id)
    reference = follow_ups.reference_of(tx, recovery.opened_by, ordinal)
    context = {**build(tx, work.matter, settings, recovery), "message": {"reference": reference}}
    link = "".join(wanted.survey.render(context).split())
    values = {**context, "message": {"reference": reference, "link": link}}
    first = key_of(tx, work, 0, target.account, SURVEY)
    key, times = first, 1
    while intents.by_key(tx, key) is not None:
        times += 1
        key = f"{first}/{times}"
    letter = Letter(
        kind=SURVEY,
        connection=wanted.connection,
        key=key,
        object=names.message_object(recovery.id, SURVEY),
        subject=wanted.subject.render(values),
        text=wanted.text.render(values),
        not_before=tx.now + wanted.after,
        patience=PATIENCE,
    )
    follow_ups.add(tx, recovery.id, SURVEY, key, reference)
    outbox.plan(tx, [messages.written(work, letter)])
    _tell(tx, recovery, work.matter, "follow_up_planned", why="its ticket was solved")


def _recalled(tx: Transaction, recovery: Recovery, settings: DecideSettings) -> Work | None:
    """The recovery with the answer that joined it last; None when nothing is left of that."""
    response_id = recoveries.newest_answer(tx, recovery.id)
    version = None if response_id is None else responses.get(tx, response_id)
    if version is None:
        return None
    pace = Pace(priority=Priority.NORMAL, now=tx.now)
    return work_on(tx, recall(tx, version, settings), recovery, settings, pace)


def _survey(tx: Transaction, response: Response) -> tuple[Sent, Recovery] | None:
    """The survey an answer belongs to, by its reference; None for any other answer."""
    about = response.interaction
    if about.kind != ABOUT or about.id is None:
        return None
    sent = follow_ups.by_reference(tx, about.id)
    recovery = None if sent is None else recoveries.get(tx, sent.recovery_id)
    return None if sent is None or recovery is None else (sent, recovery)


def owner(tx: Transaction, response: Response, settings: DecideSettings) -> Identity | None:
    """Who answered a follow-up: whom it was sent to, since nobody else knows its reference. None: ask the keys."""
    found = _survey(tx, response)
    if found is None:
        return None
    person_id = people.survivor(tx, found[1].person_id)
    return identity_of(tx, person_id, settings, decided_by=BY_REFERENCE)


def heard(
    tx: Transaction, matter: Matter, settings: DecideSettings, wanted: Mapping[str, Severity]
) -> Mapping[str, Severity]:
    """Take in an answer: where it is one to a follow-up its recovery is won, or goes on.

    `wanted` are the playbooks the rules ask for; returned with the one that goes on, which the answer then joins.
    """
    found = _survey(tx, matter.version.response)
    if found is None:
        return wanted
    sent, recovery = found
    running = recoveries.open_one(tx, recovery.person_id, recovery.playbook)
    decision = on_follow_up(
        recovery,
        unhappy=matter.verdict.unhappy,
        in_time=matter.version.event_at <= sent.planned_at + _waits(recovery, settings),
        by_another=sent.response_id not in {None, matter.version.response_id},
        another_open=running is not None and running.id != recovery.id,
    )
    follow_ups.answered(tx, sent, matter.version.response_id)
    if decision.move is Return.WON_BACK and recoveries.win(tx, recovery.id):
        _tell(tx, recovery, matter, "recovery_won_back", why=decision.why)
    elif decision.move is Return.REOPEN:
        if recoveries.reopen(tx, recovery.id):
            _tell(tx, recovery, matter, "recovery_reopened", why=decision.why)
        at_least = wanted.get(recovery.playbook, Severity.NORMAL)
        return {**wanted, recovery.playbook: at_least}
    elif decision.move is Return.NOTHING:
        _tell(tx, recovery, matter, "follow_up_answered", why=decision.why)
    return wanted


def _waits(recovery: Recovery, settings: DecideSettings) -> timedelta:
    """From planning the survey to the last answer that counts; without end where the YAML no longer says."""
    known = settings.follow_ups.get(recovery.playbook)
    return timedelta(days=36500) if known is None else known.after + known.within


def state(tx: Transaction, recovery: Recovery, settings: DecideSettings) -> str | None:
    """How the follow-up of a recovery stands, in words; None where there is none."""
    sent = follow_ups.survey_of(tx, recovery.id)
    if sent is None:
        return None
    if sent.answered_at is not None:
        return "its follow-up was answered"
    if tx.now > sent.planned_at + _waits(recovery, settings):
        return "its follow-up was not answered in time: how it ended stays as it was"
    return "its follow-up waits for an answer"


def _tell(tx: Transaction, recovery: Recovery, matter: Matter, event: str, *, why: str) -> None:
    history.append(
        tx,
        event,
        response_id=matter.version.response_id,
        person_id=recovery.person_id,
        recovery_id=recovery.id,
        detail={"why": why},
    )
