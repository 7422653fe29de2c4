"""The oracle: it issues the answers of a program, and remembers what was said, by whom, and what was acknowledged.

Imports nothing of the connector's own. Every version of an answer carries a tag in its comment that nothing else has,
at a place where a shortened quotation loses it, so that the auditor finds it wherever it got to.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

HAPPY = (
    "Wonderful service, the advisor was friendly and everything was ready on time when I came back in the evening. "
    "Thank you so much for the great work! Reference {tag}."
)
UNHAPPY = (
    "Terrible experience. I waited three hours in the cold and nobody told me what was happening to my car meanwhile, "
    "so I am very angry and disappointed. Reference {tag}."
)
DANGER = (
    "The brakes are dangerous now, I nearly had an accident on the way home in the evening of the very same day. "
    "This is horrible and unsafe work. Reference {tag}."
)
FORMS = {"service": "aB3dE9", "desk": "xY7zQ1", "kiosk": "kiosk", "follow_up": "fU4lw2"}
THEMES = {"unhappy": frozenset({"waiting", "communication"}), "danger": frozenset({"safety"})}
"""What the words of a mood are about."""
SORRY, OFFER, ASKS = "We are sorry", "For you", "Is it well now?"
"""The subjects of what customers are sent."""
CODES = tuple(f"FIFTH-{number:02}" for number in range(4))
"""What offers give away: as few as that, so that they run out."""


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody. `contact` is their contact in the CRM from the beginning, `serviced` their last service there, and
    `ticket` one they opened before; a contact or ticket that is still to be made has no id yet."""

    number: int
    name: str
    email: str
    contact: str | None = None
    serviced: str | None = None
    ticket: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What one answer said at one time. `mood` is happy, unhappy, danger or silent (no comment, as before)."""

    number: int
    mood: str
    csat: int
    nps: int | None
    tag: str
    at: datetime

    @property
    def comment(self) -> str | None:
        words = {"happy": HAPPY, "unhappy": UNHAPPY, "danger": DANGER}.get(self.mood)
        return None if words is None else words.format(tag=self.tag)

    @property
    def is_unhappy(self) -> bool:
        return self.csat <= 3 or (self.nps is not None and self.nps <= 6)

    @property
    def satisfactions(self) -> dict[str, float]:
        found = {"csat": 25.0 * (self.csat - 1)}
        return found if self.nps is None else {**found, "nps": 10.0 * self.nps}


@dataclass(slots=True, kw_only=True)
class Answer:
    """One answer with all its versions. `how` it comes: hook, poll, both or import; `person` None: anonymous.

    `consents`: what its versions say about being written to, those that say anything. `reference`: what the link of a
    follow-up carried. `is_quotable`: it begins with a word of its own, which a shortened quotation keeps.
    """

    number: int
    token: str
    form: str
    person: Person | None
    how: str
    versions: list[Version] = field(default_factory=list)
    acknowledged: dict[int, datetime] = field(default_factory=dict)
    attempted: set[int] = field(default_factory=set)
    first_tried: datetime | None = None
    consents: dict[int, bool] = field(default_factory=dict)
    reference: str | None = None
    is_quotable: bool = False

    @property
    def key(self) -> str:
        kind = "webhook" if self.form == "kiosk" else "typeform"
        return f"{kind}/{FORMS[self.form]}/{self.token}"

    @property
    def service(self) -> str:
        """What it is about; no other answer is."""
        return f"job-{self.token}"

    def newest(self, among: Collection[int]) -> Version | None:
        """The newest version of those, by when it was said."""
        return max((one for one in self.versions if one.number in among), key=lambda one: one.at, default=None)

    def aside(self, version: Version) -> str:
        """The word a version begins with and nothing else says: letters only, as numbers are left out of quotations."""
        return "zuq" + "".join(chr(ord("a") + int(digit)) for digit in f"{self.number:04}{version.number}")

    def words(self, version: Version) -> str | None:
        """What a version says."""
        if version.comment is None or not self.is_quotable:
            return version.comment
        return f"{self.aside(version).capitalize()}: {version.comment}"

    def body(self, version: Version, envelope: int = 0) -> bytes:
        """The delivery of a version; another `envelope` is the same answer in other bytes."""
        if self.form == "kiosk":
            return json.dumps(
                {
                    "id": self.token,
                    "form": "kiosk",
                    "submitted_at": _iso(version.at),
                    "answers": {"stars": version.csat, "text": self.words(version) or ""},
                    "hidden": {"location": "Hamburg"},
                    "metadata": {"envelope": envelope} if envelope else {},
                }
            ).encode()
        return json.dumps(self.event(version, envelope)).encode()

    def event(self, version: Version, envelope: int = 0) -> dict[str, Any]:
        """The event of Typeform's webhook."""
        rating = "satisfaction" if self.form == "desk" else "csat"
        value = 6 - version.csat if self.form == "desk" else version.csat
        answers: list[dict[str, Any]] = [_answer(rating, "opinion_scale", "number", value)]
        if version.nps is not None and self.form == "service":
            answers.append(_answer("recommend", "nps", "number", version.nps))
        if (words := self.words(version)) is not None:
            question = "comment" if self.form == "desk" else "why"
            answers.append(_answer(question, "long_text", "text", words))
        if version.number in self.consents:
            answers.append(_answer("may_contact", "yes_no", "boolean", self.consents[version.number]))
        hidden = {}
        if self.reference is not None:
            hidden["recovery"] = self.reference
        elif self.person is not None:
            hidden = {"email": self.person.email, "name": self.person.name}
            if self.person.contact is not None and self.number % 2:
                hidden["contact_id"] = self.person.contact
            if self.form == "desk" and self.person.ticket is not None:
                hidden["ticket_id"] = str(self.person.ticket)
        if self.reference is None:
            hidden["queue" if self.form == "desk" else "service"] = self.service
        return {
            "event_id": f"ev-{self.token}-{version.number}-{envelope}",
            "event_type": "form_response",
            "form_response": {
                "form_id": FORMS[self.form],
                "token": self.token,
                "landed_at": _iso(version.at - timedelta(minutes=2)),
                "submitted_at": _iso(version.at),
                "hidden": hidden,
                "definition": {"id": FORMS[self.form], "title": "?", "fields": [one["field"] for one in answers]},
                "answers": answers,
            },
        }


def _answer(ref: str, kind: str, name: str, value: object) -> dict[str, Any]:
    return {"type": name, name: value, "field": {"id": f"fld-{ref}", "ref": ref, "type": kind}}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Journal:
    """Everything the oracle knows about one program: what the auditor starts from."""

    seed: int
    crm: str
    mode: str
    people: list[Person] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    """Tags that were only ever in deliveries with a wrong signature."""
    broken: int = 0
    """Authentic deliveries that cannot be read, acknowledged."""
    broken_sent: int = 0
    """The same, whether anybody heard that they were taken or not; their senders do not try again."""
    taken: int = 0
    """Deliveries that were acknowledged, duplicates among them."""
    tried: int = 0
    """Deliveries that were sent, acknowledged or not."""
    kills: int = 0
    pauses: int = 0
    deaths: list[datetime] = field(default_factory=list)
    """When a process ended or stood still, or the configuration changed: what it had not written down is forgotten."""
    few_tickets: bool = False
    reloads: int = 0
    restored: list[datetime] = field(default_factory=list)
    """When the store was replaced by an older copy: of what was taken in between only polling knows."""
    backed_up: datetime | None = None
    edited_by_people: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    """Contact id and field → what a person wrote there last, and when."""
    disturbed: set[int] = field(default_factory=set)
    """People whose contact or ticket somebody deleted, closed or merged: less can be foretold about them."""
    merged: list[frozenset[int]] = field(default_factory=list)
    """People whose contacts somebody merged in the CRM: for the connector they are one, once it has read of that."""
    erased: set[int] = field(default_factory=set)
    """People who were erased."""
    erased_at: dict[int, datetime] = field(default_factory=dict)
    tracker: str = ""
    """Where issues are, if anywhere."""
    mails: bool = False
    """Customers are written to."""
    night: str = ""
    quiet: str = ""
    """When people are told of nothing but danger."""
    opted_out: dict[int, datetime] = field(default_factory=dict)
    """People who want no messages any more, and since when."""
    issues_closed: dict[str, datetime] = field(default_factory=dict)
    """Issues somebody closed, and when last."""
    closings: dict[str, int] = field(default_factory=dict)
    """How often each was closed by people."""
    issues_deleted: int = 0
    solved: dict[int, datetime] = field(default_factory=dict)
    """Recovery tickets somebody solved, and when."""
    fresh: Answer | None = None
    """The answer that came when all was over."""
    troubles: list[str] = field(default_factory=list)
    log: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    """What the vendors held before the first answer."""
