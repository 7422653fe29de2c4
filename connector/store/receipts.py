"""Receipts, and what our object names stand for in the other systems now."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import bindparam, delete, select, update

from connector.domain.model.intent import NOTES, IntentState, Receipt
from connector.domain.model.transitions import Event
from connector.store import confirmed, intents
from connector.store.intents import IntentRow
from connector.store.prepared import Prepared
from connector.store.schema import dependency, intent, receipt, remote, write
from connector.store.transaction import Transaction

_OF_OBJECTS = Prepared(select(remote).where(remote.c.object.in_(bindparam("names", expanding=True))), lists=["names"])
_WAITING = Prepared(select(dependency.c.intent_id).where(dependency.c.object == bindparam("name")))
_STOP_WAITING = Prepared(delete(dependency).where(dependency.c.intent_id == bindparam("waiting")))

_NAMED = Prepared(
    select(remote.c.object)
    .where(remote.c.account == bindparam("owner"), remote.c.remote_id == bindparam("there"))
    .order_by(remote.c.object)
)
_REMOTE = Prepared(select(remote).where(remote.c.object == bindparam("name")))
_LET_GO = Prepared(delete(dependency).where(dependency.c.object == bindparam("name")))
_MOVED = Prepared(
    select(remote.c.object).where(
        remote.c.object == bindparam("name"),
        remote.c.remote_id != bindparam("id"),
        remote.c.at > select(write.c.sent_at).where(write.c.id == bindparam("sent_as")).scalar_subquery(),
    )
)


class Thing(StrEnum):
    """What an id over there is the id of: each kind may have its own numbers, so note 101 is not contact 101.

    Our own name of an object says which it is (`connector.sync.names`).
    """

    CONTACT = "contact"
    TICKET = "ticket"
    ISSUE = "issue"


def thing_of(object_name: str) -> Thing | None:
    """What an object is over there; None for everything that is only ever found by our name."""
    match object_name.split("/"):
        case ["person", _, tail] if tail.startswith("contact@"):
            return Thing.CONTACT
        case ["recovery", _, "ticket", _] | ["ticket", _, _]:
            return Thing.TICKET
        case ["defect", _]:
            return Thing.ISSUE
        case _:
            return None


def lane_of(account: str) -> str:
    """The lane that writes to an account."""
    return f"write/{account}"


def add(tx: Transaction, row: IntentRow, answer: Receipt) -> None:
    """Keep what the other system answered for an intent and let go whatever waited for its object."""
    tx.insert_ignore(
        receipt,
        {
            "intent_id": row.id,
            "account": row.account,
            "object": row.object,
            "remote_id": answer.remote_id,
            "url": answer.url,
            "created": answer.created,
            "request_id": answer.request_id,
            "at": tx.now,
        },
    )
    # A note's id is the comment's: it must not become the id of the ticket it was written on.
    if row.kind in NOTES and row.object == row.target:
        return
    if _was_moved_meanwhile(tx, row, answer):
        confirmed.forget(tx, row.account, row.object)
    else:
        point(tx, row.account, row.object, answer.remote_id, answer.url)


def _was_moved_meanwhile(tx: Transaction, row: IntentRow, answer: Receipt) -> bool:
    """Whether the object was merged into another while a request to change it was under way: the answer is history."""
    if row.target != row.object or row.write_id is None:
        return False
    asked = {"name": row.object, "id": answer.remote_id, "sent_as": row.write_id}
    return tx.execute(_MOVED, asked).first() is not None


def of_intent(tx: Transaction, intent_id: int) -> Receipt | None:
    """The answer one intent got."""
    row = tx.execute(select(receipt).where(receipt.c.intent_id == intent_id)).one_or_none()
    if row is None:
        return None
    return Receipt(remote_id=row.remote_id, url=row.url, created=row.created, request_id=row.request_id)


def of_objects(tx: Transaction, objects: Iterable[str]) -> dict[str, Receipt]:
    """What each of the objects is called over there; those without a receipt are absent."""
    names = sorted(objects)
    if not names:
        return {}
    rows = tx.execute(_OF_OBJECTS, {"names": names})
    return {row.object: Receipt(remote_id=row.remote_id, url=row.url) for row in rows}


def named(tx: Transaction, account: str, thing: Thing, remote_id: str) -> list[str]:
    """Our names of a contact or ticket over there, for example to find what a ticket's webhook is about."""
    names = tx.execute(_NAMED, {"owner": account, "there": remote_id}).scalars()
    return [name for name in names if thing_of(name) is thing]


def companions(tx: Transaction, object_name: str) -> list[str]:
    """Our names of everything that is, over there, the same object as this: itself too, once it is there at all."""
    known = tx.execute(_REMOTE, {"name": object_name}).one_or_none()
    if known is None:
        return []
    same = (remote.c.account == known.account) & (remote.c.remote_id == known.remote_id)
    return list(tx.execute(select(remote.c.object).where(same).order_by(remote.c.object)).scalars())


def point(tx: Transaction, account: str, object_name: str, remote_id: str, url: str | None) -> None:
    """Let `object_name` stand for `remote_id` from now on, and let go whatever waited for it.

    What was confirmed of another object is forgotten, and so is its address.
    """
    known = tx.execute(_REMOTE, {"name": object_name}).one_or_none()
    is_other = known is not None and (known.account, known.remote_id) != (account, remote_id)
    if known is not None and is_other:
        confirmed.forget(tx, known.account, object_name)
    address = url if known is None or is_other else url or known.url
    values = {"object": object_name, "account": account, "remote_id": remote_id, "url": address, "at": tx.now}
    tx.upsert(remote, values, keys=["object"], update=["account", "remote_id", "url", "at"])
    _release(tx, object_name)


def unpoint(tx: Transaction, object_name: str) -> None:
    """The object is gone over there: references to it wait until it exists again."""
    account = tx.execute(select(remote.c.account).where(remote.c.object == object_name)).scalar_one_or_none()
    if account is not None:
        confirmed.forget(tx, account, object_name)
        tx.execute(delete(remote).where(remote.c.object == object_name))


def wait_for(tx: Transaction, row: IntentRow, objects: Iterable[str]) -> None:
    """Remember what a blocked intent waits for."""
    for name in sorted(objects):
        tx.insert_ignore(dependency, {"intent_id": row.id, "object": name})


def stop_waiting(tx: Transaction, row: IntentRow) -> None:
    """Forget what an intent waits for."""
    tx.execute(_STOP_WAITING, {"waiting": row.id})


def waits_behind(tx: Transaction, row: IntentRow, reason: str) -> bool:
    """Whether something an intent waits for was to be made by one that `reason` stopped, or stops still."""
    awaited = select(dependency.c.object).where(dependency.c.intent_id == row.id)
    stopped = select(intent.c.id).where(
        intent.c.object.in_(awaited), intent.c.target.is_(None), intent.c.reason.endswith(reason, autoescape=True)
    )
    return tx.execute(stopped.limit(1)).first() is not None


def waiting_for(tx: Transaction, object_name: str) -> list[IntentRow]:
    """What cannot be sent before this object exists."""
    return intents.where(tx, intent.c.id.in_(select(dependency.c.intent_id).where(dependency.c.object == object_name)))


def fail_dependants(tx: Transaction, object_name: str, why: str) -> None:
    """Say at each intent that waits for this object why it will not come."""
    waiting = select(dependency.c.intent_id).where(dependency.c.object == object_name)
    for row in intents.where(tx, intent.c.id.in_(waiting) & (intent.c.state == IntentState.BLOCKED.value)):
        intents.move(tx, row, Event.PARENT_FAILED, f"waits for {object_name}, which was {why}")


def _release(tx: Transaction, object_name: str) -> None:
    waiting = list(tx.execute(_WAITING, {"name": object_name}).scalars())
    if not waiting:
        return
    tx.execute(_LET_GO, {"name": object_name})
    for row in intents.free_of(tx, waiting):
        intents.move(tx, row, Event.PARENTS_CONFIRMED)
        tx.wake(lane_of(row.account), row.not_before)


def follow(tx: Transaction, account: str, old_id: str, new_id: str) -> None:
    """A contact was merged over there: every name of ours that stood for `old_id` stands for `new_id`.

    What was known of the contact that is left is known under every name for it: what people changed there stays.
    """
    if old_id == new_id:
        return
    names, others = (named(tx, account, Thing.CONTACT, one) for one in (old_id, new_id))
    for name in names:
        confirmed.forget(tx, account, name)
        for other in others:
            confirmed.take_over(tx, account, name, other)
    tx.execute(update(remote).where(remote.c.object.in_(names)).values(remote_id=new_id, url=None, at=tx.now))
