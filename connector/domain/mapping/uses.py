"""What mappings will do to an account, said before they do it: which fields get what, which questions are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from connector.domain.expressions import Expression, Template
from connector.domain.mapping.fields import FieldMapping, FieldRule
from connector.domain.mapping.survey import SurveyMapping
from connector.domain.model.account import FieldUse, FormUse, Shape

# What the names of a field mapping hold; everything else is a text, or several things.
SHAPES: Final[Mapping[str, tuple[Shape, float | None]]] = MappingProxyType(
    {
        "score.points": (Shape.NUMBER, 100),
        "score.trend": (Shape.NUMBER, 100),
        "score.coverage": (Shape.NUMBER, 1),
        "score.answers": (Shape.NUMBER, None),
        "score.as_of": (Shape.INSTANT, None),
        "rating": (Shape.NUMBER, None),
        "satisfaction": (Shape.NUMBER, 100),
        "age_hours": (Shape.NUMBER, None),
        "scale.min": (Shape.NUMBER, None),
        "scale.max": (Shape.NUMBER, None),
        "submitted_at": (Shape.INSTANT, None),
        "step.due_at": (Shape.INSTANT, None),
        "recovery.opened_at": (Shape.INSTANT, None),
        "interaction.occurred_at": (Shape.INSTANT, None),
        "unhappy": (Shape.BOOLEAN, None),
        "critical": (Shape.BOOLEAN, None),
        "edited": (Shape.BOOLEAN, None),
        "consent": (Shape.BOOLEAN, None),
    }
)
TEXTS: Final = frozenset(
    {"comment", "metric", "sentiment", "language", "survey", "form", "key", "score.band", "score.reason"}
)
LONGEST: Final[Mapping[str, int]] = MappingProxyType({"score.reason": 255})
_DAY: Final = re.compile(r"[\w.]+\s*\|\s*date")


def field_uses(mapping: FieldMapping, bands: Sequence[str]) -> Iterator[FieldUse]:
    """The fields one section writes. `bands` are the names `score.band` can have."""
    for rule in mapping.fields:
        yield _use(mapping, rule, bands)


def _use(mapping: FieldMapping, rule: FieldRule, bands: Sequence[str]) -> FieldUse:
    source = rule.source
    if source is None:
        return FieldUse(kind=mapping.kind, name=rule.name, shape=_shape_of(rule.literal), values=(rule.literal,))
    if isinstance(source, Template):
        constant = () if source.paths or "{" in source.text else (source.text.strip(),)
        return FieldUse(kind=mapping.kind, name=rule.name, shape=Shape.TEXT, values=constant)
    name = source.text.strip()
    if _DAY.fullmatch(name):
        return FieldUse(kind=mapping.kind, name=rule.name, shape=Shape.DATE)
    shape, largest = SHAPES.get(name, (Shape.TEXT if name in TEXTS else Shape.ANY, None))
    return FieldUse(
        kind=mapping.kind,
        name=rule.name,
        shape=shape,
        largest=largest,
        values=tuple(bands) if name == "score.band" else (),
        longest=LONGEST.get(name),
    )


def _shape_of(value: object) -> Shape:
    if isinstance(value, bool):
        return Shape.BOOLEAN
    if isinstance(value, int | float):
        return Shape.NUMBER
    return Shape.TEXT if isinstance(value, str) else Shape.ANY


def form_use(survey: str, form: str, mapping: SurveyMapping) -> FormUse:
    """What a survey's mapping reads of one form."""
    paths = {path for expression in _expressions(mapping) for path in expression.paths}
    scales = {
        question: (rule.scale.minimum, rule.scale.maximum)
        for rule in mapping.ratings
        if (question := _question(rule.value)) is not None
    }
    return FormUse(
        id=form,
        survey=survey,
        scales=scales,
        questions=_below("answers.", paths),
        hidden=_below("hidden.", paths),
    )


def _question(value: Expression) -> str | None:
    """The question whose answer is the value as it is; None where something is made of it first."""
    if len(value.paths) != 1:
        return None
    (path,) = value.paths
    ref = path.removeprefix("answers.")
    plain = {f"answers.{ref}", f'answers["{ref}"]', f"answers['{ref}']"}
    return ref if path.startswith("answers.") and value.text.strip() in plain else None


def _below(prefix: str, paths: set[str]) -> frozenset[str]:
    return frozenset(path.removeprefix(prefix) for path in paths if path.startswith(prefix))


def _expressions(mapping: SurveyMapping) -> Iterator[Expression]:
    yield from (rule.value for rule in mapping.ratings)
    for group in (mapping.respondent, mapping.interaction, mapping.segments):
        yield from group.values()
    yield from (one for one in (mapping.comment, mapping.consent, mapping.language) if one is not None)
