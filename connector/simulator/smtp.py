"""A mail server on loopback: RFC 5321 as strict as submission servers are, with a truth of what was delivered.

It refuses what such servers refuse: mail before a name, before encryption or without credentials, senders it does not
know, recipients there are none of, mails that are too large or lack what RFC 6409 wants, and too many of anything. HTTP
beside it shows the mails to people, and takes the orders every simulator takes.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from email import message_from_bytes
from email.policy import default
from typing import Final

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route, Window
from connector.simulator.smtp_session import MailSite, Refuses

USER = "care@shop.example.com"
PASSWORD = "sim-smtp-password"  # public, for loopback
SENDERS: Final = frozenset({"care@shop.example.com", "alerts@shop.example.com"})

REFUSALS = {
    "unknown-route": Refusal(404, "not_found", "no page here"),
    "unknown-method": Refusal(405, "method_not_allowed", ""),
    "throttled": Refusal(421, "4.7.0", "too many mails, try again in {} seconds"),
    "too-many-connections": Refusal(421, "4.7.0", "too many connections from your address"),
    "unknown-command": Refusal(500, "5.5.2", "command not recognized"),
    "syntax": Refusal(501, "5.5.4", "syntax: {}"),
    "bad-sequence": Refusal(503, "5.5.1", "bad sequence of commands"),
    "no-tls": Refusal(530, "5.7.0", "must issue a STARTTLS command first"),
    "no-auth": Refusal(530, "5.7.0", "authentication required"),
    "bad-auth": Refusal(535, "5.7.8", "username and password not accepted"),
    "bad-sender": Refusal(553, "5.7.1", "<{}>: not owned by the user"),
    "unknown-recipient": Refusal(550, "5.1.1", "<{}>: no such user here"),
    "greylisted": Refusal(451, "4.7.1", "greylisted, come back later"),
    "mailbox-full": Refusal(452, "4.2.2", "<{}>: mailbox full"),
    "too-large": Refusal(552, "5.3.4", "message too large"),
    "no-recipient": Refusal(554, "5.5.1", "no valid recipients"),
    "line-too-long": Refusal(500, "5.2.3", "line too long"),
    "no-such-header": Refusal(554, "5.6.0", "a mail has a {} header, once"),
    "not-ascii": Refusal(554, "5.6.1", "8BITMIME is not offered"),
}
"""By id, with the code, the enhanced one and the words. Every one is provoked by a test that speaks SMTP itself."""


class Smtp(Refuses):
    """A strict mail server.

    Args:
        clock: quotas and greylisting follow it.
        users: who may send, and their passwords.
        senders: the addresses they own.
        context: offers STARTTLS, and wants it, where given.
        per_minute: mails taken in a minute.
        connections: conversations at a time.
        largest: bytes of a mail.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        users: Mapping[str, str] | None = None,
        senders: Iterable[str] = SENDERS,
        context: ssl.SSLContext | None = None,
        per_minute: int = 600,
        connections: int = 20,
        largest: int = 200_000,
    ) -> None:
        super().__init__(REFUSALS)
        self.clock = clock
        self.users = dict(users or {USER: PASSWORD})
        self.senders = frozenset(senders)
        self.context = context
        self.largest = largest
        self.connections = connections
        self.unknown: set[str] = set()
        """Recipients there are none of."""
        self.full: set[str] = set()
        self.greylists = False
        """Whoever writes to somebody for the first time is told to come back."""
        self.password_works = True
        self._seen: set[tuple[str, str]] = set()
        self.pace = Window(per_minute, 60)
        routes = [Route(method="GET", pattern="/mails", act=self._page, scope=None)]
        self.site = MailSite(self, clock, routes, refusals=REFUSALS, say=_say, gate=_open)
        self.requests = self.site.requests
        self.faults = self.site.faults

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns where people see the mails. `port` is where mail is taken."""
        self.site.start(port)
        return self.url

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def port(self) -> int:
        """Where mail is taken."""
        return self.site.mail_port

    @property
    def url(self) -> str:
        """The page with the mails."""
        return f"{self.site.base_url}/mails"

    @property
    def mails(self) -> list[Fields]:
        """What was delivered, in order: to, from, subject, text, html and headers."""
        return list(self.site.truth.kind("mail").values())

    def takes(self, user: str, password: str) -> bool:
        """Whether these credentials are good."""
        return self.password_works and self.users.get(user) == password

    def judge_sender(self, sender: str, size: int) -> None:
        """Raises Refused."""
        if sender.lower() not in self.senders:
            raise Refused("bad-sender", sender)
        if size > self.largest:
            raise Refused("too-large")
        if not self.pace.spend(self.clock.now()):
            raise Refused("throttled", str(self.pace.resets_in(self.clock.now())))

    def judge_recipient(self, sender: str, recipient: str) -> None:
        """Raises Refused."""
        if recipient.lower() in self.unknown:
            raise Refused("unknown-recipient", recipient)
        if recipient.lower() in self.full:
            raise Refused("mailbox-full", recipient)
        if self.greylists and (sender, recipient) not in self._seen:
            self._seen.add((sender, recipient))
            raise Refused("greylisted")

    def deliver(self, sender: str, recipients: list[str], body: bytes) -> str:
        """Keep the mail, one for each recipient; returns its number in the queue. Raises Refused."""
        if len(body) > self.largest:
            raise Refused("too-large")
        if any(len(line) > 998 for line in body.split(b"\r\n")):
            raise Refused("line-too-long")
        if not body.isascii():
            raise Refused("not-ascii")
        mail = message_from_bytes(body, policy=default)
        for name in ("From", "Date", "Message-ID", "To"):
            if len(mail.get_all(name, [])) != 1:
                raise Refused("no-such-header", name)
        held = self.site.truth.kind("mail")
        parts = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
        for recipient in recipients:
            number = f"{len(held) + 1:06d}"
            held[number] = {
                "to": recipient,
                "from": sender,
                "subject": str(mail["Subject"]),
                "message_id": str(mail["Message-ID"]),
                "text": "" if parts["plain"] is None else parts["plain"].get_content().rstrip("\r\n"),
                "html": None if parts["html"] is None else parts["html"].get_content(),
                "headers": {name: str(value) for name, value in mail.items()},
            }
            self.site.truth.wrote("mail", number, "create", "api", held[number], self.clock.now())
        return f"{len(held):06d}"

    def _page(self, _call: Call) -> Answer:
        shown = [pages.block(f"{one['to']}: {one['subject']}", str(one["text"])) for one in self.mails]
        return pages.page("Mails", *shown)


def _open(call: Call, route: Route) -> Mapping[str, str]:
    return {}


def _say(row: Refusal, refused: Refused) -> Answer:
    return Answer(status=row.status if row.status in {404, 405} else 400, data={"error": row.code})
