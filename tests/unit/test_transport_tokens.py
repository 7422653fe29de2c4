"""Both token stores keep one contract, and a grant stays single-flight over the real one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock, VirtualClock
from connector.ports import Token, TokenStore
from connector.secret import Secret
from connector.store.database import Database
from connector.store.tokens import Tokens
from connector.transport.client import Api
from connector.transport.grants import ClientCredentials, MemoryTokens
from tests.stores import store_url
from tests.unit.loopback import Play, Seen, reply, vendor
from tests.unit.samples import empty_store

pytestmark = pytest.mark.both_stores

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
LEASE = timedelta(seconds=10)


def token(generation: int) -> Token:
    return Token(
        access=Secret(f"access-{generation}"),
        refresh=Secret(f"refresh-{generation}"),
        generation=generation,
        expires_at=NOW + timedelta(hours=generation),
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture(params=["memory", "store"])
def tokens(request: pytest.FixtureRequest, clock: VirtualClock, tmp_path: Path) -> TokenStore:
    return MemoryTokens(clock) if request.param == "memory" else Tokens(empty_store(tmp_path, clock))


def test_there_is_nothing_before_the_first(tokens: TokenStore) -> None:
    assert isinstance(tokens, TokenStore)
    assert tokens.load("g") is None
    assert tokens.lease("g", 0, LEASE)
    assert tokens.load("g") is None


def test_a_token_comes_back_as_it_was(tokens: TokenStore) -> None:
    bare = Token(access=Secret("access-2"), generation=2)
    assert tokens.save("g", token(1))
    assert tokens.load("g") == token(1)
    assert tokens.save("g", bare)
    assert tokens.load("g") == bare
    assert tokens.load("another") is None


def test_one_holder_at_a_time_until_the_reservation_runs_out(tokens: TokenStore, clock: VirtualClock) -> None:
    assert tokens.lease("g", 0, LEASE)
    assert not tokens.lease("g", 0, LEASE)
    assert tokens.lease("another", 0, LEASE)
    clock.advance(LEASE)
    assert tokens.lease("g", 0, LEASE)


def test_saving_and_releasing_end_the_reservation(tokens: TokenStore) -> None:
    assert tokens.lease("g", 0, LEASE)
    tokens.release("g", 0)
    assert tokens.lease("g", 0, LEASE)
    assert tokens.save("g", token(1))
    assert tokens.lease("g", 1, LEASE)


def test_only_the_next_generation_is_kept(tokens: TokenStore) -> None:
    assert not tokens.save("g", token(2))
    assert tokens.save("g", token(1))
    assert not tokens.save("g", token(1))
    assert tokens.load("g") == token(1)


def test_a_reservation_is_of_one_generation(tokens: TokenStore) -> None:
    assert tokens.save("g", token(1))
    assert not tokens.lease("g", 0, LEASE)
    assert tokens.lease("g", 1, LEASE)
    tokens.release("g", 0)
    assert not tokens.lease("g", 1, LEASE)


def test_the_reservation_of_a_dead_process_is_not_waited_for(tmp_path: Path, clock: VirtualClock) -> None:
    db = empty_store(tmp_path, clock)
    first, second = (Tokens(db, name, is_dead={"first"}.__contains__) for name in ("first", "second"))
    assert first.lease("g", 0, LEASE)
    assert second.lease("g", 0, LEASE)
    assert not first.lease("g", 0, LEASE), "a living process has it"
    second.release("g", 0)
    assert first.save("g", token(1))
    assert not second.lease("g", 0, LEASE), "whoever holds it, the store is past it"
    assert second.lease("g", 1, LEASE)


def test_eight_processes_on_one_store_refresh_once(tmp_path: Path) -> None:
    issued: list[Seen] = []

    def answer(seen: Seen) -> Play:
        if seen.path == "/token":
            issued.append(seen)
            return reply(200, {"access_token": f"access-{len(issued)}", "expires_in": 1800})
        return reply(200, {}) if seen.headers["authorization"] == f"Bearer access-{len(issued)}" else reply(401, {})

    made = empty_store(tmp_path, VirtualClock(NOW))
    ring, clock, together = made.keyring, SystemClock(), threading.Barrier(8)

    def call(here: str) -> int:
        tokens = Tokens(Database(store_url(tmp_path), ring, clock))
        auth = ClientCredentials(token_url=f"{here}/token", client_id="client", client_secret=Secret("hush-hush"))
        api = Api(connection="acme", base_url=here, auth=auth, clock=clock, tokens=tokens)
        together.wait(10)
        return api.call("POST", "/x", json={}, write=True).status

    with vendor(answer) as here, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, [here.url] * 8)) == [200] * 8
    assert len(issued) == 1
