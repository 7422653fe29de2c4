"""Lines of the texts people read. What customers wrote is data: it is shortened, never interpreted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from connector.domain.model.person import NOBODY, Contact, Suggestion, choice_tag
from connector.domain.model.response import Polarity, Rating
from connector.domain.recovery.due import day_text

MOST_LINES = 25
"""What an agent reads before acting, and what fits a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An earlier answer as a text mentions it."""

    key: str
    at: datetime
    ratings: Sequence[Rating]
    comment: str | None


def rating_text(rating: Rating) -> str:
    """`csat 2/5`, and `csat 4/5 (1 is best)` where the scale runs the other way."""
    text = f"{rating.metric.value} {rating.value:g}/{rating.scale.maximum:g}"
    return f"{text} ({rating.scale.minimum:g} is best)" if rating.scale.best is Polarity.LOW_IS_BEST else text


def recent_lines(answers: Iterable[Answer], zone: tzinfo, most: int = 3, width: int = 120) -> list[str]:
    """One line for each of the last `most` answers, newest first: `Mon 23 Nov: csat 2/5, nps 3/10: waited again`."""
    newest = sorted(answers, key=lambda answer: (answer.at, answer.key), reverse=True)[:most]
    return [_recent_line(answer, zone, width) for answer in newest]


def link_lines(links: Mapping[str, str | None]) -> list[str]:
    """`Contact: https://…` for each link there is, in the order given."""
    return [f"{name}: {url}" for name, url in links.items() if url]


def candidate_lines(
    candidates: Sequence[Contact], likeness: Mapping[str, Suggestion] | None = None, most: int = 4
) -> list[str]:
    """`Candidate: Ada Example, https://… (tag csat-contact-003a)` for each contact somebody may be, and how to choose.

    `likeness`, by id, adds how certain it is and why. A line says how many are not named.
    """
    named = [_candidate(one, (likeness or {}).get(one.id)) for one in candidates[:most]]
    more = len(candidates) - len(named)
    if more:
        named.append(f"… ({more} more candidates)")
    if named:
        named.append(f"Who is it? Add that tag to the ticket; {choice_tag(NOBODY)}: none of them.")
    return named


def _candidate(one: Contact, like: Suggestion | None) -> str:
    known = ", ".join(part for part in (one.name or one.id, one.url, None if like is None else like.text) if part)
    return f"Candidate: {known} (tag {choice_tag(one.id)})"


def one_line(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters, cut at the end with an ellipsis."""
    joined = " ".join(text.split())
    return joined if len(joined) <= width else joined[: width - 1].rstrip() + "…"


def excerpt(text: str, lines: int = 6, width: int = 400) -> str:
    """A comment short enough to leave room for what stands below it: its first `lines` lines that are not blank."""
    kept = [one_line(line, width) for line in text.splitlines() if line.strip()]
    return "\n".join(kept if len(kept) <= lines else [*kept[: lines - 1], f"… ({len(kept) - lines + 1} more lines)"])


def fit(text: str, lines: int = MOST_LINES) -> str:
    """`text` in at most `lines` lines; the last says how many are missing. Nothing else about it is changed.

    Every line break Unicode knows counts and becomes a newline, because a reader's program may break there too.
    """
    found = text.splitlines()
    if len(found) <= lines:
        return "\n".join(found)
    return "\n".join([*found[: lines - 1], f"… ({len(found) - lines + 1} more lines)"])


def _recent_line(answer: Answer, zone: tzinfo, width: int) -> str:
    ratings = ", ".join(rating_text(rating) for rating in answer.ratings) or "no rating"
    said = f": {one_line(answer.comment, width)}" if answer.comment and answer.comment.strip() else ""
    return f"{day_text(answer.at, zone)}: {ratings}{said}"
