"""What people do in the systems around the connector: solve, delete, edit, merge, close, answer surveys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.domain.matching.canonical import canonical_email
from connector.store import consent
from tests.chaos.drawing import Happening
from tests.chaos.issued import ASKS, Answer, Journal, Person, Version
from tests.chaos.world import World

REFERENCE = re.compile(r"#recovery=(\S+)")
MOODS = ("happy", "unhappy", "happy", "danger")
Action = Callable[[World, Journal, Happening], Happening | None]
"""Done in the world, and noted in the journal; returns what somebody sends to the hook, if anything."""


# --- tickets -----------------------------------------------------------------------------------------------------


def _tickets(world: World) -> list[dict[str, Any]]:
    tickets = world.truth("zendesk").get("ticket", {}).values()
    return [one for one in tickets if "csat-recovery" in one["tags"] and one["status"] in {"new", "open"}]


def _person_of(world: World, journal: Journal, ticket: Mapping[str, Any]) -> Person | None:
    users = world.truth("zendesk")["user"]
    email = users[str(ticket["requester_id"])]["email"]
    return next((one for one in journal.people if one.email == email), None)


def solve(world: World, journal: Journal, one: Happening) -> None:
    """Somebody solves a recovery's ticket."""
    tickets = _tickets(world)
    if tickets:
        ticket = tickets[one.number % len(tickets)]
        world.simulators.zendesk.human_update(ticket["id"], status="solved")
        journal.solved[ticket["id"]] = world.clock.now()


def delete_ticket(world: World, journal: Journal, one: Happening) -> None:
    """Somebody deletes one."""
    tickets = _tickets(world)
    if tickets:
        ticket = tickets[one.number % len(tickets)]
        person = _person_of(world, journal, ticket)
        world.simulators.zendesk.human_delete(ticket["id"])
        if person is not None:
            journal.disturbed.add(person.number)


# --- contacts ----------------------------------------------------------------------------------------------------


def _contacts(world: World, journal: Journal) -> list[tuple[str, Person]]:
    kind, name = ("Contact", "Email") if journal.crm == "salesforce" else ("contacts", "email")
    people = {one.email: one for one in journal.people}
    found = []
    for key, row in sorted(world.truth(journal.crm).get(kind, {}).items()):
        fields = row.get("properties", row)
        if not row.get("IsDeleted") and not row.get("archived") and fields.get(name) in people:
            found.append((key, people[fields[name]]))
    return found


def human_edit(world: World, journal: Journal, one: Happening) -> None:
    """Somebody writes into a contact."""
    known = _contacts(world, journal)
    if not known:
        return
    key, _ = known[one.number % len(known)]
    text = f"written by hand {one.number}"
    if journal.crm == "salesforce":
        name = ("Title", "CSAT_Reason__c")[one.number % 2]
        world.simulators.salesforce.human_update(key, **{name: text})
    else:
        name = ("jobtitle", "csat_reason")[one.number % 2]
        world.simulators.hubspot.human_update(key, **{name: text})
    journal.edited_by_people[key, name] = (text, world.clock.now())


def merge(world: World, journal: Journal, one: Happening) -> None:
    """Somebody merges two contacts."""
    known = _contacts(world, journal)
    if len({person.number for _, person in known}) < 2:
        return
    winner, loser = known[one.number % len(known)], known[(one.number + 1) % len(known)]
    if journal.crm == "salesforce":
        world.simulators.salesforce.merge(winner[0], loser[0])
    else:
        world.simulators.hubspot.merge(winner[0], loser[0])
    journal.disturbed |= {winner[1].number, loser[1].number}
    journal.merged.append(frozenset({winner[1].number, loser[1].number}))


def delete_contact(world: World, journal: Journal, one: Happening) -> None:
    """Somebody deletes a contact."""
    known = _contacts(world, journal)
    if not known:
        return
    key, person = known[one.number % len(known)]
    if journal.crm == "salesforce":
        world.simulators.salesforce.human_delete(key)
    else:
        world.simulators.hubspot.human_delete(key)
    journal.disturbed.add(person.number)


# --- issues ------------------------------------------------------------------------------------------------------


def close_issue(world: World, journal: Journal, one: Happening) -> None:
    """Somebody closes an issue that is open."""
    issues = world.truth(journal.tracker).get("issue", {})
    still_open = sorted(
        key for key, row in issues.items() if row.get("state") == "open" or row.get("status") == "To Do"
    )
    if not still_open:
        return
    key = still_open[one.number % len(still_open)]
    if journal.tracker == "jira":
        world.simulators.jira.human_move(key, "Done")
    else:
        world.simulators.github.human_update(key, state="closed")
    journal.issues_closed[key] = world.clock.now()
    journal.closings[key] = journal.closings.get(key, 0) + 1


def delete_issue(world: World, journal: Journal, one: Happening) -> None:
    """An administrator deletes an issue."""
    issues = sorted(world.truth(journal.tracker).get("issue", {}))
    if issues:
        key = issues[one.number % len(issues)]
        tracker = world.simulators.jira if journal.tracker == "jira" else world.simulators.github
        tracker.human_delete(key)
        journal.issues_deleted += 1


# --- messages ----------------------------------------------------------------------------------------------------


def opt_out(world: World, journal: Journal, one: Happening) -> None:
    """Somebody wants no messages any more, and an operator enters that."""
    person = journal.people[one.number % len(journal.people)]
    email = canonical_email(person.email)
    assert email is not None
    db = world.open_store()
    try:
        with db.write() as tx:
            consent.opt_out(tx, email)
    finally:
        db.close()
    journal.opted_out.setdefault(person.number, world.clock.now())


def _surveys(world: World, journal: Journal, *, answered: bool) -> list[tuple[str, Person]]:
    """The references that were mailed, and to whom; those that somebody answered, or the others."""
    people = {one.email: one for one in journal.people}
    known = {answer.reference for answer in journal.answers}
    found = []
    for _, mail in sorted(world.truth("smtp").get("mail", {}).items()):
        reference = REFERENCE.search(mail["text"])
        if mail["subject"] != ASKS or reference is None:
            continue
        if (reference.group(1) in known) is answered:
            found.append((reference.group(1), people[mail["to"]]))
    return found


def _answer(world: World, journal: Journal, one: Happening, asked: list[tuple[str, Person]]) -> Happening | None:
    if not asked:
        return None
    reference, person = asked[one.number % len(asked)]
    number = len(journal.answers)
    answer = Answer(
        number=number,
        token=f"s{journal.seed}a{number}",
        form="follow_up",
        person=person,
        how="hook",
        reference=reference,
        is_quotable=bool(journal.tracker),
    )
    journal.answers.append(answer)
    return _say(world, journal, answer, MOODS[one.number % len(MOODS)])


def _say(world: World, journal: Journal, answer: Answer, mood: str) -> Happening:
    now, number = world.clock.now(), len(answer.versions) + 1
    tag = f"qzx{journal.seed}n{answer.number}v{number}z"
    csat = 5 if mood == "happy" else 1
    made = Version(number=number, mood=mood, csat=csat, nps=None, tag=tag, at=now.replace(microsecond=0))
    answer.versions.append(made)
    return Happening(at=now, what="hook", answer=answer, version=made)


def reply(world: World, journal: Journal, one: Happening) -> Happening | None:
    """Who was asked how it went says so."""
    return _answer(world, journal, one, _surveys(world, journal, answered=False))


def reply_again(world: World, journal: Journal, one: Happening) -> Happening | None:
    """Somebody opens the same link once more, and answers anew."""
    return _answer(world, journal, one, _surveys(world, journal, answered=True))


def think_again(world: World, journal: Journal, one: Happening) -> Happening | None:
    """Somebody changes what they said to a follow-up."""
    said = [answer for answer in journal.answers if answer.reference is not None and answer.attempted]
    if not said or said[-1].versions[-1].at >= world.clock.now().replace(microsecond=0):
        return None
    before = said[-1].versions[-1]
    return _say(world, journal, said[-1], "unhappy" if before.mood == "happy" else "happy")


ACTIONS: Mapping[str, Action] = {
    action.__name__: action
    for action in (
        solve,
        delete_ticket,
        human_edit,
        merge,
        delete_contact,
        close_issue,
        delete_issue,
        opt_out,
        reply,
        reply_again,
        think_again,
    )
}
