"""How Zendesk reads requests (bodies, ids, pages by cursor or by offset) and words its refusals."""

from __future__ import annotations

import json

from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, cursor_at, cursor_position

BULK_LIMIT = 100


def read_body(call: Call) -> Fields:
    """The JSON object in a request. Raises Refused."""
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise Refused("media-type")
    try:
        data = json.loads(call.body)
    except ValueError as error:
        raise Refused("json") from error
    if not isinstance(data, dict):
        raise Refused("json")
    return data


def number_of(text: str) -> int:
    """An id in a path. Raises Refused."""
    if not text.isdigit():
        raise Refused("not-found", text)
    return int(text)


def ids_of(call: Call) -> list[int]:
    """Up to 100 ids in `ids`. Raises Refused."""
    texts = [text for text in call.query.get("ids", "").split(",") if text]
    if not texts or not all(text.isdigit() for text in texts):
        raise Refused("no-ids")
    if len(texts) > BULK_LIMIT:
        raise Refused("too-many")
    return [int(text) for text in texts]


def size_of(text: str, most: int) -> int:
    """A page size. Raises Refused."""
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused("page-size")
    return int(text)


def position_of(cursor: str) -> int:
    """The position a cursor means. Raises Refused."""
    try:
        return cursor_position(cursor)
    except ValueError as error:
        raise Refused("cursor") from error


def paged(call: Call, rows: list[Fields], base_url: str) -> tuple[list[Fields], Fields]:
    """A page by cursor (`page[size]`, `page[after]`) or, without these, by offset (`page`, `per_page`)."""
    if "page[size]" in call.query or "page[after]" in call.query:
        size = size_of(call.query.get("page[size]", "100"), 100)
        start = position_of(call.query["page[after]"]) if "page[after]" in call.query else 0
        end = start + size
        more = end < len(rows)
        meta = {"has_more": more, "after_cursor": cursor_at(min(end, len(rows))), "before_cursor": cursor_at(start)}
        return rows[start:end], {"meta": meta, "links": {"next": None, "prev": None}}
    size = size_of(call.query.get("per_page", "100"), 100)
    page = size_of(call.query.get("page", "1"), 100)
    start = (page - 1) * size
    following = f"{base_url}{call.path}.json?page={page + 1}&per_page={size}" if start + size < len(rows) else None
    return rows[start : start + size], {"count": len(rows), "next_page": following, "previous_page": None}


def say(row: Refusal, refused: Refused) -> Answer:
    """A refusal in the shape Zendesk uses for it; there are four."""
    text = row.text.format(refused.detail)
    if row.code.startswith(("invalid_", "unsupported_")):
        return Answer(status=row.status, data={"error": row.code, "error_description": text})
    if row.code in {"Invalid attribute", "Forbidden"}:
        return Answer(status=row.status, data={"error": {"title": row.code, "message": text}})
    data: Fields = {"error": row.code}
    if row.code == "RecordInvalid":
        problem = {"description": text, "error": "InvalidValue"}
        data |= {"description": "Record validation errors", "details": {refused.field or "base": [problem]}}
    elif text:
        data["description"] = text
    return Answer(status=row.status, data=data)
