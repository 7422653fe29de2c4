"""Records of interactions: found by the id an answer names, by customer, and counted for figures.

Whose a record is is asked of the persons' keys each time, so that it follows whatever becomes known of them: the
customer's CRM id decides, then the e-mail address, then the telephone number.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, func, or_, select

from connector.domain.matching.canonical import canonical_email, canonical_id, canonical_phone
from connector.domain.model.interaction import InteractionRecord, kind_named
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Interaction
from connector.domain.visits import NO_VISITS, Visit
from connector.store import people
from connector.store.prepared import Prepared
from connector.store.schema import interaction, interaction_answer, person_key
from connector.store.transaction import Transaction

SEALED = "interaction.sealed"
_KEYS: Mapping[KeyKind, str] = {KeyKind.CRM_ID: "crm_id", KeyKind.EMAIL: "email", KeyKind.PHONE: "phone"}
_REFERENCE = "interaction id"
_MOMENTS: Final = ("ended_at", "changed_at")
"""Instants that are sealed with the keys: nothing is looked for by them."""
_LATER: Final = frozenset({*_MOMENTS, "is_gone", "is_listed"})
"""Fields that records had none of when their digests were first kept: without a value they are in no digest."""
_CONTENT = Prepared(
    select(interaction.c.content, interaction.c.first_at, interaction.c.sealed).where(
        interaction.c.account == bindparam("at"), interaction.c.remote_id == bindparam("wanted")
    )
)
_IS_VISIT = interaction.c.kind.not_in(sorted(NO_VISITS))
_NAMED = Prepared(select(interaction).where(interaction.c.reference == bindparam("wanted")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One interaction whose customer was asked for an answer, as figures cut it; `answered`: there is one."""

    at: datetime
    kind: str
    service: str | None
    location: str | None
    channel: str | None
    answered: bool


def keys_of(record: InteractionRecord) -> dict[KeyKind, str]:
    """The customer's keys, canonical."""
    offered = {
        KeyKind.CRM_ID: canonical_id(record.crm_id or ""),
        KeyKind.EMAIL: canonical_email(record.email or ""),
        KeyKind.PHONE: canonical_phone(record.phone or "", None),
    }
    return {kind: key for kind, key in offered.items() if key}


def blinds_of(tx: Transaction, record: InteractionRecord) -> list[str]:
    """The digests by which a record of an erased person is recognised."""
    return [people.blind(tx, kind, value) for kind, value in keys_of(record).items()]


def reference_of(tx: Transaction, said: str | None) -> str | None:
    """The digest under which an id is looked for; None for none."""
    named = canonical_id(said or "")
    return None if named is None else tx.blind(_REFERENCE, named)


def holds(tx: Transaction, blinds: Collection[str]) -> bool:
    """Whether there is any record of a customer with one of these keys."""
    return tx.execute(select(interaction.c.account).where(of_customers(blinds)).limit(1)).first() is not None


def of_customers(blinds: Collection[str]) -> ColumnElement[bool]:
    """The records of customers with one of these keys."""
    return or_(*(interaction.c[column].in_(list(blinds)) for column in _KEYS.values()))


def put(tx: Transaction, record: InteractionRecord) -> bool:
    """Keep a record as it was read; False when it is known so, or a later version of it is."""
    said = {name: value for name, value in asdict(record).items() if name not in _LATER or value}
    content = tx.blind_bytes("interaction content", json.dumps(said, default=str, sort_keys=True).encode())
    known = tx.execute(_CONTENT, {"at": record.account, "wanted": record.id}).first()
    if known is not None and (known.content == content or _is_older(tx, record, known.sealed)):
        return False
    blinds = {_KEYS[kind]: people.blind(tx, kind, value) for kind, value in keys_of(record).items()}
    private = {"staff": record.staff, "crm_id": record.crm_id, "email": record.email, "phone": record.phone}
    private |= {name: moment.isoformat() for name in _MOMENTS if (moment := getattr(record, name)) is not None}
    values = {
        "account": record.account,
        "remote_id": record.id,
        "reference": reference_of(tx, record.id),
        "kind": kind_named(record.kind),
        "occurred_at": record.occurred_at,
        "invited_at": record.invited_at,
        "service": record.service,
        "location": record.location,
        "channel": record.channel,
        "amount": record.amount,
        **{column: blinds.get(column) for column in _KEYS.values()},
        "sealed": tx.seal(SEALED, {name: value for name, value in private.items() if value is not None}),
        "content": content,
        "first_at": tx.now if known is None else known.first_at,
    }
    keys = ["account", "remote_id"]
    tx.upsert(interaction, values, keys=keys, update=[name for name in values if name not in {*keys, "first_at"}])
    return True


def _is_older(tx: Transaction, record: InteractionRecord, sealed: bytes) -> bool:
    known = _private(tx, sealed).get("changed_at")
    return record.changed_at is not None and known is not None and record.changed_at < known


def remove(tx: Transaction, account: str, remote_id: str) -> bool:
    """Forget a record that is gone there; False when there is none."""
    which = and_(interaction.c.account == account, interaction.c.remote_id == remote_id)
    return bool(tx.execute(delete(interaction).where(which)).rowcount)


def find(tx: Transaction, about: Interaction, accounts: Collection[str]) -> InteractionRecord | None:
    """The record an answer is about, of one of these accounts; None when there is none, or several fit."""
    reference = reference_of(tx, about.id)
    if reference is None or not accounts:
        return None
    kind = None if about.kind is None else kind_named(about.kind)
    rows = tx.execute(_NAMED, {"wanted": reference}).all()
    found = [row for row in rows if row.account in accounts and kind in {None, row.kind}]
    return _record(tx, found[0]) if len(found) == 1 else None


def _record(tx: Transaction, row: Row[Any]) -> InteractionRecord:
    return InteractionRecord(
        account=row.account,
        id=row.remote_id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        service=row.service,
        location=row.location,
        channel=row.channel,
        amount=row.amount,
        invited_at=row.invited_at,
        **_private(tx, row.sealed),
    )


def _private(tx: Transaction, sealed: bytes) -> dict[str, Any]:
    """What is sealed of a record, by the names of its fields."""
    found = cast("dict[str, str]", tx.unseal(SEALED, sealed))
    return {name: datetime.fromisoformat(text) if name in _MOMENTS else text for name, text in found.items()}


def person_of(tx: Transaction, record: InteractionRecord) -> int | None:
    """The person whose interaction it is; None while nobody is known by the customer's keys."""
    found = (people.find(tx, kind, value) for kind, value in keys_of(record).items())
    return next((person_id for person_id in found if person_id is not None), None)


def note_answer(tx: Transaction, response_id: int, about: Interaction) -> None:
    """Remember which interaction an answer is about; the newest version of it counts."""
    reference = reference_of(tx, about.id)
    if reference is None:
        tx.execute(delete(interaction_answer).where(interaction_answer.c.response_id == response_id))
        return
    kind = None if about.kind is None else kind_named(about.kind)
    values = {"response_id": response_id, "reference": reference, "kind": kind}
    tx.upsert(interaction_answer, values, keys=["response_id"], update=["reference", "kind"])


def _is_answered() -> ColumnElement[bool]:
    same_kind = or_(interaction_answer.c.kind.is_(None), interaction_answer.c.kind == interaction.c.kind)
    return (
        select(interaction_answer.c.response_id)
        .where(interaction_answer.c.reference == interaction.c.reference, same_kind)
        .exists()
    )


def _between(column: ColumnElement[datetime], since: datetime, until: datetime) -> ColumnElement[bool]:
    return and_(column >= since, column < until)


def invited(tx: Transaction, since: datetime, until: datetime) -> int:
    """How many interactions' customers were asked for an answer from `since` on and before `until`."""
    which = _between(interaction.c.invited_at, since, until)
    return int(tx.execute(select(func.count()).select_from(interaction).where(which)).scalar_one())


def answered(tx: Transaction, since: datetime, until: datetime) -> int:
    """How many of those (`invited`) were answered, whenever the answer came."""
    which = and_(_between(interaction.c.invited_at, since, until), _is_answered())
    return int(tx.execute(select(func.count()).select_from(interaction).where(which)).scalar_one())


def invitations(tx: Transaction, since: datetime, until: datetime) -> Iterator[Invitation]:
    """Each of the invited with its slices and whether it was answered, in the order of time."""
    columns = (interaction.c.kind, interaction.c.service, interaction.c.location, interaction.c.channel)
    query = select(interaction.c.invited_at.label("at"), *columns, _is_answered().label("answered"))
    ordered = query.where(_between(interaction.c.invited_at, since, until)).order_by(
        interaction.c.invited_at, interaction.c.account, interaction.c.remote_id
    )
    for row in tx.execute(ordered):
        yield Invitation(
            at=row.at,
            kind=row.kind,
            service=row.service,
            location=row.location,
            channel=row.channel,
            answered=bool(row.answered),
        )


def _with_persons() -> tuple[Select[Any], ColumnElement[int | None]]:
    """Interactions beside whose they are: the strongest of the customer's keys that anybody is known by decides."""
    joined: Any = interaction
    owners = []
    for kind, column in _KEYS.items():
        key = person_key.alias(f"by_{column}")
        joined = joined.outerjoin(key, and_(key.c.blind == interaction.c[column], key.c.kind == kind.value))
        owners.append(key.c.person_id)
    owner: ColumnElement[int | None] = func.coalesce(*owners)
    query = select(interaction.c.account, interaction.c.remote_id, interaction.c.occurred_at, interaction.c.amount)
    return query.add_columns(owner.label("person_id")).select_from(joined), owner


def visits_by_person(tx: Transaction, since: datetime, until: datetime) -> dict[int, list[Visit]]:
    """The visits of each person we know, from `since` on and before `until`, in the order of time."""
    query, owner = _with_persons()
    ordered = query.where(_IS_VISIT, _between(interaction.c.occurred_at, since, until), owner.is_not(None)).order_by(
        interaction.c.occurred_at, interaction.c.account, interaction.c.remote_id
    )
    found: dict[int, list[Visit]] = {}
    for row in tx.execute(ordered):
        found.setdefault(int(row.person_id), []).append(_visit(row))
    return found


def visits_of(tx: Transaction, person_id: int) -> list[Visit]:
    """The visits of one person, in the order of time."""
    mine = people.keys_of(tx, person_id)
    keyed = [
        interaction.c[column].in_(mine[kind]) for kind, column in _KEYS.items() if mine.get(kind)
    ]  # an index each, and few rows
    if not keyed:
        return []
    query, owner = _with_persons()
    ordered = query.where(_IS_VISIT, or_(*keyed), owner == person_id).order_by(
        interaction.c.occurred_at, interaction.c.account, interaction.c.remote_id
    )
    return [_visit(row) for row in tx.execute(ordered)]


def _visit(row: Row[Any]) -> Visit:
    return Visit(id=f"{row.account}/{row.remote_id}", at=row.occurred_at, amount=row.amount)


def has_visits(tx: Transaction) -> bool:
    """Whether any record is of a visit."""
    return tx.execute(select(interaction.c.account).where(_IS_VISIT).limit(1)).first() is not None


def counts(tx: Transaction) -> dict[str, int]:
    """How many records there are of each account."""
    query = select(interaction.c.account, func.count().label("number")).group_by(interaction.c.account)
    return {str(row.account): int(row.number) for row in tx.execute(query.order_by(interaction.c.account))}


def drop(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget records of what happened before then; how many."""
    query = select(interaction.c.account, interaction.c.remote_id).where(interaction.c.occurred_at < before)
    rows: Sequence[Row[Any]] = tx.execute(query.order_by(interaction.c.occurred_at).limit(limit)).all()
    for row in rows:
        tx.execute(
            delete(interaction).where(interaction.c.account == row.account, interaction.c.remote_id == row.remote_id)
        )
    return len(rows)
