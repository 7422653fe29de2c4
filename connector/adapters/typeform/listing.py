"""Answers that are fetched, or come from a file, in the shape of the webhook, so that one answer is one delivery.

The listing has newest answers first and may lack those of the last half hour (Typeform's Responses API page). It is
read page by page towards the past; the next walk begins an hour before the newest answer of this one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import cast
from urllib.parse import quote

from connector.domain.model.intent import Json
from connector.errors import Gone, Rejected
from connector.ports import Page, Row
from connector.transport import rows
from connector.transport.client import Api
from connector.transport.shapes import expecting

READ_CLASS = "responses"
PACE = timedelta(seconds=1)
"""Half of the two calls a second that a token may make: no reply says what is left, nor where a second begins."""
PAGE = 1000
OVERLAP = timedelta(hours=1)
# Of a listed answer: the same names as in the webhook. Address and browser of the respondent are left behind.
SAME = ("landed_at", "submitted_at", "hidden", "calculated", "variables", "answers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the listing was read. `since`: where it ends; `before`: the last answer seen; `newest`: the first."""

    since: str | None = None
    before: str | None = None
    newest: str | None = None

    @classmethod
    def begin(cls, cursor: str | None, since: date | None) -> Walk:
        """Go on at `cursor`, or begin."""
        if cursor is not None:
            return cls(**json.loads(cursor))
        return cls(since=None if since is None else f"{since.isoformat()}T00:00:00")

    def text(self) -> str:
        """The cursor."""
        return json.dumps({"since": self.since, "before": self.before, "newest": self.newest})

    def params(self) -> dict[str, str | int]:
        """The query of the next page."""
        wanted: dict[str, str | int] = {"page_size": PAGE, "response_type": "completed"}
        given = {"since": self.since, "before": self.before}
        return wanted | {name: value for name, value in given.items() if value is not None}

    def after(self, items: list[dict[str, Json]]) -> tuple[Walk, bool]:
        """What to do after this page, and whether at once."""
        newest = self.newest or (_newest(items) if items else None)
        if len(items) >= PAGE:
            return replace(self, before=str(items[-1]["token"]), newest=newest), True
        return Walk(since=self.since if newest is None else max(_earlier(newest), self.since or "")), False


def read_page(api: Api, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
    """The next answers of a form as deliveries. Raises RemoteError."""
    walk = Walk.begin(cursor, since)
    try:
        reply = api.call(
            "GET",
            f"/forms/{quote(form, safe='')}/responses",
            params=walk.params(),
            endpoint_class=READ_CLASS,
            write=False,
        )
    except (Gone, Rejected):
        if walk.before is None:
            raise
        # The answer to go on from was deleted there meanwhile. Whatever was read is in the inbox: begin again.
        return Page(records=(), cursor=Walk(since=walk.since).text(), more=False)
    with expecting("which answers there are", **reply.context()):
        listed = cast("dict[str, list[dict[str, Json]]]", reply.json())
        items = [dict(item) for item in listed["items"]]
        records = [rendered(form, item) for item in items]
        following, more = walk.after(items)
    return Page(records=records, cursor=following.text(), more=more)


def rendered(form: str, item: Mapping[str, Json]) -> bytes:
    """A listed answer as its webhook would have had it."""
    ending = item.get("thankyou_screen_ref")
    response: dict[str, Json] = {
        "form_id": form,
        "token": item["token"],
        **{name: item[name] for name in SAME if item.get(name) is not None},
        **({} if ending is None else {"ending": {"ref": ending}}),
    }
    return rows.dumps({"event_type": "form_response", "form_response": response})


def delivered(row: Row) -> bytes:
    """A row of a file as its webhook would have had it; a question without a value was skipped."""
    answers, hidden = rows.split(row.values)
    response: dict[str, Json] = {
        "form_id": row.form,
        "token": row.id,
        "submitted_at": row.submitted_at.astimezone(UTC).isoformat(),
        "hidden": hidden,
        "answers": [_answer(name, value) for name, value in answers.items() if value is not None],
    }
    return rows.dumps({"event_type": "form_response", "form_response": response})


def _answer(reference: str, value: Json) -> dict[str, Json]:
    field: dict[str, Json] = {"ref": reference}
    if isinstance(value, list):
        return {"type": "choices", "choices": {"labels": value}, "field": field}
    kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
    return {"type": kind, kind: value, "field": field}


def _newest(items: list[dict[str, Json]]) -> str:
    return max(str(item["submitted_at"]) for item in items)


def _earlier(newest: str) -> str:
    at = datetime.fromisoformat(newest).astimezone(UTC) - OVERLAP
    return at.replace(microsecond=0, tzinfo=None).isoformat()
