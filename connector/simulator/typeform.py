"""Typeform: builds answers the way its webhook sends them, signs them, and delivers them with the vendor's patience.

Its API is in `typeform_site`. Public webhook secret: `sim-typeform`.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator import typeform_responses
from connector.simulator.outgoing import UNREACHABLE, post
from connector.simulator.parts import Fields
from connector.simulator.typeform_responses import Responses
from connector.simulator.typeform_site import TOKEN, Account, Form, Question, field_id

__all__ = ["DESK", "SECRET", "SERVICE", "TOKEN", "Form", "Question", "Typeform", "encode", "payload", "sign"]

SECRET = "sim-typeform"
AT_ONCE_OFF = frozenset({404, 410})
"""Answers after which Typeform gives the delivery up and switches the webhook off."""
STEADY = frozenset({408, 423, 429, 503})
"""Answers it retries every two to three minutes for ten hours; here every 150 seconds."""
STEADY_PAUSE, STEADY_TRIES = timedelta(seconds=150), 240
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 20, 60, 120))
"""Pauses before the retries after any other answer, or none."""


SERVICE = Form(
    id="aB3dE9",
    title="Your visit",
    questions=(
        Question(
            ref="csat",
            type="opinion_scale",
            title="How satisfied are you with the repair?",
            steps=5,
            start_at_one=True,
            labels=("Not at all", "Very"),
        ),
        Question(ref="recommend", type="nps", title="How likely are you to recommend us?"),
        Question(ref="why", type="long_text", title="Why?"),
        Question(ref="mail", type="email", title="Your e-mail address"),
        Question(ref="may_contact", type="yes_no", title="May we contact you?"),
    ),
    hidden=("inv", "contact_id", "email", "phone", "name", "order_id", "service", "location", "technician"),
)
"""The repair chain's form of the example configuration."""
DESK = Form(
    id="xY7zQ1",
    title="Your ticket",
    questions=(
        Question(ref="satisfaction", type="rating", title="How well was it solved? (1 is best)", steps=5),
        Question(ref="comment", type="long_text", title="Anything to add?"),
    ),
    hidden=("inv", "contact_id", "email", "name", "company", "ticket_id", "queue", "agent", "channel", "tier"),
)
"""The service desk's form of the example configuration."""

_VALUE_KEYS = {
    "opinion_scale": "number",
    "nps": "number",
    "rating": "number",
    "number": "number",
    "long_text": "text",
    "short_text": "text",
    "email": "email",
    "phone_number": "phone_number",
    "yes_no": "boolean",
    "legal": "boolean",
    "date": "date",
    "website": "url",
}
"""Question type → the key under which Typeform puts an answer's value."""


def payload(
    form: Form,
    answers: Mapping[str, Any],
    *,
    token: str,
    submitted_at: datetime,
    hidden: Mapping[str, str] | None = None,
    landed_at: datetime | None = None,
    event_id: str | None = None,
) -> Fields:
    """A `form_response` event. `answers` is question reference → value; None and missing ones are left out.

    `landed_at` is two minutes before `submitted_at` unless given. Raises KeyError for a reference the form lacks.
    """
    questions = {question.ref: question for question in form.questions}
    shown = [
        {"id": field_id(form.id, question.ref), "ref": question.ref, "type": question.type, "title": question.title}
        for question in form.questions
    ]
    given = [_answer(form, questions[ref], value) for ref, value in answers.items() if value is not None]
    response: Fields = {
        "form_id": form.id,
        "token": token,
        "landed_at": _instant(landed_at or submitted_at - timedelta(minutes=2)),
        "submitted_at": _instant(submitted_at),
        "definition": {"id": form.id, "title": form.title, "fields": shown},
        "answers": given,
        "ending": {"id": "dEfAuLt1", "ref": "default_tys"},
    }
    if hidden:
        response["hidden"] = dict(hidden)
    return {"event_id": event_id or f"event-{token}", "event_type": "form_response", "form_response": response}


def encode(event: Mapping[str, Any]) -> bytes:
    """The event as the bytes that are signed and sent."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def sign(secret: str, body: bytes) -> str:
    """The value of the `Typeform-Signature` header."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def _answer(form: Form, question: Question, value: Any) -> Fields:
    key = _VALUE_KEYS.get(question.type)
    place = {"id": field_id(form.id, question.ref), "ref": question.ref, "type": question.type}
    if question.type in {"multiple_choice", "dropdown"}:
        several = isinstance(value, Sequence) and not isinstance(value, str)
        chosen = {"labels": list(value)} if several else {"label": value}
        name = "choices" if several else "choice"
        return {"type": name, name: chosen, "field": place}
    if key is None:
        raise KeyError(question.type)
    return {"type": key, key: value, "field": place}


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver. `status` is 0 without an answer; `final` when nothing follows, whatever the status."""

    event_id: str
    status: int
    at: datetime
    final: bool


@dataclass(slots=True, kw_only=True)
class Hook:
    """A webhook as its owner set it up."""

    url: str
    secret: str | None = SECRET
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Waiting:
    due: datetime
    number: int
    event_id: str = field(compare=False)
    body: bytes = field(compare=False)
    tries: int = field(compare=False)


class Typeform:
    """Delivers events to one webhook; retries wait for the clock and are sent by `run_due`.

    `account` is its API, at `site` once started: a webhook put there is where events go from then on. `forms` are
    what it has, `responses` what was answered: put answers there to have them listed.
    """

    def __init__(self, clock: Clock, *, secret: str = SECRET, forms: Sequence[Form] = (SERVICE, DESK)) -> None:
        self.clock = clock
        self.secret = secret
        self.hook: Hook | None = None
        self._hooks: dict[tuple[str, str], Hook] = {}
        self.responses = Responses(clock)
        for form in forms:
            self.responses.open(form.id)
        self.account = Account(
            clock,
            forms,
            installed=self._install,
            is_on=self._is_on,
            actions={"answer": self.answer},
            routes=self.responses.routes,
            refusals=typeform_responses.REFUSALS,
        )
        self.site = self.account.site
        self.attempts: list[Attempt] = []
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()

    def connect(self, url: str, *, secret: str | None = None) -> Hook:
        """Point the webhook at `url` and switch it on."""
        self.hook = Hook(url=url, secret=secret or self.secret)
        return self.hook

    def _install(self, form: str, webhook: Fields) -> None:
        hook = Hook(url=webhook["url"], secret=webhook.get("secret"), enabled=webhook["enabled"])
        self._hooks[form, webhook["tag"]] = hook
        if hook.enabled:
            self.hook = hook

    def _is_on(self, form: str, webhook: Fields) -> bool:
        return self._hooks[form, webhook["tag"]].enabled

    def answer(self, form: str, answers: Mapping[str, Any], hidden: Mapping[str, str] | None = None) -> int:
        """Somebody fills in a form now; returns what the installed webhook answered, 0 where nobody did or none is."""
        at = self.clock.now()
        token = f"answer{next(self._numbers)}x{int(at.timestamp() * 1000)}"
        known = self.account.forms[form]
        attempt = self.send(payload(known, answers, token=token, submitted_at=at, hidden=hidden))
        return 0 if attempt is None else attempt.status

    def send(self, event: Mapping[str, Any] | bytes) -> Attempt | None:
        """Deliver an event (or these very bytes) now; a failed one is retried by `run_due`. None: hook is off."""
        body = event if isinstance(event, bytes) else encode(event)
        name = event.get("event_id", "") if not isinstance(event, bytes) else ""
        return self._try(_Waiting(due=self.clock.now(), number=next(self._numbers), event_id=name, body=body, tries=0))

    def deliver(self, url: str, secret: str | None, event: Mapping[str, Any] | bytes) -> int:
        """One signed POST outside any hook; returns the HTTP status, 0 without an answer. No secret: no signature."""
        body = event if isinstance(event, bytes) else encode(event)
        return post(url, body, _headers(secret, body))

    def run_due(self) -> list[Attempt]:
        """Send every retry that is due by the clock."""
        done = []
        while self._waiting and self._waiting[0].due <= self.clock.now():
            attempt = self._try(heapq.heappop(self._waiting))
            if attempt is not None:
                done.append(attempt)
        return done

    @property
    def next_due(self) -> datetime | None:
        """When the next retry is due; None when nothing waits."""
        return self._waiting[0].due if self._waiting else None

    def _try(self, waiting: _Waiting) -> Attempt | None:
        hook = self.hook
        if hook is None or not hook.enabled:
            return None
        status = post(hook.url, waiting.body, _headers(hook.secret, waiting.body), timeout=30.0)
        if status in AT_ONCE_OFF:
            hook.enabled = False
        pause = self._pause(status, waiting.tries)
        now = self.clock.now()
        if pause is not None:
            again = _Waiting(
                due=now + pause,
                number=next(self._numbers),
                event_id=waiting.event_id,
                body=waiting.body,
                tries=waiting.tries + 1,
            )
            heapq.heappush(self._waiting, again)
        attempt = Attempt(event_id=waiting.event_id, status=status, at=now, final=pause is None)
        self.attempts.append(attempt)
        return attempt

    def _pause(self, status: int, tries: int) -> timedelta | None:
        if status in AT_ONCE_OFF or (status != UNREACHABLE and 200 <= status < 300):
            return None
        if status in STEADY:
            return STEADY_PAUSE if tries < STEADY_TRIES else None
        return BACK_OFF[tries] if tries < len(BACK_OFF) else None


def _headers(secret: str | None, body: bytes) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "Typeform Webhooks"}
    return headers if secret is None else {**headers, "Typeform-Signature": sign(secret, body)}
