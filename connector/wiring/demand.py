"""What a configuration will use of each connected account, in the words the account's adapter understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connector.config import Loaded
from connector.config.playbooks import TaskStep, TicketStep
from connector.config.steps import ExpectStep, Message, NotifyStep
from connector.domain.mapping.uses import field_uses, form_use
from connector.domain.model.account import Demand, FieldUse
from connector.sync.playbook import NO_SURVEY


def demand_of(loaded: Loaded, name: str, public_url: str | None = None) -> Demand:
    """What the connection `name` will be used for. `public_url` stands in for the configured one.

    A group, status or channel that is a template is only known when it is used, and left out.
    """
    config = loaded.config
    url = public_url or config.public_url
    health = config.health_score
    steps = list(_ticket_steps(loaded, name))
    return Demand(
        connection=name,
        fields=tuple(_fields(loaded, name)),
        reads=frozenset(
            part.field
            for part in (health.components.values() if health else ())
            if part.source == name and part.field is not None
        )
        | frozenset(field for crm, field in (health.companies.items() if health else ()) if crm == name),
        statuses=frozenset(_constants(step.status for step in steps)),
        groups=frozenset(_constants(step.group for step in steps)),
        channels=frozenset(_channels(loaded, name)),
        tags=_tags(steps),
        forms=tuple(
            form_use(survey, form, loaded.survey_mappings[survey])
            for survey, each in config.surveys.items()
            if each.source == name
            for form in each.forms
        ),
        hook_url=f"{url.rstrip('/')}/hooks/{name}" if url else None,
    )


def _constants(texts: Iterable[str | None]) -> Iterator[str]:
    """Those that are a text as it stands."""
    yield from (text for text in texts if text and "{{" not in text and "{%" not in text)


def _fields(loaded: Loaded, name: str) -> Iterator[FieldUse]:
    health = loaded.config.health_score
    bands = tuple(health.bands) if health else ()
    for section, mapping in loaded.field_mappings.get(name, {}).items():
        if section in loaded.sections[name]:
            yield from field_uses(mapping, bands)


def _ticket_steps(loaded: Loaded, name: str) -> Iterator[TicketStep]:
    for playbook in loaded.config.playbooks.values():
        yield from (step for step in playbook.steps if isinstance(step, TicketStep) and step.connection == name)


def _tags(steps: list[TicketStep]) -> tuple[str, ...]:
    """The tags that every ticket a recovery is worked on carries, the one against surveys last."""
    common = set(steps[0].tags).intersection(*(step.tags for step in steps)) if steps else set()
    return (*sorted(common - {NO_SURVEY}), NO_SURVEY) if steps else ()


def _channels(loaded: Loaded, name: str) -> Iterator[str]:
    operators = loaded.config.operators
    if operators is not None and operators.notify.connection == name:
        yield operators.notify.channel
    for rule in loaded.config.rules:
        for action in rule.do:
            notify = action.notify
            if notify is not None and notify.connection == name:
                yield from _constants([notify.channel])
    for message in _step_messages(loaded):
        if message.connection == name:
            yield from _constants([message.channel])
    told = [*(each.notify for each in loaded.config.coaching), *(each.notify for each in loaded.config.trends)]
    yield from _constants(each.channel for each in told if each.connection == name)
    yield from _constants(mail.to for mail in loaded.config.report.mail if mail.connection == name)


def _step_messages(loaded: Loaded) -> Iterator[Message]:
    """Every message of a playbook."""
    for playbook in loaded.config.playbooks.values():
        for step in playbook.steps:
            if isinstance(step, NotifyStep):
                yield step
            elif isinstance(step, ExpectStep | TaskStep):
                yield from (rung.notify for rung in step.late if rung.notify is not None)
        if playbook.close.ask is not None:
            yield playbook.close.ask
