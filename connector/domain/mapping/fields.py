"""Decided values become a vendor's fields, each with its own answer to "and when there is no value?"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal

from connector.domain.expressions import Expression, Template, compile_expression, compile_template
from connector.domain.model.context import Names
from connector.domain.model.intent import Json, WriteKind

SECTIONS: Final[Mapping[str, WriteKind]] = {
    "contact": WriteKind.CONTACT,
    "contact_fields": WriteKind.CONTACT_FIELDS,
    "activity": WriteKind.ACTIVITY,
    "task": WriteKind.TASK,
    "ticket": WriteKind.TICKET,
    "note": WriteKind.NOTE,
    "answer": WriteKind.NOTE,
}
"""The sections of a mapping file and what each writes; `answer` is a note on a ticket that is not ours."""

DECIMALS: Final = 2  # CRM number fields hold two; a third digit would read back as somebody's edit

WhenNull = Literal["skip", "clear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One vendor field: where its value comes from, and its policies.

    `when_null`: `skip` leaves the field alone, `clear` empties it. `if_blank`: write only where the field is empty
    there. `ours`: overwrite what a person changed there.
    """

    name: str
    source: Expression | Template | None
    literal: Json = None
    when_null: WhenNull = "skip"
    if_blank: bool = False
    ours: bool = False

    @property
    def paths(self) -> frozenset[str]:
        """The names its value is made of."""
        return frozenset() if self.source is None else self.source.paths

    def evaluate(self, context: Mapping[str, object]) -> Json:
        """The value as it travels: None when there is none, or only blank. Raises ExpressionError."""
        if isinstance(self.source, Template):
            return self.source.render(context).strip() or None
        return self.literal if self.source is None else travelling(self.source.evaluate(context))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """The fields of one section, compiled."""

    section: str
    kind: WriteKind
    fields: tuple[FieldRule, ...]

    @property
    def names(self) -> frozenset[str]:
        """The vendor fields it writes."""
        return frozenset(rule.name for rule in self.fields)

    @property
    def ours(self) -> frozenset[str]:
        """The fields written even where a person changed them."""
        return frozenset(rule.name for rule in self.fields if rule.ours)

    @property
    def if_blank(self) -> frozenset[str]:
        """The fields written only where they are empty there."""
        return frozenset(rule.name for rule in self.fields if rule.if_blank)

    def evaluate(self, context: Mapping[str, object]) -> dict[str, Json]:
        """Vendor field → value; one without a value is absent (`skip`) or None (`clear`). Raises ExpressionError."""
        values = ((rule, rule.evaluate(context)) for rule in self.fields)
        return {rule.name: value for rule, value in values if value is not None or rule.when_null == "clear"}


def travelling(value: object) -> Json:
    """A value the way it goes into JSON: instants in UTC with a Z, numbers with two decimals, blank as None."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        rounded = round(value, DECIMALS)
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, str):
        return str(value) if value.strip() else None
    if isinstance(value, list | tuple):
        return [travelling(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): travelling(item) for name, item in value.items()}
    return value if isinstance(value, bool | int) else None


def compile_fields(section: str, tree: Mapping[str, object], names: Names) -> FieldMapping:
    """Compile one section from what the parser made of it, whose shape was checked before.

    A field is a text (a template) or number by itself, or has one of `value` (an expression), `text` (a template) and
    `literal`, with its policies. A missing value prints nothing and makes no field. Raises ExpressionError.
    """
    rules = tuple(_rule(name, entry, names) for name, entry in tree.items())
    return FieldMapping(section=section, kind=SECTIONS[section], fields=rules)


def _rule(name: str, entry: object, names: Names) -> FieldRule:
    if not isinstance(entry, Mapping):
        entry = {"text": entry} if isinstance(entry, str) else {"literal": entry}
    source: Expression | Template | None = None
    if entry.get("value") is not None:
        source = compile_expression(str(entry["value"]), names, "absent")
    elif entry.get("text") is not None:
        source = compile_template(str(entry["text"]), names, "absent")
    return FieldRule(
        name=name,
        source=source,
        literal=travelling(entry.get("literal")),
        when_null="clear" if entry.get("when_null") == "clear" else "skip",
        if_blank=bool(entry.get("if_blank")),
        ours=bool(entry.get("ours")),
    )
