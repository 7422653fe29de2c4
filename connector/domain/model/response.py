"""What a respondent said: ratings on their own scale, a comment, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

Value = str | int | float | bool | None
EMPTY: Mapping[str, str] = MappingProxyType({})


class Metric(StrEnum):
    """What a rating measures. They are never averaged with each other."""

    CSAT = "csat"
    NPS = "nps"
    CES = "ces"


class Polarity(StrEnum):
    """Which end of the scale is the good one."""

    HIGH_IS_BEST = "high"
    LOW_IS_BEST = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A closed numeric scale as the survey shows it, for example 1–5, and which end is good."""

    minimum: float
    maximum: float
    best: Polarity = Polarity.HIGH_IS_BEST

    @classmethod
    def parse(cls, text: str, best: Polarity = Polarity.HIGH_IS_BEST) -> Scale:
        """Read `"1-5"`. Raises ValueError when it is not two ascending numbers."""
        low, separator, high = text.partition("-")
        if not separator:
            raise ValueError(f"a scale looks like '1-5', not {text!r}")
        scale = cls(minimum=float(low), maximum=float(high), best=best)
        if scale.minimum >= scale.maximum:
            raise ValueError(f"a scale ascends, {text!r} does not")
        return scale

    @property
    def min(self) -> float:
        """The lowest value, by the name expressions use."""
        return self.minimum

    @property
    def max(self) -> float:
        """The highest value, by the name expressions use."""
        return self.maximum

    def __str__(self) -> str:
        return f"{self.minimum:g}-{self.maximum:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One answer on a scale, exactly as given; `about` says what was rated (`overall`, `wait`, …)."""

    metric: Metric
    value: float
    scale: Scale
    about: str = "overall"

    @property
    def satisfaction(self) -> float:
        """The rating brought to 0–100, 100 being best: linear between the ends of the scale."""
        share = (self.value - self.scale.minimum) / (self.scale.maximum - self.scale.minimum)
        if self.scale.best is Polarity.LOW_IS_BEST:
            share = 1 - share
        return 100 * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What the survey is about: a ticket, a repair order, a chat. Every field may be unknown."""

    id: str | None = None
    kind: str | None = None
    occurred_at: datetime | None = None
    service: str | None = None
    location: str | None = None
    staff: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Respondent:
    """Who answered, as the survey knows them. All of it is personal data."""

    invitation: str | None = None
    crm_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    company: str | None = None
    postcode: str | None = None

    @property
    def is_anonymous(self) -> bool:
        """True when no identity was offered at all (a name or a company alone identifies nobody)."""
        return not (self.invitation or self.crm_id or self.email or self.phone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The canonical answer one delivery was mapped to.

    `key` is `<kind>/<form>/<id>` in the survey tool's own ids, never a name from the YAML. `event_at` is the smaller of
    what the sender claims (`submitted_at`) and when we received it. `consent` is None where the survey did not ask.
    """

    key: str
    survey: str
    form: str
    submitted_at: datetime
    received_at: datetime
    ratings: tuple[Rating, ...]
    comment: str | None
    respondent: Respondent
    interaction: Interaction
    segments: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    consent: bool | None = None
    language_hint: str | None = None

    @property
    def event_at(self) -> datetime:
        """When it happened: a sender's clock may be slow, never ahead of our own receipt."""
        return min(self.submitted_at, self.received_at)


class Sentiment(StrEnum):
    """What the words say; `UNKNOWN` means the analysis abstained."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What analysis adds to a response. `compound` is in [-1, 1], None when the analysis abstained.

    `language` is an ISO 639-1 code or `und`. `themes` are sorted names from the themes file; `evidence` maps each theme
    to the words of the comment that matched it (personal data: a quote).
    """

    language: str = "und"
    sentiment: Sentiment = Sentiment.UNKNOWN
    compound: float | None = None
    themes: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=lambda: EMPTY)
