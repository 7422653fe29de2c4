"""Erasures: who is being erased and how far it is, what became of each object elsewhere, and the certificate."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import Row, select, update

from connector.domain.matching.canonical import keys_of
from connector.domain.model.intent import Json
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Response
from connector.ports.erasing import Erased, Fate
from connector.store import candidates, forgetting, inbox, responses
from connector.store.canonical import response_from_json
from connector.store.erased import erased, erasure
from connector.store.schema import inbox as inbox_table
from connector.store.schema import response, response_version
from connector.store.subjects import Known
from connector.store.transaction import Transaction

NAMED_THERE: Final = "it is about somebody else and names them in a line `Candidate: …`: remove that line there"
LANE: Final = "erasure"
"""The lane that carries erasures out."""
KNOWN: Final = "erasure.known"
_NOT_ASCRIBED: Final = (
    responses.VersionState.PENDING.value,
    responses.VersionState.QUARANTINED.value,
    responses.VersionState.STALE.value,
)
_NO_DIGITS: Final = bytes(each for each in range(256) if each not in b"0123456789")


class State(StrEnum):
    """How far an erasure is. Every step is safe to repeat."""

    SEARCHING = "searching"
    """Tombstones are set and nothing is planned any more; what was not ascribed to anybody is looked through."""
    SETTLING = "settling"
    """Requests under way are found out about: what they made has to be known to be erased."""
    VENDORS = "vendors"
    DELETING = "deleting"
    EMPTYING = "emptying"
    """Rows are gone; the files still may hold their old bytes."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure. `known` is empty once it is done; `again_at` None means at once. `waits_for` is for people.

    `at_delivery` and `at_version` say how far the search is, `told` which accounts have erased what they hold, `here`
    how many rows of each table were cleared.
    """

    id: int
    subject: str
    state: State
    cause: str
    keep_contacts: bool
    requested_at: datetime
    again_at: datetime | None
    tries: int
    waits_for: str | None
    done_at: datetime | None
    known: Known
    at_delivery: int
    at_version: int
    told: tuple[str, ...]
    here: Mapping[str, int]
    certificate: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one object in another system."""

    account: str
    object: str
    fate: Fate
    why: str
    request_id: str
    at: datetime


def begin(tx: Transaction, known: Known, *, keep_contacts: bool = False, cause: str = "asked") -> int:
    """Set the tombstones, stop planning and write down what is to be erased elsewhere, in one transaction."""
    forgetting.bury(tx, known, keeps=keep_contacts)
    made = tx.execute(
        erasure.insert().values(
            subject=_name_of(known),
            state=State.SEARCHING.value,
            cause=cause,
            keep_contacts=keep_contacts,
            requested_at=tx.now,
            tries=0,
            known=tx.seal(KNOWN, _progress(known)),
        )
    )
    forgetting.stop(tx, known)
    tx.wake(LANE)
    key = made.inserted_primary_key
    assert key is not None
    unname(tx, int(key[0]), known)
    return int(key[0])


def unname(tx: Transaction, erasure_id: int, known: Known) -> None:
    """Forget them as candidates for others, and note which of the others' tickets and messages still name them."""
    for account, name in candidates.forget(tx, known):
        told = Erased(object=name, fate=Fate.KEPT, why=NAMED_THERE)
        note(tx, erasure_id, account, [told])


def _name_of(known: Known) -> str:
    """Salted digests: who holds the certificate and an address can show that they belong together, nobody else."""
    salt = os.urandom(16)
    told = sorted(known.emails or known.phones) or ["\n".join(sorted(known.keys))]
    return ":".join([salt.hex(), *(_digest(salt, one) for one in told)])


def _digest(salt: bytes, text: str) -> str:
    return hashlib.scrypt(text.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()


def names(subject: str, text: str) -> bool:
    """Whether a certificate's `subject` was made of this canonical address, among others."""
    salt, *digests = subject.split(":")
    return _digest(bytes.fromhex(salt), text) in digests


def get(tx: Transaction, erasure_id: int) -> Erasure:
    """One erasure. Raises KeyError."""
    row = tx.execute(select(erasure).where(erasure.c.id == erasure_id)).one_or_none()
    if row is None:
        raise KeyError(erasure_id)
    return _erasure(tx, row)


def under_way(tx: Transaction) -> list[Erasure]:
    """Those that are not done, the oldest first."""
    rows = tx.execute(select(erasure).where(erasure.c.state != State.DONE.value).order_by(erasure.c.id)).all()
    return [_erasure(tx, row) for row in rows]


def due_since(tx: Transaction) -> datetime | None:
    """Since when the oldest that is under way could go on; in the future where all of them wait."""
    return min((one.again_at or one.requested_at for one in under_way(tx)), default=None)


def listed(tx: Transaction) -> list[Erasure]:
    """All of them, the newest first."""
    return [_erasure(tx, row) for row in tx.execute(select(erasure).order_by(erasure.c.id.desc())).all()]


def move(tx: Transaction, one: Erasure, state: State, *, here: Mapping[str, int] | None = None) -> Erasure:
    """On to the next step; `here` are the rows that were cleared."""
    moved = replace(one, state=state, again_at=None, tries=0, waits_for=None, here=here or one.here)
    _store(tx, moved)
    tx.wake(LANE)
    return moved


def wait(tx: Transaction, one: Erasure, until: datetime, why: str, *, failed: bool = False) -> None:
    """Come back at `until`; `why` holds no personal data."""
    _store(tx, replace(one, again_at=until, waits_for=why, tries=one.tries + int(failed)))
    tx.wake(LANE, until)


def told(tx: Transaction, one: Erasure, account: str) -> Erasure:
    """An account has erased what it holds: it is not asked again."""
    moved = replace(one, told=(*one.told, account), tries=0, waits_for=None)
    _store(tx, moved)
    return moved


def note(tx: Transaction, erasure_id: int, account: str, results: Iterable[Erased]) -> None:
    """What became of objects in an account; a later word about the same object replaces an earlier one."""
    for each in results:
        tx.upsert(
            erased,
            {
                "erasure_id": erasure_id,
                "account": account,
                "object": each.object,
                "fate": each.fate.value,
                "why": each.why,
                "request_id": each.request_id,
                "at": tx.now,
            },
            keys=["erasure_id", "account", "object"],
            update=["fate", "why", "request_id", "at"],
        )


def outcomes(tx: Transaction, erasure_id: int) -> list[Outcome]:
    """What became of everything elsewhere, by account."""
    rows = tx.execute(
        select(erased).where(erased.c.erasure_id == erasure_id).order_by(erased.c.account, erased.c.object)
    )
    return [
        Outcome(
            account=row.account,
            object=row.object,
            fate=Fate(row.fate),
            why=row.why,
            request_id=row.request_id,
            at=row.at,
        )
        for row in rows
    ]


def finish(tx: Transaction, one: Erasure, certificate: Json) -> None:
    """It is done: nothing is known of the person any more."""
    tx.execute(
        update(erasure)
        .where(erasure.c.id == one.id)
        .values(
            state=State.DONE.value,
            done_at=tx.now,
            again_at=None,
            waits_for=None,
            known=None,
            certificate=certificate,
        )
    )


def search_deliveries(tx: Transaction, one: Erasure, limit: int) -> int:
    """Look through deliveries that belong to no answer; returns how many were looked at, 0 when there are no more.

    A delivery that could not be mapped is recognised by an e-mail address or phone number of theirs in its bytes.
    """
    rows = tx.execute(
        select(inbox_table.c.id, inbox_table.c.payload)
        .where(
            inbox_table.c.id > one.at_delivery,
            inbox_table.c.payload.is_not(None),
            inbox_table.c.response_id.is_(None),
        )
        .order_by(inbox_table.c.id)
        .limit(limit)
    ).all()
    needles = _needles(one.known)
    found = [row.id for row in rows if _says(tx.unseal_bytes(inbox.PAYLOAD, row.payload), needles)]
    forgetting.deliveries(tx, found)
    if rows:
        _store(tx, replace(one, at_delivery=rows[-1].id))
    return len(rows)


def search_answers(tx: Transaction, one: Erasure, limit: int) -> int:
    """Look through answers nobody was found for yet; returns how many were looked at, 0 when there are no more."""
    rows = tx.execute(
        select(response_version.c.id, response_version.c.sealed, response.c.id.label("answer"), response.c.key)
        .join(response, response.c.id == response_version.c.response_id)
        .where(
            response_version.c.id > one.at_version,
            response_version.c.sealed.is_not(None),
            response_version.c.state.in_(_NOT_ASCRIBED),
            response.c.person_id.is_(None),
        )
        .order_by(response_version.c.id)
        .limit(limit)
    ).all()
    theirs = [row for row in rows if _is_theirs(tx, response_from_json(tx.unseal(responses.SEALED, row.sealed)), one)]
    known = one.known
    if theirs:
        known = known.with_answers([row.answer for row in theirs], [row.key for row in theirs])
        forgetting.bury(tx, known, keeps=one.keep_contacts)
        forgetting.stop(tx, known)
    if rows:
        _store(tx, replace(one, known=known, at_version=rows[-1].id))
    return len(rows)


def _is_theirs(tx: Transaction, said: Response, one: Erasure) -> bool:
    keys = keys_of(said.respondent, said.interaction)
    return keys.get(KeyKind.EMAIL) in one.known.emails or keys.get(KeyKind.PHONE) in one.known.phones


def _needles(known: Known) -> tuple[bytes, ...]:
    """What gives a person away in raw bytes. Phone numbers are told by their last nine digits, however written."""
    return tuple(mail.encode() for mail in known.emails) + tuple(number[-9:].encode() for number in known.phones)


def _says(payload: bytes, needles: Collection[bytes]) -> bool:
    text = payload.lower().replace(b"\\u0040", b"@")
    digits = payload.translate(None, _NO_DIGITS)
    return any(needle in (digits if needle.isdigit() else text) for needle in needles)


def forget_answer(tx: Transaction, response_id: int, key: str) -> None:
    """An answer of an erased person was taken in just before the tombstones were set, and not decided yet."""
    known = Known(responses=(response_id,), keys=(key,))
    forgetting.bury(tx, known)
    forgetting.stop(tx, known)
    forgetting.delete_here(tx, known)


def _progress(
    known: Known,
    at_delivery: int = 0,
    at_version: int = 0,
    told_: Sequence[str] = (),
    here: Mapping[str, int] | None = None,
) -> Json:
    return {
        "known": known.to_json(),
        "at_delivery": at_delivery,
        "at_version": at_version,
        "told": list(told_),
        "here": dict(here or {}),
    }


def _store(tx: Transaction, one: Erasure) -> None:
    sealed = tx.seal(KNOWN, _progress(one.known, one.at_delivery, one.at_version, one.told, one.here))
    tx.execute(
        update(erasure)
        .where(erasure.c.id == one.id)
        .values(state=one.state.value, again_at=one.again_at, tries=one.tries, waits_for=one.waits_for, known=sealed)
    )


def _erasure(tx: Transaction, row: Row[Any]) -> Erasure:
    progress = _progress(Known()) if row.known is None else tx.unseal(KNOWN, row.known)
    fields = cast("dict[str, Any]", progress)
    return Erasure(
        id=row.id,
        subject=row.subject,
        state=State(row.state),
        cause=row.cause,
        keep_contacts=row.keep_contacts,
        requested_at=row.requested_at,
        again_at=row.again_at,
        tries=row.tries,
        waits_for=row.waits_for,
        done_at=row.done_at,
        known=Known.from_json(fields["known"]),
        at_delivery=fields["at_delivery"],
        at_version=fields["at_version"],
        told=tuple(fields["told"]),
        here=fields["here"],
        certificate=row.certificate,
    )


def tallies(tx: Transaction) -> dict[str, int]:
    """How many erasures are in each state."""
    found: dict[str, int] = {}
    states: Sequence[str] = list(tx.execute(select(erasure.c.state)).scalars())
    for state in states:
        found[state] = found.get(state, 0) + 1
    return found
