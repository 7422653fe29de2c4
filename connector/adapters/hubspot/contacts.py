"""The feed of contacts: three ways of reading them, the cursor that says which is next, and rows read into contacts.

- `list` reads every contact once, in the order of ids, from the records themselves.
- `changed` searches for what changed since a while before the last sweep began. A page goes on after the highest id of
  the one before instead of counting on, so no sweep meets the 10,000 results a search may have, and nobody is skipped
  who changes while it runs: a change only ever moves a contact into what a later sweep looks for.
- `gone` lists the archived contacts, which no search finds, about once an hour. The search after it reaches back to the
  one before: whom the index showed very late is read then.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from connector.adapters.hubspot import bodies
from connector.adapters.hubspot.names import CONTACTS
from connector.adapters.hubspot.questions import MERGED, Row
from connector.adapters.hubspot.replies import object_of, rows_of
from connector.adapters.hubspot.writes import Place
from connector.domain.model.intent import Json
from connector.domain.model.person import Contact
from connector.ports import Page

LIST_PAGE, SEARCH_PAGE = 100, 200
OVERLAP = timedelta(minutes=2)
"""How far a sweep reaches back before the last one began: the index of the search lags, by "a few moments"."""
GONE_EVERY = timedelta(hours=1)
CHANGED = "lastmodifieddate"
_ID = "hs_object_id"
_IDENTITY = ("email", "firstname", "lastname", "phone", "mobilephone", "hubspot_owner_id", CHANGED, MERGED)
_LIKENESS = ("company", "zip")
"""Read to tell people of one name apart."""
Sweep = Literal["list", "changed", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the feed stands.

    `begun` is when the present sweep began, `since` from when on it looks for changes and `swept` when archived
    contacts were last read, in seconds since 1970. `after` is the id (or the vendor's word) to go on after, empty
    before the first page.
    """

    sweep: Sweep
    begun: float
    swept: float
    since: float = 0.0
    after: str = ""

    @classmethod
    def read(cls, text: str | None, now: datetime) -> Self:
        """The cursor in `text`; a new one begins a full read."""
        if text is None:
            return cls(sweep="list", begun=now.timestamp(), swept=now.timestamp())
        return cls(**json.loads(text))

    @property
    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def opened(self, now: datetime) -> Self:
        """At the first page of a sweep: it begins now."""
        return self if self.after else replace(self, begun=now.timestamp())

    def next(self, after: str) -> Self:
        """There is more of this sweep."""
        return replace(self, after=after)

    def done(self) -> Self:
        """The sweep has ended; the next looks for what changed since this one began, and a while before."""
        if self.sweep == "gone":
            since = self.swept - OVERLAP.total_seconds()
            return replace(self, sweep="changed", since=since, after="", swept=self.begun)
        is_time = self.begun - self.swept >= GONE_EVERY.total_seconds()
        since = max(self.since, self.begun - OVERLAP.total_seconds())
        return replace(self, sweep="gone" if is_time else "changed", since=since, after="")


def earlier(now: datetime, headers: Mapping[str, str]) -> datetime:
    """The earlier of our clock and the one of the reply: what changes from then on is looked for by the next sweep."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return now
    return min(now, theirs) if theirs.tzinfo else now


def properties(read: Sequence[str]) -> list[str]:
    """The properties to ask for: who a contact is, and what `read` names."""
    return list(dict.fromkeys((*_IDENTITY, *_LIKENESS, *read)))


def listing(cursor: Cursor, read: Sequence[str]) -> Mapping[str, str | int]:
    """The query of the page after `cursor` of all contacts, or of all archived ones."""
    asked: dict[str, str | int] = {
        "limit": LIST_PAGE,
        "archived": "true" if cursor.sweep == "gone" else "false",
        "properties": ",".join(properties(read)),
    }
    return {**asked, "after": cursor.after} if cursor.after else asked


def searching(cursor: Cursor, read: Sequence[str]) -> bytes:
    """The body of the search for the page after `cursor` of changed contacts."""
    filters = [(CHANGED, "GTE", str(int(cursor.since * 1000)))]
    if cursor.after:
        filters.append((_ID, "GT", cursor.after))
    return bodies.search(filters, properties(read), sort=_ID, limit=SEARCH_PAGE)


def page(
    body: Json, cursor: Cursor, read: Sequence[str], types: Mapping[str, str], account: str, place: Place
) -> Page[Contact]:
    """The contacts of one reply, whom they won merges against, and where to go on."""
    rows = rows_of(body)
    after = _after(object_of(body), rows, cursor)
    onward = cursor.done() if after is None else cursor.next(after)
    records = [one for row in rows for one in _contacts(row, read, types, account, place)]
    # The hourly list of archived contacts follows at once, a new look for changes does not.
    more = after is not None or onward.sweep == "gone"
    # A search may show a contact as it was before our last write: that is no person's edit of what we wrote.
    as_of = datetime.fromtimestamp(cursor.begun, UTC) - OVERLAP if cursor.sweep == "changed" else None
    return Page(records=records, cursor=onward.text, more=more, as_of=as_of)


def typed(value: object, kind: str) -> Json:
    """A property's text as the kind of value it is there; blank is None."""
    if not isinstance(value, str) or not value.strip():
        return None
    if kind == "number":
        number = float(value)
        return int(number) if number.is_integer() else number
    if kind == "bool":
        return value == "true"
    if kind in {"date", "datetime"} and value.lstrip("-").isdigit():
        at = datetime.fromtimestamp(int(value) / 1000, UTC)
        return at.date().isoformat() if kind == "date" else at.isoformat()
    if kind == "date":
        return date.fromisoformat(value[:10]).isoformat()
    return value


def _after(body: Mapping[str, Any], rows: Sequence[Row], cursor: Cursor) -> str | None:
    """What the next page begins after; None at the end."""
    if cursor.sweep == "changed":
        return str(rows[-1]["id"]) if len(rows) >= SEARCH_PAGE else None
    after = ((body.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def _contacts(row: Row, read: Sequence[str], types: Mapping[str, str], account: str, place: Place) -> Iterator[Contact]:
    """The contact of a row, after those it won a merge against: a loser is found in no list, only named by it."""
    known: Mapping[str, Any] = row["properties"]
    contact = str(row["id"])
    modified_at = _modified(row)
    is_gone = bool(row.get("archived"))
    for loser in str(known.get(MERGED) or "").split(";"):
        if loser and loser != contact:
            yield Contact(account=account, id=loser, modified_at=modified_at, merged_into=contact)
    yield Contact(
        account=account,
        id=contact,
        name=" ".join(str(known[part]) for part in ("firstname", "lastname") if known.get(part)) or None,
        email=known.get("email") or None,
        phone=known.get("phone") or known.get("mobilephone") or None,
        owner=known.get("hubspot_owner_id") or None,
        url=place.url(CONTACTS, contact),
        modified_at=modified_at,
        deleted=is_gone,
        company=known.get("company") or None,
        postcode=known.get("zip") or None,
        values={name: typed(known.get(name), types.get(name, "string")) for name in read},
    )


def _modified(row: Row) -> datetime:
    text = row.get("archivedAt") or row["properties"].get(CHANGED) or row["updatedAt"]
    return datetime.fromisoformat(str(text)).astimezone(UTC)
