"""The auditor: compares what the oracle issued with the ledger and with what the vendors hold, and names what is wrong.

Imports nothing of the connector: it knows the example configuration by heart, reads the store by SQL and the vendors'
truth as plain data. What a vendor makes impossible to promise (the residual risk on its page) never happens in a
program, so nothing here is waved through; what people did (deleting, merging) narrows what can be foretold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.chaos import scores
from tests.chaos.evidence import Evidence, Row, instant, micros
from tests.chaos.issued import Answer, Version

ACT_WITHIN = timedelta(days=7)
NOTIFY_WITHIN = timedelta(hours=4)
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
AT_ONCE = timedelta(milliseconds=900)
A_MOMENT = timedelta(seconds=3)
KEYS = ("CSAT_Person__c", "CSAT_Key__c", "csat_person", "csat_key")
OPEN = {"planned", "sending", "submitted", "in_doubt"}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must never be. `check` is the name of who found it."""

    check: str
    text: str


Check = Callable[[Evidence], Iterator[str]]


def audit(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong, by every check."""
    return [Violation(name, text) for name, check in CHECKS.items() for text in check(evidence)]


# --- what came in ------------------------------------------------------------------------------------------------


def is_lost_with_copy(found: Evidence, at: datetime) -> bool:
    """Whether an older copy of the store replaced the one that had heard of it: then only a poll can know of it."""
    begun = found.journal.backed_up
    return begun is not None and any(begun <= at <= end for end in found.journal.restored)


def known_versions(found: Evidence, answer: Answer) -> list[Version]:
    """The versions of an answer that the connector must know."""
    if answer.how == "poll":
        newest = answer.newest(answer.acknowledged)
        return [] if newest is None else [newest]
    return [
        version
        for version in answer.versions
        if version.number in answer.acknowledged and not is_lost_with_copy(found, answer.acknowledged[version.number])
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
    return _survivor(found, row["person_id"]) in {_survivor(found, one) for one in mine}


def _survivor(found: Evidence, person_id: int | None) -> int | None:
    """Who somebody is by now: two persons may have turned out to be one."""
    merged = {row["id"]: row["merged_into"] for row in found.tables["person"]}
    while merged.get(person_id) is not None:
        person_id = merged[person_id]
    return person_id


def _waits_for_people(found: Evidence, row: Row) -> bool:
    """Several contacts, or a contact that somebody deleted or merged."""
    return _disturbed(found, row)


def _may_fail(found: Evidence, row: Row) -> bool:
    if _disturbed(found, row) or (row["reason"] or "").startswith("the ticket is "):
        return True
    # A message hours late alarms nobody: it expires while nobody is there, or its vendor lets nobody in.
    return row["kind"] in {"alert", "event"} and "too old" in (row["reason"] or "") and _was_long_away(found, row)


def _was_long_away(found: Evidence, row: Row) -> bool:
    waited = micros_between(row["cause_at"], row["settled_at"])
    return waited is not None and waited >= NOTIFY_WITHIN - timedelta(minutes=1)


def micros_between(begin: int, end: int | None) -> timedelta | None:
    return None if end is None else instant(end) - instant(begin)


# --- what is there -----------------------------------------------------------------------------------------------


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
        key = message.get("metadata", {}).get("event_payload", {}).get("key")
        if key:
            yield "slack", "message", key
    for event in found.objects("zapier", "event").values():
        yield "zapier", "event", event["id"]
    yield from _crm_marks(found)


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
            if number > notes.get((site, kind), 1):
                yield f"{tag} is in {site} {number} times as {kind}: {[place.id for place in places]}"
        same = Counter(place.id for place in places if place.site == "zendesk")
        if max(same.values(), default=0) > 1 or (len(same) > 1 and tag not in about):
            yield f"{tag} is on the tickets {dict(same)}"
    for service, number in _messages(found).items():
        if number > 1:
            yield f"{number} messages about {service}"
    events = Counter((one["data"].get("email"), one["timestamp"]) for one in found.objects("zapier", "event").values())
    for (email, at), number in events.items():
        if number > 1:
            yield f"{number} events about the answer of {at} ({'somebody' if email else 'nobody'})"


def _messages(found: Evidence) -> Counter[str]:
    """Alerts by what they are about: a changed answer may be told of again, as it says something else."""
    told: Counter[str] = Counter()
    for message in found.objects("slack", "message").values():
        about = message["text"].partition("http")[0].strip()
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
    for key, message in found.objects("slack", "message").items():
        said, _, address = message["text"].partition(": http")
        if message["channel"] != "csat-leads" or said not in RUNGS:
            continue
        told[message["text"]] += 1
        ticket = tickets.get(address.rpartition("/")[2])
        user = {} if ticket is None else users.get(str(ticket["requester_id"]), {})
        first = began.get(known.get(user.get("email") or "", -1))
        at = datetime.fromtimestamp(float(key.rpartition(":")[2]), UTC)
        if first is not None and at < first + RUNGS[said] - ROUGHLY:
            yield f"{said!r} was told {at - first} after the first answer"
    for text, number in told.items():
        if number > 1:
            yield f"told {number} times: {text}"


def _first_heard(found: Evidence, number: int) -> datetime | None:
    """When anything of a person was acknowledged first: no recovery of theirs began before."""
    mine = (one for one in found.journal.answers if one.person is not None and one.person.number == number)
    return min((at for one in mine for at in one.acknowledged.values()), default=None)


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


def old_answers_are_quiet(found: Evidence) -> Iterator[str]:
    """What is older than a week opens and tells nothing."""
    for answer in found.journal.answers:
        first = min(answer.acknowledged.values(), default=None)
        for version in answer.versions:
            if first is None or first - version.at <= ACT_WITHIN + timedelta(days=1):
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
        is_kept = row is None or row.get(name) == text or is_lost_with_copy(found, at)
        if not is_kept and _was_seen(found, key, name, at):
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
    """Whether the feed of contacts was read after an edit and before the first write to that field since."""
    crm = found.journal.crm
    writes = [
        datetime.fromisoformat(one["at"])
        for one in found.truths[crm]["writes"]
        if one["by"] == "api" and one["id"] == key and name in one["fields"] and one["action"] == "update"
    ]
    if not any(one < at for one in writes):
        return False  # what was never ours is not an edit of ours
    written = min((one for one in writes if one > at), default=None)
    feed = "queryAll" if crm == "salesforce" else "search"
    return written is not None and any(
        entry["endpoint"].endswith(feed) and entry["status"] == 200 and not entry["fault"]
        and at + SEEN < datetime.fromisoformat(entry["at"]) < written - SEEN
        for entry in found.requests[crm]
    )  # fmt: skip


# --- the newest fact ---------------------------------------------------------------------------------------------


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
        if not newest.is_unhappy or newest.comment is None or heard_at - newest.at > ACT_WITHIN - timedelta(days=1):
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


# --- manners -----------------------------------------------------------------------------------------------------


def quotas_are_kept(found: Evidence) -> Iterator[str]:
    """Nobody had to tell us that we are too fast, except where that was ordered."""
    for site, entries in found.requests.items():
        faulty = [datetime.fromisoformat(entry["at"]) for entry in entries if entry["fault"]]
        for entry in entries:
            at = datetime.fromisoformat(entry["at"])
            # A read whose answer was lost is put again at once; that may be one too many.
            if entry["refusal"].startswith("throttled") and not any(at - A_MOMENT < one <= at for one in faulty):
                yield f"{site} refused {entry['endpoint']} at {at}: too fast"


def ceilings_are_kept(found: Evidence) -> Iterator[str]:
    """No more new tickets in any hour than the configuration allows."""
    most = 2 if found.journal.few_tickets else 300
    made = sorted(
        datetime.fromisoformat(one["at"])
        for one in found.truths["zendesk"]["writes"]
        if one["kind"] == "ticket" and one["action"] == "create" and one["by"] == "api"
    )
    for first, last in zip(made, made[most:], strict=False):
        if last - first < timedelta(hours=1) - ROUGHLY and not found.journal.restored:
            yield f"more than {most} tickets between {first} and {last}"


def waits_as_told(found: Evidence) -> Iterator[str]:
    """After "too fast", nothing is sent there at once; who died over that answer does not know of it."""
    for site, entries in found.requests.items():
        told: dict[tuple[str, str], datetime] = {}
        for entry in entries:
            at, what = datetime.fromisoformat(entry["at"]), (entry["endpoint"], entry["digest"])
            begun = told.pop(what, None)
            if entry["fault"] == "throttle" and entry["write"]:
                told[what] = at
            if begun is None or at >= begun + AT_ONCE:
                continue
            if not any(begun - AT_ONCE <= death <= at for death in found.journal.deaths):
                yield f"{site}: {entry['endpoint']} was called at {at}, at {begun} it had asked for a pause"


def secrets_stay_secret(found: Evidence) -> Iterator[str]:
    """No line of the log, and no reason in the ledger, names a person, what they said, or a secret."""
    words = ["sim-salesforce-secret", "sim-zendesk-secret", "xoxb-", "tfp_simulator"]
    for person in found.journal.people:
        words += [person.email, person.name]
    reasons = "\n".join(
        str(row["reason"])
        for name in ("intent", "response_version", "inbox")
        for row in found.tables[name]
        if row["reason"]
    )
    for where, text in (("log", found.journal.log), ("ledger", reasons)):
        for word in words:
            if word in text:
                at = text.index(word)
                yield f"the {where} says {text[max(0, at - 60) : at + len(word)]!r}"
        if "qzx" in text:
            yield f"the {where} repeats what a customer said"


def nothing_breaks(found: Evidence) -> Iterator[str]:
    """No lane fails in a way it does not foresee."""
    yield from found.journal.troubles


def life_goes_on(found: Evidence) -> Iterator[str]:
    """An answer that comes when all is over gets its ticket, its line on the timeline, its task and its score."""
    fresh = found.journal.fresh
    if fresh is None or fresh.person is None:
        return
    kinds = Counter(place.kind for place in found.places.get(fresh.versions[0].tag, []))
    if (kinds["ticket"], kinds["timeline"], kinds["task"]) != (1, 1, 1):
        yield f"the fresh answer led to {dict(kinds)}"
    contact = found.contact_of(fresh.person)
    if contact is None or not (contact[1].get("CSAT_Health__c") or contact[1].get("csat_health")):
        yield "the fresh answer's person has no score"


def the_erased_stay_erased(found: Evidence) -> Iterator[str]:
    """Of whom was erased nothing is left here or there, whatever comes again. Who only observes erases nowhere else."""
    if found.journal.mode == "observe":
        return
    for person in found.journal.people:
        if person.number not in found.journal.erased:
            continue
        if found.contact_of(person) is not None:
            yield f"person {person.number} was erased and has a contact"
        for answer in found.journal.answers:
            if answer.person is not person:
                continue
            for version in answer.versions:
                for place in found.places.get(version.tag, []):
                    yield f"{version.tag} of an erased person is in {place.site} as {place.kind}"


CHECKS: Mapping[str, Check] = {
    "acknowledged is kept": acknowledged_is_kept,
    "counts add up": counts_add_up,
    "everything ends": everything_ends,
    "one object each": one_object_each,
    "said once": said_once,
    "ladders are climbed once": ladders_are_climbed_once,
    "nothing invented": nothing_invented,
    "old answers are quiet": old_answers_are_quiet,
    "observe is silent": observe_is_silent,
    "others' fields untouched": others_fields_untouched,
    "newest wins": newest_wins,
    "unhappy is heard": unhappy_is_heard,
    "one open recovery": one_open_recovery,
    "the loop is closed": loop_is_closed,
    "scores are right": scores_are_right,
    "quotas are kept": quotas_are_kept,
    "ceilings are kept": ceilings_are_kept,
    "waits as told": waits_as_told,
    "secrets stay secret": secrets_stay_secret,
    "nothing breaks": nothing_breaks,
    "life goes on": life_goes_on,
    "the erased stay erased": the_erased_stay_erased,
}


def figures(found: Evidence) -> Counter[str]:
    """How much really happened in a program."""
    told: Counter[str] = Counter()
    journal = found.journal
    told["deliveries"] = journal.tried
    told["answers"] = len(journal.answers)
    told["edits"] = sum(len(answer.acknowledged) > 1 for answer in journal.answers)
    joined = Counter(row["recovery_id"] for row in found.tables["recovery_response"])
    told["joins"] = sum(number - 1 for number in joined.values())
    told["duplicates"] = sum(row["duplicates"] for row in found.tables["inbox"])
    told["duplicates"] += sum(row["state"] == "duplicate" for row in found.tables["inbox"])
    told["stale versions"] = sum(row["state"] == "stale" for row in found.tables["response_version"])
    told["kills"], told["pauses"], told["reloads"] = journal.kills, journal.pauses, journal.reloads
    told["restores"], told["erasures"] = len(journal.restored), len(journal.erased)
    told["intents"] = len(found.tables["intent"])
    told["writes"] = len(found.tables["write"])
    told["ambiguous writes"] = sum(
        entry["write"] and entry["fault"] in AMBIGUOUS for entries in found.requests.values() for entry in entries
    )
    for entries in found.requests.values():
        told["vendor calls"] += len(entries)
        for entry in entries:
            if entry["fault"]:
                told[f"fault: {entry['fault']}"] += 1
    return told


AMBIGUOUS = {"reset_after_commit", "error_after_commit", "torn", "cut", "commit_late"}


def counts(told: Mapping[str, int]) -> bool:
    """Whether a program was hard enough to count."""
    return told["ambiguous writes"] >= 1 and told["edits"] >= 1 and told["joins"] >= 1
