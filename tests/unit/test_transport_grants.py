from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from connector.clock import SystemClock, VirtualClock
from connector.errors import RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Token
from connector.secret import Secret
from connector.transport.client import Api
from connector.transport.grants import (
    PATIENCE,
    REFRESH_LEASE,
    Auth,
    ClientCredentials,
    MemoryTokens,
    RefreshToken,
    StaticBearer,
    TokenStore,
)
from tests.unit.loopback import RESET, Play, Seen, Vendor, reply, vendor

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
SECRET = Secret("the client's secret/+=")


class Issuer:
    """A vendor that issues numbered tokens, accepts only the newest, and rotates refresh tokens."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.issued = 0
        self.expires_in: object = 1800
        self.refresh: str | None = None
        self.instead: Play | None = None

    def answer(self, seen: Seen) -> Play:
        with self.lock:
            if seen.path != "/token":
                good = seen.headers.get("authorization") == f"Bearer access-{self.issued}"
                return reply(200, {"n": self.issued}) if good else reply(401, {"error": "expired"})
            if self.instead is not None:
                return self.instead
            asked = json.loads(seen.body) if seen.body.startswith(b"{") else seen.form()
            if self.refresh is not None:
                if asked["refresh_token"] != self.refresh:
                    return reply(400, {"error": "invalid_grant", "error_description": asked["refresh_token"]})
                self.refresh = f"refresh-{self.issued + 1}"
            self.issued += 1
            token = {"access_token": f"access-{self.issued}", "expires_in": self.expires_in}
            return reply(200, token | ({"refresh_token": self.refresh} if self.refresh else {}))


class Stage:
    def __init__(self, here: Vendor, issuer: Issuer) -> None:
        self.here = here
        self.issuer = issuer
        self.clock = VirtualClock(NOW)
        self.tokens = MemoryTokens(self.clock)

    def credentials(self, **options: object) -> ClientCredentials:
        return ClientCredentials(
            token_url=f"{self.here.url}/token",
            client_id="client",
            client_secret=SECRET,
            **options,  # type: ignore[arg-type]
        )

    def refreshing(self, first: str = "refresh-0") -> RefreshToken:
        return RefreshToken(
            token_url=f"{self.here.url}/token", client_id="client", client_secret=SECRET, refresh_token=Secret(first)
        )

    def api(self, auth: Auth, tokens: TokenStore | None = None, clock: SystemClock | None = None) -> Api:
        return Api(
            connection="acme",
            base_url=self.here.url,
            auth=auth,
            clock=clock or self.clock,
            tokens=self.tokens if tokens is None else tokens,
            timeout=5,
        )

    @property
    def token_calls(self) -> list[Seen]:
        return [seen for seen in self.here.seen if seen.path == "/token"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    issuer = Issuer()
    with vendor(issuer.answer) as here:
        yield Stage(here, issuer)


def test_a_token_is_fetched_once_and_used_until_its_margin(stage: Stage) -> None:
    api = stage.api(stage.credentials(scope="tickets:write"))
    api.call("GET", "/x", write=False)
    stage.clock.advance(timedelta(seconds=1800 - 61))
    api.call("GET", "/x", write=False)
    assert len(stage.token_calls) == 1
    stage.clock.advance(timedelta(seconds=1))
    api.call("GET", "/x", write=False)
    assert len(stage.token_calls) == 2
    assert stage.token_calls[0].form() == {
        "grant_type": "client_credentials",
        "scope": "tickets:write",
        "client_id": "client",
        "client_secret": SECRET.reveal(),
    }


def test_a_client_identifies_itself_as_the_endpoint_wants(stage: Stage) -> None:
    stage.api(stage.credentials(style="json", extra={"expires_in": 3600})).call("GET", "/x", write=False)
    stage.tokens = MemoryTokens(stage.clock)
    stage.api(stage.credentials(style="basic")).call("GET", "/x", write=False)
    as_json, as_basic = stage.token_calls
    assert json.loads(as_json.body)["expires_in"] == 3600
    assert as_basic.form() == {"grant_type": "client_credentials"}
    pair = base64.b64decode(as_basic.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "client:the+client%27s+secret%2F%2B%3D"


@pytest.mark.parametrize(("life", "usable"), [(100, 80), ("600", 540), (None, 86_400), ("soon", 86_400)])
def test_lives_are_read_leniently_and_short_ones_keep_a_small_margin(stage: Stage, life: object, usable: int) -> None:
    stage.issuer.expires_in = life
    api = stage.api(stage.credentials())
    api.call("GET", "/x", write=False)
    stage.clock.advance(timedelta(seconds=usable - 1))
    api.call("GET", "/x", write=False)
    assert len(stage.token_calls) == 1


def test_a_refused_token_is_renewed_once_and_the_call_repeated(stage: Stage) -> None:
    api = stage.api(stage.credentials())
    api.call("GET", "/x", write=False)
    stage.issuer.issued += 1  # somebody logged us out
    assert api.call("POST", "/x", json={"a": 1}, write=True).status == 200
    assert stage.here.paths()[2:] == ["/x", "/token", "/x"]
    assert stage.here.seen[-1].body == b'{"a":1}'


def test_a_token_that_is_refused_twice_is_unauthorized(stage: Stage) -> None:
    stage.here.answer = lambda seen: stage.issuer.answer(seen) if seen.path == "/token" else reply(401, {})
    with pytest.raises(Unauthorized):
        stage.api(stage.credentials()).call("POST", "/x", json={}, write=True)
    assert stage.here.paths() == ["/token", "/x", "/token", "/x"]


def test_a_fixed_token_is_not_renewed(stage: Stage) -> None:
    with pytest.raises(Unauthorized):
        stage.api(StaticBearer(Secret("access-9"))).call("POST", "/x", json={}, write=True)
    assert stage.here.paths() == ["/x"]


def test_eight_callers_of_one_process_refresh_once(stage: Stage) -> None:
    api = stage.api(stage.credentials(), clock=SystemClock())
    api.call("GET", "/x", write=False)
    stage.issuer.issued += 1
    together = threading.Barrier(8)

    def call(_: int) -> int:
        together.wait(5)
        return api.call("POST", "/x", json={}, write=True).status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [200] * 8
    assert len(stage.token_calls) == 2


def test_eight_processes_refresh_once(stage: Stage) -> None:
    """Each has its own Api and its own grant object; only the store is shared."""
    clock = SystemClock()
    tokens = MemoryTokens(clock)
    apis = [stage.api(stage.credentials(), tokens, clock) for _ in range(8)]
    together = threading.Barrier(8)

    def call(api: Api) -> int:
        together.wait(5)
        return api.call("POST", "/x", json={}, write=True).status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, apis)) == [200] * 8
    assert len(stage.token_calls) == 1


def test_a_restart_uses_the_stored_token(stage: Stage) -> None:
    stage.api(stage.credentials()).call("GET", "/x", write=False)
    stage.api(stage.credentials()).call("GET", "/x", write=False)
    assert len(stage.token_calls) == 1


def test_another_client_or_scope_is_another_grant(stage: Stage) -> None:
    stage.api(stage.credentials(scope="a")).call("GET", "/x", write=False)
    stage.api(stage.credentials(scope="b")).call("GET", "/x", write=False)
    assert len(stage.token_calls) == 2


def test_a_dead_process_does_not_hold_the_refresh_for_ever(stage: Stage) -> None:
    auth = stage.credentials()
    assert stage.tokens.lease(auth._flow.grant, 0, timedelta(seconds=PATIENCE - 1))
    assert stage.api(auth).call("GET", "/x", write=False).status == 200
    assert stage.clock.now() >= NOW + timedelta(seconds=PATIENCE - 1)


def test_a_reservation_that_never_ends_is_transient(stage: Stage) -> None:
    auth = stage.credentials()
    assert stage.tokens.lease(auth._flow.grant, 0, timedelta(days=1))
    with pytest.raises(Transient, match="another process"):
        stage.api(auth).call("POST", "/x", json={}, write=True)
    assert NOW + timedelta(seconds=PATIENCE) <= stage.clock.now() < NOW + timedelta(seconds=PATIENCE + 1)
    assert stage.here.seen == []


class Crash(BaseException):
    """The process dies."""


class Dying(MemoryTokens):
    """Stands for a store whose process dies at its next save, after or before the token is on disk."""

    def __init__(self, clock: VirtualClock, *, after: bool) -> None:
        super().__init__(clock)
        self.after: bool | None = after

    def save(self, grant: str, token: Token) -> bool:
        if self.after is None:
            return super().save(grant, token)
        if self.after:
            super().save(grant, token)
        self.after = None
        raise Crash


def test_a_rotated_token_is_on_disk_before_it_is_used(stage: Stage) -> None:
    stage.issuer.refresh = "refresh-0"
    tokens = Dying(stage.clock, after=True)
    with pytest.raises(Crash):
        stage.api(stage.refreshing(), tokens).call("POST", "/x", json={}, write=True)
    assert stage.here.paths() == ["/token"]
    assert stage.api(stage.refreshing(), tokens).call("POST", "/x", json={}, write=True).status == 200
    stage.clock.advance(timedelta(hours=1))
    assert stage.api(stage.refreshing(), tokens).call("POST", "/x", json={}, write=True).status == 200
    assert [seen.form()["refresh_token"] for seen in stage.token_calls] == ["refresh-0", "refresh-1"]


def test_a_rotation_lost_before_the_disk_asks_for_a_new_authorisation(stage: Stage) -> None:
    stage.issuer.refresh = "refresh-0"
    tokens = Dying(stage.clock, after=False)
    with pytest.raises(Crash):
        stage.api(stage.refreshing(), tokens).call("GET", "/x", write=False)
    stage.clock.advance(REFRESH_LEASE)
    with pytest.raises(Unauthorized, match="authorise the connection again"):
        stage.api(stage.refreshing(), tokens).call("GET", "/x", write=False)
    # What an operator configures anew is a new grant, whatever the store remembers of the old one.
    stage.issuer.refresh = "refresh-new"
    assert stage.api(stage.refreshing("refresh-new"), tokens).call("GET", "/x", write=False).status == 200


def test_a_refresh_token_used_up_by_another_process_is_read_from_the_store(stage: Stage) -> None:
    stage.issuer.refresh = "refresh-0"
    auth = stage.refreshing()

    def answer(seen: Seen) -> Play:
        if seen.path == "/token" and stage.issuer.issued == 0:
            # The other process wins between our reading the store and our call.
            stage.issuer.issued, stage.issuer.refresh = 1, "refresh-1"
            won = Token(access=Secret("access-1"), refresh=Secret("refresh-1"), generation=1)
            assert stage.tokens.save(auth._flow.grant, won)
        return stage.issuer.answer(seen)

    stage.here.answer = answer
    assert stage.api(auth).call("POST", "/x", json={}, write=True).status == 200
    assert stage.here.paths() == ["/token", "/x"]


def test_a_slow_winner_takes_the_newer_token_of_the_store(stage: Stage) -> None:
    newer = Token(access=Secret("access-1"), generation=1)
    auth = stage.credentials()

    def answer(seen: Seen) -> Play:
        if seen.path == "/token":
            stage.issuer.issued = 1
            assert stage.tokens.save(auth._flow.grant, newer)
            return reply(200, {"access_token": "access-late"})
        return stage.issuer.answer(seen)

    stage.here.answer = answer
    assert stage.api(auth).call("GET", "/x", write=False).status == 200
    assert stage.tokens.load(auth._flow.grant) == newer
    assert stage.here.paths() == ["/token", "/x"]


def test_no_thread_sees_a_token_before_it_is_kept(stage: Stage) -> None:
    auth = stage.credentials()

    class Watching(MemoryTokens):
        def save(self, grant: str, token: Token) -> bool:
            assert auth._flow._current is None
            return super().save(grant, token)

    assert stage.api(auth, Watching(stage.clock)).call("GET", "/x", write=False).status == 200


def test_threads_of_one_process_do_not_need_the_reservation(stage: Stage) -> None:
    class Generous(MemoryTokens):
        def lease(self, grant: str, generation: int, lease: timedelta) -> bool:
            return True

    clock = SystemClock()
    api = stage.api(stage.credentials(), Generous(clock), clock)
    together = threading.Barrier(8)

    def call(_: int) -> int:
        together.wait(5)
        return api.call("POST", "/x", json={}, write=True).status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [200] * 8
    assert len(stage.token_calls) == 1


@pytest.mark.parametrize(
    ("play", "expected"),
    [
        (reply(401, {"error": "invalid_client", "error_description": "the client's secret/+="}), Unauthorized),
        (reply(400, {"error": "invalid_scope"}), Unauthorized),
        (reply(429, {}, Retry_After="9"), Throttled),
        (reply(200, {"token": "x"}), Transient),
        (reply(200, b"<html>"), Transient),
        (reply(302, {}, Location="/login"), Transient),
        (reply(500, {}), Transient),
        (RESET, Transient),
    ],
)
def test_without_a_token_nothing_is_sent_and_no_secret_told(
    stage: Stage, play: Play, expected: type[RemoteError]
) -> None:
    stage.issuer.instead = play
    auth = stage.credentials()
    with pytest.raises(RemoteError) as caught:
        stage.api(auth).call("POST", "/x", json={}, write=True)
    assert type(caught.value) is expected
    assert "/x" not in stage.here.paths()
    assert "secret/" not in repr(vars(caught.value)) + str(caught.value)
    # The reservation is given back: the next try is not held up.
    stage.issuer.instead = None
    before = stage.clock.now()
    assert stage.api(auth).call("POST", "/x", json={}, write=True).status == 200
    assert stage.clock.now() == before
