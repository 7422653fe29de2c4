from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from connector import __version__
from connector.clock import VirtualClock
from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    LeaseLost,
    Locked,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
    Unauthorized,
)
from connector.secret import Secret
from connector.transport import client as client_module
from connector.transport import lease
from connector.transport.client import READ_ATTEMPTS, Api, CallNote, QuotaReading
from connector.transport.grants import MemoryTokens, StaticBearer
from connector.transport.kit import Kit
from connector.transport.replies import ReplyTable
from tests.unit.loopback import CLOSE, RESET, Play, Vendor, reply, vendor

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
TORN = Play(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", then="close")


class Stage:
    """One vendor, one Api on it, and everything the Api reported."""

    def __init__(self, here: Vendor) -> None:
        self.here = here
        self.clock = VirtualClock(NOW)
        self.readings: list[tuple[str, QuotaReading]] = []
        self.notes: list[CallNote] = []

    def api(self, *, timeout: float = 5, read_only: bool = False, replies: ReplyTable | None = None) -> Api:
        kit = Kit(
            clock=self.clock,
            token_store=MemoryTokens(self.clock),
            read_only=read_only,
            on_reading=lambda name, reading: self.readings.append((name, reading)),
            on_call=self.notes.append,
        )
        return kit.api(
            "acme", self.here.url, StaticBearer(Secret("tok-of-acme")), timeout, replies=replies, on_reply=_reading
        )

    def plays(self, *plays: Play) -> None:
        left = list(plays)
        self.here.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]


def _reading(headers: Mapping[str, str]) -> QuotaReading | None:
    return QuotaReading(remaining=int(headers["x-left"])) if "x-left" in headers else None


@pytest.fixture
def stage() -> Iterator[Stage]:
    with vendor(lambda _: reply(200, {"ok": True})) as here:
        yield Stage(here)


def test_a_call_says_who_we_are_and_sends_what_it_was_given(stage: Stage) -> None:
    got = stage.api().call("post", "/x", params={"a": "b c"}, json={"ü": [1]}, headers={"X-Key": "k"}, write=True)
    assert got.json() == {"ok": True}
    (seen,) = stage.here.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/x?a=b+c", '{"ü":[1]}'.encode())
    assert seen.headers["authorization"] == "Bearer tok-of-acme"
    assert seen.headers["user-agent"] == f"csat-connector/{__version__}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-key"] == "k"


def test_a_body_goes_out_byte_for_byte_and_empty_content_reads_as_none(stage: Stage) -> None:
    stage.plays(Play(raw=b"HTTP/1.1 204 No\r\n\r\n"))
    got = stage.api().call("PATCH", "/x", body=b' {"a" : 1}', headers={"content-type": "text/x"}, write=True)
    assert got.json() is None
    assert stage.here.seen[0].body == b' {"a" : 1}'
    assert stage.here.seen[0].headers["content-type"] == "text/x"


def test_connections_are_kept(stage: Stage) -> None:
    api = stage.api()
    for _ in range(3):
        api.call("POST", "/x", json={}, write=True)
    assert stage.here.connections == 1


def test_a_connection_the_server_closed_while_idle_costs_nothing(stage: Stage) -> None:
    api = stage.api()
    stage.plays(Play(raw=reply(200, {}).raw, then="close"))
    api.call("POST", "/x", json={}, write=True)
    stage.plays(reply(200, {}))
    threading.Event().wait(0.1)  # the FIN arrives
    assert api.call("POST", "/x", json={}, write=True).status == 200


def test_a_refused_connection_is_known_not_committed(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        stage.here.url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Transient, match="no connection"):
        stage.api().call("POST", "/x", json={}, write=True)


def test_an_unknown_host_is_known_not_committed(stage: Stage) -> None:
    stage.here.url = "http://no-such-host.invalid"
    with pytest.raises(Transient, match="no connection"):
        stage.api().call("POST", "/x", json={}, write=True)


@pytest.mark.parametrize("play", [RESET, CLOSE, TORN, Play(raw=b"nonsense\r\n\r\n", then="close")])
def test_a_lost_answer_puts_a_write_in_doubt_and_never_repeats_it(stage: Stage, play: Play) -> None:
    stage.plays(play)
    with pytest.raises(InDoubt) as caught:
        stage.api().call("POST", "/tickets", json={}, write=True)
    assert len(stage.here.seen) == 1
    assert (caught.value.connection, caught.value.operation) == ("acme", "POST /tickets")


@pytest.mark.parametrize("play", [RESET, CLOSE, TORN])
def test_a_lost_answer_of_a_read_is_asked_for_again(stage: Stage, play: Play) -> None:
    stage.plays(play, reply(200, {"n": 1}))
    assert stage.api().call("GET", "/x", write=False).json() == {"n": 1}
    assert len(stage.here.seen) == 2


def test_a_read_gives_up_after_a_few_tries(stage: Stage) -> None:
    stage.plays(RESET)
    with pytest.raises(Transient):
        stage.api().call("GET", "/x", write=False)
    assert len(stage.here.seen) == READ_ATTEMPTS


def test_silence_is_in_doubt_for_a_write(stage: Stage) -> None:
    stage.plays(Play(wait=5))
    with pytest.raises(InDoubt, match="ReadTimeout"):
        stage.api(timeout=0.2).call("POST", "/x", json={}, write=True)


def test_an_answer_that_trickles_past_the_deadline_is_in_doubt(stage: Stage) -> None:
    class Hurrying(VirtualClock):
        def monotonic(self) -> float:
            self.advance(timedelta(seconds=3))
            return super().monotonic()

    stage.clock = Hurrying(NOW)
    stage.plays(reply(200, b"x" * 1_000_000))
    with pytest.raises(InDoubt, match="too long"):
        stage.api(timeout=5).call("POST", "/x", json={}, write=True)


def test_json_that_is_none_is_in_doubt_for_a_write_and_transient_for_a_read(stage: Stage) -> None:
    stage.plays(reply(200, b'{"id": 1'))
    with pytest.raises(InDoubt):
        stage.api().call("POST", "/x", json={}, write=True).json()
    with pytest.raises(Transient):
        stage.api().call("GET", "/x", write=False).json()


def test_a_reply_that_never_ends_is_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REPLY_LIMIT", 1000)
    stage.plays(reply(200, gzip.compress(b"0" * 100_000), Content_Encoding="gzip"))
    with pytest.raises(InDoubt, match="too large"):
        stage.api().call("POST", "/x", json={}, write=True)
    with pytest.raises(Rejected, match="too large"):
        stage.api().call("GET", "/x", write=False)


def test_a_torn_refusal_is_still_that_refusal(stage: Stage) -> None:
    stage.plays(Play(raw=b"HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\n{", then="close"))
    with pytest.raises(Rejected):
        stage.api().call("POST", "/x", json={}, write=True)


@pytest.mark.parametrize(
    ("status", "of_write", "of_read"),
    [
        (300, Rejected, Rejected),
        (302, Rejected, Rejected),
        (400, Rejected, Rejected),
        (401, Unauthorized, Unauthorized),
        (403, Unauthorized, Unauthorized),
        (404, Gone, Gone),
        (405, Rejected, Rejected),
        (408, InDoubt, Transient),
        (409, Conflict, Conflict),
        (410, Gone, Gone),
        (412, Conflict, Conflict),
        (413, Rejected, Rejected),
        (415, Rejected, Rejected),
        (418, Rejected, Rejected),
        (422, Rejected, Rejected),
        (423, Locked, Locked),
        (425, Transient, Transient),
        (429, Throttled, Throttled),
        (500, InDoubt, Transient),
        (501, InDoubt, Transient),
        (502, InDoubt, Transient),
        (503, InDoubt, Transient),
        (504, InDoubt, Transient),
        (599, InDoubt, Transient),
    ],
)
def test_every_status_has_one_meaning(
    stage: Stage, status: int, of_write: type[RemoteError], of_read: type[RemoteError]
) -> None:
    stage.plays(reply(status, {"error": "so it is"}, X_Request_Id="r-1"))
    for write, expected in ((True, of_write), (False, of_read)):
        with pytest.raises(RemoteError) as caught:
            stage.api().call("POST", "/things/1?q=ann@example.com", json={}, write=write)
        assert type(caught.value) is expected
        assert (caught.value.connection, caught.value.operation) == ("acme", "POST /things/1")
        assert (caught.value.status, caught.value.request_id) == (status, "r-1")
        assert caught.value.reply == '{"error": "so it is"}'


def test_service_unavailable_with_a_time_is_throttling(stage: Stage) -> None:
    stage.plays(reply(503, {}, Retry_After="7"))
    with pytest.raises(Throttled) as caught:
        stage.api().call("POST", "/x", json={}, write=True)
    assert caught.value.retry_at == NOW + timedelta(seconds=7)
    assert len(stage.here.seen) == 1


def test_a_redirect_is_not_followed(stage: Stage) -> None:
    stage.plays(reply(307, {}, Location=f"{stage.here.url}/elsewhere"))
    with pytest.raises(Rejected, match="redirect"):
        stage.api().call("POST", "/x", json={}, write=True)
    assert stage.here.paths() == ["/x"]


def test_a_vendor_may_say_what_a_status_means_there(stage: Stage) -> None:
    def replies(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
        return Conflict("taken") if status == 422 and b"taken" in body and headers["x-kind"] == "dup" else None

    stage.plays(reply(422, {"error": "taken"}, X_Kind="dup"), reply(422, {"error": "other"}))
    with pytest.raises(Conflict) as caught:
        stage.api(replies=replies).call("POST", "/x", json={}, write=True)
    assert (caught.value.status, caught.value.operation, caught.value.reply) == (422, "POST /x", '{"error": "taken"}')
    with pytest.raises(Rejected):
        stage.api(replies=replies).call("POST", "/x", json={}, write=True)


def test_observe_mode_reads_and_never_opens_a_socket_for_a_write(stage: Stage) -> None:
    api = stage.api(read_only=True)
    assert api.call("GET", "/x", write=False).status == 200
    with pytest.raises(Transient, match="observe"):
        api.call("POST", "/x", json={}, write=True)
    assert stage.here.paths() == ["/x"]


def test_a_write_the_lease_does_not_cover_does_not_start(stage: Stage) -> None:
    api = stage.api(timeout=5)
    needed = api.patience + lease.MARGIN
    with lease.fence(lambda: needed - 0.001), pytest.raises(LeaseLost):
        api.call("POST", "/x", json={}, write=True)
    assert stage.here.seen == []
    with lease.fence(lambda: needed):
        api.call("POST", "/x", json={}, write=True)
    with lease.fence(lambda: 0):
        api.call("GET", "/x", write=False)
    api.call("POST", "/x", json={}, write=True)
    assert len(stage.here.seen) == 3


def test_a_link_elsewhere_does_not_take_the_credentials_along(stage: Stage) -> None:
    for path in (
        "https://evil.example/x",
        "http://evil.example/x",
        "//evil.example/x",
        f"{stage.here.url}.evil.example/x",
        "x",
        "",
    ):
        with pytest.raises(Rejected):
            stage.api().call("GET", path, write=False)
    assert stage.here.seen == []
    stage.api().call("GET", f"{stage.here.url}/next?cursor=2", write=False)
    assert stage.here.seen[0].target == "/next?cursor=2"


@pytest.mark.parametrize("url", ["ftp://a.example", "a.example", "https://", "https://u:p@a.example", "file:///etc"])
def test_a_base_url_is_plain_http(url: str) -> None:
    with pytest.raises(Rejected):
        Api(connection="a", base_url=url, auth=StaticBearer(Secret("tok-of-acme")), clock=VirtualClock(NOW))


def test_quota_headers_reach_whoever_counts(stage: Stage) -> None:
    stage.plays(reply(200, {}, X_Left="41"), reply(429, {}, X_Left="0"), reply(200, {}))
    api = stage.api()
    api.call("GET", "/x", endpoint_class="search", write=False)
    with pytest.raises(Throttled):
        api.call("GET", "/x", endpoint_class="search", write=False)
    api.call("GET", "/x", write=False)
    assert stage.readings == [
        ("acme", QuotaReading(endpoint_class="search", remaining=41)),
        ("acme", QuotaReading(endpoint_class="search", remaining=0)),
    ]


def test_every_request_is_noted_with_its_outcome(stage: Stage) -> None:
    stage.plays(reply(200, {}), reply(422, {}), RESET)
    api = stage.api()
    api.call("POST", "/x", json={}, endpoint_class="tickets", write=True)
    for _ in range(2):
        with pytest.raises(RemoteError):
            api.call("POST", "/x", json={}, endpoint_class="tickets", write=True)
    assert [(note.endpoint_class, note.outcome, note.write) for note in stage.notes] == [
        ("tickets", "ok", True),
        ("tickets", "http_422", True),
        ("tickets", "InDoubt", True),
    ]


def test_a_reply_knows_its_context_for_errors_in_a_body_of_200(stage: Stage) -> None:
    stage.plays(reply(200, {"ok": False, "error": "no_text", "mail": "ann@example.com"}, X_Slack_Req_Id="s-1"))
    got = stage.api().call("POST", "/x", json={}, write=True)
    error = Rejected("no", **got.context())
    assert (error.connection, error.operation, error.status, error.request_id) == ("acme", "POST /x", 200, "s-1")
    assert error.reply == '{"error": "no_text"}'


@pytest.mark.parametrize("token", ["tok-öf-acme", "tok-of\nacme"])
def test_a_token_that_cannot_be_sent_pauses_the_connection(stage: Stage, token: str) -> None:
    api = Api(connection="acme", base_url=stage.here.url, auth=StaticBearer(Secret(token)), clock=stage.clock)
    with pytest.raises(Unauthorized) as caught:
        api.call("POST", "/x", json={}, write=True)
    assert "acme" not in str(caught.value)
    assert stage.here.seen == []


@pytest.mark.parametrize("key", ["k-ü", "k\r\nX-Evil: 1"])
def test_a_header_that_cannot_be_sent_is_rejected(stage: Stage, key: str) -> None:
    with pytest.raises(Rejected):
        stage.api().call("POST", "/x", json={}, headers={"Idempotency-Key": key}, write=True)
    assert stage.here.seen == []
