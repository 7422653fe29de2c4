"""What messages to customers need to know of the configuration. None of the names in here becomes part of a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.domain.expressions import Expression, Template
from connector.domain.recovery.night import Night


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Codes to give away, in order; an address gets one in `one_per` at most."""

    listed: Sequence[str]
    one_per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStep:
    """A message to the customer; `kind` is `apology`, `offer` or `call_back`. `when` None: always."""

    connection: str
    kind: str
    subject: Template
    text: Template
    when: Expression | None = None
    after: timedelta = timedelta(0)
    codes: Codes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The survey once a recovery's ticket is solved; `survey` is its address."""

    connection: str
    survey: Template
    subject: Template
    text: Template
    after: timedelta
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePolicy:
    """Whom messages may reach, and when. `needs_consent`: only who said yes; else everybody who did not say no."""

    needs_consent: bool = True
    night: Night | None = None
