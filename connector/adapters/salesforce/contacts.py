"""The change feed of contacts: queries, the cursor, and rows read into contacts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from simple_salesforce.format import format_soql

from connector.adapters.salesforce.names import record_url
from connector.adapters.salesforce.questions import Row, instant
from connector.domain.model.person import Contact
from connector.ports import Page

PAGE = 2000
OVERLAP = timedelta(minutes=5)
"""A transaction may become visible after a later one: its stamp is when it wrote, not when it committed."""
_IDENTITY = ("Id", "Name", "Email", "Phone", "OwnerId", "SystemModstamp", "IsDeleted", "MasterRecordId")
_LIKENESS = ("Account.Name", "MailingPostalCode")
"""Read to tell people of one name apart."""


def query(cursor: str | None, read: Sequence[str], *, likeness: bool = True) -> str:
    """SOQL for the page after `cursor`, in the order of stamps and ids. It sees deleted rows when sent to queryAll.

    `likeness`: with the fields that tell people of one name apart, which the run-as user may not be allowed to see. A
    cursor is `<stamp>|<id>`; the id is there while a sweep has further pages and empty when it ended.
    """
    names = dict.fromkeys((*_IDENTITY, *(_LIKENESS if likeness else ()), *read))
    return format_soql(
        "SELECT {names:literal} FROM Contact{where:literal} ORDER BY SystemModstamp, Id LIMIT {page}",
        names=", ".join(names),
        where=_where(cursor),
        page=PAGE,
    )


def page(rows: Sequence[Row], cursor: str | None, read: Sequence[str], account: str, url: str) -> Page[Contact]:
    """The rows as contacts, and where to go on. A short page ends the sweep; the next one overlaps it."""
    more = len(rows) >= PAGE
    if rows:
        stamp = instant(moment(rows[-1]["SystemModstamp"]))
        cursor = f"{stamp}|{rows[-1]['Id'] if more else ''}"
    elif cursor is not None:
        cursor = f"{cursor.partition('|')[0]}|"
    return Page(records=[_contact(row, read, account, url) for row in rows], cursor=cursor or "|", more=more)


def _where(cursor: str | None) -> str:
    stamp, _, last = (cursor or "").partition("|")
    if not stamp:
        return ""
    if last:
        return format_soql(
            " WHERE SystemModstamp > {at:literal} OR (SystemModstamp = {at:literal} AND Id > {last})",
            at=stamp,
            last=last,
        )
    return format_soql(" WHERE SystemModstamp >= {:literal}", instant(moment(stamp) - OVERLAP))


def _contact(row: Row, read: Sequence[str], account: str, url: str) -> Contact:
    return Contact(
        account=account,
        id=row["Id"],
        name=row.get("Name"),
        email=row.get("Email"),
        phone=row.get("Phone"),
        owner=row.get("OwnerId"),
        url=record_url(url, "Contact", row["Id"]),
        modified_at=moment(row["SystemModstamp"]),
        deleted=bool(row.get("IsDeleted")),
        merged_into=row.get("MasterRecordId"),
        values={name: row.get(name) for name in read},
        company=(row.get("Account") or {}).get("Name"),
        postcode=row.get("MailingPostalCode"),
    )


def moment(text: str) -> datetime:
    """An instant as the org writes it, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
