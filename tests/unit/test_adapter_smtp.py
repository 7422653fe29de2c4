"""What a mail looks like, how far a conversation came, and what each end of it means."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.adapters.smtp import Options, Smtp
from connector.clock import VirtualClock
from connector.domain.model.account import Demand
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.errors import Gone, InDoubt, LeaseLost, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.ports.erasing import Subject
from connector.simulator import smtp
from connector.simulator.parts import Fault, FaultKind
from connector.transport.client import CallNote
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.transport.lease import fence
from connector.transport.mail import Door, Mail, Security
from tests.durability.effects_smtp import options_of
from tests.unit.certificate import server_context
from tests.unit.samples import NOON

CLOCK = VirtualClock(NOON)


@pytest.fixture
def vendor() -> Iterator[smtp.Smtp]:
    server = smtp.Smtp(VirtualClock(NOON))
    server.start()
    yield server
    server.stop()


def kit(notes: list[CallNote] | None = None) -> Kit:
    return Kit(clock=CLOCK, token_store=MemoryTokens(CLOCK), on_call=None if notes is None else notes.append)


def adapter(vendor: smtp.Smtp, **more: object) -> Smtp:
    return Smtp("mail", options_of(vendor, **more), kit())


def item(key: str = "k", target: str | None = None, **fields: Json) -> Item:
    plain: dict[str, Json] = {"to": "ada@example.com", "subject": "Sorry", "text": "We are sorry."}
    return Item(key=key, target=target, fields={**plain, **fields}, cause_at=NOON, intent=f"{key}/i")


def write(writer: Smtp, one: Item, kind: WriteKind = WriteKind.MESSAGE) -> Receipt:
    (outcome,) = writer.send(kind, writer.render(kind, [one]), 1)  # type: ignore[misc]  # it has no jobs
    assert isinstance(outcome, Receipt)
    return outcome


def test_what_arrives_is_what_was_meant(vendor: smtp.Smtp) -> None:
    writer = adapter(vendor, from_name="Bräuer & Söhne", reply_to="hello@shop.example.com", html=True)
    text = "Hello Ada,\n.\n.hidden\n\n<see> https://shop.example.com/x?a=1&b=2, <b>now</b> – Grüße"
    receipt = write(writer, item(subject="Wir bedauern – sehr", text=text))
    (mail,) = vendor.mails
    assert (mail["to"], mail["subject"]) == ("ada@example.com", "Wir bedauern – sehr")
    assert mail["text"].replace("\r\n", "\n") == text
    assert '<a href="https://shop.example.com/x?a=1&amp;b=2">' in mail["html"]
    assert "&lt;see&gt; <a" in mail["html"]
    assert "&lt;b&gt;now" in mail["html"]
    headers = mail["headers"]
    assert headers["From"] == "Bräuer & Söhne <care@shop.example.com>"
    assert headers["Reply-To"] == "hello@shop.example.com"
    assert headers["List-Unsubscribe"] == "<mailto:hello@shop.example.com?subject=unsubscribe>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Date"] == "Mon, 02 Mar 2026 12:00:00 +0000"
    assert receipt.remote_id == mail["message_id"]


def test_a_mail_is_rendered_alike_for_ever(vendor: smtp.Smtp) -> None:
    writers = [adapter(vendor, html=True) for _ in range(2)]
    first, second = (writer.render(WriteKind.MESSAGE, [item()]) for writer in writers)
    assert first == second
    assert writers[0].render(WriteKind.MESSAGE, [item("other")]).body != first.body


def test_an_alert_goes_to_an_address_of_the_house(vendor: smtp.Smtp) -> None:
    writer = adapter(vendor)
    said: dict[str, Json] = {"channel": "shift@shop.example.com", "text": "Two of five\nfrom Ada"}
    first = write(writer, Item(key="a", target=None, fields=said, cause_at=NOON), WriteKind.ALERT)
    edited = Item(key="a", target=first.remote_id, fields=said, cause_at=NOON, intent="a/2")
    assert write(writer, edited, WriteKind.ALERT).remote_id != first.remote_id
    old, new = vendor.mails
    assert (old["to"], old["subject"]) == ("shift@shop.example.com", "Two of five")
    assert "List-Unsubscribe" not in old["headers"]
    assert new["headers"]["In-Reply-To"] == first.remote_id


OPTIONS = Options.model_validate({"host": "smtp.example.com", "from": "care@example.com"})
SOMEBODY = Smtp("mail", OPTIONS, kit())


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_a_header(subject: str, text: str, name: str) -> None:
    """Whatever customers, templates and the YAML say: the headers are ours, each once."""
    one = item(subject=subject, text=text)
    mail = message_from_bytes(SOMEBODY.render(WriteKind.MESSAGE, [one]).body, policy=default)
    assert sorted(name.lower() for name in mail) == [
        "auto-submitted",
        "content-transfer-encoding",
        "content-type",
        "from",
        "list-unsubscribe",
        "message-id",
        "mime-version",
        "subject",
        "to",
        "x-auto-response-suppress",
    ]
    assert "\n" not in str(mail["Subject"])
    if name and "@" not in name:
        with pytest.raises(Rejected):
            SOMEBODY.render(WriteKind.MESSAGE, [item(to=name)])


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@example.com", "a@b@example.com", "ada@example.com\r\nBcc: x@example.com", "a <a@example.com>",
     "ada@example.com, kim@example.com", "ädá@example.com", "ada@exa mple.com", "ada@localhost"],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_its_field(address: str) -> None:
    with pytest.raises(Rejected) as refused:
        SOMEBODY.render(WriteKind.MESSAGE, [item(to=address)])
    assert refused.value.field == "to"
    assert not address or address not in str(refused.value)


def test_a_domain_in_other_letters_travels_in_ascii() -> None:
    assert SOMEBODY.render(WriteKind.MESSAGE, [item(to="ada@bücher.example")]).path == "ada@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"security": "none"}, "encrypted only"),
        ({"user": "x"}, "go together"),
        ({"from": "Care <care@example.com>"}, "one plain address"),
        ({"host": "exa mple"}, "host"),
        ({"from_name": "a\r\nBcc: x"}, "from_name"),
        ({"prot": 25}, "prot"),
    ],
)
def test_what_the_yaml_may_not_say(wrong: dict[str, object], words: str) -> None:
    plain = {"host": "smtp.example.com", "from": "care@example.com"}
    with pytest.raises(ValidationError, match=words):
        Options.model_validate({**plain, **wrong})


def test_ports_follow_from_how_it_is_encrypted() -> None:
    assert OPTIONS.door.port == 465
    assert OPTIONS.model_copy(update={"security": Security.STARTTLS}).door.port == 587


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (lambda vendor: vendor.unknown.add("ada@example.com"), Rejected),
        (lambda vendor: vendor.full.add("ada@example.com"), Transient),
        (lambda vendor: setattr(vendor, "greylists", True), Transient),
        (lambda vendor: setattr(vendor, "password_works", False), Unauthorized),
        (lambda vendor: setattr(vendor, "senders", frozenset()), Unauthorized),
        (lambda vendor: setattr(vendor, "largest", 100), Rejected),
        (lambda vendor: setattr(vendor, "connections", 0), Throttled),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.RESET_BEFORE)), Transient),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.REPLY, status=250, message="ok")), None),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.RESET_AFTER_COMMIT)), InDoubt),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.TORN)), InDoubt),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.ERROR_AFTER_COMMIT)), InDoubt),
        (
            lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.ERROR_AFTER_COMMIT, status=451)),
            Transient,
        ),
        (lambda vendor: vendor.faults.add(Fault(match="*", kind=FaultKind.ERROR_AFTER_COMMIT, status=554)), Rejected),
        (lambda vendor: vendor.stop(), Transient),
    ],
)
def test_how_it_ends_says_what_is_known(vendor: smtp.Smtp, trouble: object, expected: type[RemoteError] | None) -> None:
    writer = adapter(vendor)
    trouble(vendor)  # type: ignore[operator]  # a function of the server
    if expected is None:
        # A recipient that was taken by words alone is none: the server says so once it is asked for the mail.
        expected = Rejected
    with pytest.raises(expected) as error:
        write(writer, item())
    assert type(error.value) is expected
    assert "ada@example.com" not in f"{error.value} {error.value.reply}"


def test_a_time_that_is_named_is_believed(vendor: smtp.Smtp) -> None:
    for words, seconds in (("come back in 00:05:00", 300), ("try again in 90 seconds", 90), ("busy", 60), ("9:9", 60)):
        vendor.faults.add(Fault(match="*", kind=FaultKind.THROTTLE, message=f"4.7.0 {words}"))
        with pytest.raises(Throttled) as error:
            write(adapter(vendor), item())
        assert error.value.retry_at == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(("steps", "expected"), [(5, InDoubt), (1, Transient)])
def test_silence_after_the_dot_is_doubt_and_before_it_is_not(steps: int, expected: type[RemoteError]) -> None:
    """A server that takes the mail and says nothing; and one that says nothing after its name."""
    answers = [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"][:steps]
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=_serve, args=(server, answers))
        serving.start()
        door = Door(host="127.0.0.1", port=server.getsockname()[1], security=Security.NONE, helo="x.example")
        mail = Mail(connection="mail", door=door, clock=CLOCK, timeout=0.2)
        with pytest.raises(expected):
            mail.deliver("care@example.com", "ada@example.com", b"Subject: x\r\n\r\nx\r\n")
        serving.join()


def _serve(server: socket.socket, answers: Sequence[bytes]) -> None:
    one, _ = server.accept()
    with one, one.makefile("rb") as said:
        for answer in answers:
            one.sendall(answer)
            if not said.readline():
                return
        while said.readline():
            continue


def test_tls_is_wanted_and_the_certificate_believed_only_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = smtp.Smtp(VirtualClock(NOON), context=server_context(tmp_path))
    server.start()
    try:
        writer = adapter(server, security="starttls")
        with pytest.raises(Transient):
            write(writer, item())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))
        write(writer, item())
        assert len(server.mails) == 1
        with pytest.raises(Unauthorized):
            write(adapter(server, security="none", user=None, password=None), item())
    finally:
        server.stop()


def test_a_server_without_starttls_hears_nothing(vendor: smtp.Smtp) -> None:
    with pytest.raises(Unauthorized, match="no STARTTLS"):
        write(adapter(vendor, security="starttls"), item())
    assert vendor.mails == []


def test_no_mail_starts_that_the_lease_does_not_cover(vendor: smtp.Smtp) -> None:
    with fence(lambda: 3.0), pytest.raises(LeaseLost):
        write(adapter(vendor), item())
    assert len(vendor.requests) == 0


def test_looking_at_the_server_sends_nothing(vendor: smtp.Smtp) -> None:
    writer = adapter(vendor)
    (found,) = writer.inspect(Demand(connection="mail", channels=frozenset({"#csat", "shift@example.com"})))
    assert (found.subject, found.blocking) == ("channel #csat", True)
    assert vendor.mails == []
    vendor.password_works = False
    with pytest.raises(Unauthorized):
        writer.inspect(Demand(connection="mail"))


def test_nothing_can_be_called_back_or_asked_about() -> None:
    erased = SOMEBODY.erase(Subject(records={WriteKind.MESSAGE: ("<1@x>",), WriteKind.ALERT: ("<2@x>",)}))
    assert [(one.object, one.fate.value) for one in erased] == [("message <1@x>", "kept"), ("alert <2@x>", "kept")]
    with pytest.raises(Rejected):
        SOMEBODY.ask(WriteKind.MESSAGE, [item()])
    with pytest.raises(Gone):
        SOMEBODY.poll(WriteKind.MESSAGE, "1", 1)
