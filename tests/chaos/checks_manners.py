"""Whether manners were kept: quotas, ceilings, pauses, secrets, erasures.

Imports nothing of the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.chaos import checks_issues, checks_messages
from tests.chaos.evidence import Evidence

ROUGHLY = timedelta(minutes=1)
AT_ONCE = timedelta(milliseconds=900)
A_MOMENT = timedelta(seconds=3)
TRACKERS_AND_MAIL = ("sim-smtp-password", "github-simulator", "jira-simulator")


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
            if entry["fault"] == "throttle" and entry["write"] and entry["digest"]:  # a mail may not have got that far
                told[what] = at
            if begun is None or at >= begun + AT_ONCE:
                continue
            if not any(begun - AT_ONCE <= death <= at for death in found.journal.deaths):
                yield f"{site}: {entry['endpoint']} was called at {at}, at {begun} it had asked for a pause"


def secrets_stay_secret(found: Evidence) -> Iterator[str]:
    """No line of the log, and no reason in the ledger, names a person, what they said, or a secret."""
    words = ["sim-salesforce-secret", "sim-zendesk-secret", "xoxb-", "tfp_simulator", *TRACKERS_AND_MAIL]
    for person in found.journal.people:
        words += [person.email, person.name]
    reasons = "\n".join(
        str(row["reason"])
        for name in ("intent", "response_version", "inbox")
        for row in found.tables[name]
        if row["reason"]
    )
    for where, text in (("log", found.journal.log), ("ledger", reasons), ("tracker", checks_issues.texts(found))):
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
    yield from checks_messages.fresh_is_answered(found)


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
    yield from checks_issues.erased_are_not_quoted(found)
