"""Playbooks as recoveries go by them, from the configuration or from what a recovery was opened under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from connector.config import Config
from connector.config import calendars as times
from connector.config import playbooks as written
from connector.config import steps as parts
from connector.config.messages import MessageStep
from connector.domain.expressions import Expression, Template, compile_expression, compile_template
from connector.domain.model.context import Names, rule_names
from connector.domain.recovery.opening import IfSolved
from connector.domain.recovery.proof import Proof
from connector.sync import message_settings, settings


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the texts of a playbook. Names were checked when the file was read; lists may have other columns by now."""

    segments: Sequence[str]

    def template(self, text: str) -> Template:
        """A text; a missing value prints nothing."""
        return compile_template(text, self._names(), "absent")

    def maybe(self, text: str | None) -> Template | None:
        """Likewise, where there is one."""
        return None if text is None else self.template(text)

    def condition(self, text: str) -> Expression:
        """An expression; a missing value raises."""
        return compile_expression(text, self._names())

    def _names(self) -> Names:
        return rule_names(self.segments, {"place": Names(open=True), "staff": Names(open=True)})


def books(config: Config, accounts: Mapping[str, str]) -> dict[str, settings.Playbook]:
    """Every playbook of a configuration; `accounts` is the vendor account of each connection."""
    book_of.cache_clear()  # the files with codes may have grown
    return {
        name: _book(playbook, config.calendars, config.time_zone, config.segments, content(config, playbook, accounts))
        for name, playbook in config.playbooks.items()
    }


def content(config: Config, playbook: written.Playbook, accounts: Mapping[str, str]) -> str:
    """A playbook with everything its meaning rests on, as text that is the same for the same meaning.

    It names accounts where the file names connections: a connection that is called otherwise is the same one.
    """
    parts_of_it = {
        "playbook": _at_accounts(playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True), accounts),
        "calendars": {
            name: each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for name, each in config.calendars.items()
        },
        "time_zone": config.time_zone,
        "segments": list(config.segments),
    }
    return json.dumps(parts_of_it, sort_keys=True, ensure_ascii=False)


def _at_accounts(part: Any, accounts: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {
            key: accounts.get(value, value) if key == "connection" else _at_accounts(value, accounts)
            for key, value in part.items()
        }
    return [_at_accounts(each, accounts) for each in part] if isinstance(part, list) else part


@lru_cache(maxsize=256)
def book_of(text: str) -> settings.Playbook:
    """The playbook that `content` wrote, its connections those accounts. Raises ValueError for what cannot be read."""
    found = json.loads(text)
    calendars = {name: times.Calendar.model_validate(each) for name, each in found["calendars"].items()}
    playbook = written.Playbook.model_validate(found["playbook"])
    return _book(playbook, calendars, found["time_zone"], found["segments"], text)


def _book(
    playbook: written.Playbook,
    calendars: Mapping[str, times.Calendar],
    time_zone: str,
    segments: Sequence[str],
    text: str,
) -> settings.Playbook:
    read = Reader(segments)
    return settings.Playbook(
        steps=tuple(_step(read, each) for each in playbook.steps),
        calendar=read.maybe(playbook.calendar),
        calendars={name: times.compiled(each, time_zone) for name, each in calendars.items()},
        owner=None if playbook.owner is None else _owners(read, playbook.owner),
        pause_while=frozenset(each.casefold() for each in playbook.pause_while),
        close=_closing(read, playbook.close),
        digest=hashlib.sha256(text.encode()).hexdigest()[:32],
        content=text,
    )


def _step(read: Reader, step: written.AnyStep) -> settings.Step:
    if isinstance(step, written.TicketStep):
        return settings.TicketStep(
            connection=step.connection,
            group=read.maybe(step.group),
            status=read.maybe(step.status),
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
            owner=read.maybe(step.owner),
            late=tuple(_rung(read, each) for each in step.late),
        )
    if isinstance(step, parts.ExpectStep):
        return settings.ExpectStep(
            name=step.name,
            within=step.within,
            every_hour=step.hours == "all",
            until=_proof(step.until),
            who=read.maybe(step.who),
            after=step.after,
            late=tuple(_rung(read, each) for each in step.late),
        )
    if isinstance(step, MessageStep):
        return _letter(read, step)
    return settings.NotifyStep(message=_message(read, step), after=step.after)


def _letter(read: Reader, step: MessageStep) -> message_settings.MessageStep:
    codes = step.codes
    return message_settings.MessageStep(
        connection=step.connection,
        kind=step.kind,
        subject=read.template(step.subject),
        text=read.template(step.text),
        when=None if step.when is None else read.condition(step.when),
        after=step.after,
        codes=None if codes is None else message_settings.Codes(listed=codes.listed, one_per=codes.one_per),
    )


def _proof(proof: parts.Proof) -> Proof:
    return Proof(
        status=frozenset(proof.status),
        assigned=proof.assigned,
        tag=proof.tag,
        fields=dict(proof.field),
        note=proof.note,
    )


def _rung(read: Reader, rung: parts.Rung) -> settings.Rung:
    return settings.Rung(
        after=rung.after,
        notify=None if rung.notify is None else _message(read, rung.notify),
        severity=rung.severity,
        owner=read.maybe(rung.owner),
    )


def _message(read: Reader, message: parts.Message) -> settings.Message:
    return settings.Message(
        connection=message.connection, channel=read.template(message.channel), text=read.template(message.text)
    )


def _owners(read: Reader, owners: parts.Owners) -> settings.Owners:
    return settings.Owners(turn=owners.turn, by=read.maybe(owners.by))


def _closing(read: Reader, closing: parts.Closing) -> settings.Closing:
    return settings.Closing(
        needs=frozenset(closing.needs),
        root_causes=closing.root_causes,
        root_cause_field=closing.root_cause_field,
        action_field=closing.action_field,
        ask=None if closing.ask is None else _message(read, closing.ask),
    )
