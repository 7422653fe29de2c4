"""The small languages inside values: `5m`, `50%`, `200/h`, `1-5`, `127.0.0.1:8080`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from connector.clock import time_zones
from connector.config.part import Misspelt
from connector.domain.mapping.contacts import is_region
from connector.domain.model.nearest import nearest
from connector.domain.model.response import Scale

UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_DURATION: Final = re.compile(r"(\d{1,6})([smhdwy])")
_RATE: Final = re.compile(r"(\d{1,9})/([smhdwy])")
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)%")
_SCALE: Final = re.compile(r"\d{1,6}(?:\.\d{1,4})?-\d{1,6}(?:\.\d{1,4})?")
_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})")


def duration(value: object) -> timedelta:
    """`10s`, `5m`, `4h`, `7d`, `2w`, `1y`. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as 10s, 5m, 4h or 7d")
    return int(match[1]) * UNITS[match[2]]


def written(span: timedelta) -> str:
    """A duration the way it is typed, in the largest unit that fits."""
    for unit, length in sorted(UNITS.items(), key=lambda each: -each[1]):
        if unit not in {"w", "y"} and span >= length and not span % length:
            return f"{span // length}{unit}"
    return f"{int(span.total_seconds())}s"


def percent(value: object) -> float:
    """`50%` becomes 0.5. Raises ValueError."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = float(match[1]) / 100 if match else value
    if isinstance(share, bool) or not isinstance(share, float) or not 0 < share <= 1:
        raise ValueError("expected a share such as 50%, above 0 and up to 100%")
    return share


def scale(value: object) -> Scale:
    """`1-5`. Raises ValueError."""
    if isinstance(value, Scale):
        return value
    if not isinstance(value, str) or not _SCALE.fullmatch(value):
        raise ValueError("expected a scale such as 1-5 or 0-10")
    return Scale.parse(value)


class Rate(BaseModel):
    """So many in so long: `200/h`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    per: timedelta


def rate(value: object) -> Rate:
    """`200/h`, `10/m`. Raises ValueError."""
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError("expected a rate such as 200/h or 10/m")
    return Rate(count=int(match[1]), per=UNITS[match[2]])


class Listen(BaseModel):
    """Where the webhook receiver listens: `127.0.0.1:8080`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int


def listen(value: object) -> Listen:
    """`host:port`. Raises ValueError."""
    if isinstance(value, Listen):
        return value
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 <= int(match[2]) <= 65535:
        raise ValueError("expected host:port such as 127.0.0.1:8080")
    return Listen(host=match[1].strip("[]"), port=int(match[2]))


def text(value: object) -> object:
    """A number where a text is meant is a slip (a form id without quotes), said in these words. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("expected a text; put it in quotes")  # noqa: TRY004  # pydantic collects ValueErrors
    if not value.strip():
        raise ValueError("expected a text that is not empty")
    return value


def _typed(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


def shown_rate(value: Rate) -> str:
    """A rate as one writes it: `200/h`."""
    return f"{value.count}/{written(value.per)[-1]}"


Duration = Annotated[timedelta, PlainValidator(duration), PlainSerializer(written), _typed(_DURATION.pattern, "5m")]
Percent = Annotated[
    float, PlainValidator(percent), PlainSerializer(lambda share: f"{share * 100:g}%"), _typed(_PERCENT.pattern, "50%")
]
ScaleText = Annotated[Scale, PlainValidator(scale), PlainSerializer(str), _typed(_SCALE.pattern, "1-5")]
RateText = Annotated[
    Rate,
    PlainValidator(rate),
    PlainSerializer(shown_rate),
    _typed(_RATE.pattern, "200/h"),
]
ListenText = Annotated[
    Listen,
    PlainValidator(listen),
    PlainSerializer(lambda value: f"{value.host}:{value.port}"),
    _typed(_LISTEN.pattern, "127.0.0.1:8080"),
]
Text = Annotated[str, BeforeValidator(text)]


def _zone(name: str) -> str:
    if name not in time_zones():
        raise Misspelt("expected a time zone such as Europe/Berlin", nearest(name, time_zones()))
    return name


def _region(code: str) -> str:
    if not is_region(code):
        raise ValueError("expected a country such as DE or US")
    return code


ZoneName = Annotated[Text, AfterValidator(_zone)]
Region = Annotated[Text, AfterValidator(_region)]
