"""What an answer is about, on record: where a shop's record of it is known, the record wins over the form.

A form's hidden fields are typed into links, copied and forgotten; the shop wrote down what it did. The record also says
whose the interaction was, where the form does not ask who answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from connector.domain.model.interaction import InteractionRecord
from connector.domain.model.response import Respondent, Response
from connector.store import interactions
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync.settings import DecideSettings

FIELDS: Final = ("service", "location", "staff", "channel")
SEGMENTS: Final[Mapping[str, str]] = {"technician": "staff", "agent": "staff", "place": "location"}
"""Segments that are called otherwise and say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """An answer with what its record says, and one line for each thing the form said otherwise."""

    response: Response
    record: InteractionRecord | None
    lines: tuple[str, ...] = ()


def completed(tx: Transaction, version: Version, settings: DecideSettings) -> Version:
    """The version as its record has it; itself where none is known."""
    found = about(tx, version.response, settings)
    return version if found.record is None else replace(version, response=found.response)


def about(tx: Transaction, response: Response, settings: DecideSettings) -> About:
    """The answer with the fields of the record it names."""
    record = interactions.find(tx, response.interaction, settings.interactions)
    return About(response=response, record=None) if record is None else with_record(response, record, settings.segments)


def with_record(response: Response, record: InteractionRecord, segments: Collection[str]) -> About:
    """Every field the record knows is the record's; what it does not know stays as the form had it. Pure.

    `segments` are the configured ones: those of the form, and those called as such a field, say what the record says.
    """
    said, known = response.interaction, record.interaction
    values = {name: getattr(known, name) for name in FIELDS if getattr(known, name) is not None}
    cut = dict(response.segments)
    for name in (*FIELDS, *SEGMENTS):
        value = values.get(SEGMENTS.get(name, name))
        if value is not None and (name in cut or name in segments):
            cut[name] = value
    lines = [line for name in values if (line := _line(name, response, record)) is not None]
    # The kind stays as the form spells it: with the id it is a key that earlier answers were recognised by.
    merged = replace(said, **values, kind=said.kind or known.kind, occurred_at=known.occurred_at)
    respondent = response.respondent
    if respondent.is_anonymous:
        respondent = replace(respondent, crm_id=record.crm_id, email=record.email, phone=record.phone)
    return About(
        response=replace(response, interaction=merged, segments=cut, respondent=respondent),
        record=record,
        lines=(_first(response.respondent, record), *lines),
    )


def _first(respondent: Respondent, record: InteractionRecord) -> str:
    whose = ", and so is who answered" if respondent.is_anonymous and _has_customer(record) else ""
    ended = "" if record.ended_at is None else f", over on {record.ended_at:%Y-%m-%d}"
    return f"about {record.kind} {record.id}, on record at {record.account}{ended}{whose}"


def _has_customer(record: InteractionRecord) -> bool:
    return bool(record.crm_id or record.email or record.phone)


def _line(name: str, response: Response, record: InteractionRecord) -> str | None:
    """`service brakes: from repair order R-1042 of csv:shop, the form said tires`; None where both say the same."""
    aliases = [other for other, field in SEGMENTS.items() if field == name]
    said = [response.segments.get(name), getattr(response.interaction, name)]
    said += [response.segments.get(other) for other in aliases]
    value = str(getattr(record, name))
    others = list(dict.fromkeys(one for one in said if one is not None and one != value))
    if not others and any(said):
        return None
    form = f"the form said {' and '.join(others)}" if others else "the form did not say"
    return f"{name} {value}: from {record.kind} {record.id} of {record.account}, {form}"
