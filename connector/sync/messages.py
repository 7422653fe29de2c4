"""Messages to customers: one for each step of a playbook and recovery, to who wants it, by day, and never twice.

Who may be written to is asked twice: when a message is planned, and when it is about to be sent (`withholding`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain.matching.canonical import canonical_email
from connector.domain.matching.fuzzy import SIMILARITY
from connector.domain.model.intent import Intent, IntentState, WriteKind
from connector.domain.model.person import KeyKind, LinkState
from connector.domain.model.transitions import UNSENT
from connector.domain.recovery.night import awake_from
from connector.errors import ExpressionError
from connector.store import codes, consent, follow_ups, history, intents, people, recoveries, runs, tombstones
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Context, Matter, build
from connector.sync.message_settings import MessageStep
from connector.sync.operators import tell_operators
from connector.sync.settings import DecideSettings
from connector.sync.work import Work, key_of

PATIENCE: Final = timedelta(days=1)
"""So long after its time a message still says what it was meant to."""
CALL_BACK: Final = "call_back"
"""The kind of a message that says somebody will call: wrong once the recovery is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as it is planned: what it is, from whom, what it says, and from when on it may leave."""

    kind: str
    connection: str
    key: str
    object: str
    subject: str
    text: str
    not_before: datetime
    patience: timedelta = PATIENCE


def message(tx: Transaction, work: Work, number: int, step: MessageStep, context: Context) -> list[Intent]:
    """The message of one step; none, and the history says why, to whom it may not be sent or whom it is not meant for.

    It is planned once in a recovery, however often it is asked for: a severity that rises asks again. An answer that
    opens a second recovery, having been changed when the first was over, is not written about a second time.
    """
    target = work.settings.targets.get(step.connection)
    if target is None:
        return []
    key = key_of(tx, work, number, target.account, "message")
    if intents.by_key(tx, key) is not None:
        return []
    missed = _unmet(step, context)
    why = missed or refusal(tx, work.matter, work.settings) or _said_before(tx, work, step.kind)
    if why is not None:
        return withheld(tx, work, step.kind, why)
    values: dict[str, object] = {**context, "message": {}}
    if step.codes is not None:
        email = address(work.matter)
        assert email is not None
        if codes.given_since(tx, email, tx.now - step.codes.one_per):
            return withheld(tx, work, step.kind, "they were given a code not long ago")
        code = codes.give(tx, step.codes.listed, email)
        if code is None:
            text = (
                f"an offer could not be made: every code of {target.account} was given away. Append codes to the file"
            )
            tell_operators(tx, work.settings, target.account, "codes", text)
            return withheld(tx, work, step.kind, "there are no codes left")
        values["message"] = {"code": code}
    letter = Letter(
        kind=step.kind,
        connection=step.connection,
        key=key,
        object=names.message_object(work.recovery.id, str(number)),
        subject=step.subject.render(values),
        text=step.text.render(values),
        not_before=tx.now + step.after,
    )
    follow_ups.add(tx, work.recovery.id, step.kind, key)
    return [written(work, letter)]


def again(tx: Transaction, work: Work) -> list[Intent]:
    """What a risen severity asks for besides: the messages that were not planned at the lower one."""
    steps = [(number, step) for number, step in enumerate(work.steps) if isinstance(step, MessageStep)]
    if not steps:
        return []
    known = recoveries.get(tx, work.recovery.id)
    context = build(tx, work.matter, work.settings, known or work.recovery)
    return [intent for number, step in steps for intent in message(tx, work, number, step, context)]


def written(work: Work, letter: Letter) -> Intent:
    """The intent that sends a letter, when the night is over."""
    matter, settings = work.matter, work.settings
    email = address(matter)
    assert email is not None
    leaves = awake_from(letter.not_before, settings.messages.night, settings.time_zone)
    return Intent(
        key=letter.key,
        account=settings.targets[letter.connection].account,
        kind=WriteKind.MESSAGE,
        object=letter.object,
        fields={"to": email, "subject": letter.subject.strip(), "text": letter.text.strip()},
        cause_at=matter.version.event_at,
        not_before=leaves,
        give_up_at=leaves + letter.patience,
        priority=work.pace.priority,
        person_id=matter.person_id,
        recovery_id=work.recovery.id,
        response_key=matter.version.response.key,
        version=matter.version.number,
    )


def address(matter: Matter) -> str | None:
    """Where the customer reads mail, as this answer, earlier ones or the CRM say; canonical.

    A contact that only looks like them may be somebody else, who is not told of a complaint they never made.
    """
    offered = matter.version.response.respondent.email
    linked = [choice.link for choice in matter.identity.links.values() if choice.link.state is LinkState.LINKED]
    if offered is None and any(SIMILARITY in link.evidence.decided_by for link in linked):
        return None
    return canonical_email(offered or matter.respondent.email or "")


def refusal(tx: Transaction, matter: Matter, settings: DecideSettings) -> str | None:
    """Why the customer is not written to; None when they are. Names nobody."""
    email, said = address(matter), matter.version.response.consent
    if email is None:
        return "no e-mail address is known"
    if said is False:
        return "they do not want to be contacted"
    if settings.messages.needs_consent and said is None:
        return "they were not asked whether they may be contacted"
    return unwanted(tx, email)


def unwanted(tx: Transaction, email: str) -> str | None:
    """Why nobody writes to this canonical address, whoever consented; None when somebody may."""
    if consent.is_opted_out(tx, email):
        return "they opted out of messages"
    if tombstones.among(tx, [people.blind(tx, KeyKind.EMAIL, email)]):
        return "they were erased"
    return None


def _said_before(tx: Transaction, work: Work, kind: str) -> str | None:
    """Why an answer is not written about in a second recovery; None when nothing came or will come of the first."""
    for sent in follow_ups.earlier(tx, work.recovery, kind):
        # By its record: what waited for a morning has another key by now.
        rows = [row for row in intents.of_recovery(tx, sent.recovery_id) if row.record == sent.intent_key]
        if any(_may_be_read(tx, row, kind) for row in rows):
            return "they were written to about this answer in an earlier recovery"
    return None


def _may_be_read(tx: Transaction, row: IntentRow, kind: str) -> bool:
    """Whether a message of a recovery that is over has arrived, may have, or still will."""
    if row.state in UNSENT:
        return kind != CALL_BACK and not runs.was_observing(tx, row.run_id)
    never_left = row.state is IntentState.GIVEN_UP and row.write_id is None
    return not never_left and row.state not in {IntentState.REJECTED, IntentState.SUPERSEDED}


def _unmet(step: MessageStep, context: Context) -> str | None:
    """Why a step is not meant for this recovery; None when it is."""
    if step.when is None:
        return None
    try:
        return None if step.when.evaluate(context) else f"this does not hold: {step.when.deciding(context)}"
    except ExpressionError as error:
        return error.message


def withheld(tx: Transaction, work: Work, kind: str, why: str) -> list[Intent]:
    """Nothing is sent, and the history says why."""
    history.append(
        tx,
        "message_withheld",
        response_id=work.matter.version.response_id,
        person_id=work.matter.person_id,
        recovery_id=work.recovery.id,
        detail={"kind": kind, "reason": why},
    )
    return []
