"""A recovery's effects: the ticket and the task its playbook asks for, and what later answers add to the ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.domain.mapping.fields import travelling
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.domain.recovery.text import link_lines
from connector.ports import Ticket
from connector.store import recoveries
from connector.store.transaction import Transaction
from connector.sync import messages, names, tracking
from connector.sync.context import Context, build, for_crm, with_step, with_ticket
from connector.sync.message_settings import MessageStep
from connector.sync.planning import PATIENCE, AboutTicket, may_write, note, texts, ticket_about
from connector.sync.settings import Target, TaskStep, TicketStep
from connector.sync.work import Work, key_of, ticket_of

NO_SURVEY: Final = "csat-no-survey"
"""On every ticket a recovery is worked on, the customer's own included: survey automations leave out what carries it.
Which tickets we opened is another question, with another tag: the helpdesk adapter's."""
CLOSED: Final = "closed"
"""The status in which a ticket takes no more changes, and the only one a helpdesk lets another ticket follow up."""
HANDLING: Final = frozenset({"status", "group", "priority", "due_at"})
"""Fields that say how a ticket is worked on; a note may carry them along."""


def opened(tx: Transaction, work: Work) -> list[Intent]:
    """Everything a recovery begins with, in the order of its steps."""
    work = tracking.take_up(tx, work)
    base = build(tx, work.matter, work.settings, work.recovery)
    ticket = names.ticket_object(work.recovery.id, 1) if work.ticket_step() else None
    intents: list[Intent] = []
    for number, step in enumerate(work.steps):
        name = f"step {number + 1}"
        if isinstance(step, TicketStep):
            deadline = None if step.due is None else work.deadline(step, tx.now, step.due)
            context = with_step(base, name, deadline, work.settings.time_zone)
            intents += _ticket(tx, work, number, step, context)
        elif isinstance(step, MessageStep):
            intents += messages.message(tx, work, number, step, base)
        elif isinstance(step, TaskStep):
            context = with_step(base, name, work.deadline(step, tx.now, step.due), work.settings.time_zone)
            intents += _task(tx, work, number, step, with_ticket(context, ticket), ticket)
    made = {intent.object for intent in intents}
    return intents + tracking.begun(tx, work, with_ticket(base, ticket), made)


def _ticket(tx: Transaction, work: Work, number: int, step: TicketStep, context: Context) -> list[Intent]:
    target = work.settings.targets[step.connection]
    section = target.sections.get("ticket")
    if section is None:
        return []
    about = ticket_about(tx, work.matter, target)
    fields = {**texts(section, context), **_handling(work, step, context)}
    if about is not None:
        return [_on_their_ticket(tx, work, number, target, about, fields)]
    fields["tags"] = _tags(step)
    return [new_ticket(tx, work, number, target, fields, generation=1)]


def _on_their_ticket(
    tx: Transaction, work: Work, number: int, target: Target, about: AboutTicket, fields: dict[str, Json]
) -> Intent:
    """The survey was about a ticket: it is worked on there, so the same person reads about it in one place.

    The note's receipt makes that ticket the recovery's own (see `settled`), unless `preparing` finds it closed.
    """
    step = work.steps[number]
    assert isinstance(step, TicketStep)
    changes: dict[str, Json] = {name: value for name, value in fields.items() if name in HANDLING}
    changes["add_tags"] = _tags(step)
    return note(
        work.matter,
        target,
        ticket=about.object,
        fields={"text": fields.get("comment"), **changes},
        pace=work.pace,
        key=key_of(tx, work, number, target.account, "note"),
        what="recovery",
        recovery_id=work.recovery.id,
    )


def new_ticket(
    tx: Transaction, work: Work, number: int, target: Target, fields: Mapping[str, Json], *, generation: int
) -> Intent:
    """One new ticket of the recovery."""
    matter = work.matter
    cause = "" if generation == 1 else f"{matter.version.response.key}/{matter.version.mark}"
    return Intent(
        key=key_of(tx, work, number, target.account, "ticket", cause),
        account=target.account,
        kind=WriteKind.TICKET,
        object=names.ticket_object(work.recovery.id, generation),
        fields={name: value for name, value in fields.items() if value is not None},
        cause_at=matter.version.event_at,
        not_before=work.pace.not_before(target.linger),
        give_up_at=work.pace.now + PATIENCE,
        priority=work.pace.priority,
        person_id=matter.person_id,
        recovery_id=work.recovery.id,
        response_key=matter.version.response.key,
        version=matter.version.number,
    )


def follow_up(tx: Transaction, work: Work, *, generation: int, of: Ticket | None) -> Intent | None:
    """A further ticket for a recovery whose last one, `of`, is over; None when it was deleted.

    Zendesk lets a ticket follow up a closed one only, so one that is solved is pointed at in words.
    """
    found = work.ticket_step()
    if found is None:
        return None
    number, step, target = found
    section = target.sections.get("ticket")
    if section is None:
        return None
    deadline = None if step.due is None else work.deadline(step, tx.now, step.due)
    base = build(tx, work.matter, work.settings, work.recovery)
    context = with_step(base, f"step {number + 1}", deadline, work.settings.time_zone)
    if of is not None and of.status != CLOSED and of.url is not None:
        context = {**context, "links": [*_lines(context["links"]), *link_lines({"Before": of.url})]}
    fields: dict[str, Json] = {**texts(section, context), **_handling(work, step, context)}
    fields["tags"] = _tags(step)
    if of is not None and of.status == CLOSED:
        fields["follow_up_of"] = of.id
    return new_ticket(tx, work, number, target, fields, generation=generation)


def added(tx: Transaction, work: Work, *, raised: bool) -> list[Intent]:
    """One note on the recovery's ticket: another answer joined, or one of its answers was edited."""
    found = work.ticket_step()
    ticket = ticket_of(tx, work)
    if found is None or ticket is None:
        return []
    number, step, target = found
    section = target.sections.get("note")
    if section is None:
        return []
    context = with_ticket(build(tx, work.matter, work.settings, work.recovery), ticket)
    fields = texts(section, context)
    if raised and work.recovery.severity in step.priority:
        fields["priority"] = step.priority[work.recovery.severity]
    response = work.matter.version.response
    # An answer may join several recoveries, each the first that another answer opened.
    recovery = f"{work.recovery.opened_by}/recovery/{recoveries.ordinal(tx, work.recovery.id)}"
    return [
        note(
            work.matter,
            target,
            ticket=ticket,
            fields=fields,
            pace=work.pace,
            key=names.answer_key(target.account, response.key, f"{recovery}/{number}/note", work.matter.version.mark),
            what="recovery",
            recovery_id=work.recovery.id,
        )
    ]


def _task(
    tx: Transaction, work: Work, number: int, step: TaskStep, context: Context, ticket: str | None
) -> list[Intent]:
    matter, target = work.matter, work.settings.targets.get(step.connection)
    section = None if target is None else target.sections.get("task")
    if target is None or section is None or matter.person_id is None or not may_write(matter.identity, target.account):
        return []
    contact = names.contact_object(matter.person_id, target.account)
    values = for_crm(context, matter, target.account)
    if step.owner is not None:
        known = values["contact"]
        assert isinstance(known, dict)
        values["contact"] = {**known, "owner": step.owner.render(context) or known.get("owner")}
    return [
        Intent(
            key=key_of(tx, work, number, target.account, "task"),
            account=target.account,
            kind=WriteKind.TASK,
            object=names.task_object(work.recovery.id, number),
            after=(contact,) if ticket is None else (contact, ticket),
            fields=section.evaluate(values),
            cause_at=matter.version.event_at,
            not_before=work.pace.not_before(target.linger),
            give_up_at=work.pace.now + PATIENCE,
            priority=work.pace.priority,
            person_id=matter.person_id,
            recovery_id=work.recovery.id,
            response_key=matter.version.response.key,
            version=matter.version.number,
        )
    ]


def _handling(work: Work, step: TicketStep, context: Context) -> dict[str, Json]:
    """What the step says about how the ticket is worked on."""
    due = context["step"]
    assert isinstance(due, dict)
    fields: dict[str, Json] = {
        "group": None if step.group is None else step.group.render(context).strip() or None,
        "status": None if step.status is None else step.status.render(context).strip() or None,
        "priority": step.priority.get(work.recovery.severity),
        "due_at": travelling(due["due_at"]),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _lines(links: object) -> list[str]:
    return [str(line) for line in links] if isinstance(links, list | tuple) else []


def _tags(step: TicketStep) -> list[Json]:
    """The playbook's tags, and the one that keeps surveys away."""
    return [*step.tags, *({NO_SURVEY} - set(step.tags))]
