"""A mail server: messages to customers, and alerts to people of the house. See docs/vendors/smtp.md."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector.clock import Clock
from connector.domain.model.account import Demand
from connector.domain.model.intent import Found, Item, Promise, Receipt, Request, WriteKind
from connector.errors import Gone, Rejected, RemoteError
from connector.ports import Finding, Job, Outcome
from connector.ports.erasing import Erased, Fate, Subject
from connector.secret import Secret
from connector.transport.kit import Kit
from connector.transport.mail import Door, Security

ROLES = frozenset({"notifier", "messenger"})

PORTS: Mapping[Security, int] = MappingProxyType({Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25})
LONGEST = 150  # characters of a subject; clients show half of it

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")

_RESIDUAL = (
    "SMTP has no idempotency key and nobody can be asked afterwards: a mail whose final dot had no answer is never "
    "repeated, is given up and told to the operators, and may have arrived. A restored backup forgets what was sent "
    "since and sends it once more, with the same Message-ID, by which many mailboxes show it once."
)
PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.MESSAGE: Promise(
            native=False, can_ask=False, batch=1, endpoint_class="mail", outcome="record", residual=_RESIDUAL
        ),
        WriteKind.ALERT: Promise(
            native=False,
            can_ask=False,
            batch=1,
            endpoint_class="mail",
            outcome="record",
            residual=(
                f"{_RESIDUAL} An alert that an edited answer changes is another mail in the same thread, which may "
                "arrive twice."
            ),
        ),
    }
)


class Options(BaseModel):
    """What the YAML says about a mail server."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(pattern=r"^[A-Za-z0-9.-]+$", description="The submission server: smtp.example.com.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Unset: 465 with tls, 587 with starttls.")
    security: Security = Field(
        default=Security.TLS,
        description="`tls` from the first byte, `starttls` after a word in the clear, `none` on this machine only.",
    )
    user: str | None = Field(default=None, min_length=1, description="Who we are there.")
    password: Secret | None = Field(default=None, description="The user's password, or an app password.")
    sender: str = Field(alias="from", description="The address mails come from: care@example.com.")
    sender_name: str = Field(
        default="", alias="from_name", max_length=80, pattern=r"^[^\r\n]*$", description="The name beside it."
    )
    reply_to: str | None = Field(default=None, description="Where answers go; unset: to `from`.")
    unsubscribe: str | None = Field(
        default=None, description="Where a mail client's “unsubscribe” writes to; unset: to where answers go."
    )
    html: bool = Field(default=False, description="Also send each text as simple HTML, made from it.")
    timeout: float = Field(default=60, gt=0, le=120, description="Seconds to wait for each answer of the server.")

    @field_validator("sender", "reply_to", "unsubscribe")
    @classmethod
    def _plain(cls, address: str | None) -> str | None:
        if address is not None and not _ADDRESS.fullmatch(address):
            raise ValueError("expected one plain address such as care@example.com")
        return address

    @model_validator(mode="after")
    def _safe(self) -> Options:
        try:
            self.door.check()
        except RemoteError as error:
            raise ValueError(error.message) from None
        if (self.user is None) is not (self.password is None):
            raise ValueError("user and password go together")
        return self

    @property
    def door(self) -> Door:
        """The server, and how it is entered."""
        return Door(
            host=self.host,
            port=self.port or PORTS[self.security],
            security=self.security,
            helo=self.sender.rpartition("@")[2],
            user=self.user,
            password=self.password,
        )

    @property
    def account(self) -> str:
        """Which sender at which server this is, whatever the YAML calls it; the address itself is only digested."""
        digest = hashlib.sha256(self.sender.lower().encode()).hexdigest()[:8]
        return f"smtp:{self.host.lower()}/{digest}"


class Smtp:
    """One sender at one server.

    `Item.fields` of a message are `to`, `subject` and `text`; of an alert `channel` (an address) and `text`, whose
    first line is the subject. Ids are Message-IDs, derived from the item's key.
    """

    kind = "smtp"
    residual = "Mail that was sent is in the mailboxes it went to, and in the logs and queues of servers on the way."
    promises = PROMISES

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self._options = options
        self._clock: Clock = kit.clock
        self._mail = kit.mail(name, options.door, options.timeout)

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """The one mail, all but its date. Raises Rejected for an address that cannot be one."""
        (item,) = items
        options = self._options
        text = str(item.fields["text"]).strip()
        recipient = _recipient(item.fields["to" if kind is WriteKind.MESSAGE else "channel"])
        subject = str(item.fields["subject"]) if kind is WriteKind.MESSAGE else text.partition("\n")[0]
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(_line(options.sender_name), addr_spec=options.sender)
        mail["To"] = Address(addr_spec=recipient)
        if options.reply_to is not None:
            mail["Reply-To"] = Address(addr_spec=options.reply_to)
        mail["Subject"] = _line(subject)[:LONGEST]
        mail["Message-ID"] = self._id(f"{item.key}/{item.intent}" if item.target else item.key)
        if item.target is not None:
            mail["In-Reply-To"] = item.target
        # RFC 3834: no out-of-office note answers it. Exchange looks at its own header instead.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if kind is WriteKind.MESSAGE:
            way_out = options.unsubscribe or options.reply_to or options.sender
            mail["List-Unsubscribe"] = f"<mailto:{way_out}?subject=unsubscribe>"
        mail.set_content(text + "\n", cte="quoted-printable")
        if options.html:
            mail.add_alternative(_html(text), subtype="html", cte="quoted-printable")
            mail.set_boundary(f"=_{hashlib.sha256(item.key.encode()).hexdigest()[:32]}")  # a random one otherwise
        return Request(method="MAIL", path=recipient, body=mail.as_bytes())

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Hand the mail to the server, dated now. Raises RemoteError."""
        dated = f"Date: {format_datetime(self._clock.now())}\r\n".encode() + request.body
        said = self._mail.deliver(self._options.sender, request.path, dated, endpoint_class="mail")
        return (Receipt(remote_id=_message_id(request.body), created=True, request_id=said[:100]),)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """A mail server has no jobs."""
        raise Gone("a mail server has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """A mail server cannot be asked."""
        raise Rejected("a mail server cannot be asked what it took")

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Whether the server lets us in, and whether alerts go to addresses. Raises RemoteError."""
        self._mail.greet()
        return [
            Finding(
                subject=f"channel {name}",
                message="is no address",
                fix="write one address, such as shift@example.com",
                blocking=True,
            )
            for name in sorted(demand.channels)
            if not _ADDRESS.fullmatch(name)
        ]

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Nothing can be called back, which each mail is reported with."""
        return [
            Erased(object=f"{kind.value} {one}", fate=Fate.KEPT, why="it is in the mailbox it was sent to")
            for kind in (WriteKind.MESSAGE, WriteKind.ALERT)
            for one in subject.records.get(kind, ())
        ]

    def _id(self, key: str) -> str:
        digest = hashlib.sha256(f"{self.account}/{key}".encode()).hexdigest()[:32]
        return f"<{digest}@{self._options.sender.rpartition('@')[2]}>"


def _recipient(address: object) -> str:
    """The address, its domain in the letters of the wire. Raises Rejected."""
    local, _, domain = str(address or "").strip().rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        plain = ""
    if not _ADDRESS.fullmatch(plain):
        raise Rejected("it is no address that can be written to", field="to")
    return plain


def _line(text: str) -> str:
    """One line without control characters: nothing a text says becomes a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _html(text: str) -> str:
    """Paragraphs, line breaks and links; everything else is as it was written, escaped."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    body = "".join(f"<p>{'<br>'.join(_linked(line) for line in part.splitlines())}</p>" for part in paragraphs)
    return f'<!doctype html><html><head><meta charset="utf-8"></head><body>{body}</body></html>\n'


def _linked(line: str) -> str:
    said, place = [], 0
    for match in _LINK.finditer(line):
        where = html.escape(match.group())
        said += [html.escape(line[place : match.start()]), f'<a href="{where}">{where}</a>']
        place = match.end()
    return "".join([*said, html.escape(line[place:])])


def _message_id(body: bytes) -> str:
    """The Message-ID of a rendered mail."""
    found = re.search(rb"(?mi)^Message-ID:\s*(<[^>\r\n]+>)", body)
    assert found is not None, "render wrote one"
    return found.group(1).decode()
