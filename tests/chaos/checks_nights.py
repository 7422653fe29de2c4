"""Whether messages to people wait for the morning, and what waited is told in it.

Imports nothing of the connector.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from tests.chaos.configuration import HEARD_IN
from tests.chaos.evidence import Evidence, Row
from tests.chaos.issued import Answer

BERLIN = ZoneInfo("Europe/Berlin")
GROUPED = " messages that waited for the morning:"


def is_night(night: str, at: datetime) -> bool:
    """Whether an instant is in `10:20-11:40` by the clock of Berlin; an empty night never is."""
    begins, _, ends = night.partition("-")
    return bool(night) and time.fromisoformat(begins) <= at.astimezone(BERLIN).time() < time.fromisoformat(ends)


def texts_of(message: Row) -> list[str]:
    """What a message tells: one thing, or a list of what waited."""
    head, *lines = str(message["text"]).split("\n• ")
    return [line.replace("\n  ", "\n") for line in lines] if head.endswith(GROUPED) else [str(message["text"])]


def keys_of(message: Row) -> list[str]:
    """The keys of all that a message tells."""
    payload = message.get("metadata", {}).get("event_payload", {})
    return [key for key in (payload.get("key"), *payload.get("also", ())) if key]


def nights_are_quiet(found: Evidence) -> Iterator[str]:
    """What somebody said by night, and no danger, is told when the night is over."""
    night = found.journal.quiet
    for key, message in found.objects("slack", "message").items():
        at = datetime.fromtimestamp(float(key.rpartition(":")[2]), UTC)
        if message["channel"] != HEARD_IN or not is_night(night, at):
            continue
        for answer in found.journal.answers:
            begun = answer.first_tried
            was_said = any(_tells(text, answer) for text in texts_of(message))
            if was_said and begun is not None and is_night(night, begun) and not _is_danger(found, answer):
                yield f"{answer.token} was told at {at}, by night"


def the_morning_tells_all(found: Evidence) -> Iterator[str]:
    """What counts as told is in a message, whether it was told alone or with others."""
    if not found.journal.quiet or found.journal.erased:  # with somebody erased goes the message that names them
        return
    here = [one for one in found.objects("slack", "message").values() if one["channel"] == HEARD_IN]
    told = [text for message in here for text in texts_of(message)]
    for answer in found.journal.answers:
        name = f"/{answer.key}/alert/0/"
        confirmed = any(name in row["key"] for row in found.intents(kind="alert", state="confirmed"))
        number = sum(_tells(text, answer) for text in told)
        # What somebody without an appointment takes back without a word is told in no words at all.
        is_known = answer.form == "service" or all(version.comment for version in answer.versions)
        if confirmed and is_known and number != 1:
            yield f"{answer.token} counts as told, and {number} messages tell it"


def _tells(text: str, answer: Answer) -> bool:
    """Whether a text is about an answer: only a form about an appointment names one."""
    return f"{answer.service}:" in text or any(version.tag in text for version in answer.versions)


def _is_danger(found: Evidence, answer: Answer) -> bool:
    """Whether somebody may be woken for it: it, or what its person said besides, is about something critical."""
    mine = [
        one
        for one in found.journal.answers
        if one is answer or (one.person is not None and one.person is answer.person)
    ]
    return any(version.mood == "danger" for one in mine for version in one.versions)
