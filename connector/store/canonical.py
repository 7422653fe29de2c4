"""Responses and what was understood of them as plain JSON, for the sealed columns, and back.

The shape is stored for years: a field may be added with a default, never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from connector.domain.model.intent import Json
from connector.domain.model.response import (
    Interaction,
    Metric,
    Polarity,
    Rating,
    Respondent,
    Response,
    Scale,
    Sentiment,
    Understanding,
)

RESPONDENT = ("invitation", "crm_id", "email", "phone", "name", "company")
INTERACTION = ("id", "kind", "service", "location", "staff", "channel")


def response_to_json(response: Response) -> dict[str, Json]:
    """Everything a response says, including when it was received."""
    about = response.interaction
    return {
        "key": response.key,
        "survey": response.survey,
        "form": response.form,
        "submitted_at": response.submitted_at.isoformat(),
        "received_at": response.received_at.isoformat(),
        "ratings": [_rating_to_json(rating) for rating in response.ratings],
        "comment": response.comment,
        "respondent": respondent_to_json(response.respondent),
        "interaction": {
            **{name: getattr(about, name) for name in INTERACTION},
            "occurred_at": None if about.occurred_at is None else about.occurred_at.isoformat(),
        },
        "segments": dict(response.segments),
        "consent": response.consent,
        "language_hint": response.language_hint,
    }


def response_from_json(data: Json) -> Response:
    """The response `response_to_json` was given. Raises KeyError or ValueError on anything else."""
    fields = _table(data)
    about = _table(fields["interaction"])
    return Response(
        key=str(fields["key"]),
        survey=str(fields["survey"]),
        form=str(fields["form"]),
        submitted_at=datetime.fromisoformat(str(fields["submitted_at"])),
        received_at=datetime.fromisoformat(str(fields["received_at"])),
        ratings=tuple(_rating_from_json(rating) for rating in cast("list[Json]", fields["ratings"])),
        comment=_text(fields["comment"]),
        respondent=respondent_from_json(fields["respondent"]),
        interaction=Interaction(
            **{name: _text(about[name]) for name in INTERACTION},
            occurred_at=None if about["occurred_at"] is None else datetime.fromisoformat(str(about["occurred_at"])),
        ),
        segments={name: str(value) for name, value in _table(fields["segments"]).items()},
        consent=cast("bool | None", fields["consent"]),
        language_hint=_text(fields["language_hint"]),
    )


def respondent_to_json(respondent: Respondent) -> dict[str, Json]:
    """Who answered, field by field."""
    known: dict[str, Json] = {name: getattr(respondent, name) for name in RESPONDENT}
    # Added later, and left out where it is unknown: answers recorded before must not look like new versions.
    return known if respondent.postcode is None else {**known, "postcode": respondent.postcode}


def respondent_from_json(data: Json) -> Respondent:
    """The respondent `respondent_to_json` was given."""
    fields = _table(data)
    return Respondent(**{name: _text(fields[name]) for name in RESPONDENT}, postcode=_text(fields.get("postcode")))


def understanding_to_json(understanding: Understanding) -> dict[str, Json]:
    """What the analysis found, with the quotes behind it."""
    return {
        "language": understanding.language,
        "sentiment": understanding.sentiment.value,
        "compound": understanding.compound,
        "themes": list(understanding.themes),
        "evidence": dict(understanding.evidence),
    }


def understanding_from_json(data: Json) -> Understanding:
    """The understanding `understanding_to_json` was given."""
    fields = _table(data)
    return Understanding(
        language=str(fields["language"]),
        sentiment=Sentiment(str(fields["sentiment"])),
        compound=cast("float | None", fields["compound"]),
        themes=tuple(str(theme) for theme in cast("list[Json]", fields["themes"])),
        evidence={name: str(words) for name, words in _table(fields["evidence"]).items()},
    )


def substance(response: Response) -> str:
    """What was answered, apart from when: two versions with the same substance say the same thing."""
    fields = response_to_json(response)
    return _canonical({name: value for name, value in fields.items() if name not in {"submitted_at", "received_at"}})


def content(response: Response) -> str:
    """What identifies one version of an answer: all of it, except when it reached us."""
    fields = response_to_json(response)
    return _canonical({name: value for name, value in fields.items() if name != "received_at"})


def mark_of(submitted_at: datetime, others: Sequence[datetime]) -> str:
    """What a version of an answer is called in keys, where `others` are those known of it already.

    Counting alone would not do: an old copy of the store has forgotten some, and would call an edit what the version
    before it is called. Some survey tools keep the time of submission through edits; those are counted.
    """
    said = f"{submitted_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}".rstrip("0").rstrip(".")
    again = sum(other == submitted_at for other in others)
    return f"{said}-{again + 1}" if again else said


def _canonical(fields: Mapping[str, Json]) -> str:
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _rating_to_json(rating: Rating) -> dict[str, Json]:
    return {
        "metric": rating.metric.value,
        "value": rating.value,
        "minimum": rating.scale.minimum,
        "maximum": rating.scale.maximum,
        "best": rating.scale.best.value,
        "about": rating.about,
    }


def _rating_from_json(data: Json) -> Rating:
    fields = _table(data)
    scale = Scale(
        minimum=cast("float", fields["minimum"]),
        maximum=cast("float", fields["maximum"]),
        best=Polarity(str(fields["best"])),
    )
    return Rating(
        metric=Metric(str(fields["metric"])),
        value=cast("float", fields["value"]),
        scale=scale,
        about=str(fields["about"]),
    )


def _table(data: Json) -> dict[str, Json]:
    if not isinstance(data, dict):
        raise ValueError("a stored table is not one")  # noqa: TRY004  # a damaged value, not a wrong argument type
    return data


def _text(data: Json) -> str | None:
    return None if data is None else str(data)
