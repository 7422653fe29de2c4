"""What batch reads say of contacts, tasks and notes; they read the records themselves and lag behind nothing. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connector.adapters.hubspot.names import BODY, CONTACT_ID, PERSON, marker, remote_key
from connector.adapters.hubspot.replies import is_absent, object_of, rows_of
from connector.domain.model.intent import Found, Item, Json, Receipt
from connector.errors import Transient

Row = Mapping[str, Any]
EMAIL, MORE_EMAILS = "email", "hs_additional_emails"
MERGED = "hs_merged_object_ids"
IDENTITY = (EMAIL, MORE_EMAILS, PERSON)
_BREAK = re.compile(r"<[^>]*>|\n")


def pieces(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """`values` without repetitions and blanks, `size` at a time."""
    unique = [value for value in dict.fromkeys(values) if value]
    return (unique[start : start + size] for start in range(0, len(unique), size))


def answers(body: Json) -> list[Row]:
    """The records of a batch read. Raises Transient when it left one out for another reason than its absence."""
    errors = object_of(body).get("errors") or []
    if not isinstance(errors, list) or not all(is_absent(error) for error in errors):
        raise Transient("a part of the question was not answered")
    return rows_of(body)


def email_of(item: Item) -> str:
    """The item's e-mail address as HubSpot keeps it."""
    return str(item.fields.get("email") or "").strip().lower()


def contact_of(item: Item) -> str:
    """The contact an item's task or note hangs on."""
    return str(item.fields.get(CONTACT_ID) or "")


def by_key(rows: Sequence[Row], name: str) -> dict[str, list[str]]:
    """Record ids by our key of them in the property `name`."""
    return _group(rows, lambda row: [_property(row, name)])


def by_email(rows: Sequence[Row], asked: Sequence[str]) -> dict[str, list[str]]:
    """Contact ids by every address they have, for a question about the addresses `asked`.

    One contact that was found, though it shows none of them, has the one that is left: HubSpot may spell it otherwise.
    """
    groups = _group(rows, lambda row: [_property(row, EMAIL), *_property(row, MORE_EMAILS).split(";")])
    left = sorted(set(asked) - groups.keys() - {""})
    known = {one for email in asked for one in groups.get(email, [])}
    strange = [_id(row) for row in rows if _id(row) not in known]
    return {**groups, left[0]: strange} if len(left) == len(strange) == 1 else groups


def by_line(rows: Sequence[Row], name: str) -> dict[str, list[str]]:
    """Record ids by every line of their text."""
    return _group(rows, lambda row: [html.unescape(line) for line in _BREAK.split(_property(row, BODY[name]))])


def key_of(item: Item) -> str:
    """Our key as it is looked for."""
    return remote_key(item.key)


def line_of(item: Item) -> str:
    """Our marker as it is looked for."""
    return marker(item.key).lower()


def found(ids: Sequence[str], url: Callable[[str], str]) -> Found:
    """The answer of these record ids."""
    return Found(receipts=tuple(Receipt(remote_id=one, url=url(one), created=False) for one in sorted(set(ids))))


def survivors(rows: Sequence[Row], asked: Sequence[str]) -> dict[str, str]:
    """Which contact stands for each of the ids `asked`, for those that resolve at all."""
    standing: dict[str, str] = {}
    for row in rows:
        for loser in _property(row, MERGED).split(";"):
            if loser in asked:
                standing[loser] = str(row["id"])
    return standing | {one: one for one in asked if any(str(row["id"]) == one for row in rows)}


def targets(body: Json) -> tuple[list[str], dict[str, str]]:
    """The records associated with those asked about, and from where to go on for those that have more."""
    ids: list[str] = []
    after: dict[str, str] = {}
    for row in answers(body):
        ids += [str(to["toObjectId"]) for to in row["to"]]
        more = ((row.get("paging") or {}).get("next") or {}).get("after")
        if more is not None:
            after[str(row["from"]["id"])] = str(more)
    return ids, after


def _property(row: Row, name: str) -> str:
    return str(row["properties"].get(name) or "")


def _group(rows: Sequence[Row], names: Callable[[Row], Sequence[str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for row in rows:
        for name in {name.strip().lower() for name in names(row)} - {""}:
            groups.setdefault(name, []).append(_id(row))
    return groups


def _id(row: Row) -> str:
    record = row["id"]
    if not isinstance(record, str | int) or isinstance(record, bool):
        raise TypeError
    return str(record)
