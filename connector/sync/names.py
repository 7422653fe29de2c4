"""The names of objects and the keys of intents. Both are derived from what happened, never from names in the YAML.

Objects live in our store and use its row ids. Keys leave it, as markers in other systems, and must be derived alike
after a backup was restored and its row ids are given out again: they use the survey tool's own id of the answer.
"""

from __future__ import annotations

from typing import Literal

from connector.domain.model.person import KeyKind
from connector.store import people
from connector.store.transaction import Transaction

# The steadiest first: an address outlives an invitation. Whoever is known by several is keyed by the first.
_STEADY = (KeyKind.EMAIL, KeyKind.PHONE, KeyKind.CRM_ID, KeyKind.INVITATION, KeyKind.INTERACTION)
_DIGITS = 32


def contact_object(person_id: int, account: str) -> str:
    """The person's contact in a CRM."""
    return f"person/{person_id}/contact@{account}"


def ticket_object(recovery_id: int, generation: int) -> str:
    """A recovery's ticket; follow-up tickets count up from 1."""
    return f"recovery/{recovery_id}/ticket/{generation}"


def recovery_of(object_name: str) -> int | None:
    """The recovery whose ticket an object name means; None for any other object."""
    parts = object_name.split("/")
    is_ticket = len(parts) == 4 and parts[0] == "recovery" and parts[2] == "ticket"
    return int(parts[1]) if is_ticket else None


def task_object(recovery_id: int, step: int) -> str:
    """The CRM task of a playbook's step."""
    return f"recovery/{recovery_id}/task/{step}"


def message_object(recovery_id: int, what: str) -> str:
    """One message to the customer of a recovery: the number of its step, or `survey`."""
    return f"recovery/{recovery_id}/customer/{what}"


def foreign_ticket(account: str, remote_id: str) -> str:
    """A ticket that is not ours, which a survey was about."""
    return f"ticket/{account}/{remote_id}"


def activity_object(response_key: str, account: str) -> str:
    """One answer on the contact's timeline."""
    return f"response/{response_key}/activity@{account}"


def note_object(response_key: str, mark: str, account: str, what: str) -> str:
    """What one version of an answer adds to a ticket; `what` is `answer` or `recovery`."""
    return f"response/{response_key}/{what}/{mark}@{account}"


def alert_object(response_key: str, ordinal: int | Literal[""]) -> str:
    """One message to people about an answer; what all of them begin with, without a number."""
    return f"response/{response_key}/alert/{ordinal}"


def event_object(response_key: str, event: str, ordinal: int, mark: str, account: str) -> str:
    """One event about a version of an answer; `ordinal` tells events of one type apart."""
    return f"response/{response_key}/event/{event}/{ordinal}/{mark}@{account}"


def score_alert_object(person_id: int, cause: str, ordinal: int) -> str:
    """One message to people about a score that moved; `cause` as in `score_key`."""
    return f"person/{person_id}/score/{cause}/alert/{ordinal}"


def score_event_object(person_id: int, cause: str, event: str, ordinal: int, account: str) -> str:
    """One event about a score that moved; `ordinal` tells events of one type apart."""
    return f"person/{person_id}/score/{cause}/event/{event}/{ordinal}@{account}"


def defect_key(tx: Transaction, account: str, theme: str, episode: int) -> str:
    """Of a theme's issue, and the beginning of the keys of all that is done about it: a theme is what a defect is."""
    return f"{account}/defect/{tx.blind('defect', f'{theme}/{episode}')[:_DIGITS]}"


def person_key(tx: Transaction, person_id: int) -> str:
    """A digest that is the same whenever and wherever this human is met again; it fits a field of 64 characters."""
    known = people.keys_of(tx, person_id)
    for kind in _STEADY:
        if kind in known:
            return tx.blind("person", f"{kind.value}/{min(known[kind])}")[:_DIGITS]
    return tx.blind("person", f"row/{person_id}")[:_DIGITS]


def contact_key(account: str, digest: str, attempt: int = 1) -> str:
    """Of the intent that makes sure of a contact; `attempt` counts up when it failed or the contact was deleted."""
    return f"{account}/person/{digest}" + ("" if attempt == 1 else f"/{attempt}")


def score_key(account: str, digest: str, cause: str) -> str:
    """Of one write of a health score; `cause` is the answer's version or the day that moved it."""
    return f"{account}/person/{digest}/score/{cause}"


def answer_key(account: str, response_key: str, kind: str, mark: str | None = None) -> str:
    """Of what one version of an answer causes; without its mark it names the record that all of them share."""
    return f"{account}/{response_key}/{kind}" + ("" if mark is None else f"/{mark}")


def step_key(account: str, opened_by: str, ordinal: int, step: int, kind: str, cause: str = "") -> str:
    """Of one step of a recovery. `opened_by` is the answer that opened it, `ordinal` tells its recoveries apart.

    `cause` is the version of an answer that a further ticket holds: counted, one that a forgotten life of the store
    opened for somebody else's words would be taken for it.
    """
    tail = f"/{cause}" if cause else ""
    return f"{account}/{opened_by}/recovery/{ordinal}/{step}/{kind}{tail}"
