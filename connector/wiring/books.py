"""Playbooks as recoveries go by them, from the configuration or from what a recovery was opened under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from connector.config import Config
from connector.config import calendars as times
from connector.config import playbooks as written
from connector.config import steps as parts
from connector.domain.expressions import Template, compile_template
from connector.domain.model.context import Names, rule_names
from connector.domain.recovery.calendar import Calendar
from connector.domain.recovery.opening import IfSolved
from connector.domain.recovery.proof import Proof
from connector.sync import settings

Read = Callable[[str], Template]


def books(config: Config) -> dict[str, settings.Playbook]:
    """Every playbook of a configuration."""
    return {name: book_of(content(config, playbook)) for name, playbook in config.playbooks.items()}


def content(config: Config, playbook: written.Playbook) -> str:
    """A playbook with everything its meaning rests on, as text that is the same for the same meaning."""
    parts_of_it = {
        "playbook": playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "calendars": {
            name: each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for name, each in config.calendars.items()
        },
        "time_zone": config.time_zone,
        "segments": list(config.segments),
    }
    return json.dumps(parts_of_it, sort_keys=True, ensure_ascii=False)


@lru_cache(maxsize=256)
def book_of(text: str) -> settings.Playbook:
    """The playbook that `content` wrote."""
    found = json.loads(text)
    playbook = written.Playbook.model_validate(found["playbook"])
    read = partial(_template, found["segments"])
    return settings.Playbook(
        steps=tuple(_step(read, each) for each in playbook.steps),
        calendar=_maybe(read, playbook.calendar),
        calendars=_calendars(found["calendars"], found["time_zone"]),
        owner=None if playbook.owner is None else _owners(read, playbook.owner),
        pause_while=frozenset(each.casefold() for each in playbook.pause_while),
        close=_closing(read, playbook.close),
        digest=hashlib.sha256(text.encode()).hexdigest()[:32],
        content=text,
    )


def _calendars(found: Mapping[str, object], time_zone: str) -> dict[str, Calendar]:
    return {name: times.compiled(times.Calendar.model_validate(each), time_zone) for name, each in found.items()}


def _step(read: Read, step: written.AnyStep) -> settings.Step:
    if isinstance(step, written.TicketStep):
        return settings.TicketStep(
            connection=step.connection,
            group=_maybe(read, step.group),
            status=_maybe(read, step.status),
            if_solved=IfSolved(step.if_solved),
            priority=step.priority,
            tags=step.tags,
            due=step.due,
            every_hour=step.hours == "all",
        )
    if isinstance(step, written.TaskStep):
        return settings.TaskStep(
            connection=step.connection,
            due=step.due,
            every_hour=step.hours == "all",
            name=step.name,
            owner=_maybe(read, step.owner),
            late=tuple(_rung(read, each) for each in step.late),
        )
    if isinstance(step, parts.ExpectStep):
        return settings.ExpectStep(
            name=step.name,
            within=step.within,
            every_hour=step.hours == "all",
            until=_proof(step.until),
            who=_maybe(read, step.who),
            after=step.after,
            late=tuple(_rung(read, each) for each in step.late),
        )
    return settings.NotifyStep(message=_message(read, step), after=step.after)


def _proof(proof: parts.Proof) -> Proof:
    return Proof(
        status=frozenset(proof.status),
        assigned=proof.assigned,
        tag=proof.tag,
        fields=dict(proof.field),
        note=proof.note,
    )


def _rung(read: Read, rung: parts.Rung) -> settings.Rung:
    return settings.Rung(
        after=rung.after,
        notify=None if rung.notify is None else _message(read, rung.notify),
        severity=rung.severity,
        owner=_maybe(read, rung.owner),
    )


def _message(read: Read, message: parts.Message) -> settings.Message:
    return settings.Message(connection=message.connection, channel=read(message.channel), text=read(message.text))


def _owners(read: Read, owners: parts.Owners) -> settings.Owners:
    return settings.Owners(turn=owners.turn, by=_maybe(read, owners.by))


def _closing(read: Read, closing: parts.Closing) -> settings.Closing:
    return settings.Closing(
        needs=frozenset(closing.needs),
        root_causes=closing.root_causes,
        root_cause_field=closing.root_cause_field,
        action_field=closing.action_field,
        ask=None if closing.ask is None else _message(read, closing.ask),
    )


def _maybe(read: Read, text: str | None) -> Template | None:
    return None if text is None else read(text)


def _template(segments: Sequence[str], text: str) -> Template:
    """Names were checked when the file was read; the columns of the directory may have changed since."""
    return compile_template(
        text, rule_names(segments, {"place": Names(open=True), "staff": Names(open=True)}), "absent"
    )
