"""Whether customers are written to once, with their consent and by day, and whether what they answer counts once.

Imports nothing of the connector.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.chaos.checks_nights import is_night
from tests.chaos.evidence import Evidence, Row, instant, is_forgotten, survivor
from tests.chaos.issued import ASKS, CODES, OFFER, SORRY, Answer, Person

SERVICE = re.compile(r"\bjob-(s\d+(?:a\d+|fresh))\b")
CODE = re.compile(r": (\S+)$")
REFERENCE = re.compile(r"#recovery=(\S+)")
A_WHILE = timedelta(seconds=45)
"""Between the last look at who may be written to and when a mail that is committed late is there."""
AT_WORK = timedelta(seconds=2)
PATIENCE = timedelta(days=1)
UNCLEAR = {"reset_after_commit", "error_after_commit", "torn", "cut", "commit_late"}
WAITING = {"new", "open", "pending", "hold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail that was delivered: when, to whom, and about which answer."""

    at: datetime
    to: str
    subject: str
    text: str
    message_id: str
    person: Person | None
    answer: Answer | None


def mails_of(found: Evidence) -> list[Mail]:
    """Every mail, in order."""
    if not found.journal.mails:
        return []
    people = {one.email: one for one in found.journal.people}
    answers = {one.token: one for one in found.journal.answers}
    times = {one["id"]: datetime.fromisoformat(one["at"]) for one in found.truths["smtp"]["writes"]}
    mails = []
    for key, row in found.objects("smtp", "mail").items():
        named = SERVICE.search(row["text"])
        mails.append(
            Mail(
                at=times[key],
                to=row["to"],
                subject=row["subject"],
                text=row["text"],
                message_id=row["message_id"],
                person=people.get(row["to"]),
                answer=answers.get(named.group(1)) if named else None,
            )
        )
    return mails


# --- once --------------------------------------------------------------------------------------------------------


def marks(found: Evidence) -> Iterator[tuple[str, str, str]]:
    """Mails by their Message-ID, which is made of what they are about.

    What was sent between a copy of the store and its being put back the copy does not know: it sends it again.
    """
    for mail in mails_of(found):
        if not is_forgotten(found, mail.at, since=A_WHILE):
            yield "smtp", "mail", mail.message_id


def sent_once(found: Evidence) -> Iterator[str]:
    """Nobody gets the same message twice, whatever its Message-ID; a code goes to one address, which gets no other."""
    known = [mail for mail in mails_of(found) if not is_forgotten(found, mail.at, since=A_WHILE)]
    for (to, subject, text), number in Counter((mail.to, mail.subject, mail.text) for mail in known).items():
        if number > 1:
            yield f"{number} mails {subject!r} to {_who(found, to)}: {SERVICE.findall(text)}"
    about = Counter((mail.subject, mail.answer.token) for mail in known if mail.answer is not None)
    for (subject, token), number in about.items():
        if number > 1:
            yield f"{number} mails {subject!r} about {token}"
    given = {(mail.to, code) for mail in known if mail.subject == OFFER for code in CODE.findall(mail.text)}
    if found.journal.restored:
        return
    for code, number in Counter(code for _, code in given).items():
        if number > 1:
            yield f"the code {code} was given to {number} people"
    for to, number in Counter(to for to, _ in given).items():
        if number > 1:
            yield f"{_who(found, to)} was given {number} codes"


def _who(found: Evidence, address: str) -> str:
    return next((f"person {one.number}" for one in found.journal.people if one.email == address), "a stranger")


# --- to whom -----------------------------------------------------------------------------------------------------


def written_for_a_reason(found: Evidence) -> Iterator[str]:
    """A mail goes to who gave the unhappy answer it names; a code is one of the file's."""
    for mail in mails_of(found):
        if mail.person is None or mail.answer is None or mail.answer.person is not mail.person:
            yield f"a mail {mail.subject!r} to {_who(found, mail.to)} is about nothing they said"
        elif mail.subject != ASKS and not any(one.is_unhappy for one in mail.answer.versions):
            yield f"a mail {mail.subject!r} is about {mail.answer.token}, which was never unhappy"
        if mail.subject == OFFER and not set(CODE.findall(mail.text)) & set(CODES):
            yield f"an offer has the code {CODE.findall(mail.text)}"


def nobody_unwilling_is_written_to(found: Evidence) -> Iterator[str]:
    """Mail goes to who agreed to it, has not thought better of it, did not opt out, was not erased, and by day."""
    journal = found.journal
    for mail in mails_of(found):
        if mail.person is None or mail.answer is None:
            continue
        what = f"{mail.subject!r} about {mail.answer.token} at {mail.at}"
        if not any(mail.answer.consents.values()):
            yield f"{what}: they never agreed"
        elif _newest_known(found, mail.answer, mail.at - A_WHILE) is False:
            yield f"{what}: they do not agree any more"
        out = journal.opted_out.get(mail.person.number)
        if out is not None and mail.at > out + A_WHILE and not is_forgotten(found, out):
            yield f"{what}: they opted out at {out}"
        gone = journal.erased_at.get(mail.person.number)
        if gone is not None and mail.at > gone + A_WHILE:
            yield f"{what}: they were erased at {gone}"
        if is_night(journal.night, mail.at - A_WHILE) and is_night(journal.night, mail.at):
            yield f"{what}: it is night"


def _newest_known(found: Evidence, answer: Answer, at: datetime) -> bool | None:
    """What the newest version says about being written to that was recorded by an instant; None: nothing."""
    row = found.response(answer.key)
    rows = [] if row is None else [one for one in found.versions(row["id"]) if instant(one["received_at"]) <= at]
    newest = max(rows, key=lambda one: int(one["submitted_at"]), default=None)
    if newest is None:
        return None
    said = next((one for one in answer.versions if one.at == instant(newest["submitted_at"])), None)
    return None if said is None else answer.consents.get(said.number)


# --- nothing is lost ---------------------------------------------------------------------------------------------


def may_be_lost(found: Evidence, row: Row) -> bool:
    """Whether a message may have ended so: nobody knows whether it arrived, it is refused for good, or is late."""
    reason, settled = row["reason"] or "", instant(row["settled_at"] or row["planned_at"])
    if row["state"] == "rejected":
        return _saw(found, row, settled, {"refuse", "record_errors"}, least=550)
    if "cannot be asked" not in reason:
        return settled - instant(row["not_before"]) >= PATIENCE - timedelta(minutes=1)
    sent = next((instant(one["sent_at"]) for one in found.tables["write"] if one["id"] == row["write_id"]), None)
    if sent is None:
        return False
    died = any(sent - AT_WORK <= death <= settled for death in found.journal.deaths)
    return died or _saw(found, row, settled, UNCLEAR, since=sent)


def _saw(
    found: Evidence, row: Row, until: datetime, faults: set[str], *, least: int = 0, since: datetime | None = None
) -> bool:
    """Whether the mail server misbehaved so, in a conversation with whom a message is for."""
    mine = {one.email for one in found.journal.people if _is_of(found, one, row["person_id"])}
    return any(
        entry["fault"] in faults
        and entry["path"].removeprefix("/") in mine
        and entry["status"] >= least
        and (since is None or since - AT_WORK <= datetime.fromisoformat(entry["at"]))
        and datetime.fromisoformat(entry["at"]) <= until + AT_WORK
        for entry in found.requests["smtp"]
    )


def _is_of(found: Evidence, person: Person, person_id: int | None) -> bool:
    """Whether a row of the ledger is this person, or who they turned out to be one with, by the answers that say who
    gave them.
    """
    mine = {
        survivor(found, row["person_id"])
        for answer in found.journal.answers
        if answer.person is person and answer.reference is None and (row := found.response(answer.key)) is not None
    }
    return survivor(found, person_id) in mine - {None}


def messages_arrive(found: Evidence) -> Iterator[str]:
    """What counts as sent was delivered, and who agreed to be written to hears that we are sorry."""
    journal = found.journal
    if not journal.mails or journal.mode == "observe":
        return
    delivered = Counter(mail.message_id for mail in mails_of(found))
    receipts = {row["intent_id"]: row["remote_id"] for row in found.tables["receipt"]}
    told = {row["recovery_id"] for row in found.tables["intent"] if row["kind"] == "message"}
    for row in found.tables["intent"]:
        if row["kind"] == "message" and row["state"] == "confirmed" and not delivered[receipts.get(row["id"], "")]:
            yield f"{row['object']} counts as sent and was never delivered"
    if journal.restored:
        return
    answers = {one.key: one for one in journal.answers}
    for row in found.tables["recovery"]:
        answer = answers.get(row["opened_by"])
        if answer is None or answer.person is None or not _always_agreed(answer):
            continue
        changed = journal.disturbed | journal.erased | journal.opted_out.keys()
        if answer.person.number not in changed and row["id"] not in told and not _was_told_before(found, row):
            yield f"{answer.key} was unhappy, agreed to be written to, and no message was planned"


def _was_told_before(found: Evidence, recovery: Row) -> bool:
    """Whether an answer that opened one recovery after the other was written about in an earlier one."""
    earlier = {
        row["id"]
        for row in found.tables["recovery"]
        if row["opened_by"] == recovery["opened_by"] and row["id"] < recovery["id"]
    }
    mails = (row for row in found.tables["intent"] if row["kind"] == "message" and row["recovery_id"] in earlier)
    return any(row["state"] not in {"rejected", "superseded"} for row in mails)


def fresh_is_answered(found: Evidence) -> Iterator[str]:
    """Whoever is unhappy when all is over hears that we are sorry."""
    fresh = found.journal.fresh
    told = [mail.subject for mail in mails_of(found) if fresh is not None and mail.answer is fresh]
    if found.journal.mails and fresh is not None and told.count(SORRY) != 1:
        yield f"the fresh answer led to the mails {told}"


def _always_agreed(answer: Answer) -> bool:
    return all(answer.consents.get(version.number) is True for version in answer.versions)


# --- the survey that follows -------------------------------------------------------------------------------------


def follow_ups_are_heard(found: Evidence) -> Iterator[str]:
    """The answer to a follow-up moves its recovery, once: it is won back, or goes on; a second one moves nothing."""
    journal = found.journal
    if not journal.mails or journal.restored or journal.mode == "observe":
        return
    replies: dict[str, list[Answer]] = {}
    for answer in journal.answers:
        if answer.reference is not None and answer.acknowledged:
            replies.setdefault(answer.reference, []).append(answer)
    for given in replies.values():
        person = given[0].person
        assert person is not None
        if person.number not in journal.disturbed | journal.erased:
            yield from _heard(found, person, given)


def _heard(found: Evidence, person: Person, given: list[Answer]) -> Iterator[str]:
    ids = {row["id"]: answer for answer in given if (row := found.response(answer.key)) is not None}
    counted = [row for row in found.tables["follow_up"] if row["response_id"] in ids]
    if len(counted) != 1:
        yield f"{[answer.token for answer in given]} answer one follow-up, {len(counted)} are noted as answered"
        return
    (asked,) = counted
    recovery = next(row for row in found.tables["recovery"] if row["id"] == asked["recovery_id"])
    first = ids[asked["response_id"]]
    if not _is_of(found, person, recovery["person_id"]):
        yield f"{first.token} counts for a recovery of somebody else"
    fresh = [row for row in found.tables["recovery"] if row["opened_by"] == first.key]
    if fresh:
        yield f"{first.token} answers a follow-up and opened recovery {fresh[0]['id']}"
    for response_id, answer in ids.items():
        owner = next(row["person_id"] for row in found.tables["response"] if row["id"] == response_id)
        if not _is_of(found, person, owner):
            yield f"{answer.token} is not taken for an answer of whom the follow-up was sent to"
        moved = _moves(found, response_id)
        if answer is not first and moved:
            yield f"{answer.token} is the second answer to a follow-up, and led to {moved}"
        elif moved and max(Counter(moved).values()) > len(answer.versions):
            yield f"{answer.token} has {len(answer.versions)} versions, and led to {moved}"
    if len(first.versions) == 1:
        yield from _moved(found, first, asked["response_id"], recovery)


def _moves(found: Evidence, response_id: int) -> list[str]:
    moves = {"recovery_won_back", "recovery_reopened"}
    return [
        row["event"] for row in found.tables["history"] if row["response_id"] == response_id and row["event"] in moves
    ]


def _moved(found: Evidence, answer: Answer, response_id: int, recovery: Row) -> Iterator[str]:
    """What an answer to a follow-up that nobody changed has to have led to."""
    said, moves = answer.versions[0], _moves(found, response_id)
    events = {row["event"] for row in found.tables["history"] if row["response_id"] == response_id}
    if not said.is_unhappy:
        if moves != ["recovery_won_back"] and "follow_up_answered" not in events:
            yield f"{answer.token} is happy, and its recovery was not won back: {moves}"
        if moves and recovery["stage"] != "won_back" and not _goes_on_for_another(found, recovery["id"], response_id):
            yield f"{answer.token} won its recovery back, which is {recovery['stage']}"
        return
    joined = [row["recovery_id"] for row in found.tables["recovery_response"] if row["response_id"] == response_id]
    if len(joined) != 1:
        yield f"{answer.token} is unhappy and belongs to {len(joined)} recoveries"
        return
    goes_on = next(row for row in found.tables["recovery"] if row["id"] == joined[0])
    tickets = _tickets(found, goes_on)
    if any(number in tickets and at > answer.acknowledged[1] for number, at in found.journal.solved.items()):
        return
    if goes_on["state"] != "open":
        yield f"{answer.token} is unhappy, and recovery {goes_on['id']} is {goes_on['state']}"
    statuses = [found.objects("zendesk", "ticket").get(str(number), {}).get("status") for number in tickets]
    if not set(statuses) & WAITING:
        yield f"{answer.token} is unhappy, and the tickets of its recovery are {statuses}"


def _goes_on_for_another(found: Evidence, recovery_id: int, response_id: int) -> bool:
    """Whether another answer, unhappy and not heard before, opened a recovery again after this one had won it back."""
    told = [row for row in found.tables["history"] if row["recovery_id"] == recovery_id]
    won = max(row["id"] for row in told if row["event"] == "recovery_won_back" and row["response_id"] == response_id)
    others = {row["response_id"] for row in told if row["event"] == "recovery_reopened" and row["id"] > won}
    keys = {row["key"] for row in found.tables["response"] if row["id"] in others - {response_id}}
    return any(one.key in keys and any(said.is_unhappy for said in one.versions) for one in found.journal.answers)


def _tickets(found: Evidence, recovery: Row) -> list[int]:
    mine = f"recovery/{recovery['id']}/ticket/"
    return [int(row["remote_id"]) for row in found.tables["receipt"] if row["object"].startswith(mine)]
