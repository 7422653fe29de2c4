"""Whether everything that came in is kept, and comes to its end.

Imports nothing of the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.checks_messages import may_be_lost
from tests.chaos.evidence import Evidence, Row, instant, is_forgotten, micros, survivor
from tests.chaos.issued import Answer, Version

NOTIFY_WITHIN = timedelta(hours=4)
OPEN = {"planned", "sending", "submitted", "in_doubt"}


def known_versions(found: Evidence, answer: Answer) -> list[Version]:
    """The versions of an answer that the connector must know."""
    if answer.how == "poll":
        newest = answer.newest(answer.acknowledged)
        return [] if newest is None else [newest]
    return [
        version
        for version in answer.versions
        if version.number in answer.acknowledged
        and not is_forgotten(found, answer.acknowledged[version.number])  # then only a poll can know of it
    ]


def is_erased(found: Evidence, answer: Answer) -> bool:
    return answer.person is not None and answer.person.number in found.journal.erased


def is_one_with_somebody_erased(found: Evidence, answer: Answer) -> bool:
    """Whoever the CRM says is the same human as somebody who was erased may have been erased with them."""
    together = [one for one in found.journal.merged if one & found.journal.erased]
    return answer.person is not None and any(answer.person.number in one for one in together)


def acknowledged_is_kept(found: Evidence) -> Iterator[str]:
    """Every acknowledged version of every answer is in the ledger."""
    for answer in found.journal.answers:
        wanted = known_versions(found, answer)
        if not wanted or is_erased(found, answer) or is_one_with_somebody_erased(found, answer):
            continue
        row = found.response(answer.key)
        if row is None:
            yield f"{answer.key} was acknowledged and is nowhere"
            continue
        recorded = {one["submitted_at"] for one in found.versions(row["id"])}
        for version in wanted:
            if micros(version.at) not in recorded:
                yield f"{answer.key} version {version.number} was acknowledged and is not recorded"


def counts_add_up(found: Evidence) -> Iterator[str]:
    """Deliveries: as many as were acknowledged, or more, where an acknowledgement was lost or polling brought them."""
    rows = found.tables["inbox"]
    kept = len(rows) + sum(row["duplicates"] for row in rows)
    if not found.journal.restored and kept < found.journal.taken:
        yield f"{found.journal.taken} deliveries were acknowledged, {kept} are accounted for"
    states = Counter(row["state"] for row in rows)
    broken = sum(1 for row in rows if row["state"] == "quarantined")
    least, most = min(found.journal.broken, 1), min(found.journal.broken_sent, 1)
    if broken > most or (broken < least and not found.journal.restored):
        yield f"{found.journal.broken} unreadable deliveries, {broken} in quarantine"
    if states["received"]:
        yield f"{states['received']} deliveries were never looked at"


def everything_ends(found: Evidence) -> Iterator[str]:
    """Every answer is decided and every intent has its end, or a reason that names what it waits for."""
    for row in found.tables["response_version"]:
        if row["state"] in {"pending", "quarantined"}:
            yield f"version {row['version']} of answer {row['response_id']} is {row['state']}: {row['reason']}"
    observed = found.journal.mode == "observe"
    for row in found.tables["intent"]:
        what = f"{row['kind']} {row['key']}"
        if row["state"] in OPEN:
            yield f"{what} is still {row['state']}: {row['reason']}"
        elif row["state"] in {"held", "blocked"} and not observed and not _waits_for_people(found, row):
            yield f"{what} is {row['state']}: {row['reason']}"
        elif row["state"] in {"rejected", "given_up"} and not observed and not _may_fail(found, row):
            yield f"{what} was {row['state']}: {row['reason']}"
    for row in found.tables["lane"]:
        # Who polls a source is named after it, and the file may name it otherwise by now.
        has_lapsed = row["name"].startswith("collect/") and instant(row["lease_until"] or 0) < found.ended_at
        if row["owner"] is not None and not (has_lapsed and found.journal.reloads):
            yield f"lane {row['name']} is still held by {row['owner']}"


def _disturbed(found: Evidence, row: Row) -> bool:
    people = {one.number: one for one in found.journal.people}
    touched = {people[number].email for number in found.journal.disturbed | found.journal.erased}
    mine = {
        found_row["person_id"]
        for answer in found.journal.answers
        if answer.person is not None
        and answer.person.email in touched
        and (found_row := found.response(answer.key)) is not None
    }
    return survivor(found, row["person_id"]) in {survivor(found, one) for one in mine}


def _waits_for_people(found: Evidence, row: Row) -> bool:
    """Several contacts, or a contact that somebody deleted or merged."""
    return _disturbed(found, row)


def _may_fail(found: Evidence, row: Row) -> bool:
    if _disturbed(found, row) or (row["reason"] or "").startswith("the ticket is "):
        return True
    if row["kind"] == "message":
        return may_be_lost(found, row)
    if row["kind"] == "issue_note" and found.journal.issues_deleted:  # with the issue it was meant for
        return "is gone" in row["reason"] or "no such object" in row["reason"]
    if row["kind"] == "event" and is_forgotten(found, instant(row["cause_at"]), since=NOTIFY_WITHIN):
        return "another event with this id" in (row["reason"] or "")  # a forgotten life told it, of another ticket
    # A message hours late alarms nobody: it expires while nobody is there, or its vendor lets nobody in.
    return row["kind"] in {"alert", "event"} and "too old" in (row["reason"] or "") and _was_long_away(found, row)


def _was_long_away(found: Evidence, row: Row) -> bool:
    waited = micros_between(row["cause_at"], row["settled_at"])
    return waited is not None and waited >= NOTIFY_WITHIN - timedelta(minutes=1)


def micros_between(begin: int, end: int | None) -> timedelta | None:
    return None if end is None else instant(end) - instant(begin)
