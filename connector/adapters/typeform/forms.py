"""Forms as their authors made them, what in them does not fit the mapping, and the webhook of each form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlsplit

from connector.domain.model.account import Change, Demand, Form, FormUse, InstalledHook, Question
from connector.domain.model.intent import Json
from connector.errors import Gone, Unauthorized
from connector.ports import Finding
from connector.secret import Secret
from connector.transport.client import Api
from connector.transport.shapes import expecting

TAG = "csat-connector"
"""What our webhook of a form is called; a form has one webhook of a tag."""
TOKEN_PATH = "Typeform › your account › Personal tokens: forms:read, webhooks:read, webhooks:write"  # noqa: S105
_SCALES: Mapping[str, tuple[int, bool]] = {"opinion_scale": (11, False), "rating": (5, True), "nps": (11, False)}
"""Steps, and whether the first is 1, where the form does not say."""


class FormsApi:
    """One account's forms and webhooks. `api` is None without a token, `secret` what webhooks are to sign with."""

    def __init__(self, name: str, api: Api | None, secret: Secret | None, endpoint_class: str) -> None:
        self._name = name
        self._api = api
        self._secret = secret
        self._class = endpoint_class

    def form(self, form: str) -> Form:
        """The form as it is now. Raises Gone, RemoteError."""
        tree = self._get(f"/forms/{quote(form, safe='')}")
        with expecting("which questions the form has"):
            return Form(
                id=str(tree["id"]),
                title=str(tree.get("title") or form),
                questions=tuple(_question(field) for field in _fields(tree)),
                hidden=tuple(str(name) for name in tree.get("hidden") or ()),
            )

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Whether the forms, their questions and their webhooks are as the mapping needs them. Raises RemoteError."""
        if self._api is None:
            return [
                Finding(
                    subject="api_token",
                    message="without one neither the forms nor their webhooks can be looked at",
                    fix=f"make one and set `api_token`: {TOKEN_PATH}",
                    blocking=False,
                )
            ]
        return [finding for use in demand.forms for finding in self._inspect(use, demand)]

    def hooks(self, demand: Demand) -> Sequence[InstalledHook]:
        """Webhooks with our tag, or a path like ours. Raises RemoteError."""
        return [
            InstalledHook(place=f"form {use.id}", url=str(row["url"]), enabled=bool(row.get("enabled")))
            for use in demand.forms
            for row in self._webhooks(use.id)
            if row.get("tag") == TAG or urlsplit(str(row["url"])).path.endswith(f"/hooks/{self._name}")
        ]

    def hook_changes(self, demand: Demand) -> Sequence[Change]:
        """A webhook of each form that posts to us, switched on. Raises RemoteError."""
        return [
            Change(
                subject=f"webhook of form {use.id}",
                message=f"posts its answers to {demand.hook_url}",
                by_hand=f"in the form › Connect › Webhooks: {demand.hook_url}, with the secret, switched on",
                details={"form": use.id, "url": demand.hook_url},
            )
            for use in demand.forms
            if not any(row.get("url") == demand.hook_url and row.get("enabled") for row in self._webhooks(use.id))
        ]

    def install(self, change: Change) -> str:
        """Put the webhook, with our secret. Raises RemoteError."""
        url = str(change.details["url"])
        body: dict[str, Json] = {"url": url, "enabled": True, "verify_ssl": url.startswith("https:")}
        if self._secret is not None:
            body["secret"] = self._secret.reveal()
        path = f"/forms/{quote(str(change.details['form']), safe='')}/webhooks/{TAG}"
        self._with_token().call("PUT", path, json=body, endpoint_class=self._class, write=True)
        return "signs with `webhook_secret` and is switched on" if self._secret else "is switched on, unsigned"

    def _inspect(self, use: FormUse, demand: Demand) -> Iterator[Finding]:
        try:
            form = self.form(use.id)
        except Gone:
            yield Finding(
                subject=f"form {use.id}",
                message="there is no such form, or the token may not read it",
                fix=f"correct `surveys.{use.survey}.forms`; the id stands in the form's address",
                blocking=True,
            )
            return
        yield from mismatches(use, form)
        if demand.hook_url is not None and self.hook_changes(
            Demand(connection=self._name, forms=(use,), hook_url=demand.hook_url)
        ):
            yield Finding(
                subject=f"form {use.id}",
                message=f"no webhook that is switched on posts its answers to {demand.hook_url}",
                fix="`connector webhooks install`",
                blocking=False,
            )

    def _webhooks(self, form: str) -> list[dict[str, Any]]:
        tree = self._get(f"/forms/{quote(form, safe='')}/webhooks")
        with expecting("which webhooks the form has"):
            return [row for row in tree["items"] if isinstance(row["url"], str)]

    def _get(self, path: str) -> dict[str, Any]:
        reply = self._with_token().call("GET", path, endpoint_class=self._class, write=False)
        with expecting("what was asked for", **reply.context()):
            return dict(cast("dict[str, Any]", reply.json()))

    def _with_token(self) -> Api:
        if self._api is None:
            raise Unauthorized(f"there is no api_token; {TOKEN_PATH}", connection=self._name, operation="forms")
        return self._api


def mismatches(use: FormUse, form: Form) -> Iterator[Finding]:
    """Questions and hidden fields the mapping reads in vain, and scales it takes for others. Pure."""
    known = {question.ref: question for question in form.questions}
    file = f"the mapping of `surveys.{use.survey}`"
    for ref in sorted(use.questions - known.keys()):
        yield Finding(
            subject=f"form {use.id}, answers.{ref}",
            message="no question has this reference" + (": no rating would be read" if ref in use.scales else ""),
            fix=f"correct {file}, or give the question this reference in the form",
            blocking=ref in use.scales,
        )
    for ref, (lowest, highest) in sorted(use.scales.items()):
        question = known.get(ref)
        if question is None:
            continue
        if question.lowest is None or question.highest is None:
            message, right = f"the question is of type {question.type}, which is no scale", "another question"
        elif (question.lowest, question.highest) != (lowest, highest):
            right = f"`scale: {question.lowest:g}-{question.highest:g}`"
            message = f"the form asks from {question.lowest:g} to {question.highest:g}, the mapping says "
            message += f"{lowest:g} to {highest:g}"
        else:
            continue
        yield Finding(subject=f"form {use.id}, answers.{ref}", message=message, fix=f"{right} in {file}", blocking=True)
    for name in sorted(use.hidden - set(form.hidden)):
        yield Finding(
            subject=f"form {use.id}, hidden.{name}",
            message="the form has no such hidden field, so the value never arrives",
            fix=f"add it in the form › Logic › Hidden fields, or take it out of {file}",
            blocking=False,
        )


def _fields(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every question, those inside groups and contact blocks too; their answers come one by one."""
    for field in tree.get("fields") or ():
        inside = (field.get("properties") or {}).get("fields")
        if inside:
            yield from _fields({"fields": inside})
        else:
            yield field


def _question(field: Mapping[str, Any]) -> Question:
    properties = field.get("properties") or {}
    labels = properties.get("labels") or {}
    lowest, highest = _ends(str(field["type"]), properties)
    return Question(
        ref=str(field.get("ref") or field["id"]),
        type=str(field["type"]),
        title=str(field.get("title") or ""),
        lowest=lowest,
        highest=highest,
        labels=(str(labels.get("left") or ""), str(labels.get("right") or "")),
    )


def _ends(kind: str, properties: Mapping[str, Any]) -> tuple[float | None, float | None]:
    if kind not in _SCALES:
        return None, None
    steps, from_one = _SCALES[kind]
    if kind != "nps":
        steps = int(properties.get("steps") or steps)
    if kind == "opinion_scale":
        from_one = bool(properties.get("start_at_one"))
    return (1, steps) if from_one else (0, steps - 1)
