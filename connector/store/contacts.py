"""The mirror of each CRM's contacts, as its own feed last reported them, found by blind e-mail and phone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, bindparam, delete, func, select, update

from connector.domain.matching.canonical import canonical_email
from connector.domain.model.intent import Json
from connector.domain.model.person import Contact, KeyKind
from connector.store import blocks
from connector.store.prepared import Prepared
from connector.store.schema import contact
from connector.store.transaction import Transaction

SEALED = "contact.sealed"
_GET = Prepared(select(contact).where(contact.c.account == bindparam("wanted"), contact.c.remote_id == bindparam("id")))
# Not ordered: SQLite would rather walk every contact of the account by its id than sort the one that is found.
_LIVING = {
    kind: Prepared(
        select(contact)
        .where(contact.c.account == bindparam("wanted"), column == bindparam("digest"))
        .where(contact.c.deleted.is_(False), contact.c.merged_into.is_(None))
    )
    for kind, column in ((KeyKind.EMAIL, contact.c.email), (KeyKind.PHONE, contact.c.phone))
}
_SOME = Prepared(
    select(contact)
    .where(contact.c.account == bindparam("wanted"), contact.c.remote_id.in_(bindparam("ids", expanding=True)))
    .where(contact.c.deleted.is_(False), contact.c.merged_into.is_(None)),
    lists=["ids"],
)
_AFTER = Prepared(
    select(contact)
    .where(contact.c.account == bindparam("wanted"), contact.c.remote_id > bindparam("last"))
    .order_by(contact.c.remote_id)
    .limit(bindparam("most"))
)
_FILED = Prepared(
    update(contact)
    .where(contact.c.account == bindparam("wanted"), contact.c.remote_id == bindparam("id"))
    .values(blocks=bindparam("digests"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a report about a contact changed: what was known before (None: new) and whether anything differs now."""

    before: Contact | None
    after: Contact
    changed: bool


def upsert(
    tx: Transaction, seen: Contact, *, email: str | None, phone: str | None, filed_under: Sequence[str] | None = None
) -> Change:
    """Record a contact as its CRM reports it; `email` and `phone` are its normalised keys.

    `filed_under` are the keys to look it up by when somebody is like it; None: it is not filed. The same report again,
    or one older than what is known, changes nothing.
    """
    row = tx.execute(_GET, {"wanted": seen.account, "id": seen.id}).first()
    before = None if row is None else _contact(tx, row)
    if before is not None and (_data(before) == _data(seen) or _is_older(seen, before)):
        return Change(before=before, after=before, changed=False)
    digests = None if row is None else row.blocks
    if filed_under is not None:
        digests = blocks.file(tx, seen.account, seen.id, filed_under, digests)
    elif digests is not None:
        blocks.forget(tx, seen.id, digests)
        digests = None
    tx.upsert(
        contact,
        {
            "account": seen.account,
            "remote_id": seen.id,
            "email": None if email is None else tx.blind(KeyKind.EMAIL.value, email),
            "phone": None if phone is None else tx.blind(KeyKind.PHONE.value, phone),
            "sealed": tx.seal(SEALED, _data(seen)),
            "modified_at": seen.modified_at,
            "deleted": seen.deleted,
            "merged_into": seen.merged_into,
            "blocks": digests,
        },
        keys=["account", "remote_id"],
        update=["email", "phone", "sealed", "modified_at", "deleted", "merged_into", "blocks"],
    )
    return Change(before=before, after=seen, changed=True)


def _is_older(seen: Contact, known: Contact) -> bool:
    return seen.modified_at is not None and known.modified_at is not None and seen.modified_at < known.modified_at


def get(tx: Transaction, account: str, remote_id: str) -> Contact | None:
    """One contact as last reported, deleted and merged ones included."""
    row = tx.execute(_GET, {"wanted": account, "id": remote_id}).first()
    return None if row is None else _contact(tx, row)


def living(tx: Transaction, account: str, ids: Sequence[str]) -> list[Contact]:
    """Those of the contacts that are there, in no particular order."""
    return [_contact(tx, row) for row in tx.execute(_SOME, {"wanted": account, "ids": list(ids)})] if ids else []


def addresses(tx: Transaction, blinds: Collection[str]) -> list[str]:
    """The e-mail addresses of mirrored contacts that are known by one of these digests."""
    rows = tx.execute(select(contact).where(contact.c.email.is_not(None))).all() if blinds else []
    mails = [_contact(tx, row).email for row in rows if row.email in blinds]
    return sorted({mail for mail in (canonical_email(one or "") for one in mails) if mail is not None})


def number(tx: Transaction, account: str) -> int:
    """How many living contacts of the account were reported."""
    query = select(func.count()).select_from(contact).where(contact.c.account == account)
    living_only = query.where(contact.c.deleted.is_(False), contact.c.merged_into.is_(None))
    return int(tx.execute(living_only).scalar_one())


def file_some(
    tx: Transaction, account: str, after: str, most: int, keys: Callable[[Contact], Sequence[str]]
) -> str | None:
    """File `most` mirrored contacts under their keys, in the order of ids from `after` on.

    Returns where to go on, None at the end.
    """
    rows = tx.execute(_AFTER, {"wanted": account, "last": after, "most": most}).all()
    for row in rows:
        digests = blocks.file(tx, account, row.remote_id, keys(_contact(tx, row)), row.blocks)
        if digests != row.blocks:
            tx.execute(_FILED, {"wanted": account, "id": row.remote_id, "digests": digests})
    return str(rows[-1].remote_id) if len(rows) == most else None


def forget(tx: Transaction, account: str, remote_id: str) -> None:
    """Delete a contact from the mirror, and from the index of likeness."""
    row = tx.execute(_GET, {"wanted": account, "id": remote_id}).first()
    if row is not None:
        blocks.forget(tx, remote_id, row.blocks)
        tx.execute(delete(contact).where(contact.c.account == account, contact.c.remote_id == remote_id))


def survivor(tx: Transaction, account: str, remote_id: str) -> Contact | None:
    """The living contact behind an id, merges followed; None when it is unknown or gone."""
    seen: set[str] = set()
    current = get(tx, account, remote_id)
    while current is not None and current.merged_into is not None and current.id not in seen:
        seen.add(current.id)
        current = get(tx, account, current.merged_into)
    return None if current is None or current.deleted else current


def find(tx: Transaction, account: str, kind: KeyKind, value: str) -> list[Contact]:
    """Living contacts with this normalised e-mail, phone number or id, in order of their ids."""
    if kind is KeyKind.CRM_ID:
        found = survivor(tx, account, value)
        return [] if found is None else [found]
    if kind not in _LIVING:
        return []
    rows = tx.execute(_LIVING[kind], {"wanted": account, "digest": tx.blind(kind.value, value)}).all()
    return sorted((_contact(tx, row) for row in rows), key=lambda one: one.id)


def _data(seen: Contact) -> dict[str, Json]:
    return {
        "name": seen.name,
        "email": seen.email,
        "phone": seen.phone,
        "owner": seen.owner,
        "url": seen.url,
        "modified_at": None if seen.modified_at is None else seen.modified_at.isoformat(),
        "deleted": seen.deleted,
        "merged_into": seen.merged_into,
        "values": cast("Json", dict(seen.values)),
        "company": seen.company,
        "postcode": seen.postcode,
    }


def _contact(tx: Transaction, row: Row[Any]) -> Contact:
    data = cast("dict[str, Any]", tx.unseal(SEALED, row.sealed)) if row.sealed is not None else {}
    return Contact(
        account=row.account,
        id=row.remote_id,
        name=data.get("name"),
        email=data.get("email"),
        phone=data.get("phone"),
        owner=data.get("owner"),
        url=data.get("url"),
        modified_at=row.modified_at,
        deleted=row.deleted,
        merged_into=row.merged_into,
        values=data.get("values", {}),
        company=data.get("company"),
        postcode=data.get("postcode"),
    )
