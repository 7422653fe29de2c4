"""Answers and their versions: recorded once each, decided once each, the newest by event time wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from connector.domain.model.response import Response, Understanding
from connector.store import canonical, history, tombstones
from connector.store.columns import aside
from connector.store.prepared import Prepared
from connector.store.schema import response, response_version
from connector.store.transaction import Transaction

DECIDING = "decide"
"""The lane versions to decide wake."""

SEALED = "response_version.sealed"
UNDERSTANDING = "response_version.understanding"


class VersionState(StrEnum):
    """Where one version of an answer stands. `quarantined` is left by `replay` or a newer version.

    `undone`: it was decided under a run that was taken back, and counts for nothing. Read again it is another version.
    """

    PENDING = "pending"
    DECIDED = "decided"
    STALE = "stale"
    QUARANTINED = "quarantined"
    UNDONE = "undone"
    ERASED = "erased"


class Outcome(StrEnum):
    """What recording an answer came to."""

    RECORDED = "recorded"
    STALE = "stale"
    DUPLICATE = "duplicate"
    ERASED = "erased"


_OPENED = (
    select(response_version, response.c.person_id)
    .join(response, response.c.id == response_version.c.response_id)
    .where(response_version.c.sealed.is_not(None))
)
_DECIDED = (
    _OPENED.where(
        response_version.c.response_id == bindparam("wanted"), response_version.c.state == VersionState.DECIDED.value
    )
    .order_by(response_version.c.version.desc())
    .limit(1)
)
_NEWEST_DECIDED = Prepared(_DECIDED)
_NEWEST_ACTED_ON = Prepared(_DECIDED.where(response_version.c.record_only.is_not(True)))
_RECENT = Prepared(
    _OPENED.where(
        response.c.person_id == bindparam("person"),
        response.c.id != bindparam("but"),
        response_version.c.version == response.c.latest_version,
        aside(response_version.c.state) == VersionState.DECIDED.value,
        response_version.c.event_at <= bindparam("before"),
    )
    .order_by(response_version.c.event_at.desc(), response.c.key)
    .limit(bindparam("most"))
)
# Two walks along an index: sorting a hundred thousand imported answers for each ten of them would take minutes.
_PENDING = _OPENED.where(response_version.c.state == VersionState.PENDING.value).order_by(
    response_version.c.event_at, response_version.c.id
)
_FRESH = Prepared(_PENDING.where(response_version.c.event_at >= bindparam("since")).limit(bindparam("most")))
_OLD = Prepared(_PENDING.where(response_version.c.event_at < bindparam("since")).limit(bindparam("most")))
_V = response_version.c
_VERSIONS = Prepared(
    select(_V.version, _V.event_at, _V.submitted_at, _V.content, _V.state, _V.run_id, _V.record_only).where(
        _V.response_id == bindparam("wanted")
    )
)
_ID = Prepared(select(response.c.id).where(response.c.key == bindparam("wanted")))
_KEY = Prepared(select(response.c.key).where(response.c.id == bindparam("wanted")))
_INSERT = Prepared(response_version.insert())
_DECIDE = Prepared(update(response_version).where(_V.id == bindparam("wanted"), _V.state == VersionState.PENDING.value))
_CHANGE = Prepared(update(response).where(response.c.id == bindparam("wanted")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What `record` did. `response_id` is None only for an erased answer, of which nothing was kept."""

    outcome: Outcome
    response_id: int | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an answer, opened. `satisfaction` (0–100, worst rating) and `unhappy` are set when decided.

    `mark` names it in keys. `run_id` and `record_only` are of what an import brought, see `inbox.Arrival`.
    """

    id: int
    response_id: int
    number: int
    mark: str
    state: VersionState
    response: Response
    understanding: Understanding
    event_at: datetime
    person_id: int | None
    satisfaction: float | None
    unhappy: bool | None
    reason: str | None
    decided_at: datetime | None
    run_id: int | None = None
    record_only: bool | None = None
    trimmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecidable:
    """A version that waits for a person: which answer and why, without what it says."""

    key: str
    number: int
    received_at: datetime
    reason: str


def is_erased(tx: Transaction, blinds: Sequence[str]) -> bool:
    """Whether any of these blind keys belongs to someone, or something, that was erased."""
    return bool(tombstones.among(tx, blinds))


def record(
    tx: Transaction,
    answer: Response,
    understanding: Understanding,
    *,
    blinds: Sequence[str] = (),
    run_id: int | None = None,
    record_only: bool | None = None,
    acts: bool = False,
) -> Recorded:
    """Record one mapped answer.

    The same content again is a duplicate, unless it undoes an edit made under the same time of submission: then it is
    the newest version. A version whose event is older than one already known is kept as `stale` and never decided; a
    newer one makes undecided older ones stale. `blinds` are the respondent's blind keys: when one of them, or the
    answer's own, has a tombstone, nothing is recorded.
    """
    if is_erased(tx, [tx.blind("response", answer.key), *blinds]):
        return Recorded(outcome=Outcome.ERASED, response_id=None, version=None)
    response_id, is_new = _row_of(tx, answer)
    digest = tx.blind("content", canonical.content(answer))
    known = [] if is_new else tx.execute(_VERSIONS, {"wanted": response_id}).all()
    counting = [row for row in known if row.state != VersionState.UNDONE.value]
    if (same := _known_as(counting, digest, answer.submitted_at, acts=acts)) is not None:
        return Recorded(outcome=Outcome.DUPLICATE, response_id=response_id, version=same)
    number = 1 + max((row.version for row in known), default=0)
    stale = any(row.event_at > answer.event_at for row in counting)
    if not stale:
        if known:
            _overtake(tx, response_id)
        undecided = [row for row in counting if row.state == VersionState.PENDING.value and not row.record_only]
        if record_only and undecided:
            # Whatever an import says of an answer that is about to be acted on, it is acted on.
            run_id, record_only = undecided[-1].run_id, undecided[-1].record_only
        if not is_new:
            tx.execute(_CHANGE, {"wanted": response_id, "latest_version": number})
    tx.execute(
        _INSERT,
        {
            "response_id": response_id,
            "version": number,
            "state": (VersionState.STALE if stale else VersionState.PENDING).value,
            "reason": "a newer version of this answer is already known" if stale else None,
            "event_at": answer.event_at,
            "submitted_at": answer.submitted_at,
            "received_at": answer.received_at,
            "content": digest,
            "mark": canonical.mark_of(answer.submitted_at, [row.submitted_at for row in known]),
            "sealed": tx.seal(SEALED, canonical.response_to_json(answer)),
            "understanding": tx.seal(UNDERSTANDING, canonical.understanding_to_json(understanding)),
            "run_id": run_id,
            "record_only": record_only,
        },
    )
    return Recorded(outcome=Outcome.STALE if stale else Outcome.RECORDED, response_id=response_id, version=number)


def _known_as(known: Sequence[Row[Any]], digest: str, submitted_at: datetime, *, acts: bool) -> int | None:
    """The version an answer with this content repeats; None when it is a new one.

    A survey tool may keep the time of submission through edits. An answer changed and changed back then says what an
    earlier version said, and only the order of arrival tells it from that version sent again: it repeats the latest
    version, or one that a later submission replaced.
    """
    latest = max(known, key=lambda row: (row.event_at, row.version), default=None)
    for row in known:
        is_replaced = any(other.submitted_at > submitted_at for other in known)
        is_told = row is latest and not (acts and row.record_only)
        if row.content == digest and (is_told or is_replaced):
            return int(row.version)
    return None


def _row_of(tx: Transaction, answer: Response) -> tuple[int, bool]:
    made = tx.insert_new(response, {"key": answer.key, "survey": answer.survey, "latest_version": 1})
    return (made, True) if made else (int(tx.execute(_ID, {"wanted": answer.key}).scalar_one()), False)


def _overtake(tx: Transaction, response_id: int) -> None:
    """A newer version arrived before the older one was decided: only the newer one counts."""
    undecided = (VersionState.PENDING.value, VersionState.QUARANTINED.value)
    tx.execute(
        update(response_version)
        .where(response_version.c.response_id == response_id, response_version.c.state.in_(undecided))
        .values(state=VersionState.STALE.value, reason="a newer version arrived before this one was decided")
    )


def pending(tx: Transaction, *, limit: int, fresh_since: datetime) -> list[Version]:
    """Versions to decide, by event time; those since `fresh_since` first: no recovery waits behind a backfill."""
    rows = list(tx.execute(_FRESH, {"since": fresh_since, "most": limit}))
    if len(rows) < limit:
        rows += tx.execute(_OLD, {"since": fresh_since, "most": limit - len(rows)})
    return [from_row(tx, row) for row in rows]


def get(tx: Transaction, response_id: int, number: int | None = None) -> Version | None:
    """One version of an answer, the latest by default; None when it is not there or was erased."""
    wanted = response.c.latest_version if number is None else number
    row = tx.execute(
        _OPENED.where(response_version.c.response_id == response_id, response_version.c.version == wanted)
    ).first()
    return None if row is None else from_row(tx, row)


def find(tx: Transaction, key: str) -> int | None:
    """The id of the answer with this key."""
    found: int | None = tx.execute(_ID, {"wanted": key}).scalar()
    return found


def key_of(tx: Transaction, response_id: int) -> str:
    """The key of an answer."""
    return str(tx.execute(_KEY, {"wanted": response_id}).scalar_one())


def oldest_pending(tx: Transaction) -> datetime | None:
    """When the oldest version that is still to be decided was received."""
    pending = response_version.c.state == VersionState.PENDING.value
    at: datetime | None = tx.execute(select(func.min(response_version.c.received_at)).where(pending)).scalar_one()
    return at


def waiting(tx: Transaction, run_id: int) -> int:
    """How many versions an import brought are still to be decided."""
    which = (response_version.c.state == VersionState.PENDING.value) & (response_version.c.run_id == run_id)
    return int(tx.execute(select(func.count()).where(which)).scalar_one())


def keys_like(tx: Transaction, text: str, limit: int = 10) -> list[str]:
    """Keys of the answers that have this key, or this id in their survey tool."""
    known = find(tx, text)
    if known is not None:
        return [text]
    found = tx.execute(
        select(response.c.key).where(response.c.key.endswith(f"/{text}", autoescape=True)).order_by(response.c.key)
    )
    return list(found.scalars().fetchmany(limit))


def last_decided(tx: Transaction, response_id: int, *, acted_on: bool = False) -> Version | None:
    """The newest version of an answer that was decided; with `acted_on`, of those that were not only recorded."""
    query = _NEWEST_ACTED_ON if acted_on else _NEWEST_DECIDED
    row = tx.execute(query, {"wanted": response_id}).first()
    return None if row is None else from_row(tx, row)


def recent(tx: Transaction, person_id: int, *, before: datetime, but: int, limit: int = 3) -> list[Version]:
    """The person's latest decided answers that happened before `before`, newest first, without the answer `but`."""
    rows = tx.execute(_RECENT, {"person": person_id, "but": but, "before": before, "most": limit}).all()
    return [from_row(tx, row) for row in rows]


def newest(tx: Transaction, *, limit: int) -> Iterator[Version]:
    """The latest version of each answer, the one recorded last first; erased ones are left out."""
    is_latest = response_version.c.version == response.c.latest_version
    there = response_version.c.sealed.is_not(None)
    rows = tx.execute(_OPENED.where(is_latest, there).order_by(response_version.c.id.desc()).limit(limit)).all()
    return (from_row(tx, row) for row in rows)


def mark_decided(
    tx: Transaction, version: Version, *, person_id: int | None, satisfaction: float | None, unhappy: bool
) -> bool:
    """Mark a version decided, in the transaction that plans its intents; False when it was not pending any more."""
    done = tx.execute(
        _DECIDE,
        {
            "wanted": version.id,
            "state": VersionState.DECIDED.value,
            "decided_at": tx.now,
            "decided_run": tx.run_id,
            "satisfaction": satisfaction,
            "unhappy": unhappy,
        },
    )
    tx.execute(_CHANGE, {"wanted": version.response_id, "person_id": person_id})
    return bool(done.rowcount)


def quarantine(tx: Transaction, version: Version, reason: str) -> None:
    """Set one version aside because deciding it failed; `reason` holds no personal data."""
    tx.execute(
        update(response_version)
        .where(response_version.c.id == version.id, response_version.c.state == VersionState.PENDING.value)
        .values(state=VersionState.QUARANTINED.value, reason=reason)
    )


def list_quarantined(tx: Transaction, limit: int = 100) -> list[Undecidable]:
    """Versions that could not be decided, oldest first."""
    rows = tx.execute(
        select(response.c.key, response_version.c.version, response_version.c.received_at, response_version.c.reason)
        .join(response, response.c.id == response_version.c.response_id)
        .where(response_version.c.state == VersionState.QUARANTINED.value)
        .order_by(response_version.c.id)
        .limit(limit)
    )
    return [
        Undecidable(key=row.key, number=row.version, received_at=row.received_at, reason=row.reason or "")
        for row in rows
    ]


def replay(tx: Transaction, keys: Sequence[str] | None = None) -> int:
    """Put what could not be decided (all of it, or the answers with these keys) back to pending; returns how
    many answers. Wakes the lane.
    """
    which = response_version.c.state == VersionState.QUARANTINED.value
    if keys is not None:
        which &= response_version.c.response_id.in_(select(response.c.id).where(response.c.key.in_(keys)))
    again = update(response_version).where(which).values(state=VersionState.PENDING.value, reason=None)
    back = tx.execute(again.returning(response_version.c.response_id, response_version.c.version)).all()
    for row in back:
        history.append(tx, "replayed", response_id=row.response_id, detail={"version": row.version})
    if back:
        tx.wake(DECIDING)
    return len({row.response_id for row in back})


def move(tx: Transaction, loser: int, winner: int) -> None:
    """Give one person's answers to another: they turned out to be one human."""
    tx.execute(update(response).where(response.c.person_id == loser).values(person_id=winner))


def counts(tx: Transaction) -> dict[str, int]:
    """How many versions are in each state; every version is in exactly one."""
    rows = tx.execute(select(response_version.c.state, func.count()).group_by(response_version.c.state)).all()
    return {str(state): int(number) for state, number in rows}


def from_row(tx: Transaction, row: Row[Any]) -> Version:
    """A row of the table, with the `person_id` of its answer, as a value."""
    kept = row.understanding
    understood = Understanding() if kept is None else canonical.understanding_from_json(tx.unseal(UNDERSTANDING, kept))
    return Version(
        id=row.id,
        response_id=row.response_id,
        number=row.version,
        mark=row.mark or str(row.version),
        state=VersionState(row.state),
        response=canonical.response_from_json(tx.unseal(SEALED, row.sealed)),
        understanding=understood,
        event_at=row.event_at,
        person_id=row.person_id,
        satisfaction=row.satisfaction,
        unhappy=row.unhappy,
        reason=row.reason,
        decided_at=row.decided_at,
        run_id=row.run_id,
        record_only=row.record_only,
        trimmed=row.trimmed_at is not None,
    )
