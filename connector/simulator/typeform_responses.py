"""Typeform's Responses API on loopback: `GET /forms/{form}/responses`, newest first, with its lag and its limits.

Names: Typeform's Responses API page, read in November 2026.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route

LARGEST_PAGE, USUAL_PAGE = 1000, 25
_PARAMETERS = frozenset(
    {"page_size", "since", "until", "after", "before", "response_type", "sort", "included_response_ids", "query"}
    | {"fields", "answered_fields"}
)
_TYPES = frozenset({"started", "partial", "completed"})

REFUSALS = {
    "no-responses": Refusal(404, "FORM_NOT_FOUND", "Non existing form with uid {}"),
    "parameter": Refusal(400, "VALIDATION_ERROR", "unknown parameter {}"),
    "page-size": Refusal(400, "VALIDATION_ERROR", "page_size has to be a number from 1 to 1000"),
    "instant": Refusal(400, "VALIDATION_ERROR", "{} has to be Unix seconds or ISO 8601 in UTC, to the second"),
    "response-type": Refusal(400, "VALIDATION_ERROR", "response_type has to be started, partial or completed"),
    "sort": Refusal(400, "VALIDATION_ERROR", "sort has to be {{field}},{{asc|desc}}"),
    "sorted-cursor": Refusal(400, "VALIDATION_ERROR", "sort cannot be used together with after or before"),
    "no-ids": Refusal(400, "VALIDATION_ERROR", "included_response_ids has to name 1 to 1000 responses"),
    "token-unknown": Refusal(400, "VALIDATION_ERROR", "there is no response {}"),
}
"""By id. Every one is provoked by a test that sends the bad request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One answer: `item` as it is listed, from `listed_at` on; `number` counts in the order of processing."""

    item: Fields
    listed_at: datetime
    number: int

    @property
    def place(self) -> tuple[str, int]:
        return str(self.item["submitted_at"]), self.number


class Responses:
    """The answers of an account's forms.

    Args:
        clock: what is listed follows it.
        lag: how long a new answer stays out of the listing; Typeform says it may be half an hour.
        delay: how long a deleted answer is still listed; Typeform deletes in its own time.
    """

    def __init__(self, clock: Clock, *, lag: timedelta = timedelta(0), delay: timedelta = timedelta(seconds=2)) -> None:
        self.clock = clock
        self.lag = lag
        self.delay = delay
        self._deleted: list[tuple[datetime, str, str]] = []
        self._held: dict[str, dict[str, _Held]] = {}

    @property
    def routes(self) -> list[Route]:
        """The endpoints, to be given to the account."""
        pattern = "/forms/{form}/responses"
        return [
            Route(method="GET", pattern=pattern, act=self._list, scope="responses:read"),
            Route(method="DELETE", pattern=pattern, act=self._delete, scope="responses:write", write=True),
        ]

    def open(self, form: str) -> None:
        """The account has this form."""
        self._held.setdefault(form, {})

    def add(self, event: Mapping[str, Any]) -> str:
        """Take in the answer of a webhook's `form_response` event; returns its token. The same token is replaced."""
        response = event["form_response"]
        held = self._held.setdefault(response["form_id"], {})
        known = held.get(response["token"])
        held[response["token"]] = _Held(
            item=_item(response),
            listed_at=self.clock.now() + self.lag if known is None else known.listed_at,
            number=len(held) if known is None else known.number,
        )
        return str(response["token"])

    def remove(self, form: str, token: str) -> None:
        """Somebody deletes an answer."""
        del self._held[form][token]

    def _list(self, call: Call) -> Answer:
        form = self._form(call)
        _check(call.query)
        size = _size(call.query.get("page_size", str(USUAL_PAGE)))
        found = [one for one in self._held[form].values() if one.listed_at <= call.at and _asked(one.item, call.query)]
        found.sort(key=lambda one: one.place, reverse=True)
        if token := call.query.get("before"):
            place = self._at(form, token).place
            found = [one for one in found if one.place < place]
        if token := call.query.get("after"):
            number = self._at(form, token).number
            found = sorted((one for one in found if one.number > number), key=lambda one: one.number)
        page = [one.item for one in found[:size]]
        return Answer(data={"total_items": len(found), "page_count": -(-len(found) // size), "items": page})

    def _delete(self, call: Call) -> Answer:
        form = self._form(call)
        tokens = [text for text in call.query.get("included_response_ids", "").split(",") if text]
        if unknown := set(call.query) - {"included_response_ids"}:
            raise Refused("parameter", min(unknown))
        if not 1 <= len(tokens) <= LARGEST_PAGE:
            raise Refused("no-ids")
        self._deleted += [(call.at + self.delay, form, token) for token in tokens]
        return Answer(status=200, data=None)

    def _form(self, call: Call) -> str:
        """The form of a call. Raises Refused."""
        self._sweep()
        form = call.params["form"]
        if form not in self._held:
            raise Refused("no-responses", form)
        return form

    def _sweep(self) -> None:
        for at, form, token in self._deleted:
            if at <= self.clock.now():
                self._held[form].pop(token, None)

    @property
    def kept(self) -> dict[str, Fields]:
        """Every answer that is held, by token."""
        self._sweep()
        return {token: one.item for held in self._held.values() for token, one in held.items()}

    def _at(self, form: str, token: str) -> _Held:
        held = self._held[form].get(token)
        if held is None:
            raise Refused("token-unknown", token)
        return held


def _check(query: Mapping[str, str]) -> None:
    for name in query:
        if name not in _PARAMETERS:
            raise Refused("parameter", name)
    if not set(query.get("response_type", "completed").split(",")) <= _TYPES:
        raise Refused("response-type")
    if "sort" in query:
        field, _, direction = query["sort"].partition(",")
        if not field or direction not in {"asc", "desc"}:
            raise Refused("sort")
        if "after" in query or "before" in query:
            raise Refused("sorted-cursor")


def _size(given: str) -> int:
    if not given.isdigit() or not 1 <= int(given) <= LARGEST_PAGE:
        raise Refused("page-size")
    return int(given)


def _asked(item: Fields, query: Mapping[str, str]) -> bool:
    """Both ends count; only completed answers are held here."""
    at = datetime.fromisoformat(str(item["submitted_at"]))
    wanted = query.get("included_response_ids", "")
    return (
        ("since" not in query or at >= _instant("since", query["since"]))
        and ("until" not in query or at <= _instant("until", query["until"]))
        and (not wanted or item["token"] in wanted.split(","))
        and "completed" in query.get("response_type", "completed").split(",")
    )


def _instant(name: str, given: str) -> datetime:
    try:
        found = datetime.fromtimestamp(int(given), UTC) if given.isdigit() else datetime.fromisoformat(given)
    except ValueError as error:
        raise Refused("instant", name) from error
    if found.utcoffset() not in {None, timedelta(0)} or found.microsecond:
        raise Refused("instant", name)
    return found.replace(tzinfo=UTC)


def _item(response: Mapping[str, Any]) -> Fields:
    """The answer as the listing shows it: other names and more about the browser than the webhook has."""
    token = response["token"]
    return {
        "landing_id": token,
        "token": token,
        "response_id": token,
        "response_type": "completed",
        "landed_at": response["landed_at"],
        "submitted_at": response["submitted_at"],
        "metadata": {
            "user_agent": "Mozilla/5.0 (simulated)",
            "platform": "mobile",
            "referer": f"https://acme.typeform.example/to/{response['form_id']}",
            "network_id": hashlib.sha256(token.encode()).hexdigest()[:10],
            "browser": "touch",
        },
        "hidden": dict(response.get("hidden", {})),
        "calculated": dict(response.get("calculated", {"score": 0})),
        "answers": [dict(answer) for answer in response.get("answers", [])],
        "thankyou_screen_ref": response.get("ending", {}).get("ref"),
        **({"variables": response["variables"]} if "variables" in response else {}),
    }
