"""Typeform: answers arrive by webhook, or are fetched. See docs/vendors/typeform.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from connector.adapters.typeform import erasing, listing
from connector.adapters.typeform.forms import FormsApi
from connector.adapters.typeform.options import Options
from connector.domain.model.account import Change, Demand, Form, InstalledHook
from connector.domain.model.intent import Json
from connector.errors import Forged, MappingError, Unauthorized
from connector.ports import Finding, Hook, Page, Record, Row
from connector.ports.erasing import Erased, Subject
from connector.transport import bodies
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.signatures import verify_hmac

__all__ = ["POLLS_WITH", "ROLES", "Options", "Typeform"]

ROLES = frozenset({"source"})
POLLS_WITH = "api_token"

SIGNATURE = "typeform-signature"
COMPLETED = "form_response"

# The value stands under the key that `type` names. These are taken as they are.
PLAIN = frozenset({"text", "email", "date", "boolean", "number", "url", "file_url", "phone_number"})


class Typeform:
    """One Typeform account. The unique id of an answer is its `token`; retries repeat it."""

    kind = "typeform"
    read_class = listing.READ_CLASS
    pace = listing.PACE
    residual = erasing.RESIDUAL

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.site
        self.is_hint = options.verify == "refetch"
        self._name = name
        self._secrets = tuple(options.webhook_secret)
        # Without a token its API is not called: answers come by webhook alone.
        self._api = (
            None
            if options.api_token is None
            else kit.api(name, options.url, StaticBearer(options.api_token), options.timeout)
        )
        secret = self._secrets[0] if self._secrets else None
        self._forms = FormsApi(name, self._api, secret, self.read_class)

    def verify(self, hook: Hook) -> None:
        """`Typeform-Signature: sha256=<base64 HMAC of the raw body>`. Raises Forged."""
        if not self._secrets:
            raise Forged("no secret is configured: its hooks are hints, what they are about is fetched")
        verify_hmac(self._secrets, hook.body, hook.headers.get(SIGNATURE, ""), encoding="base64", prefix="sha256=")

    def split(self, body: bytes) -> Sequence[bytes]:
        """One answer a request."""
        return (body,)

    def hint(self, body: bytes) -> str | None:
        """The form somebody says has a new answer."""
        try:
            return bodies.text(bodies.part(bodies.read_object(body), "form_response"), "form_id")
        except MappingError:
            return None

    def responses_since(self, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
        """The answers of a form in the shape of its webhook, newest first, overlapping. Raises RemoteError."""
        if self._api is None:
            raise Unauthorized("there is no api_token", connection=self._name, operation="GET /forms/…/responses")
        return listing.read_page(self._api, form, cursor, since)

    def deliver(self, row: Row) -> bytes:
        """A row of an export in the shape of its webhook."""
        return listing.delivered(row)

    def form(self, id: str) -> Form:  # noqa: A002  # the tool's own word
        """The form as its author made it. Raises Gone, RemoteError."""
        return self._forms.form(id)

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Whether forms, questions, scales and webhooks are as the mappings need them."""
        return self._forms.inspect(demand)

    def hooks(self, demand: Demand) -> Sequence[InstalledHook]:
        """The forms' webhooks that lead to us, or once did."""
        return self._forms.hooks(demand)

    def hook_changes(self, demand: Demand) -> Sequence[Change]:
        """A webhook for each form."""
        return self._forms.hook_changes(demand)

    def install(self, change: Change) -> str:
        """Install one, signing with our first secret."""
        return self._forms.install(change)

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Delete their answers. Raises RemoteError."""
        return erasing.erase(self._api, subject)

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
    """What else a mapping may read: what webhook and listing agree on, so that both bring the same answer.

    Address and browser of the respondent are never taken.
    """
    variables = response.get("variables")
    named: dict[str, Json] = {
        str(entry.get("key")): entry.get(str(entry.get("type")))
        for entry in (variables if isinstance(variables, list) else [])
        if isinstance(entry, dict)
    }
    found: dict[str, Json] = {
        "landed_at": response.get("landed_at"),
        "score": bodies.part(response, "calculated", "form_response.").get("score"),
        "ending": bodies.part(response, "ending", "form_response.").get("ref"),
        "variables": named or None,
    }
    return {name: value for name, value in found.items() if value is not None}
