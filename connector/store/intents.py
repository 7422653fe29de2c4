"""Intent rows: reading them as values, and the one function that moves them, along arrows of the table only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    union_all,
    update,
)

from connector.domain.model.intent import FINAL_STATES, NOTES, IntentState, Json, Receipt, WriteKind
from connector.domain.model.transitions import ARROWS, OPEN, UNSENT, Event
from connector.store import priors
from connector.store.columns import aside
from connector.store.prepared import Prepared
from connector.store.schema import dependency, intent
from connector.store.transaction import Transaction

FIELDS = "intent.fields"

_I = intent.alias()
_ALL = select(intent).order_by(intent.c.priority, intent.c.id)
_GET = Prepared(_ALL.where(intent.c.id == bindparam("wanted")))
_BY_KEY = Prepared(_ALL.where(intent.c.key == bindparam("wanted")))
_OF_WRITE = Prepared(_ALL.where(intent.c.write_id == bindparam("wanted"), intent.c.state == bindparam("stands")))
_OPEN_OF_WRITE = Prepared(
    _ALL.where(
        intent.c.write_id == bindparam("wanted"),
        intent.c.position >= bindparam("first"),
        intent.c.position < bindparam("end"),
        intent.c.state.in_([state.value for state in OPEN]),
    )
)
# The few on an object, however many an account has that are in the same state.
_ON = and_(
    intent.c.id.in_(
        union_all(
            select(_I.c.id).where(_I.c.object.in_(bindparam("names", expanding=True))),
            select(_I.c.id).where(_I.c.target.in_(bindparam("names", expanding=True))),
        )
    ),
    aside(intent.c.account) == bindparam("owner"),
)
STATE = aside(intent.c.state)
_UNSENT_ON = Prepared(_ALL.where(_ON, STATE.in_([state.value for state in UNSENT])), lists=["names"])
_OPEN_ON = Prepared(
    select(func.count()).select_from(intent).where(_ON, STATE.in_([state.value for state in OPEN])),
    lists=["names"],
)
_FIRST_RECORD = Prepared(
    select(intent.c.record)
    .where(
        intent.c.account == bindparam("owner"),
        intent.c.kind == bindparam("wanted"),
        intent.c.object == bindparam("name"),
        intent.c.target.is_(None),
    )
    .order_by(intent.c.id)
    .limit(1)
)
_FREE = Prepared(
    _ALL.where(
        intent.c.id.in_(bindparam("ids", expanding=True)),
        intent.c.state == IntentState.BLOCKED.value,
        ~select(dependency.c.intent_id).where(dependency.c.intent_id == intent.c.id).exists(),
    ),
    lists=["ids"],
)
_OF_RESPONSE = Prepared(_ALL.where(intent.c.response_id == bindparam("wanted")))
_OF_RECOVERY = Prepared(_ALL.where(intent.c.recovery_id == bindparam("wanted")))
_STILL = Prepared(
    select(intent.c.id).where(
        intent.c.id.in_(bindparam("ids", expanding=True)),
        intent.c.state == bindparam("stands"),
        intent.c.erasing.is_(False),
    ),
    lists=["ids"],
)
_BLOCKED_UPDATES = Prepared(
    _ALL.where(
        intent.c.object.in_(bindparam("names", expanding=True)),
        intent.c.target == intent.c.object,
        aside(intent.c.account) == bindparam("owner"),
        STATE.in_([IntentState.BLOCKED.value]),
        intent.c.erasing.is_(False),
    ),
    lists=["names"],
)
_OPEN_OBJECTS = Prepared(
    select(intent.c.object, intent.c.target).where(
        intent.c.account == bindparam("owner"), intent.c.state.in_([state.value for state in OPEN])
    )
)
_ON_ITS_WAY = Prepared(
    select(intent.c.id)
    .where(
        _ON,
        or_(
            STATE.in_([state.value for state in OPEN]),
            and_(
                STATE.in_([state.value for state in UNSENT]),
                intent.c.object.in_(bindparam("names", expanding=True)),
                intent.c.target.is_(None),
            ),
        ),
    )
    .limit(1),
    lists=["names"],
)
_STORE = Prepared(update(intent).where(intent.c.id == bindparam("wanted"), intent.c.state == bindparam("stood")))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """An intent as it stands. `fields` is empty once erased; `priority` 0 goes first.

    `record` is the marker a created record carries. `candidates` is only filled in what `on_settled` is told about a
    contact that was found several times.
    """

    id: int
    key: str
    account: str
    kind: WriteKind
    object: str
    target: str | None
    after: tuple[str, ...]
    fields: Mapping[str, Json]
    ours: frozenset[str]
    if_blank: frozenset[str]
    record: str
    state: IntentState
    reason: str | None
    priority: int
    fold: bool
    cause_at: datetime
    planned_at: datetime
    not_before: datetime
    give_up_at: datetime
    attempts: int
    revision: int
    batch_limit: int | None
    ask_first: bool
    write_id: int | None
    position: int | None
    response_id: int | None
    version: int | None
    person_id: int | None
    recovery_id: int | None
    settled_at: datetime | None
    erasing: bool
    run_id: int | None = None
    candidates: tuple[Receipt, ...] = field(default=())

    @property
    def touches(self) -> frozenset[str]:
        """The objects no other write may have open at the same time."""
        return frozenset({self.object} if self.target is None else {self.object, self.target})

    @property
    def about(self) -> str:
        """The object whose fields it sets."""
        return self.target or self.object

    @property
    def adds(self) -> bool:
        """True when sending it twice would leave two: a create, or a note, which adds to its ticket."""
        return self.target is None or self.kind in NOTES


def seal_fields(
    tx: Transaction, fields: Mapping[str, Json], ours: Iterable[str] = (), if_blank: Iterable[str] = ()
) -> bytes:
    """What `intent.fields` holds."""
    return tx.seal(FIELDS, {"fields": dict(fields), "ours": [*sorted(ours)], "if_blank": [*sorted(if_blank)]})


def from_row(tx: Transaction, row: Row[Any]) -> IntentRow:
    """A row of the table as a value."""
    sealed = {"fields": {}, "ours": [], "if_blank": []} if row.fields is None else tx.unseal(FIELDS, row.fields)
    assert isinstance(sealed, dict)
    values = dict(zip(row._fields, row, strict=True))
    values["fields"] = sealed["fields"]
    return IntentRow(
        **{
            **values,
            "kind": WriteKind(row.kind),
            "state": IntentState(row.state),
            "after": tuple(row.after),
            "ours": frozenset(_names(sealed["ours"])),
            "if_blank": frozenset(_names(sealed["if_blank"])),
        }
    )


def get(tx: Transaction, intent_id: int) -> IntentRow:
    """One intent. Raises KeyError."""
    found = _rows(tx, _GET, {"wanted": intent_id})
    if not found:
        raise KeyError(intent_id)
    return found[0]


def by_key(tx: Transaction, key: str) -> IntentRow | None:
    """The intent with this key."""
    found = _rows(tx, _BY_KEY, {"wanted": key})
    return found[0] if found else None


def where(tx: Transaction, condition: ColumnElement[bool], limit: int | None = None) -> list[IntentRow]:
    """Intents that satisfy `condition`, most urgent first, then oldest."""
    return _rows(tx, _ALL.where(condition).limit(limit))


def _rows(tx: Transaction, query: Select[Any] | Prepared, values: Mapping[str, Any] | None = None) -> list[IntentRow]:
    return [from_row(tx, row) for row in tx.execute(query, values)]


def of_write(tx: Transaction, write_id: int, state: IntentState) -> list[IntentRow]:
    """The members of a write that are in `state`."""
    return _rows(tx, _OF_WRITE, {"wanted": write_id, "stands": state.value})


def open_of_write(tx: Transaction, write_id: int, positions: range) -> list[IntentRow]:
    """The members of a write that are not settled, of its records at these positions."""
    return _rows(tx, _OPEN_OF_WRITE, {"wanted": write_id, "first": positions.start, "end": positions.stop})


def of_response(tx: Transaction, response_id: int) -> list[IntentRow]:
    """Everything one answer led to."""
    return _rows(tx, _OF_RESPONSE, {"wanted": response_id})


def of_recovery(tx: Transaction, recovery_id: int) -> list[IntentRow]:
    """Everything one recovery led to."""
    return _rows(tx, _OF_RECOVERY, {"wanted": recovery_id})


def free_of(tx: Transaction, ids: Iterable[int]) -> list[IntentRow]:
    """Those of these blocked intents that wait for nothing any more."""
    return _rows(tx, _FREE, {"ids": ids})


def unsent_on(tx: Transaction, account: str, objects: Iterable[str]) -> list[IntentRow]:
    """Intents on these objects that no request ever carried."""
    return _rows(tx, _UNSENT_ON, {"owner": account, "names": sorted(objects)})


def blocked_updates(
    tx: Transaction, account: str, kinds: Collection[WriteKind], objects: Iterable[str]
) -> list[IntentRow]:
    """Intents of these kinds that are to change these objects and wait for them to be there."""
    found = _rows(tx, _BLOCKED_UPDATES, {"owner": account, "names": sorted(objects)})
    return [row for row in found if row.kind in kinds]


def touching(tx: Transaction, account: str, name: str) -> list[IntentRow]:
    """Every intent on an object, by number."""
    return sorted(_rows(tx, _ALL.where(_ON), {"owner": account, "names": [name]}), key=lambda row: row.id)


def open_objects(tx: Transaction, account: str) -> frozenset[str]:
    """The objects that have an open write."""
    rows = tx.execute(_OPEN_OBJECTS, {"owner": account})
    return frozenset(name for row in rows for name in row if name is not None)


def still_planned(tx: Transaction, ids: Iterable[int]) -> frozenset[int]:
    """Those of these intents that are planned and not being erased."""
    return frozenset(tx.execute(_STILL, {"ids": ids, "stands": IntentState.PLANNED.value}).scalars())


def still_blocked(tx: Transaction, ids: Iterable[int]) -> frozenset[int]:
    """Those of these intents that are blocked and not being erased."""
    return frozenset(tx.execute(_STILL, {"ids": ids, "stands": IntentState.BLOCKED.value}).scalars())


def has_open_write(tx: Transaction, account: str, object_name: str) -> bool:
    """Whether a request about this object was sent and not settled."""
    return bool(tx.execute(_OPEN_ON, {"owner": account, "names": [object_name]}).scalar_one())


def is_on_its_way(tx: Transaction, account: str, object_name: str) -> bool:
    """Whether a request about this object is open, or what makes it was not sent yet."""
    return tx.execute(_ON_ITS_WAY, {"owner": account, "names": [object_name]}).first() is not None


def first_record(tx: Transaction, account: str, kind: WriteKind, object_name: str) -> str | None:
    """The marker under which this object was first to be created."""
    wanted = {"owner": account, "wanted": kind.value, "name": object_name}
    marker: str | None = tx.execute(_FIRST_RECORD, wanted).scalar_one_or_none()
    return marker


def open_records(tx: Transaction) -> frozenset[str]:
    """The markers of records that were sent and are not settled."""
    query = select(intent.c.record).where(intent.c.state.in_([state.value for state in OPEN]))
    return frozenset(tx.execute(query).scalars())


def unconfirmed(tx: Transaction, *, since: datetime) -> list[IntentRow]:
    """Intents that are not final, and those that ended after `since` without being carried out."""
    ended = [IntentState.SUPERSEDED.value, IntentState.GIVEN_UP.value, IntentState.REJECTED.value]
    return where(
        tx,
        or_(
            intent.c.state.not_in([state.value for state in FINAL_STATES]),
            and_(intent.c.state.in_(ended), intent.c.settled_at > since),
        ),
    )


def highest(tx: Transaction) -> int:
    """The highest number of an intent; 0 when there is none."""
    return int(tx.execute(select(func.coalesce(func.max(intent.c.id), 0))).scalar_one())


def move(tx: Transaction, row: IntentRow, event: Event, reason: str | None = None, **changes: Any) -> IntentRow:
    """Take `row` along the arrow `event` and set `changes` with it; `reason` replaces the old one.

    An intent whose person was erased meanwhile ends erased as soon as the arrow leads out of an open write.

    Raises:
        RuntimeError: the table of transitions has no such arrow from where the intent stands now.
    """
    to = ARROWS.get((row.state, event))
    if to is None:
        raise RuntimeError(f"intent {row.id} is {row.state}: {event.name} leads nowhere from there")
    if row.erasing and to not in OPEN and to is not IntentState.ERASED:
        changes = {name: changes[name] for name in ("write_id", "attempts") if name in changes}
        moved = _store(tx, row, {"state": to, "reason": reason, **changes})
        return move(tx, moved, Event.ERASED)
    if to is IntentState.ERASED:
        priors.forget(tx, row.id)
        changes = {**changes, "fields": None}
    if to in FINAL_STATES:
        changes = {"settled_at": tx.now, **changes}
    return _store(tx, row, {"state": to, "reason": reason, **changes})


def set_aside(tx: Transaction, row: IntentRow, **changes: Any) -> IntentRow:
    """Change an intent without moving it."""
    return _store(tx, row, {"state": row.state, **changes})


def _store(tx: Transaction, row: IntentRow, values: Mapping[str, Any]) -> IntentRow:
    changed = tx.execute(_STORE, {"wanted": row.id, "stood": row.state.value, **values, "state": values["state"].value})
    if changed.rowcount != 1:
        raise RuntimeError(f"intent {row.id} is no longer {row.state}")
    known = dict(values)
    if "fields" in known and known["fields"] is None:
        known["fields"] = {}
    elif "fields" in known:
        known = {name: value for name, value in known.items() if name != "fields"}
    return replace(row, **known)


def _names(value: Json) -> Sequence[str]:
    assert isinstance(value, list)
    return [str(name) for name in value]
