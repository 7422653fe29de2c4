"""Defects: one theme that makes many people unhappy becomes one issue for whoever can mend the cause. Pure.

What customers wrote is quoted without what names them, as far as that can be seen: `mask` says how far.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from connector.domain.model.recovery import Severity
from connector.secret import redact

HIDDEN: Final = "…"
QUOTES: Final = 5
"""Answers quoted in one issue."""
QUOTE_WIDTH: Final = 160
TICKETS: Final = 10
"""Tickets linked in one text."""
_URL: Final = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE: Final = re.compile(r"(?<!\w)@\w[\w.-]*")
# Four digits or more, however they are grouped; and what mixes letters and digits, as order and plate numbers do.
_NUMBER: Final = re.compile(r"\+?\d(?:[ ()./-]{0,2}\d){3,}")
_CODE: Final = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[^\W\d_])[\w-]{4,}\b")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_HIDDEN_TWICE: Final = re.compile(rf"{HIDDEN}(?:[\s,;]*{HIDDEN})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a theme is a defect: so many `answers` of so many `people` within a time.

    `grows_by` more answers are worth a comment, `severity` is the people it takes for each. A theme that returns within
    `reopen_within` of its issue's closing reopens it, later it opens another.
    """

    answers: int = 5
    people: int = 3
    within: timedelta = timedelta(days=14)
    grows_by: int = 5
    severity: Mapping[Severity, int] = field(default_factory=dict)
    reopen_within: timedelta = timedelta(days=90)

    def severity_of(self, people: int) -> Severity:
        """How bad it is that so many people are unhappy about it."""
        reached = [severity for severity, least in self.severity.items() if people >= least]
        return max(reached, key=lambda severity: severity.rank, default=Severity.NORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One unhappy answer, or one ticket, that speaks of the theme. `person` None: nobody knows who it was.

    `response_id` is None of a ticket, and `ticket` its account and id there.
    """

    response_id: int | None
    person: int | None
    at: datetime
    ticket: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The theme's newest issue. `since`: the oldest answer it speaks of; `told`: how many answers it last spoke of.

    `is_sent`: somebody may have seen it. `closed_at` None: it is open.
    """

    since: datetime
    told: int
    severity: Severity
    closed_at: datetime | None = None
    is_sent: bool = True


class Move(StrEnum):
    """What becomes of a theme's issue."""

    NOTHING = "nothing"
    OPEN = "open"
    GROW = "grow"
    REOPEN = "reopen"
    CALL_OFF = "call off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A move and why: `mentions` are the answers it rests on, oldest first; `new` those since the issue was closed."""

    move: Move
    mentions: tuple[Mention, ...] = ()
    new: tuple[Mention, ...] = ()
    severity: Severity = Severity.NORMAL

    @property
    def answers(self) -> int:
        """How many answers there are."""
        return len(self.mentions)

    @property
    def people(self) -> int:
        """How many people gave them, as far as they are known."""
        return people_of(self.mentions)


def people_of(mentions: Iterable[Mention]) -> int:
    """How many different people there are among those who are known."""
    return len({mention.person for mention in mentions} - {None})


def decide(policy: Policy, mentions: Sequence[Mention], known: Known | None, now: datetime) -> Step:
    """What to do about a theme, given everything that speaks of it and its newest issue."""
    ordered = tuple(sorted(mentions, key=lambda mention: (mention.at, mention.response_id or 0, mention.ticket)))
    recent = tuple(mention for mention in ordered if mention.at > now - policy.within)
    if known is not None and known.closed_at is None:
        return _about_open(policy, ordered, recent, known)
    if known is None or known.closed_at is None:
        return _opened(policy, recent)
    closed_at = known.closed_at
    new = tuple(mention for mention in recent if mention.at > closed_at)
    if now - closed_at > policy.reopen_within:
        return _opened(policy, new)
    if not _crosses(policy, new):
        return Step(move=Move.NOTHING)
    counted = tuple(mention for mention in ordered if mention.at >= known.since)
    severity = _worse(known.severity, policy.severity_of(people_of(counted)))
    return Step(move=Move.REOPEN, mentions=counted, new=new, severity=severity)


def _opened(policy: Policy, recent: tuple[Mention, ...]) -> Step:
    if not _crosses(policy, recent):
        return Step(move=Move.NOTHING)
    return Step(move=Move.OPEN, mentions=recent, severity=policy.severity_of(people_of(recent)))


def _about_open(policy: Policy, ordered: Sequence[Mention], recent: tuple[Mention, ...], known: Known) -> Step:
    if not known.is_sent and not _crosses(policy, recent):
        return Step(move=Move.CALL_OFF)
    counted = tuple(mention for mention in ordered if mention.at >= known.since)
    severity = _worse(known.severity, policy.severity_of(people_of(counted)))
    if len(counted) < known.told + policy.grows_by and severity is known.severity:
        return Step(move=Move.NOTHING)
    return Step(move=Move.GROW, mentions=counted, severity=severity)


def _crosses(policy: Policy, mentions: Sequence[Mention]) -> bool:
    return len(mentions) >= policy.answers and people_of(mentions) >= policy.people


def _worse(one: Severity, other: Severity) -> Severity:
    return max(one, other, key=lambda severity: severity.rank)


def mask(text: str, known: Iterable[str | None]) -> str:
    """A quote without what names somebody: addresses, links, handles, numbers like phones and ids, and the words of the
    names in `known` (the respondent's, their company's, the employee's). Other names cannot be recognised.
    """
    words = {word.casefold() for name in known if name for word in _WORD.findall(name)}
    hidden = redact(text)
    for pattern in (_URL, _HANDLE, _NUMBER, _CODE):
        hidden = pattern.sub(HIDDEN, hidden)
    hidden = _WORD.sub(lambda match: HIDDEN if match.group().casefold() in words else match.group(), hidden)
    return _HIDDEN_TWICE.sub(HIDDEN, hidden)


def quote(text: str, known: Iterable[str | None]) -> str:
    """`text` masked, on one line of at most `QUOTE_WIDTH` characters; empty where too little is left."""
    line = " ".join(mask(text, known).split())
    if sum(len(word) for word in _WORD.findall(line)) < 5:
        return ""
    return line if len(line) <= QUOTE_WIDTH else line[: QUOTE_WIDTH - 1].rstrip() + HIDDEN


def title(theme: str, severity: Severity) -> str:
    """`Critical: customers are unhappy about waiting`; a normal one goes without saying."""
    text = f"customers are unhappy about {theme}"
    return f"{severity.value.capitalize()}: {text}" if severity.rank else text.capitalize()


def body(theme: str, step: Step, quotes: Sequence[str], tickets: Sequence[str], *, within: timedelta) -> str:
    """What the issue says when it is opened: how many, what they wrote, and where each is worked on."""
    return _paragraphs(
        f"{_count(step.mentions)} within {_span(within)} about “{theme}”. Severity: {step.severity.value}.",
        *(["They write:", *(f"> {one}" for one in quotes)] if quotes else []),
        _linked(tickets),
        "CSAT Connector opened this issue. It adds a comment when more of them come, and opens it again when they come "
        "back after it was closed. Names, addresses and numbers are left out.",
    )


def grown(step: Step, tickets: Sequence[str]) -> str:
    """What a comment says when there are more of them."""
    return _paragraphs(f"Now {_count(step.mentions)}. Severity: {step.severity.value}.", _linked(tickets))


def returned(step: Step, tickets: Sequence[str]) -> str:
    """What a comment says when the theme is back after its issue was closed."""
    return _paragraphs(
        f"It is back: {_count(step.new)} since this issue was closed, {_count(step.mentions)} in all. Severity: "
        f"{step.severity.value}.",
        _linked(tickets),
    )


def closed(theme: str, url: str | None) -> str:
    """What the tickets of recoveries that led to an issue are told when it is closed."""
    return f"The issue about “{theme}” that this customer's answer was part of is closed: {url or 'no address known'}"


def _count(mentions: Sequence[Mention]) -> str:
    people, tickets = people_of(mentions), sum(mention.response_id is None for mention in mentions)
    what = {0: "unhappy answers", len(mentions): "tickets"}.get(tickets, "unhappy answers and tickets")
    return f"{len(mentions)} {what} of {people} {'person' if people == 1 else 'people'}"


def _span(within: timedelta) -> str:
    number, unit = (within.days, "day") if within.days else (int(within.total_seconds() // 3600), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _linked(tickets: Sequence[str]) -> str:
    if not tickets:
        return ""
    more = len(tickets) - TICKETS
    lines = [f"- {url}" for url in tickets[:TICKETS]] + ([f"- and {more} more"] if more > 0 else [])
    return "\n".join(["Tickets:", *lines])


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
