"""Whether the newest fact won, each unhappy answer was heard, and scores are right.

Imports nothing of the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from tests.chaos import scores
from tests.chaos.checks_kept import known_versions
from tests.chaos.evidence import Evidence, Row
from tests.chaos.issued import Answer, Version

ACT_WITHIN, DAY = timedelta(days=7), timedelta(days=1)


def followable(found: Evidence) -> Iterator[tuple[Answer, Version, Row]]:
    """Answers about which everything can be foretold, with their newest version and their row in the ledger."""
    journal = found.journal
    if journal.mode == "observe":
        return
    for answer in journal.answers:
        known = known_versions(found, answer)
        newest = max(known, key=lambda one: one.at, default=None)
        if answer.how == "import" or answer.person is None or newest is None or not known:
            continue
        if answer.person.number in journal.disturbed | journal.erased:
            continue
        row = found.response(answer.key)
        attempted = answer.newest(answer.attempted)
        if row is not None and attempted is not None and attempted.number == newest.number:
            yield answer, newest, row


def newest_wins(found: Evidence) -> Iterator[str]:
    """The timeline shows each answer once, as it was said last; a version without a comment takes no words away."""
    for answer, newest, row in followable(found):
        shown = {
            place.id: place
            for version in answer.versions
            for place in found.places.get(version.tag, [])
            if place.kind == "timeline"
        }
        wordless = newest.comment is None
        if not shown and wordless and (found.journal.crm == "hubspot" or len(_decided(found, row)) == 1):
            continue  # what it said in words was never told, or the note is written anew as a whole
        if len(shown) != 1:
            failed = [one["reason"] for one in found.failures(row["id"]) if one["kind"] == "activity"]
            yield f"{answer.key} is {len(shown)} times on the timeline; {failed}"
            continue
        ratings = {f"Survey answer: {6 - newest.csat if answer.form == 'desk' else newest.csat} of 5"}
        ratings |= set() if newest.nps is None else {f"Survey answer: {newest.nps} of 10"}
        for place in shown.values():
            if not any(rating in place.text for rating in ratings):
                yield f"{answer.key}: {ratings} at last, the timeline says {place.text[:40]!r}"
            if not wordless and newest.tag not in place.text:
                yield f"{answer.key} said {newest.tag} at last, the timeline does not"


def _decided(found: Evidence, row: Row) -> list[Row]:
    return [one for one in found.versions(row["id"]) if one["state"] == "decided"]


def unhappy_is_heard(found: Evidence) -> Iterator[str]:
    """Each unhappy answer, as it was said last, is on a ticket of the helpdesk: opened by it, or a note on it."""
    for answer, newest, _ in followable(found):
        heard_at = answer.acknowledged[newest.number]
        if not newest.is_unhappy or newest.comment is None or heard_at - newest.at > ACT_WITHIN - DAY:
            continue
        if not any(place.site == "zendesk" for place in found.places.get(newest.tag, [])):
            yield f"{answer.key} version {newest.number} is unhappy and nobody was told"


def one_open_recovery(found: Evidence) -> Iterator[str]:
    """Nobody is won back twice at once."""
    standing = Counter(
        (row["person_id"], row["playbook"]) for row in found.tables["recovery"] if row["state"] == "open"
    )
    for who, number in standing.items():
        if number > 1:
            yield f"{number} open recoveries of {who}"
    users = found.objects("zendesk", "user")
    people = {one.email: one.number for one in found.journal.people}
    tickets: Counter[str] = Counter()
    for ticket in found.objects("zendesk", "ticket").values():
        if "csat-connector" in ticket["tags"] and ticket["status"] in {"new", "open", "pending", "hold"}:
            tickets[users[str(ticket["requester_id"])]["email"]] += 1
    for email, number in tickets.items():
        if number > 1 and people.get(email) not in found.journal.disturbed and not found.journal.restored:
            yield f"{number} open recovery tickets of person {people.get(email)}"


def loop_is_closed(found: Evidence) -> Iterator[str]:
    """Whose ticket somebody solved is no longer being won back, unless they were unhappy again."""
    if found.journal.restored or found.journal.disturbed or found.journal.erased:
        return
    tickets = {
        row["remote_id"]: row["object"] for row in found.tables["receipt"] if row["object"].startswith("recovery/")
    }
    open_ones = {row["id"]: row for row in found.tables["recovery"] if row["state"] == "open"}
    for number, at in found.journal.solved.items():
        name = tickets.get(str(number), "")
        if not name.endswith("/ticket/1") or found.objects("zendesk", "ticket")[str(number)]["status"] != "solved":
            continue
        row = open_ones.get(int(name.split("/")[1]))
        if row is not None and row["generation"] == 1:
            yield f"ticket {number} was solved at {at}, its recovery {row['id']} is open"


# --- scores ------------------------------------------------------------------------------------------------------


def scores_are_right(found: Evidence) -> Iterator[str]:
    """The score in the CRM is that of the facts known when it was computed, and the newest that matters."""
    if found.journal.mode == "observe":
        return
    for person in found.journal.people:
        if person.number in found.journal.disturbed | found.journal.erased or found.journal.restored:
            continue
        contact = found.contact_of(person)
        if contact is not None:
            yield from scores.check(found, person, *contact)
