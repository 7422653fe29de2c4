"""The socket side of the mail server: one conversation, command by command, which can also break off properly."""

from __future__ import annotations

import base64
import binascii
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.clock import Clock
from connector.simulator.faults import AFTER, BEFORE, Fault, FaultKind
from connector.simulator.records import Logged, digest
from connector.simulator.server import Refusal, Refused, Route, Site
from connector.simulator.wire import Server

if TYPE_CHECKING:
    from connector.simulator.smtp import Smtp

LINE = 4096
"""Octets of a command line, credentials included."""
AT_THE_DOT = frozenset({FaultKind.COMMIT_LATE})
AFTER_THE_TEXT = frozenset({FaultKind.RECORD_ERRORS})
"""Filters that look at what a mail says refuse it when its dot has come: a clear no, which commits nothing."""
AT_THE_RECIPIENT = BEFORE - AT_THE_DOT
_ADDRESS = re.compile(r"(FROM|TO):\s*<([^<>\s]*)>((?: \S+)*)", re.IGNORECASE)


class Refuses:
    """What says a refusal in the words of SMTP."""

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        self._refusals = refusals

    def words(self, refused: Refused) -> str:
        """`550 5.1.1 …`."""
        row = self._refusals[refused.refusal]
        return f"{row.status} {row.code} {row.text.format(refused.detail)}"


class MailSite(Site):
    """A simulator's site that takes mail at another port besides."""

    def __init__(self, server: Smtp, clock: Clock, routes: Iterable[Route], **parts: Any) -> None:
        super().__init__(clock, routes, actions={}, **parts)
        self._server = server
        self._listener_of_mail: _Listener | None = None

    def start(self, port: int = 0) -> str:
        """Take mail on 127.0.0.1:`port` (0: any free one); returns the address of the pages beside it."""
        self._listener_of_mail = _Listener(self._server)
        self._listener_of_mail.start(port)
        return super().start()

    def stop(self) -> None:
        """Stop both."""
        if self._listener_of_mail is not None:
            self._listener_of_mail.stop()
            self._listener_of_mail = None
        super().stop()

    @property
    def mail_port(self) -> int:
        """Where mail is taken; 0 before `start`."""
        return 0 if self._listener_of_mail is None else self._listener_of_mail.port


class _Listener:
    def __init__(self, server: Smtp) -> None:
        self._server = server
        self._sockets: _Sockets | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return 0 if self._sockets is None else int(self._sockets.server_address[1])

    def start(self, port: int) -> None:
        self._sockets = _Sockets(("127.0.0.1", port), self._server)
        self._thread = threading.Thread(target=self._sockets.serve, name="smtp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._sockets is None or self._thread is None:
            return
        self._sockets.end()
        self._thread.join()
        self._sockets.server_close()
        self._sockets.hang_up()


class _Sockets(Server, socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], server: Smtp) -> None:
        self.mail = server
        self.open: set[socket.socket] = set()
        super().__init__(address, _Conversation)

    def hang_up(self) -> None:
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is its own business."""


class _Conversation(socketserver.StreamRequestHandler):
    server: _Sockets
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.mail = self.server.mail
        self.server.open.add(self.request)
        self.user = self.sender = ""
        self.named = self.is_encrypted = self.is_over = False
        self.recipients: list[str] = []

    def finish(self) -> None:
        self.server.open.discard(self.request)
        try:
            super().finish()
            self.connection.close()  # which is another than the request's once it is encrypted
        except OSError:
            return

    def handle(self) -> None:
        """Command after command, until either side is done."""
        try:
            if len(self.server.open) > self.mail.connections:
                self._say(self.mail.words(Refused("too-many-connections")))
                return
            self._say("220 mail.shop.example.com ESMTP simulator")
            while not self.is_over and (line := self.rfile.readline(LINE + 1)):
                try:
                    self._obey(line)
                except Refused as refused:
                    self._refuse(refused)
        except (ConnectionError, ValueError, OSError):
            return

    def _refuse(self, refused: Refused) -> None:
        words = self.mail.words(refused)
        if refused.refusal in {"throttled", "bad-sender", "unknown-recipient", "greylisted", "mailbox-full"}:
            self._log(int(words[:3]), refusal=refused.refusal)
        self._say(words)
        self.is_over = words.startswith("421")

    def _obey(self, line: bytes) -> None:
        if len(line) > LINE or not line.endswith(b"\r\n"):
            raise Refused("syntax", "a line ends in CRLF")
        verb, _, rest = line[:-2].decode("ascii", errors="replace").partition(" ")
        act = {
            "EHLO": self._hello,
            "HELO": self._hello,
            "STARTTLS": self._encrypt,
            "AUTH": self._authenticate,
            "MAIL": self._from,
            "RCPT": self._to,
            "DATA": self._data,
            "RSET": self._reset,
            "NOOP": lambda _: self._say("250 2.0.0 ok"),
            "QUIT": self._quit,
        }.get(verb.upper())
        if act is None:
            raise Refused("unknown-command")
        act(rest.strip())

    def _hello(self, name: str) -> None:
        if not name:
            raise Refused("syntax", "EHLO domain")
        self.named = True
        offers = ["mail.shop.example.com", f"SIZE {self.mail.largest}", "ENHANCEDSTATUSCODES"]
        if self.mail.context is not None and not self.is_encrypted:
            offers.append("STARTTLS")
        else:
            offers.append("AUTH PLAIN LOGIN")
        for offer in offers[:-1]:
            self._say(f"250-{offer}")
        self._say(f"250 {offers[-1]}")

    def _encrypt(self, _rest: str) -> None:
        if self.mail.context is None or self.is_encrypted:
            raise Refused("bad-sequence")
        self._say("220 2.0.0 ready")
        self.connection = self.mail.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.is_encrypted, self.named = True, False

    def _authenticate(self, rest: str) -> None:
        if self.mail.context is not None and not self.is_encrypted:
            raise Refused("no-tls")
        if not self.named or self.user:
            raise Refused("bad-sequence")
        kind, _, first = rest.partition(" ")
        try:
            if kind.upper() == "PLAIN":
                _, user, password = _decoded(first or self._asked("")).split("\0")
            elif kind.upper() == "LOGIN":
                user = _decoded(first or self._asked("VXNlcm5hbWU6"))
                password = _decoded(self._asked("UGFzc3dvcmQ6"))
            else:
                raise Refused("syntax", "AUTH PLAIN or LOGIN")
        except ValueError:
            raise Refused("syntax", "base64") from None
        if not self.mail.takes(user, password):
            raise Refused("bad-auth")
        self.user = user
        self._say("235 2.7.0 accepted")

    def _asked(self, prompt: str) -> str:
        self._say(f"334 {prompt}")
        return self.rfile.readline(LINE).decode("ascii", errors="replace").strip()

    def _from(self, rest: str) -> None:
        if not self.named or self.sender:
            raise Refused("bad-sequence")
        if self.mail.context is not None and not self.is_encrypted:
            raise Refused("no-tls")
        if not self.user:
            raise Refused("no-auth")
        address, options = _address(rest, "FROM")
        size = next((int(one[5:]) for one in options if one.upper().startswith("SIZE=") and one[5:].isdigit()), 0)
        with self.mail.site.lock:
            self.mail.judge_sender(address, size)
        self.sender = address
        self._say("250 2.1.0 ok")

    def _to(self, rest: str) -> None:
        if not self.sender:
            raise Refused("bad-sequence")
        address, _ = _address(rest, "TO")
        self.recipients.append(address)
        fault = self.mail.faults.take(AT_THE_RECIPIENT, self._operation, b"")
        if fault is not None and self._misbehaves_early(fault):
            return
        try:
            with self.mail.site.lock:
                self.mail.site.settle()
                self.mail.judge_recipient(self.sender, address)
        except Refused as refused:
            self._refuse(refused)
            self.recipients.pop()
            return
        self._say("250 2.1.5 ok")

    def _data(self, _rest: str) -> None:
        if not self.sender:
            raise Refused("bad-sequence")
        if not self.recipients:
            raise Refused("no-recipient")
        self._say("354 end with a dot on a line by itself")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("it hung up before the dot")
            lines.append(line[1:] if line.startswith(b".") else line)
        self._take(b"".join(lines))

    def _take(self, body: bytes) -> None:
        fault = self.mail.faults.take(AFTER_THE_TEXT, self._operation, body)
        if fault is not None:
            code = fault.status or 451
            self._log(code, body, fault=fault.kind)
            self._say(f"{code} {fault.message or '4.3.0 not taken on request'}")
            self.sender, self.recipients = "", []
            return
        late = self.mail.faults.take(AT_THE_DOT, self._operation, body)
        sender, recipients = self.sender, list(self.recipients)
        if late is not None:
            wait = timedelta(seconds=late.seconds)
            self.mail.site.later(wait, lambda: self.mail.deliver(sender, recipients, body))
            self._log(0, body, fault=late.kind)
            self._break_off(late)
            return
        try:
            with self.mail.site.lock:
                self.mail.site.settle()
                number = self.mail.deliver(sender, recipients, body)
        except Refused as refused:
            words = self.mail.words(refused)
            self._log(int(words[:3]), body, refusal=refused.refusal)
            self._say(words)
        else:
            self._answer(number, body)
        self.sender, self.recipients = "", []

    def _answer(self, number: str, body: bytes) -> None:
        fault = self.mail.faults.take(AFTER, self._operation, body)
        if fault is None:
            self._log(250, body)
            self._say(f"250 2.0.0 queued as {number}")
            return
        if fault.kind is FaultKind.ERROR_AFTER_COMMIT:
            self._log(fault.status or 421, body, fault=fault.kind)
            self._say(f"{fault.status or 421} {fault.message or '4.3.0 shutting down'}")
            self.is_over = True
        elif fault.kind is FaultKind.SLOW_ANSWER:
            threading.Event().wait(fault.seconds)
            self._log(250, body, fault=fault.kind)
            self._say(f"250 2.0.0 queued as {number}")
        else:
            self._log(0, body, fault=fault.kind)
            if fault.kind in {FaultKind.TORN, FaultKind.CUT}:
                self.wfile.write(b"25")
            self._break_off(fault)

    def _misbehaves_early(self, fault: Fault) -> bool:
        """Whether the fault was the answer."""
        if fault.kind is FaultKind.SLOW:
            threading.Event().wait(fault.seconds)
            return False
        if fault.kind is FaultKind.RESET_BEFORE:
            self._log(0, fault=fault.kind)
            self._break_off(fault)
            return True
        code, words = fault.status or 550, fault.message or "5.0.0 refused on request"
        if fault.kind is FaultKind.THROTTLE:
            wait = "" if fault.retry_after is None else f", try again in {fault.retry_after} seconds"
            code, words = fault.status or 421, f"4.7.0 {fault.message or 'too many mails'}{wait}"
        elif fault.kind is FaultKind.REPLY:
            code, words = fault.status or 250, fault.message
        self._log(code, fault=fault.kind)
        self._say(f"{code} {words}")
        self.is_over = code == 421
        self.recipients.pop()
        return True

    def _break_off(self, fault: Fault) -> None:
        """Reset the connection, after `seconds` of the simulator's clock where the fault does not commit later."""
        if fault.seconds and fault.kind is not FaultKind.COMMIT_LATE:
            self.mail.clock.wait(threading.Event(), fault.seconds)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_over = True
        self.connection.close()

    def _reset(self, _rest: str) -> None:
        self.sender, self.recipients = "", []
        self._say("250 2.0.0 ok")

    def _quit(self, _rest: str) -> None:
        self._say("221 2.0.0 bye")
        self.is_over = True

    @property
    def _operation(self) -> str:
        return f"MAIL /{self.recipients[-1] if self.recipients else ''}"

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode("ascii", errors="replace"))

    def _log(self, status: int, body: bytes = b"", *, refusal: str = "", fault: str = "") -> None:
        method, _, path = self._operation.partition(" ")
        entry = Logged(
            method=method,
            path=path,
            query={},
            endpoint="MAIL",
            status=status,
            write=True,
            at=self.mail.clock.now(),
            digest=digest(body),
            refusal=refusal,
            fault=fault,
        )
        self.mail.requests.add(entry)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not base64") from error


def _address(rest: str, word: str) -> tuple[str, list[str]]:
    match = _ADDRESS.fullmatch(rest)
    if match is None or match.group(1).upper() != word or "@" not in match.group(2):
        raise Refused("syntax", f"{word}:<address>")
    return match.group(2), match.group(3).split()
