"""The one place that speaks SMTP: one mail to one recipient, accepted by the server, or one typed error.

What is certain follows from how far the conversation came (RFC 5321). Until the final dot has left nothing is accepted,
so whatever goes wrong is known not to be committed. After it, 4xx and 5xx say that the server did not take the mail;
421, a broken connection and silence say nothing: `InDoubt`. Nothing here is repeated.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from connector.clock import Clock
from connector.errors import InDoubt, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.secret import Secret
from connector.transport import address, lease, replies
from connector.transport.client import CallNote, Context, patience

BUSY = 421
"""The server closes the connection, whatever the command was: too many connections, too many mails, shutting down."""
WAIT = timedelta(minutes=1)
"""How long to stay away after it, when the server does not say."""
_NAMED = re.compile(rb"\b(?:(\d\d):(\d\d):(\d\d)|(\d{1,5}) ?s(?:ec(?:ond)?s?)?)\b")
_TOO_LARGE = 552
_ENCRYPTED_FIRST = 530


class Security(StrEnum):
    """How the conversation is encrypted."""

    TLS = "tls"
    """From the first byte (port 465)."""
    STARTTLS = "starttls"
    """After a word in the clear (port 587); refused where the server does not offer it."""
    NONE = "none"
    """Not at all: to this very machine only."""


class Stage(StrEnum):
    """How far the conversation is, in the words of errors."""

    CONNECT = "CONNECT"
    AUTH = "AUTH"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    DATA = "DATA"
    DOT = "end of DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A mail server as an operator wrote it down. `helo` is the domain we say we are."""

    host: str
    port: int
    security: Security
    helo: str
    user: str | None = None
    password: Secret | None = None

    def check(self) -> None:
        """Raises Rejected for what is no host, and where a mail would cross a network in the clear."""
        address.guard(f"https://{self.host}:{self.port}", allow_private=True)
        if self.security is Security.NONE and not address.is_loopback(f"https://{self.host}"):
            raise Rejected("mail leaves this machine encrypted only: security tls or starttls")


class Mail:
    """One mail server, spoken to over a connection of its own for each mail.

    Args:
        connection: the YAML's name for it, for errors and metrics.
        door: where it is and how it is entered.
        clock: for the deadline of a conversation.
        timeout: seconds to wait for one reply; a whole conversation ends within `patience`.
        on_call: gets a note of every conversation.
        read_only: refuse every mail before the socket opens (observe mode).
    """

    def __init__(
        self,
        *,
        connection: str,
        door: Door,
        clock: Clock,
        timeout: float,
        on_call: Callable[[CallNote], None] | None = None,
        read_only: bool = False,
    ) -> None:
        door.check()
        self.connection = connection
        self._door = door
        self._clock = clock
        self._timeout = timeout
        self._on_call = on_call
        self._read_only = read_only

    @property
    def patience(self) -> float:
        """Seconds after which a conversation that was started has ended, one way or another."""
        return patience(self._timeout)

    def deliver(self, sender: str, recipient: str, message: bytes, *, endpoint_class: str = "mail") -> str:
        """Hand over one mail; returns what the server said when it took it.

        `message` has CRLF line ends. Raises LeaseLost before a mail the lease in force does not cover, and RemoteError.
        """
        if self._read_only:
            raise Transient("observe mode: nothing is written", connection=self.connection, operation=Stage.SENDER)
        lease.check(self.patience)
        with self._noted(endpoint_class, write=True), self._conversation() as talk:
            talk.say(Stage.SENDER, lambda smtp: smtp.mail(sender, [f"size={len(message)}"] if talk.sizes else []))
            talk.say(Stage.RECIPIENT, lambda smtp: smtp.rcpt(recipient))
            talk.say(Stage.DATA, lambda smtp: smtp.docmd("DATA"), expected=354)
            return talk.hand_over(message)

    def greet(self) -> None:
        """Enter and leave again, to see that it works. Raises RemoteError."""
        with self._noted("mail", write=False), self._conversation():
            pass

    @contextmanager
    def _noted(self, endpoint_class: str, *, write: bool) -> Iterator[None]:
        started, outcome = self._clock.monotonic(), "ok"
        try:
            yield
        except RemoteError as error:
            outcome = type(error).__name__
            raise
        finally:
            if self._on_call is not None:
                self._on_call(
                    CallNote(
                        connection=self.connection,
                        endpoint_class=endpoint_class,
                        outcome=outcome,
                        write=write,
                        seconds=self._clock.monotonic() - started,
                    )
                )

    @contextmanager
    def _conversation(self) -> Iterator[_Talk]:
        talk = _Talk(self.connection, self._door, self._clock, self._timeout)
        try:
            talk.enter()
            yield talk
            talk.leave()
        finally:
            talk.close()


class _Talk:
    """One conversation. Every smtplib error ends here: they repeat addresses, and texts of the server."""

    def __init__(self, connection: str, door: Door, clock: Clock, timeout: float) -> None:
        self._connection = connection
        self._door = door
        self._clock = clock
        self._timeout = timeout
        self._ends = clock.monotonic() + patience(timeout)
        self._smtp: smtplib.SMTP | None = None
        self._stage = Stage.CONNECT

    @property
    def sizes(self) -> bool:
        """Whether the server wants to know how large a mail is."""
        return self._smtp is not None and self._smtp.has_extn("size")

    def enter(self) -> None:
        """Connect, encrypt and authenticate. Raises RemoteError."""
        door = self._door
        with self._understood(Stage.CONNECT):
            if door.security is Security.TLS:
                self._smtp = smtplib.SMTP_SSL(
                    door.host,
                    door.port,
                    local_hostname=door.helo,
                    timeout=self._timeout,
                    context=ssl.create_default_context(),
                )
            else:
                self._smtp = smtplib.SMTP(door.host, door.port, local_hostname=door.helo, timeout=self._timeout)
        self.say(Stage.CONNECT, lambda smtp: smtp.ehlo())
        if door.security is Security.STARTTLS:
            self._encrypt()
        if door.user is not None and door.password is not None:
            user, password = door.user, door.password
            with self._understood(Stage.AUTH):
                self._ready().login(user, password.reveal())

    def _encrypt(self) -> None:
        if not self._ready().has_extn("starttls"):
            raise Unauthorized("the server offers no STARTTLS", **self._where())
        with self._understood(Stage.CONNECT):
            self._ready().starttls(context=ssl.create_default_context())
        self.say(Stage.CONNECT, lambda smtp: smtp.ehlo())

    def say(self, stage: Stage, command: Callable[[smtplib.SMTP], tuple[int, bytes]], *, expected: int = 250) -> None:
        """One command and its reply. Raises RemoteError for any other than the `expected` one, or another 2xx."""
        with self._understood(stage):
            code, said = command(self._ready())
        if code != expected and not (expected == 250 and code in {251, 252}):
            raise self._refused(code, said)

    def hand_over(self, message: bytes) -> str:
        """The mail, then the dot that commits it, then the answer. Raises RemoteError."""
        whole = message if message.endswith(b"\r\n") else message + b"\r\n"
        with self._understood(Stage.DATA):
            self._ready().send(re.sub(rb"(?m)^\.", b"..", whole))
        with self._understood(Stage.DOT):
            smtp = self._ready()
            smtp.send(b".\r\n")
            code, said = smtp.getreply()
        if code != 250:
            raise self._refused(code, said)
        return replies.excerpt(said)

    def leave(self) -> None:
        """Say good-bye; what the server answers to that changes nothing."""
        if self._smtp is None:
            return
        try:
            self._smtp.putcmd("QUIT")
        except (OSError, smtplib.SMTPException):
            return

    def close(self) -> None:
        """Close the socket."""
        if self._smtp is not None:
            self._smtp.close()

    def _ready(self) -> smtplib.SMTP:
        """The connection, which waits for its next reply no longer than the conversation may take."""
        smtp = self._smtp
        if smtp is None or smtp.sock is None:
            raise smtplib.SMTPServerDisconnected("closed")
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        smtp.sock.settimeout(min(self._timeout, left))
        return smtp

    @contextmanager
    def _understood(self, stage: Stage) -> Iterator[None]:
        """Errors of the library and of the socket, by what they say about the mail."""
        self._stage = stage
        try:
            yield
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            raise self._refused(error.smtp_code, said if isinstance(said, bytes) else str(said).encode()) from None
        except smtplib.SMTPNotSupportedError:
            raise Unauthorized("the server takes no user and password here", **self._where()) from None
        except UnicodeError:
            raise Rejected("an address has letters that cannot be sent", field="to", **self._where()) from None
        except (OSError, smtplib.SMTPException) as error:
            why = f"({type(error).__name__})"
            if stage is Stage.DOT:
                raise InDoubt(f"sent, and no answer came {why}", **self._where()) from None
            raise Transient(f"no conversation {why}", **self._where()) from None

    def _refused(self, code: int, said: bytes) -> RemoteError:
        """What a reply means that is not the one hoped for. After the dot only a clear no is one."""
        where, stage = self._where(code, said), self._stage
        if not 400 <= code < 600:
            unclear = InDoubt if stage is Stage.DOT else Transient
            return unclear("the server said nothing that can be understood", **where)
        if code == BUSY:
            if stage is Stage.DOT:
                return InDoubt("the server hung up after it had the mail", **where)
            return Throttled("the server is busy", retry_at=self._clock.now() + _named(said), **where)
        if code < 500:
            return Transient("the server does not take it now", **where)
        if stage is Stage.RECIPIENT:
            return Rejected("the server does not know the recipient, or may not write to them", field="to", **where)
        if stage is Stage.SENDER and code != _TOO_LARGE:
            return Unauthorized("the server does not let us send as this sender", **where)
        if stage in {Stage.CONNECT, Stage.AUTH} or code == _ENCRYPTED_FIRST:
            return Unauthorized("the server does not let us in", **where)
        return Rejected("the server refuses the mail", field="text", **where)

    def _where(self, code: int | None = None, said: bytes = b"") -> Context:
        operation = self._stage.value if code is None else f"{self._stage.value} ({code})"  # a status would be HTTP's
        return Context(connection=self._connection, operation=operation, reply=replies.excerpt(said))


def _named(said: bytes) -> timedelta:
    """How long the server says to stay away (`00:05:00`, `300 seconds`): at least a second, at most an hour."""
    match = _NAMED.search(said)
    if match is None:
        return WAIT
    hours, minutes, seconds, plain = (int(part or 0) for part in match.groups())
    wait = timedelta(hours=hours, minutes=minutes, seconds=seconds + plain)
    return min(max(wait, timedelta(seconds=1)), replies.PATIENCE_CAP)
