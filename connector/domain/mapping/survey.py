"""A survey tool's record becomes a response, as the survey's mapping says.

Absent, null and blank differ where it matters: a comment that was left blank is `""`, one that was not asked for is
None. Everywhere else a blank is no value: no rating, no identity, no segment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from connector.domain.expressions import Expression, compile_expression
from connector.domain.mapping.contacts import email, phone
from connector.domain.model.context import survey_names
from connector.domain.model.intent import Json, strip_references
from connector.domain.model.response import Interaction, Metric, Polarity, Rating, Respondent, Response, Scale
from connector.errors import ExpressionError, MappingError

_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,9})?")
_CONSENT: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRule:
    """Where one rating is found, and on which scale it was given."""

    metric: Metric
    value: Expression
    scale: Scale
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyMapping:
    """A compiled survey mapping. Immutable; threads may share it."""

    ratings: tuple[RatingRule, ...]
    comment: Expression | None
    respondent: Mapping[str, Expression]
    interaction: Mapping[str, Expression]
    segments: Mapping[str, Expression]
    consent: Expression | None
    language: Expression | None
    phone_region: str | None

    def respond(
        self,
        *,
        kind: str,
        survey: str,
        form: str,
        id: str,  # noqa: A002  # the record's own word
        submitted_at: datetime,
        received_at: datetime,
        answers: Mapping[str, Json],
        hidden: Mapping[str, Json],
        metadata: Mapping[str, Json],
    ) -> Response:
        """The canonical response of one record of the source `kind` (`typeform`, `webhook`).

        Raises MappingError with the place that failed: no rating at all, one that is no number or off its scale, or a
        value of the wrong type. An e-mail address or phone number of impossible shape is dropped: it identifies nobody,
        and the answer counts without it. HTML stays what the customer typed.
        """
        record = {
            "answers": answers,
            "hidden": hidden,
            "metadata": metadata,
            "form": form,
            "id": id,
            "submitted_at": submitted_at,
        }
        return Response(
            key=f"{kind}/{form}/{id}",
            survey=survey,
            form=form,
            submitted_at=submitted_at.astimezone(UTC),
            received_at=received_at,
            ratings=self._read_ratings(record),
            comment=None if self.comment is None else _text("comment", _evaluate("comment", self.comment, record)),
            respondent=self._read_respondent(record),
            interaction=_read_interaction(self.interaction, record),
            segments=_filled("segments", self.segments, record),
            consent=None if self.consent is None else _consent(_evaluate("consent", self.consent, record)),
            language_hint=_filled("language", {} if self.language is None else {"": self.language}, record).get(""),
        )

    def _read_ratings(self, record: Mapping[str, object]) -> tuple[Rating, ...]:
        ratings: list[Rating] = []
        for number, rule in enumerate(self.ratings):
            place = f"ratings[{number}]"
            value = _rating(place, _evaluate(place, rule.value, record), rule.scale)
            if value is not None:
                ratings.append(Rating(metric=rule.metric, value=value, scale=rule.scale, about=rule.about))
        if not ratings:
            looked_for = " or ".join(rule.value.text for rule in self.ratings)
            raise MappingError(f"no rating was given ({looked_for})", field="ratings")
        return tuple(ratings)

    def _read_respondent(self, record: Mapping[str, object]) -> Respondent:
        values = _filled("respondent", self.respondent, record)
        address, number = values.pop("email", ""), values.pop("phone", "")
        return Respondent(email=email(address), phone=phone(number, self.phone_region), **values)


def compile_survey(tree: Mapping[str, object]) -> SurveyMapping:
    """Compile a survey mapping from what the parser made of its file, whose shape was checked before.

    Raises ExpressionError for the first expression that cannot be used.
    """
    options = {name: str(tree[name]) for name in ("comment", "consent", "language") if tree.get(name) is not None}
    single = {name: _compiled(text) for name, text in options.items()}
    region = tree.get("phone_region")
    return SurveyMapping(
        ratings=tuple(_rating_rule(entry) for entry in _entries(tree.get("ratings"))),
        comment=single.get("comment"),
        respondent=_group(tree.get("respondent")),
        interaction=_group(tree.get("interaction")),
        segments=_group(tree.get("segments")),
        consent=single.get("consent"),
        language=single.get("language"),
        phone_region=None if region is None else str(region),
    )


def _compiled(text: str) -> Expression:
    return compile_expression(text, survey_names(), "absent")


def _entries(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _group(value: object) -> dict[str, Expression]:
    found = value if isinstance(value, Mapping) else {}
    return {str(name): _compiled(str(text)) for name, text in found.items() if text is not None}


def _rating_rule(entry: Mapping[str, object]) -> RatingRule:
    scale = entry["scale"]
    best = Polarity(str(entry.get("best") or Polarity.HIGH_IS_BEST))
    scale = scale if isinstance(scale, Scale) else Scale.parse(str(scale))
    return RatingRule(
        metric=Metric(str(entry["metric"])),
        value=_compiled(str(entry["value"])),
        scale=Scale(minimum=scale.minimum, maximum=scale.maximum, best=best),
        about=str(entry.get("about") or "overall"),
    )


def _evaluate(place: str, expression: Expression, record: Mapping[str, object]) -> object:
    try:
        return expression.evaluate(record)
    except ExpressionError as error:
        raise MappingError(error.message, field=place) from None


def _text(place: str, value: object) -> str | None:
    """A text from outside, without the characters our own references are made of. Numbers are written out."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | datetime):
        raise MappingError("is not a text", field=place)
    return strip_references(value.isoformat() if isinstance(value, datetime) else str(value)).strip()


def _filled(place: str, group: Mapping[str, Expression], record: Mapping[str, object]) -> dict[str, str]:
    """The texts of a group that are there and not blank."""
    texts = {
        name: _text(f"{place}.{name}".rstrip("."), _evaluate(f"{place}.{name}".rstrip("."), expression, record))
        for name, expression in group.items()
    }
    return {name: text for name, text in texts.items() if text}


def _read_interaction(group: Mapping[str, Expression], record: Mapping[str, object]) -> Interaction:
    place, when = "interaction.occurred_at", group.get("occurred_at")
    values = _filled("interaction", {name: group[name] for name in group if name != "occurred_at"}, record)
    return Interaction(
        id=values.get("id"),
        kind=values.get("kind"),
        occurred_at=None if when is None else _instant(place, _evaluate(place, when, record)),
        service=values.get("service"),
        location=values.get("location"),
        staff=values.get("staff"),
        channel=values.get("channel"),
    )


def _rating(place: str, value: object, scale: Scale) -> float | None:
    """A rating as given, None when the question was not answered. Messages repeat the scale, never the answer."""
    if isinstance(value, str):
        if not value.strip():
            return None
        if not _NUMBER.fullmatch(value.strip()):
            raise MappingError("is not a number", field=place)
        value = float(value.strip().replace(",", "."))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MappingError("is not a number", field=place)
    if not scale.minimum <= value <= scale.maximum:
        raise MappingError(f"is not on the scale {scale}", field=place)
    return float(value)


def _consent(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if not word:
        return None
    if word not in _CONSENT:
        raise MappingError("is neither yes nor no", field="consent")
    return _CONSENT[word]


def _instant(place: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, date) else datetime.fromisoformat(str(value))
    except ValueError:
        raise MappingError("is not a date or an instant such as 2026-11-20T18:09:41Z", field=place) from None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
