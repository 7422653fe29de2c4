"""The mail server refuses what submission servers refuse: each refusal by a client that speaks SMTP itself."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from connector.clock import VirtualClock
from connector.simulator.parts import Fault, FaultKind, Window
from connector.simulator.smtp import PASSWORD, REFUSALS, USER, Smtp
from tests.unit.certificate import server_context
from tests.unit.samples import NOON

MAIL = (
    b"From: care@shop.example.com\r\nTo: ada@example.com\r\nDate: x\r\nMessage-ID: <1@x>\r\nSubject: s\r\n\r\nHello\r\n"
)
SENDER, ADA = "care@shop.example.com", "ada@example.com"


CLIENTS: list[smtplib.SMTP] = []


@pytest.fixture
def vendor() -> Iterator[Smtp]:
    server = Smtp(VirtualClock(NOON), largest=5000)
    server.start()
    yield server
    while CLIENTS:
        CLIENTS.pop().close()
    server.stop()


def greeted(vendor: Smtp) -> smtplib.SMTP:
    smtp = smtplib.SMTP("127.0.0.1", vendor.port, local_hostname="test.example", timeout=5)
    CLIENTS.append(smtp)
    smtp.ehlo()
    return smtp


def entered(vendor: Smtp) -> smtplib.SMTP:
    smtp = greeted(vendor)
    smtp.login(USER, PASSWORD)
    return smtp


def sent(smtp: smtplib.SMTP, mail: bytes = MAIL, to: str = ADA) -> tuple[int, bytes]:
    for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{to}>", "DATA"):
        code, said = smtp.docmd(command)
        if code >= 400:
            return code, said
    smtp.send(mail + b".\r\n")
    return smtp.getreply()


def raw(vendor: Smtp, line: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", vendor.port), timeout=5) as one, one.makefile("rb") as said:
        said.readline()
        one.sendall(line)
        return said.readline()


def test_a_mail_is_delivered_once_for_each_recipient(vendor: Smtp) -> None:
    smtp = entered(vendor)
    smtp.docmd(f"MAIL FROM:<{SENDER}>")
    smtp.docmd(f"RCPT TO:<{ADA}>")
    smtp.docmd("RCPT TO:<kim@example.com>")
    smtp.docmd("DATA")
    smtp.send(MAIL.replace(b"Hello", b"..dot") + b".\r\n")
    assert smtp.getreply()[0] == 250
    assert [(one["to"], one["text"]) for one in vendor.mails] == [(ADA, ".dot"), ("kim@example.com", ".dot")]
    assert smtp.quit()[0] == 221


def many_connections(vendor: Smtp) -> tuple[int, bytes]:
    vendor.connections = 0
    with pytest.raises(smtplib.SMTPConnectError) as error:
        smtplib.SMTP("127.0.0.1", vendor.port, timeout=5)
    said = error.value.smtp_error
    return error.value.smtp_code, said if isinstance(said, bytes) else said.encode()


def out_of_pace(vendor: Smtp) -> tuple[int, bytes]:
    vendor.pace = Window(0, 60)
    return sent(entered(vendor))


def no_credentials(vendor: Smtp) -> tuple[int, bytes]:
    return greeted(vendor).docmd(f"MAIL FROM:<{SENDER}>")


def bad_password(vendor: Smtp) -> tuple[int, bytes]:
    vendor.password_works = False
    with pytest.raises(smtplib.SMTPAuthenticationError) as error:
        entered(vendor)
    said = error.value.smtp_error
    return error.value.smtp_code, said if isinstance(said, bytes) else said.encode()


def unknown(vendor: Smtp) -> tuple[int, bytes]:
    vendor.unknown.add(ADA)
    return sent(entered(vendor))


def full(vendor: Smtp) -> tuple[int, bytes]:
    vendor.full.add(ADA)
    return sent(entered(vendor))


def greylisted(vendor: Smtp) -> tuple[int, bytes]:
    vendor.greylists = True
    first = sent(entered(vendor))
    assert sent(entered(vendor))[0] == 250, "it came back"
    return first


REFUSED: dict[str, Callable[[Smtp], tuple[int, bytes]]] = {
    "throttled": out_of_pace,
    "too-many-connections": many_connections,
    "unknown-command": lambda vendor: entered(vendor).docmd("TURN"),
    "syntax": lambda vendor: entered(vendor).docmd("MAIL FROM:care"),
    "bad-sequence": lambda vendor: entered(vendor).docmd(f"RCPT TO:<{ADA}>"),
    "no-auth": no_credentials,
    "bad-auth": bad_password,
    "bad-sender": lambda vendor: entered(vendor).docmd("MAIL FROM:<boss@example.com>"),
    "unknown-recipient": unknown,
    "greylisted": greylisted,
    "mailbox-full": full,
    "too-large": lambda vendor: sent(entered(vendor), MAIL + b"x\r\n" * 2000),
    "line-too-long": lambda vendor: sent(entered(vendor), MAIL + b"x" * 999 + b"\r\n"),
    "no-such-header": lambda vendor: sent(entered(vendor), MAIL.replace(b"Date: x\r\n", b"")),
    "not-ascii": lambda vendor: sent(entered(vendor), MAIL + "ü\r\n".encode()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses(vendor: Smtp, name: str) -> None:
    code, said = REFUSED[name](vendor)
    row = REFUSALS[name]
    assert code == row.status
    assert said.decode().startswith(row.code)
    assert name == "greylisted" or vendor.mails == []


def test_data_without_anybody_to_write_to(vendor: Smtp) -> None:
    smtp = entered(vendor)
    smtp.docmd(f"MAIL FROM:<{SENDER}>")
    assert smtp.docmd("DATA")[0] == REFUSALS["no-recipient"].status


def test_what_a_filter_refuses_after_the_dot_is_not_delivered(vendor: Smtp) -> None:
    vendor.faults.add(Fault(match="MAIL *", kind=FaultKind.RECORD_ERRORS, status=554, message="5.7.1 looks like spam"))
    smtp = entered(vendor)
    assert sent(smtp) == (554, b"5.7.1 looks like spam")
    assert vendor.mails == []
    assert sent(smtp)[0] == 250


def test_a_line_ends_properly(vendor: Smtp) -> None:
    assert raw(vendor, b"EHLO x\n").startswith(b"501")


def test_pages_know_only_their_own(vendor: Smtp) -> None:
    base = vendor.url.removesuffix("/mails")
    assert "Mails" in httpx.get(vendor.url).text
    assert httpx.get(f"{base}/nope").status_code == REFUSALS["unknown-route"].status
    assert httpx.post(vendor.url).status_code == REFUSALS["unknown-method"].status


def test_a_quota_is_full_for_as_long_as_it_says(vendor: Smtp) -> None:
    assert b"try again in 60 seconds" in out_of_pace(vendor)[1]
    assert isinstance(vendor.clock, VirtualClock)
    vendor.clock.advance(timedelta(seconds=60))
    vendor.pace.limit = 1
    assert sent(entered(vendor))[0] == 250


def test_nothing_is_said_in_the_clear_where_it_can_be_encrypted(tmp_path: Path) -> None:
    server = Smtp(VirtualClock(NOON), context=server_context(tmp_path))
    server.start()
    try:
        smtp = greeted(server)
        assert smtp.docmd("AUTH", "PLAIN")[0] == REFUSALS["no-tls"].status
        assert smtp.docmd(f"MAIL FROM:<{SENDER}>")[0] == REFUSALS["no-tls"].status
    finally:
        CLIENTS.pop().close()
        server.stop()


def test_every_refusal_is_provoked() -> None:
    elsewhere = {"no-tls", "no-recipient", "unknown-route", "unknown-method"}
    assert set(REFUSED) | elsewhere == set(REFUSALS)
