"""Typeform: answers arrive by signed webhook. See docs/vendors/typeform.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.adapters.typeform.options import Options
from connector.domain.model.intent import Json
from connector.errors import MappingError
from connector.ports import Hook, Record
from connector.transport import bodies
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.signatures import verify_hmac

__all__ = ["ROLES", "Options", "Typeform"]

ROLES = frozenset({"source"})

SIGNATURE = "typeform-signature"
COMPLETED = "form_response"

# The value stands under the key that `type` names. These are taken as they are.
PLAIN = frozenset({"text", "email", "date", "boolean", "number", "url", "file_url", "phone_number"})


class Typeform:
    """One Typeform account's webhooks. The unique id of an answer is its `token`; retries repeat it."""

    kind = "typeform"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self._secrets = tuple(options.webhook_secret)
        # Without a token its API is not called: answers come by webhook alone.
        self._api = (
            None
            if options.api_token is None
            else kit.api(name, options.url, StaticBearer(options.api_token), options.timeout)
        )

    def verify(self, hook: Hook) -> None:
        """`Typeform-Signature: sha256=<base64 HMAC of the raw body>`. Raises Forged."""
        verify_hmac(self._secrets, hook.body, hook.headers.get(SIGNATURE, ""), encoding="base64", prefix="sha256=")

    def split(self, body: bytes) -> Sequence[bytes]:
        """One answer a request."""
        return (body,)

    def read(self, payload: bytes) -> Record | None:
        """The answer; None for partial answers and for events of other types. Raises MappingError."""
        event = bodies.read_object(payload)
        if event.get("event_type") != COMPLETED:
            return None
        response = bodies.part(event, "form_response")
        where = "form_response."
        return Record(
            id=bodies.text(response, "token", where),
            form=bodies.text(response, "form_id", where),
            submitted_at=bodies.instant(response, "submitted_at", where),
            answers=_answers(response.get("answers")),
            hidden=bodies.part(response, "hidden", where),
            metadata=_metadata(event, response),
        )


def _answers(listed: Json) -> Mapping[str, Json]:
    """Question reference → value. A skipped question is absent in what Typeform sends, and stays absent."""
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise MappingError("is not a list", field="form_response.answers")
    answers: dict[str, Json] = {}
    for number, answer in enumerate(listed):
        where = f"form_response.answers.{number}"
        if not isinstance(answer, dict):
            raise MappingError("is not an object", field=where)
        field = bodies.part(answer, "field", f"{where}.")
        # Authors choose `ref`, and it survives an edit of the question; old forms may only have the `id`.
        reference = bodies.text(field, "ref" if field.get("ref") else "id", f"{where}.field.")
        kind = bodies.text(answer, "type", f"{where}.")
        if kind not in READERS and kind not in PLAIN:
            continue  # payments, signatures, videos: nothing a rating or a comment is made of
        if kind not in answer:
            raise MappingError("has no value under its type", field=where)
        answers[reference] = answer[kind] if kind in PLAIN else READERS[kind](bodies.part(answer, kind, f"{where}."))
    return answers


def _choice(value: dict[str, Json]) -> Json:
    """The label that was chosen, or the respondent's own words under "other"."""
    return value.get("label", value.get("other"))


def _choices(value: dict[str, Json]) -> Json:
    """The labels that were chosen, the respondent's own words last."""
    labels = value.get("labels")
    return [*(labels if isinstance(labels, list) else []), *([value["other"]] if value.get("other") else [])]


READERS = {"choice": _choice, "choices": _choices}


def _metadata(event: dict[str, Json], response: dict[str, Json]) -> Mapping[str, Json]:
    """What else a mapping may read. Address and browser of the respondent are never taken."""
    variables = response.get("variables")
    named: dict[str, Json] = {
        str(entry.get("key")): entry.get(str(entry.get("type")))
        for entry in (variables if isinstance(variables, list) else [])
        if isinstance(entry, dict)
    }
    found: dict[str, Json] = {
        "event_id": event.get("event_id"),
        "landed_at": response.get("landed_at"),
        "title": bodies.part(response, "definition", "form_response.").get("title"),
        "score": bodies.part(response, "calculated", "form_response.").get("score"),
        "ending": bodies.part(response, "ending", "form_response.").get("ref"),
        "variables": named or None,
    }
    return {name: value for name, value in found.items() if value is not None}
