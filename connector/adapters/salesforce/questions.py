"""Questions to Salesforce in SOQL, which reads the database itself and lags behind nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from simple_salesforce.format import format_soql

from connector.adapters.salesforce.names import KEY_FIELD, PERSON_FIELD, marker, record_url, remote_key
from connector.domain.model.intent import Found, Item, Receipt

Row = Mapping[str, Any]

ROOM = 12_000
"""Bytes of quoted values in one query: URI and headers together may have 16,384."""
_IDS = 400  # quoted ids of 18 characters in one query
_CLOCKS_APART = timedelta(hours=1)


def batches(items: Sequence[Item], words: Sequence[str]) -> Iterator[list[Item]]:
    """Cut `items` so that the values of each piece (`words`: those of each item, joined) fit into one URI."""
    piece: list[Item] = []
    room = ROOM
    for item, word in zip(items, words, strict=True):
        size = len(quote(word, safe="")) + 18  # quotes and a comma around each of two values, percent-encoded
        if piece and size > room:
            yield piece
            piece, room = [], ROOM
        piece.append(item)
        room -= size
    if piece:
        yield piece


def contacts_by_key_or_email(items: Sequence[Item]) -> str:
    """Contacts that carry an item's key, or its e-mail address."""
    keys = [remote_key(item.key, PERSON_FIELD) for item in items]
    emails = sorted({email_of(item) for item in items} - {""})
    return format_soql(
        "SELECT Id, Email, {field:literal} FROM Contact WHERE {field:literal} IN {keys}{or_email:literal}",
        field=PERSON_FIELD,
        keys=keys,
        or_email=format_soql(" OR Email IN {}", emails) if emails else "",
    )


def tasks_by_key(items: Sequence[Item]) -> str:
    """Tasks that carry an item's key."""
    keys = [remote_key(item.key, KEY_FIELD) for item in items]
    return format_soql(
        "SELECT Id, {field:literal} FROM Task WHERE {field:literal} IN {keys}", field=KEY_FIELD, keys=keys
    )


def tasks_by_contact(items: Sequence[Item]) -> str:
    """Tasks of the items' contacts since the oldest of their causes. A description can be read, not searched for."""
    since = min(item.cause_at for item in items) - _CLOCKS_APART
    whos = sorted({who_of(item) for item in items} - {""})
    return format_soql(
        "SELECT Id, WhoId, Description FROM Task WHERE WhoId IN {whos} AND CreatedDate >= {since:literal}",
        whos=whos,
        since=instant(since),
    )


def contacts_found(items: Sequence[Item], rows: Sequence[Row], url: str) -> list[Found]:
    """One answer per item: the contact with its key, else every contact with its e-mail address."""
    by_key = _group(rows, PERSON_FIELD)
    by_email = _group(rows, "Email")
    answers = []
    for item in items:
        key = remote_key(item.key, PERSON_FIELD)
        email = email_of(item)
        answers.append(_found("Contact", by_key.get(key) or (by_email.get(email, []) if email else []), url))
    return answers


def tasks_found(items: Sequence[Item], rows: Sequence[Row], url: str) -> list[Found]:
    """One answer per item: the tasks with its key."""
    by_key = _group(rows, KEY_FIELD)
    return [_found("Task", by_key.get(remote_key(item.key, KEY_FIELD), []), url) for item in items]


def marked_tasks_found(items: Sequence[Item], rows: Sequence[Row], url: str) -> list[Found]:
    """One answer per item: the tasks whose description has its marker as a line of its own."""
    by_line: dict[str, list[Row]] = {}
    for row in rows:
        for line in {line.strip() for line in str(row.get("Description") or "").splitlines()}:
            by_line.setdefault(line, []).append(row)
    return [_found("Task", by_line.get(marker(item.key), []), url) for item in items]


def records(name: str, ids: Sequence[str], fields: Sequence[str]) -> Iterator[str]:
    """Queries for some fields of these records, as many as their ids need."""
    columns = ", ".join(dict.fromkeys(("Id", *fields)))
    for start in range(0, len(ids), _IDS):
        piece = list(ids[start : start + _IDS])
        yield format_soql(
            "SELECT {columns:literal} FROM {name:literal} WHERE Id IN {ids}", columns=columns, name=name, ids=piece
        )


def successors(ids: Sequence[str]) -> str:
    """Which of these contacts are deleted, and who survived the merge that deleted them."""
    return format_soql("SELECT Id, MasterRecordId FROM Contact WHERE Id IN {} AND IsDeleted = true", sorted(set(ids)))


def instant(at: datetime) -> str:
    """A SOQL dateTime literal."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def email_of(item: Item) -> str:
    """The item's e-mail address as it is compared; SOQL compares text without case."""
    return str(item.fields.get("Email") or "").strip().lower()


def who_of(item: Item) -> str:
    """The contact an item's task belongs to."""
    return str(item.fields.get("WhoId") or "")


def _group(rows: Sequence[Row], field: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        value = row.get(field)
        if value:
            groups.setdefault(str(value).lower(), []).append(row)
    return groups


def _found(name: str, rows: Sequence[Row], url: str) -> Found:
    return Found(
        receipts=tuple(
            Receipt(remote_id=row["Id"], url=record_url(url, name, row["Id"]), created=False)
            for row in sorted(rows, key=lambda row: str(row["Id"]))
        )
    )
