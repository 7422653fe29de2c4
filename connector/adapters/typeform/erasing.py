"""Erasing a person's answers at Typeform. It deletes in its own time: what is still listed is under way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast
from urllib.parse import quote

from connector.adapters.typeform.listing import READ_CLASS
from connector.errors import Gone
from connector.ports.erasing import Erased, Fate, Subject
from connector.transport.client import Api
from connector.transport.shapes import expecting

RESIDUAL = "Typeform's own integrations (sheets, e-mail notifications) and exports people made are not reached."
NO_TOKEN = "without api_token its API is not called: delete this answer in Typeform"  # noqa: S105  # words
_AT_ONCE = 100  # ids in one address; Typeform takes 1,000


def erase(api: Api | None, subject: Subject) -> Sequence[Erased]:
    """Delete the answers in `subject.responses`, of one that was begun before those that are not gone yet.

    A form takes two calls, and no more are taken in a second: one form at a time, the others are under way. Raises
    RemoteError.
    """
    by_form: dict[str, list[str]] = {}
    for key in subject.responses:
        _, form, token = key.split("/", 2)
        if not subject.under_way or f"response {token}" in subject.under_way:
            by_form.setdefault(form, []).append(token)
    some = [
        (form, tokens[start : start + _AT_ONCE])
        for form, tokens in by_form.items()
        for start in range(0, len(tokens), _AT_ONCE)
    ]
    now, later = (some, []) if api is None else (some[:1], some[1:])
    told = [one for form, tokens in now for one in _some(api, form, tokens)]
    return [*told, *(Erased(object=f"response {one}", fate=Fate.UNDER_WAY) for _, tokens in later for one in tokens)]


def _some(api: Api | None, form: str, tokens: Sequence[str]) -> Iterator[Erased]:
    if api is None:
        yield from (Erased(object=f"response {one}", fate=Fate.KEPT, why=NO_TOKEN) for one in tokens)
        return
    path = f"/forms/{quote(form, safe='')}/responses"
    params = {"included_response_ids": ",".join(tokens)}
    try:
        request_id = api.call("DELETE", path, params=params, endpoint_class=READ_CLASS, write=True).request_id
        reply = api.call("GET", path, params={**params, "page_size": 1000}, endpoint_class=READ_CLASS, write=False)
    except Gone as gone:  # the whole form was deleted
        yield from (Erased(object=f"response {one}", fate=Fate.ERASED, request_id=gone.request_id) for one in tokens)
        return
    with expecting("which answers there are", **reply.context()):
        still = {str(item["token"]) for item in cast("dict[str, list[dict[str, Any]]]", reply.json())["items"]}
    for one in tokens:
        fate = Fate.UNDER_WAY if one in still else Fate.ERASED
        yield Erased(object=f"response {one}", fate=fate, request_id=request_id)
