"""Defects: the answers and tickets that speak of a theme, and the issues that became of themes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Text, and_, bindparam, cast, delete, func, literal, select, update

from connector.domain.defects import Known, Mention
from connector.domain.model.intent import FINAL_STATES, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.transitions import OPEN, UNSENT
from connector.store import intents, people
from connector.store.prepared import Prepared
from connector.store.schema import conversation, defect, defect_answer, defect_ticket, intent, remote, response
from connector.store.transaction import Transaction


class DefectState(StrEnum):
    """Where an issue stands, as far as we know. All but the first two are final: the theme's next issue is another."""

    OPEN = "open"
    CLOSED = "closed"
    CALLED_OFF = "called_off"
    FAILED = "failed"
    GONE = "gone"
    UNDONE = "undone"


LIVING = frozenset({DefectState.OPEN, DefectState.CLOSED})
_NAME = literal("defect/") + cast(defect.c.id, Text)
_THEMES = Prepared(select(defect_answer.c.theme).where(defect_answer.c.response_id == bindparam("answer")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One issue about a theme. `episode` counts the theme's issues in this tracker, `closings` how often it closed."""

    id: int
    account: str
    theme: str
    episode: int
    state: DefectState
    severity: Severity
    since: datetime
    opened_at: datetime
    closed_at: datetime | None
    closings: int
    told: int
    read_at: datetime | None
    stale: bool

    @property
    def object(self) -> str:
        """Our name of the issue."""
        return f"defect/{self.id}"

    def known(self, *, is_sent: bool) -> Known | None:
        """As deciding sees it; None when the theme's next issue is another one."""
        if self.state not in LIVING:
            return None
        closed_at = self.closed_at if self.state is DefectState.CLOSED else None
        return Known(since=self.since, told=self.told, severity=self.severity, closed_at=closed_at, is_sent=is_sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A customer's own ticket whose conversation is to be read."""

    remote_id: str
    person_id: int
    changed_at: datetime


def mention(tx: Transaction, response_id: int, themes: Collection[str], at: datetime) -> frozenset[str]:
    """An answer speaks of these themes and of no others any more; returns those for which that is news."""
    before = frozenset(tx.execute(_THEMES, {"answer": response_id}).scalars())
    wanted = frozenset(themes)
    for theme in sorted(wanted - before):
        tx.insert_ignore(defect_answer, {"theme": theme, "response_id": response_id, "at": at})
    if gone := before - wanted:
        which = and_(defect_answer.c.response_id == response_id, defect_answer.c.theme.in_(sorted(gone)))
        tx.execute(delete(defect_answer).where(which))
    return before ^ wanted


def mentions(tx: Transaction, theme: str, since: datetime) -> list[Mention]:
    """The answers and tickets that speak of a theme since then, oldest first."""
    answers = tx.execute(
        select(defect_answer.c.response_id, defect_answer.c.at, response.c.person_id)
        .join(response, response.c.id == defect_answer.c.response_id)
        .where(defect_answer.c.theme == theme, defect_answer.c.at >= since)
    ).all()
    tickets = tx.execute(select(defect_ticket).where(defect_ticket.c.theme == theme, defect_ticket.c.at >= since)).all()
    found = [Mention(response_id=row.response_id, person=row.person_id, at=row.at) for row in answers]
    found += [
        Mention(
            response_id=None,
            person=people.survivor(tx, row.person_id),
            at=row.at,
            ticket=(row.account, row.remote_id),
        )
        for row in tickets
    ]
    return sorted(found, key=lambda one: (one.at, one.response_id or 0, one.ticket))


def to_be_heard(tx: Transaction, account: str, remote_id: str, person_id: int, changed_at: datetime) -> None:
    """A customer's own ticket changed: what was said there is to be read."""
    row = {"account": account, "remote_id": remote_id, "person_id": person_id, "changed_at": changed_at}
    tx.upsert(conversation, row, keys=["account", "remote_id"], update=["person_id", "changed_at"])
    tx.wake(lane_of_conversations(account))


def unheard(tx: Transaction, account: str, limit: int) -> list[Unheard]:
    """Tickets whose conversation is to be read, those that changed first first."""
    query = select(conversation).where(conversation.c.account == account)
    rows = tx.execute(query.order_by(conversation.c.changed_at, conversation.c.remote_id).limit(limit)).all()
    return [Unheard(remote_id=row.remote_id, person_id=row.person_id, changed_at=row.changed_at) for row in rows]


def unheard_since(tx: Transaction, account: str) -> datetime | None:
    """When the ticket changed that waits longest to be heard."""
    return next((one.changed_at for one in unheard(tx, account, 1)), None)


def heard(tx: Transaction, account: str, one: Unheard, themes: Mapping[str, datetime]) -> frozenset[str]:
    """A ticket speaks of these themes, and last did so then; returns those for which that is news.

    Nothing is kept of one that is not to be heard any more: its person was erased meanwhile.
    """
    which = and_(conversation.c.account == account, conversation.c.remote_id == one.remote_id)
    row = tx.execute(select(conversation.c.changed_at).where(which)).first()
    if row is None:
        return frozenset()
    if row.changed_at == one.changed_at:
        tx.execute(delete(conversation).where(which))
    mine = and_(defect_ticket.c.account == account, defect_ticket.c.remote_id == one.remote_id)
    before = {known.theme: known.at for known in tx.execute(select(defect_ticket).where(mine)).all()}
    for theme, at in sorted(themes.items()):
        said_at = {"theme": theme, "account": account, "remote_id": one.remote_id, "person_id": one.person_id, "at": at}
        tx.upsert(defect_ticket, said_at, keys=["theme", "account", "remote_id"], update=["person_id", "at"])
    return frozenset(theme for theme, at in themes.items() if before.get(theme) != at)


def newest(tx: Transaction, account: str, theme: str) -> Defect | None:
    """The theme's newest issue in a tracker."""
    query = (
        select(defect)
        .where(defect.c.account == account, defect.c.theme == theme)
        .order_by(defect.c.episode.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return None if row is None else _from_row(row)


def of_object(tx: Transaction, object_name: str) -> Defect | None:
    """The defect an object name means; None for any other object."""
    kind, _, number = object_name.partition("/")
    if kind != "defect" or not number.isdigit():
        return None
    row = tx.execute(select(defect).where(defect.c.id == int(number))).first()
    return None if row is None else _from_row(row)


def open_one(tx: Transaction, account: str, theme: str, *, severity: Severity, since: datetime, told: int) -> Defect:
    """A new issue about a theme."""
    last = newest(tx, account, theme)
    values = {
        "account": account,
        "theme": theme,
        "episode": 1 if last is None else last.episode + 1,
        "state": DefectState.OPEN.value,
        "severity": severity.value,
        "since": since,
        "opened_at": tx.now,
        "closings": 0,
        "told": told,
        "stale": False,
    }
    made = tx.execute(defect.insert().values(**values).returning(defect)).one()
    return _from_row(made)


def said(tx: Transaction, one: Defect, *, severity: Severity, told: int) -> None:
    """The issue speaks of so many answers now."""
    _set(tx, one.id, severity=severity.value, told=told)


def close(tx: Transaction, one: Defect, at: datetime) -> Defect | None:
    """It was closed there; None where that is no news: we wanted it opened again since, and it was not."""
    is_news = one.closed_at is None or at > one.closed_at
    _set(tx, one.id, state=DefectState.CLOSED.value, closed_at=at, closings=one.closings + int(is_news))
    return _get(tx, one.id) if is_news else None


def reopen(tx: Transaction, one: Defect) -> None:
    """It is open again, by us or by somebody there."""
    _set(tx, one.id, state=DefectState.OPEN.value)


def end(tx: Transaction, one: Defect, state: DefectState) -> None:
    """Nothing more comes of this issue."""
    _set(tx, one.id, state=state.value, stale=False)


def forget(tx: Transaction, response_ids: Collection[int], persons: Collection[int] = ()) -> None:
    """These are nobody's any more: they count no longer, and issues that may speak of them are written anew."""
    answers = defect_answer.c.response_id.in_(response_ids)
    tickets = defect_ticket.c.person_id.in_(persons)
    tx.execute(delete(conversation).where(conversation.c.person_id.in_(persons)))
    themes = set(tx.execute(select(defect_answer.c.theme).where(answers)).scalars())
    themes |= set(tx.execute(select(defect_ticket.c.theme).where(tickets)).scalars())
    if not themes:
        return
    living = and_(defect.c.theme.in_(sorted(themes)), defect.c.state.in_([state.value for state in LIVING]))
    for account in set(tx.execute(select(defect.c.account).where(living)).scalars()):
        tx.wake(lane_of_issues(account))
    tx.execute(update(defect).where(living).values(stale=True))
    tx.execute(delete(defect_answer).where(answers))
    tx.execute(delete(defect_ticket).where(tickets))


def lane_of_conversations(account: str) -> str:
    """The lane that reads what customers wrote on their tickets."""
    return f"poll/{account}/conversations"


def lane_of_issues(account: str) -> str:
    """The lane that reads how a tracker's issues stand, and writes those anew that have to be."""
    return f"poll/{account}/issues"


def stale(tx: Transaction, account: str) -> list[Defect]:
    """The issues that may quote somebody who was erased."""
    rows = tx.execute(select(defect).where(defect.c.account == account, defect.c.stale.is_(True)).order_by(defect.c.id))
    return [_from_row(row) for row in rows.all()]


def written_anew(tx: Transaction, one: Defect, body: str) -> bool:
    """Whatever of ours still holds the old text holds it no longer: what was not sent says `body`, what ended nothing.

    False while a request with the old text is under way: to be called again.
    """
    rows = intents.where(tx, and_(intent.c.object == one.object, intent.c.kind == WriteKind.ISSUE.value))
    for row in rows:
        if row.state in UNSENT and "body" in row.fields:
            sealed = intents.seal_fields(tx, {**row.fields, "body": body}, row.ours, row.if_blank)
            tx.execute(update(intent).where(intent.c.id == row.id).values(fields=sealed))
        elif row.state in FINAL_STATES:
            tx.execute(update(intent).where(intent.c.id == row.id).values(fields=None))
    is_done = all(row.state not in OPEN for row in rows)
    if is_done:
        _set(tx, one.id, stale=False)
    return is_done


def to_read(tx: Transaction, account: str, before: datetime, limit: int) -> list[tuple[Defect, str]]:
    """Issues whose state was last read before then, longest ago first, with their ids there."""
    rows = tx.execute(
        select(defect, remote.c.remote_id)
        .join(remote, and_(remote.c.account == defect.c.account, remote.c.object == _NAME))
        .where(
            defect.c.account == account,
            defect.c.state.in_([state.value for state in LIVING]),
            defect.c.read_at.is_(None) | (defect.c.read_at <= before),
        )
        .order_by(func.coalesce(defect.c.read_at, defect.c.opened_at), defect.c.id)
        .limit(limit)
    )
    return [(_from_row(row), str(row.remote_id)) for row in rows.all()]


def next_read(tx: Transaction, account: str) -> tuple[bool, datetime | None]:
    """Whether there are issues to be read at all, and when the one read longest ago was; None: one never was."""
    living = and_(defect.c.account == account, defect.c.state.in_([state.value for state in LIVING]))
    row = tx.execute(
        select(
            func.count().label("n"), func.count(defect.c.read_at).label("read"), func.min(defect.c.read_at).label("at")
        ).where(living)
    ).one()
    return bool(row.n), row.at if row.n == row.read else None


def was_read(tx: Transaction, one: Defect, at: datetime) -> None:
    """Its state was read."""
    _set(tx, one.id, read_at=at)


def _get(tx: Transaction, defect_id: int) -> Defect:
    return _from_row(tx.execute(select(defect).where(defect.c.id == defect_id)).one())


def _set(tx: Transaction, defect_id: int, **values: Any) -> None:
    tx.execute(update(defect).where(defect.c.id == defect_id).values(**values))


def _from_row(row: Row[Any]) -> Defect:
    return Defect(
        id=row.id,
        account=row.account,
        theme=row.theme,
        episode=row.episode,
        state=DefectState(row.state),
        severity=Severity(row.severity),
        since=row.since,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closings=row.closings,
        told=row.told,
        read_at=row.read_at,
        stale=row.stale,
    )
