"""Whether issues are there once for each theme, rest on enough answers, count them right, and tell when they close.

Imports nothing of the connector.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.checks_facts import ACT_WITHIN, DAY, followable
from tests.chaos.evidence import Evidence, Row, micros, survivor
from tests.chaos.issued import THEMES, Answer

ENOUGH_ANSWERS, ENOUGH_PEOPLE = 3, 2
TITLE = re.compile(r"unhappy about (\w+)$", re.IGNORECASE)
COUNTED = re.compile(r"(\d+) unhappy answers of (\d+) pe")
GROWN = re.compile(r"Now (\d+) unhappy answers of .*Severity: (\w+)")
CLOSED = re.compile(r"The issue about “(\w+)” that this customer's answer was part of is closed")
ASIDE = re.compile(r"zuq[a-j]{5}", re.IGNORECASE)
MARK = re.compile(r"<!-- csat-connector (\S+) -->|\b(csat-[0-9a-f]{16})\b")
LIVING = {"open", "closed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue as the tracker holds it: its texts without markup."""

    key: str
    theme: str
    body: str
    comments: list[str]
    marks: list[str]

    @property
    def numbers(self) -> list[int]:
        """How many unhappy answers it was said to rest on, in each of its texts."""
        return [int(count) for text in (self.body, *self.comments) for count, _ in COUNTED.findall(text)]


def issues_of(found: Evidence) -> list[Issue]:
    """Every issue about a theme; none where there is no tracker."""
    site = found.journal.tracker
    return [_read(key, row) for key, row in found.objects(site, "issue").items()] if site else []


def _read(key: str, row: Row) -> Issue:
    title, body = str(row.get("title", row.get("summary"))), _plain(row.get("body", row.get("description")))
    theme = TITLE.search(title)
    labels = " ".join(row["labels"])
    return Issue(
        key=key,
        theme=theme.group(1) if theme else title,
        body=body,
        comments=[_plain(one["body"]) for one in row["comments"]],
        marks=[max(groups) for groups in MARK.findall(f"{body} {labels}")],
    )


def _plain(text: Any) -> str:
    """A text, or what is written in a document of Jira's, a line for each of its parts."""
    if isinstance(text, dict):
        return str(text["text"]) if "text" in text else "\n".join(_plain(part) for part in text.get("content", []))
    return str(text or "")


def marks(found: Evidence) -> Iterator[tuple[str, str, str]]:
    """What carries a marker of ours in the tracker."""
    for issue in issues_of(found):
        yield from ((found.journal.tracker, "issue", mark) for mark in issue.marks)
        for comment in issue.comments:
            yield from ((found.journal.tracker, "comment", max(groups)) for groups in MARK.findall(comment))


def told_once(found: Evidence) -> Iterator[str]:
    """A theme has one issue, growth is told once for each count, and a ticket hears of each closing once."""
    issues = issues_of(found)
    for theme, number in Counter(issue.theme for issue in issues).items():
        if number > 1:
            yield f"{number} issues about {theme}"
    for issue in issues:
        grown = Counter(found for comment in issue.comments for found in GROWN.findall(comment))
        for (count, severity), number in grown.items():
            if number > 1:
                yield f"issue {issue.key} was told {number} times that it has grown to {count} ({severity})"
    most = sum(found.journal.closings.values())
    for (ticket, theme), number in _closings_told(found).items():
        mine = sum(found.journal.closings.get(issue.key, 0) for issue in issues if issue.theme == theme)
        if number > (most if found.journal.issues_deleted else mine):
            yield f"ticket {ticket} was told {number} times that the issue about {theme} is closed"


def _closings_told(found: Evidence) -> Counter[tuple[str, str]]:
    return Counter(
        (key, theme)
        for key, ticket in found.objects("zendesk", "ticket").items()
        for comment in ticket.get("comments", [])
        for theme in CLOSED.findall(comment["body"])
    )


def rest_on_enough(found: Evidence) -> Iterator[str]:
    """No issue is opened about what too few, or too few people, were unhappy about."""
    for issue in issues_of(found):
        told = COUNTED.search(issue.body)
        ever = tellers(found, issue.theme)
        people = {answer.person.number for answer in ever if answer.person is not None}
        if len(ever) < ENOUGH_ANSWERS or len(people) < ENOUGH_PEOPLE:
            yield f"issue {issue.key} about {issue.theme} rests on {len(ever)} answers of {len(people)} people"
        if told is None and not found.journal.erased:
            yield f"issue {issue.key} does not say how many were unhappy"
        if told is not None and int(told.group(1)) < ENOUGH_ANSWERS and not found.journal.erased:
            yield f"issue {issue.key} was opened with {told.group()}"


def tellers(found: Evidence, theme: str) -> list[Answer]:
    """The answers that ever spoke unhappily of a theme, as far as anybody sent them; imports open nothing."""
    return [
        answer
        for answer in found.journal.answers
        if answer.how != "import"
        and any(
            one.is_unhappy and theme in _themes(one.mood) and one.number in answer.attempted for one in answer.versions
        )
    ]


def _themes(mood: str) -> frozenset[str]:
    return THEMES.get(mood, frozenset())


def issues_count_right(found: Evidence) -> Iterator[str]:
    """The number on an issue is that of the answers that tell of its theme, and who has enough of them has one."""
    journal = found.journal
    if not journal.tracker or journal.mode == "observe":
        return
    for answer, newest, row in followable(found):
        late = answer.acknowledged[newest.number] - newest.at > ACT_WITHIN - DAY
        if late or newest.mood == "silent":
            continue
        expected = _themes(newest.mood) if newest.is_unhappy else frozenset()
        counted = {one["theme"] for one in found.tables["defect_answer"] if one["response_id"] == row["id"]}
        if counted != expected:
            yield f"{answer.key} speaks of {sorted(expected)} and is counted among {sorted(counted)}"
    for issue in issues_of(found):
        yield from _numbered(found, issue)
    if not (journal.issues_deleted or journal.disturbed or journal.erased or journal.restored):
        yield from _missing(found)


def _numbered(found: Evidence, issue: Issue) -> Iterator[str]:
    told, ever = max(issue.numbers, default=0), tellers(found, issue.theme)
    if told > len(ever):
        yield f"issue {issue.key} tells of {told} answers about {issue.theme}, there were {len(ever)} at most"
    rows = [one for one in found.tables["defect"] if one["theme"] == issue.theme and one["state"] in LIVING]
    row = max(rows, key=lambda one: int(one["episode"]), default=None)
    if row is None or found.journal.issues_deleted:
        return
    now = [one for one in found.tables["defect_answer"] if one["theme"] == issue.theme and one["at"] >= row["since"]]
    # While it is closed nobody hears of more; an erasure may have taken away what its text counted.
    if row["state"] == "open" and told < len(now) and not found.journal.erased:
        yield f"issue {issue.key} tells of {told} answers about {issue.theme}, there are {len(now)}"


def _missing(found: Evidence) -> Iterator[str]:
    there = {issue.theme for issue in issues_of(found)}
    owners = {row["id"]: survivor(found, row["person_id"]) for row in found.tables["response"]}
    for theme in sorted({row["theme"] for row in found.tables["defect_answer"]} - there):
        who = [owners[row["response_id"]] for row in found.tables["defect_answer"] if row["theme"] == theme]
        if len(who) >= ENOUGH_ANSWERS and len(set(who) - {None}) >= ENOUGH_PEOPLE:
            yield f"{len(who)} answers tell of {theme}, and there is no issue about it"


def closings_are_heard(found: Evidence) -> Iterator[str]:
    """Who is being won back because of what an issue is about: their ticket hears that it was closed."""
    journal = found.journal
    if not journal.tracker or journal.restored or journal.disturbed or journal.erased or journal.mode == "observe":
        return
    told = _closings_told(found)
    closed = {
        issue.theme: journal.issues_closed[issue.key] for issue in issues_of(found) if _is_closed(found, issue.key)
    }
    tickets = {row["object"]: row["remote_id"] for row in found.tables["receipt"]}
    for row in found.tables["recovery"]:
        ticket = tickets.get(f"recovery/{row['id']}/ticket/1")
        if row["state"] != "open" or row["generation"] != 1 or ticket is None:
            continue
        for theme, at in closed.items():
            if _led_to(found, row, theme, micros(at)) and not told[ticket, theme]:
                yield f"ticket {ticket} did not hear that the issue about {theme} was closed at {at}"


def _is_closed(found: Evidence, key: str) -> bool:
    row = found.objects(found.journal.tracker, "issue")[key]
    return key in found.journal.issues_closed and row.get("state", row.get("status")) in {"closed", "Done"}


def _led_to(found: Evidence, recovery: Row, theme: str, at: int) -> bool:
    """Whether an answer that joined a recovery before an instant told of a theme."""
    defects = [one for one in found.tables["defect"] if one["theme"] == theme and one["state"] == "closed"]
    since = max((one["since"] for one in defects), default=at)
    counted = [one for one in found.tables["defect_answer"] if one["theme"] == theme and one["at"] >= since]
    telling = {one["response_id"] for one in counted}
    joined = [one for one in found.tables["recovery_response"] if one["recovery_id"] == recovery["id"]]
    return any(one["joined_at"] < at and one["response_id"] in telling for one in joined)


def erased_are_not_quoted(found: Evidence) -> Iterator[str]:
    """What somebody wrote who was erased is in no issue any more; comments quote nobody at all."""
    said = {answer.aside(version): answer for answer in found.journal.answers for version in answer.versions}
    for issue in issues_of(found):
        quoted = [said.get(word.lower()) for word in ASIDE.findall(issue.body)]
        for answer in quoted:
            if answer is None:
                yield f"issue {issue.key} quotes what nobody said"
            elif answer.person is not None and answer.person.number in found.journal.erased:
                yield f"issue {issue.key} quotes person {answer.person.number}, who was erased"
        for comment in issue.comments:
            if ASIDE.search(comment):
                yield f"a comment on issue {issue.key} quotes somebody"


def texts(found: Evidence) -> str:
    """Everything that issues say, to look for what they must not."""
    return "\n".join(text for issue in issues_of(found) for text in (issue.body, *issue.comments))
