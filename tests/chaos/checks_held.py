"""Whether what the vendors hold is there once, has a cause, and left alone what is theirs.

Imports nothing of the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from tests.chaos import checks_issues, checks_messages
from tests.chaos.checks_facts import ACT_WITHIN, DAY
from tests.chaos.checks_nights import keys_of, texts_of
from tests.chaos.evidence import Evidence, Row, is_forgotten, micros

OURS = {
    "Contact": {"CSAT_", "LastName", "FirstName", "Email", "Phone", "LeadSource"},
    "Task": {"CSAT_Key__c", "WhoId", "Subject", "Description", "Status", "Priority", "ActivityDate", "OwnerId"},
    "contacts": {"csat_", "lastname", "firstname", "email", "phone"},
    "notes": {"csat_key", "hs_note_body", "hs_timestamp"},
    "tasks": {"csat_key", "hs_task_", "hs_timestamp", "hubspot_owner_id"},
}
"""What we may write, by kind: names, and what they begin with."""
ONLY_WHEN_CREATED = {"LastName", "FirstName", "Email", "Phone", "LeadSource", "lastname", "firstname", "email", "phone"}
ROUGHLY = timedelta(minutes=1)
KEYS = ("CSAT_Person__c", "CSAT_Key__c", "csat_person", "csat_key")


def one_object_each(found: Evidence) -> Iterator[str]:
    """What carries our key or marker is there once."""
    for (site, kind, key), number in Counter(_marks(found)).items():
        if number > 1:
            yield f"{site} holds {number} of {kind} {key}"


def _marks(found: Evidence) -> Iterator[tuple[str, str, str]]:
    for ticket in found.objects("zendesk", "ticket").values():
        if ticket["external_id"]:
            yield "zendesk", "ticket", ticket["external_id"]
        for comment in ticket.get("comments", []):
            last = comment["body"].rstrip().rpartition("\n")[2]
            if last.startswith("csat-connector "):
                yield "zendesk", "note", last
    for message in found.objects("slack", "message").values():
        for key in keys_of(message):
            yield "slack", "message", key
    for event in found.objects("zapier", "event").values():
        yield "zapier", "event", event["id"]
    yield from _crm_marks(found)
    yield from checks_issues.marks(found)
    yield from checks_messages.marks(found)


def _crm_marks(found: Evidence) -> Iterator[tuple[str, str, str]]:
    for kind in ("Contact", "Task", "contacts", "tasks", "notes"):
        for row in found.objects(found.journal.crm, kind).values():
            fields = row.get("properties", row)
            key = next((fields[name] for name in KEYS if fields.get(name)), None)
            if key and not row.get("IsDeleted") and not row.get("archived"):
                yield found.journal.crm, kind, key


def said_once(found: Evidence) -> Iterator[str]:
    """Whatever keys say: each version of an answer is told once in each place where people read it."""
    about = {version.tag for answer in found.journal.answers if answer.form == "desk" for version in answer.versions}
    # What was said on a ticket that somebody deleted is said again.
    gone = {key for key, ticket in found.objects("zendesk", "ticket").items() if ticket["status"] == "deleted"}
    for tag, everywhere in found.places.items():
        places = [place for place in everywhere if place.site != "zendesk" or place.id not in gone]
        told = Counter((place.site, place.kind) for place in places)
        # An answer about a ticket is noted there, and on the ticket on which its person is being won back.
        notes = {("zendesk", "note"): 2} if tag in about else {}
        for (site, kind), number in told.items():
            if number > notes.get((site, kind), 1) and not (site == "zendesk" and _is_told_anew(found, tag)):
                yield f"{tag} is in {site} {number} times as {kind}: {[place.id for place in places]}"
        same = Counter(place.id for place in places if place.site == "zendesk")
        is_on_several = len(same) > 1 and tag not in about and not _is_told_anew(found, tag)
        if max(same.values(), default=0) > 1 or is_on_several:
            yield f"{tag} is on the tickets {dict(same)}"
    for service, number in _messages(found).items():
        if number > 1:
            yield f"{number} messages about {service}"
    events = Counter((one["data"].get("email"), one["timestamp"]) for one in found.objects("zapier", "event").values())
    for (email, at), number in events.items():
        if number > max(1, _given(found, email, datetime.fromisoformat(at))):
            yield f"{number} events about the answer of {at} ({'somebody' if email else 'nobody'})"
    yield from checks_issues.told_once(found)
    yield from checks_messages.sent_once(found)


def _is_told_anew(found: Evidence, tag: str) -> bool:
    """Whether a forgotten life told of it: the recovery it did so in may be unknown now, or have ended meanwhile."""
    said = next((one for one in found.journal.answers if any(version.tag == tag for version in one.versions)), None)
    return said is not None and said.first_tried is not None and is_forgotten(found, said.first_tried)


def _given(found: Evidence, email: str | None, at: datetime) -> int:
    """How many answers somebody gave in one second."""
    mine = (one for one in found.journal.answers if one.person is not None and one.person.email == email)
    return sum(version.at == at for answer in mine for version in answer.versions)


def _messages(found: Evidence) -> Counter[str]:
    """Alerts by what they are about: a changed answer may be told of again, as it says something else."""
    told: Counter[str] = Counter()
    for message in found.objects("slack", "message").values():
        for text in texts_of(message):
            about = text.partition("http")[0].strip()
            # Who answers at a kiosk names nothing: two such messages may be about two answers.
            if message["channel"] == "csat-safety" and not about.startswith(":"):
                told[about] += 1
    return told


RUNGS: Mapping[str, timedelta] = {
    "supervisor review is late": timedelta(minutes=30),
    "Nobody looked for an hour": timedelta(minutes=60),
}
"""What the ladder of the shipped playbook says, and how long after its recovery began it may say so at the earliest."""


def ladders_are_climbed_once(found: Evidence) -> Iterator[str]:
    """A late step is told of once for each rung, and never before its time."""
    told: Counter[str] = Counter()
    began = {one.number: _first_heard(found, one.number) for one in found.journal.people}
    known = {one.email: one.number for one in found.journal.people}
    tickets, users = found.objects("zendesk", "ticket"), found.objects("zendesk", "user")
    for key, channel, text in _told(found):
        said, _, address = text.partition(": http")
        if channel != "csat-leads" or said not in RUNGS:
            continue
        told[text] += 1
        ticket = tickets.get(address.rpartition("/")[2])
        user = {} if ticket is None else users.get(str(ticket["requester_id"]), {})
        first = began.get(known.get(user.get("email") or "", -1))
        at = datetime.fromtimestamp(float(key.rpartition(":")[2]), UTC)
        if first is not None and at < first + RUNGS[said] - ROUGHLY:
            yield f"{said!r} was told {at - first} after the first answer"
    for text, number in told.items():
        if number > 1:
            yield f"told {number} times: {text}"


def _told(found: Evidence) -> Iterator[tuple[str, str, str]]:
    """Everything people were told: the key of the message, its channel, and one of its texts."""
    for key, message in found.objects("slack", "message").items():
        for text in texts_of(message):
            yield key, message["channel"], text


def _first_heard(found: Evidence, number: int) -> datetime | None:
    """When anything of a person was sent first, whoever heard that it was taken: no recovery of theirs began before.

    Two people whose contacts were merged are one, and so may their recoveries be.
    """
    one_by_now = frozenset({number}).union(*(some for some in found.journal.merged if number in some))
    mine = (one for one in found.journal.answers if one.person is not None and one.person.number in one_by_now)
    return min((one.first_tried for one in mine if one.first_tried is not None), default=None)


def nothing_invented(found: Evidence) -> Iterator[str]:
    """Nothing is told of an answer that was never issued, was forged, or only imported."""
    allowed = {version.tag for answer in found.journal.answers if answer.how != "import" for version in answer.versions}
    for tag, places in found.places.items():
        if tag not in allowed:
            yield f"{tag} must not be anywhere, and is in {places[0].site} as {places[0].kind}"
    emails = {one.email for one in found.journal.people}
    before = found.journal.before.get(found.journal.crm, {})
    kind = "Contact" if found.journal.crm == "salesforce" else "contacts"
    for key, row in found.contacts().items():
        email = row.get("Email") or row.get("email")
        if key not in before.get(kind, {}) and email not in emails:
            yield f"contact {key} belongs to nobody who answered"
    yield from checks_issues.rest_on_enough(found)
    yield from checks_messages.written_for_a_reason(found)


def old_answers_are_quiet(found: Evidence) -> Iterator[str]:
    """What is older than a week opens and tells nothing."""
    for answer in found.journal.answers:
        first = min(answer.acknowledged.values(), default=None)
        for version in answer.versions:
            if first is None or first - version.at <= ACT_WITHIN + DAY:
                continue
            for place in found.places.get(version.tag, []):
                if place.kind != "timeline":
                    yield f"{version.tag} is {first - version.at} old and is in {place.site} as {place.kind}"


def observe_is_silent(found: Evidence) -> Iterator[str]:
    """In observe mode nothing is written anywhere."""
    if found.journal.mode != "observe":
        return
    for site, truth in found.truths.items():
        for write in truth["writes"]:
            if write["by"] == "api":
                yield f"{site}: {write['action']} {write['kind']} {write['id']}"


def others_fields_untouched(found: Evidence) -> Iterator[str]:
    """We write our fields only, and what people have is as they left it."""
    crm = found.journal.crm
    for write in found.truths[crm]["writes"]:
        if write["by"] != "api" or write["kind"] not in OURS or write["action"] not in {"create", "update"}:
            continue
        ours = OURS[write["kind"]]
        for name in write["fields"]:
            if not any(name == own or (own.endswith("_") and name.startswith(own)) for own in ours):
                yield f"{write['action']} of {write['kind']} {write['id']} writes {name}"
            if write["action"] == "update" and name in ONLY_WHEN_CREATED:
                yield f"{name} of {write['kind']} {write['id']}, which is not new, was written"
    for (key, name), (text, at) in found.journal.edited_by_people.items():
        row = found.contacts().get(key)
        if row is not None and row.get(name) != text and _was_seen(found, key, name, at):
            yield f"{name} of contact {key} was written by a person at {at} and was changed"
    kind = "Contact" if crm == "salesforce" else "contacts"
    for key, row in found.journal.before.get(crm, {}).get(kind, {}).items():
        now = found.contacts().get(key)
        before = row.get("properties", row)
        for name in ONLY_WHEN_CREATED | {"Last_Service__c", "last_service"}:
            if now is not None and before.get(name) != now.get(name) and not found.journal.disturbed:
                yield f"{name} of contact {key} was {before.get(name)!r} and is {now.get(name)!r}"


SEEN = timedelta(minutes=3)
"""After an edit: the feeds leave out the newest minutes, as their vendors' searches lag."""


def _was_seen(found: Evidence, key: str, name: str, at: datetime) -> bool:
    """Whether the feed of contacts was read after an edit and before the first write to that field since, by a life
    that is not forgotten: an old copy of the store may write over what people changed before it was put back.
    """
    if is_forgotten(found, at) or _is_in_doubt(found, at):
        return False
    crm = found.journal.crm
    writes = [
        datetime.fromisoformat(one["at"])
        for one in found.truths[crm]["writes"]
        if one["by"] == "api" and one["id"] == key and name in one["fields"] and one["action"] == "update"
    ]
    if not any(one < at for one in writes):
        return False  # what was never ours is not an edit of ours
    written = min((one for one in writes if one > at), default=None)
    return written is not None and any(
        _reads_contacts(entry) and at + SEEN < datetime.fromisoformat(entry["at"]) < written - SEEN
        for entry in found.requests[crm]
    )


def _is_in_doubt(found: Evidence, at: datetime) -> bool:
    """Whether a write to contacts was open then: whose a value is that is read meanwhile, nobody can tell."""
    writes = (row for row in found.tables["write"] if row["kind"] in {"contact", "contact_fields"})
    return any(row["sent_at"] <= micros(at) <= (row["closed_at"] or micros(found.ended_at)) for row in writes)


def _reads_contacts(entry: Row) -> bool:
    """Whether a call read what changed of contacts. A look at who a deleted one was merged into shows no field."""
    if entry["status"] != 200 or entry["fault"]:
        return False
    is_feed = "SystemModstamp" in entry["query"].get("q", "") and "FROM Contact " in entry["query"]["q"]
    return is_feed or bool(entry["endpoint"].endswith("search"))
