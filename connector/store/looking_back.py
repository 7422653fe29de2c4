"""What was decided, as it was recorded: read to be questioned, or played again. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select

from connector.domain.model.intent import WriteKind
from connector.domain.model.score import Fact
from connector.store import history, priors
from connector.store.prepared import Prepared
from connector.store.recoveries import MERGED
from connector.store.responses import Version, VersionState, from_row
from connector.store.schema import fact, intent, recovery, response, response_version, score
from connector.store.schema import history as told
from connector.store.transaction import Transaction

_AT_ONCE: Final = 500
JOINED: Final = "recovery_joined"
FIRED: Final = "score_rules"
"""The event of the history that says which rules about scores acted."""

_DECIDED = (
    select(response_version, response.c.person_id)
    .join(response, response.c.id == response_version.c.response_id)
    .where(response_version.c.state == VersionState.DECIDED.value, response_version.c.sealed.is_not(None))
)
_SOME = Prepared(_DECIDED.where(response_version.c.id.in_(bindparam("ids", expanding=True))), lists=["ids"])


def known_by(tx: Transaction, person_id: int, moment: datetime) -> list[Version]:
    """Of each answer of a person the newest version that was decided by `moment`, opened; what is erased is left out.

    What was taken back since is not among them, though it was known then.
    """
    rows = tx.execute(
        _DECIDED.where(response.c.person_id == person_id, response_version.c.decided_at <= moment).order_by(
            response_version.c.version
        )
    )
    return list({row.response_id: from_row(tx, row) for row in rows.all()}.values())


def decided(tx: Transaction, *, newest: int | None = None) -> Iterator[Version]:
    """Every decided version, opened, in the order in which they were decided; only the `newest` so many."""
    ids = list(
        tx.execute(
            select(response_version.c.id)
            .where(response_version.c.state == VersionState.DECIDED.value, response_version.c.sealed.is_not(None))
            .order_by(response_version.c.decided_at, response_version.c.id)
        ).scalars()
    )
    ids = ids if newest is None else ids[max(0, len(ids) - newest) :]
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        rows = {row.id: row for row in tx.execute(_SOME, {"ids": some})}
        yield from (from_row(tx, rows[one]) for one in some)


def edited(tx: Transaction) -> frozenset[int]:
    """The answers of which more than one version was decided."""
    rows = tx.execute(
        select(response_version.c.response_id)
        .where(response_version.c.state == VersionState.DECIDED.value)
        .group_by(response_version.c.response_id)
        .having(func.count() > 1)
    )
    return frozenset(rows.scalars())


def signals(tx: Transaction, prefix: str) -> dict[int, list[Fact]]:
    """The facts from elsewhere, whose sources begin with `prefix`, by person."""
    found: dict[int, list[Fact]] = {}
    for row in tx.execute(select(fact).where(fact.c.source.startswith(prefix, autoescape=True))):
        known = Fact(component=row.component, value=row.value, at=row.at, source=row.source)
        found.setdefault(row.person_id, []).append(known)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when until when a recovery was open; `until` None: it still is."""

    since: datetime
    until: datetime | None


def spans(tx: Transaction, called_off: str) -> dict[tuple[int, str], list[Span]]:
    """When recoveries were open, by person and playbook, oldest first; without those that ended as `called_off`."""
    found: dict[tuple[int, str], list[Span]] = {}
    for row in tx.execute(select(recovery).order_by(recovery.c.opened_at, recovery.c.id)):
        if row.cause not in {MERGED, called_off}:
            span = Span(since=row.opened_at, until=row.closed_at)
            found.setdefault((row.person_id, row.playbook), []).append(span)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was decided and planned since a moment. `opened` by playbook and severity; `bands` of persons, now.

    `fired`: how often each rule about scores acted, by its name then.
    """

    answers: int
    unhappy: int
    opened: Mapping[tuple[str, str], int]
    joined: int
    called_off: int
    made: Mapping[WriteKind, int]
    requests: int
    bands: Mapping[str | None, int]
    fired: Mapping[str, int]


def recorded(tx: Transaction, since: datetime, kinds: Sequence[WriteKind], called_off: str) -> Recorded:
    """What really came of the answers decided since then; of what was planned the `kinds`, undoing left out.

    Notes are those of recoveries. A ticket that follows up one somebody closed is not counted: no rule asked for it.
    """
    version, book = response_version.c, recovery.c
    is_counted = (version.state == VersionState.DECIDED.value) & (version.decided_at >= since)
    answers, unhappy = tx.execute(
        select(func.count(), func.count().filter(version.unhappy.is_(True))).where(is_counted)
    ).one()
    opened = tx.execute(
        select(book.playbook, book.severity, book.cause, func.count())
        .where(book.opened_at >= since)
        .group_by(book.playbook, book.severity, book.cause)
    ).all()
    by_severity: Counter[tuple[str, str]] = Counter()
    for playbook, severity, _, number in opened:
        by_severity[playbook, severity] += number
    joined = select(func.count()).select_from(told).where(told.c.event == JOINED, told.c.at >= since)
    made, requests = _made(tx, since, kinds)
    return Recorded(
        answers=answers,
        unhappy=unhappy,
        opened=by_severity,
        joined=int(tx.execute(joined).scalar_one()),
        called_off=sum(number for _, _, cause, number in opened if cause == called_off),
        made=made,
        requests=requests,
        bands=_bands(tx),
        fired=_fired(tx, since),
    )


def _fired(tx: Transaction, since: datetime) -> dict[str, int]:
    found: Counter[str] = Counter()
    for entry in history.of_event(tx, FIRED, since):
        acted = entry.detail.get("rules") if isinstance(entry.detail, dict) else None
        if isinstance(acted, list):
            found.update(str(one["rule"]) for one in acted if isinstance(one, dict))
    return dict(found)


def _made(tx: Transaction, since: datetime, kinds: Sequence[WriteKind]) -> tuple[dict[WriteKind, int], int]:
    """How many of each kind were planned, and in how many requests they have been sent so far."""
    mine = (
        intent.c.kind.in_([kind.value for kind in kinds]),
        intent.c.planned_at >= since,
        ~intent.c.key.startswith(priors.UNDO),
        intent.c.person_id.is_not(None) | intent.c.response_id.is_not(None),
        (intent.c.kind != WriteKind.NOTE.value) | intent.c.recovery_id.is_not(None),
        (intent.c.kind != WriteKind.TICKET.value) | intent.c.object.endswith("/ticket/1"),
    )
    rows = tx.execute(select(intent.c.kind, func.count()).where(*mine).group_by(intent.c.kind)).all()
    requests = tx.execute(select(func.count(intent.c.write_id.distinct())).where(*mine)).scalar_one()
    return {WriteKind(kind): int(number) for kind, number in rows}, int(requests)


def _bands(tx: Transaction) -> dict[str | None, int]:
    """How many persons' scores, as computed last, lie in each band; None: no score is published."""
    newest = select(func.max(score.c.id)).group_by(score.c.person_id)
    rows = tx.execute(select(score.c.band, func.count()).where(score.c.id.in_(newest)).group_by(score.c.band)).all()
    return {band: int(number) for band, number in rows}
