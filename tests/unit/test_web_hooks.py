"""Webhooks: what each request is answered, what of it is kept, and that nothing is acknowledged before its commit."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from connector.clock import VirtualClock
from connector.errors import Forged, MappingError, StoreError
from connector.observe import Metrics
from connector.ports import Hook, Page, Record, Source, Ticket, Tickets
from connector.secret import Secret
from connector.store import counts, inbox
from connector.store.database import Database
from connector.store.inbox import DeliveryState
from connector.store.keyring import KeyRing
from connector.store.transaction import Transaction
from connector.sync.collect import Full, Intake, accept
from connector.web import hooks
from connector.web.app import build_app
from connector.web.hooks import Doors
from connector.web.server import Server

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = b"hook secret"


def sign(body: bytes) -> dict[str, str]:
    return {"X-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest()}


class SignedList:
    """A survey source whose request body is a JSON list of answers."""

    kind = "signed-list"

    def verify(self, hook: Hook) -> None:
        if not hmac.compare_digest(hook.headers.get("x-signature", ""), sign(hook.body)["X-Signature"]):
            raise Forged("the signature does not fit")

    def split(self, body: bytes) -> Sequence[bytes]:
        try:
            return [json.dumps(record).encode() for record in json.loads(body)]
        except ValueError as error:
            raise MappingError("is not JSON", field="body") from error

    def read(self, payload: bytes) -> Record | None:
        return None


class SignedTickets(SignedList):
    """A helpdesk that says which tickets changed."""

    account = "desk:acme"
    read_class = "account"

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        return Page(records=[], cursor="", more=False)

    def read_tickets(self, ids: Sequence[str]) -> dict[str, Ticket]:
        return {}

    def read_hook(self, body: bytes) -> Sequence[str]:
        return [str(item) for item in self.split(body)]


class House:
    """A running web server over a store, as a daemon has it."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}/store.db"
        self.keyring = KeyRing([Secret(KeyRing.generate())])
        self.db = Database(self.url, self.keyring, VirtualClock(NOON)).create()
        self.intake = Intake(self.db)
        source: Source = SignedList()
        tickets: Tickets = SignedTickets()
        self.doors: Doors | None = Doors(sources={"survey": source}, tickets={"desk": tickets})
        self.metrics = Metrics()
        app = build_app(
            db=self.db,
            intake=self.intake,
            clock=VirtualClock(NOON),
            doors=lambda: self.doors,
            metrics=self.metrics,
            max_body=1000,
        )
        self.server = Server(app, "127.0.0.1", 0)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.server.port}", timeout=30)

    def post(self, body: bytes, name: str = "survey") -> int:
        return self.client.post(f"/hooks/{name}", content=body, headers=sign(body)).status_code

    def outcomes(self) -> dict[tuple[str, str], float]:
        found = re.findall(r'deliveries_total{outcome="(.*)",source="(.*)"} (.*)', self.client.get("/metrics").text)
        return {(source, outcome): float(value) for outcome, source, value in found}

    def states(self) -> dict[DeliveryState, int]:
        with self.db.read() as tx:
            return {state: number for state, number in inbox.counts(tx).states.items() if number}

    def counted(self) -> dict[str, int]:
        self.intake.wake("flush").result()
        with self.db.read() as tx:
            return counts.all_counts(tx)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.server.start()
    yield house
    house.client.close()
    house.server.stop()
    house.intake.stop()
    house.db.close()


def test_an_authentic_body_is_stored_record_by_record(house: House) -> None:
    assert house.post(b"[1, 2, 3]") == 200
    assert house.states() == {DeliveryState.RECEIVED: 3}
    assert house.outcomes() == {("survey", "accepted"): 3}
    with house.db.read() as tx:
        assert inbox.due(tx, 1)[0].received_at == NOON


def test_a_forged_body_is_counted_and_nothing_of_it_is_kept(house: House) -> None:
    answer = house.client.post("/hooks/survey", content=b"[1]", headers={"X-Signature": "0" * 64})
    assert answer.status_code == 401
    assert house.client.post("/hooks/survey", content=b"[1]").status_code == 401
    assert house.states() == {}
    assert house.counted() == {"forged": 2}
    assert house.outcomes() == {("survey", "forged"): 2}


def test_an_authentic_body_that_cannot_be_split_is_quarantined_and_accepted(house: House) -> None:
    assert house.post(b"{oops") == 200
    with house.db.read() as tx:
        (kept,) = inbox.list_quarantined(tx)
    assert (kept.connection, kept.kind, kept.field, kept.reason) == ("survey", "signed-list", "body", "is not JSON")
    assert house.outcomes() == {("survey", "quarantined"): 1}


@pytest.mark.parametrize("declared", [True, False])
def test_an_oversized_body_is_refused_declared_or_not(house: House, declared: bool) -> None:
    body = b"[" + b"1," * 1000 + b"1]"
    content = body if declared else iter([body[:600], body[600:]])
    assert house.client.post("/hooks/survey", content=content, headers=sign(body)).status_code == 413
    assert house.states() == {}
    assert house.counted() == {"oversized": 1}


def test_a_body_of_exactly_the_limit_is_taken(house: House) -> None:
    body = b'["' + b"x" * 996 + b'"]'
    assert len(body) == 1000
    assert house.post(body) == 200


def test_an_unknown_path_is_never_404(house: House) -> None:
    for answer in (house.client.post("/hooks/nobody/here", content=b"[1]"), house.client.get("/hooks/nobody")):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
    assert house.states() == {}
    assert house.outcomes() == {("", "unknown"): 2}, "a stranger's path is no metric label"


def test_a_starting_daemon_says_503(house: House) -> None:
    house.doors = None
    assert house.post(b"[1]") == 503
    assert house.client.get("/readyz").status_code == 503
    assert house.client.get("/healthz").status_code == 200
    assert house.states() == {}


def test_a_hook_answers_validation_calls(house: House) -> None:
    assert house.client.get("/hooks/survey").json() == {"hook": "survey"}
    assert house.client.head("/hooks/survey").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_hook_knows_no_other_method(house: House, method: str) -> None:
    answer = house.client.request(method, "/hooks/survey", headers=sign(b""))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, GET, HEAD")
    assert house.states() == {}


def test_a_helpdesk_hook_wakes_the_lane_that_reads_its_tickets(house: House) -> None:
    assert house.post(b"[17]", "desk") == 200
    bell = house.db.bell("poll/desk:acme/tickets")
    assert bell.is_set()
    bell.clear()
    assert house.client.post("/hooks/desk", content=b"[17]").status_code == 401
    assert not bell.is_set()
    assert house.post(b"{oops", "desk") == 200, "a hint that cannot be read still means that something changed"
    assert bell.is_set()
    assert house.states() == {}


def test_a_repeat_is_accepted_and_counted(house: House) -> None:
    assert [house.post(b"[1]"), house.post(b"[1]")] == [200, 200]
    with house.db.read() as tx:
        assert inbox.counts(tx).duplicates == 1


def test_ready_commits_a_row_and_metrics_are_shown(house: House) -> None:
    assert house.client.get("/readyz").status_code == 200
    shown = house.client.get("/metrics")
    assert "connector_hook_seconds" in shown.text
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    with refusing_writes(house):
        answer = house.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "cannot persist"


# --- the shared commit


class Commits:
    """Holds commits back until let through, and counts them."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.begun = threading.Event()
        self.gate = threading.Event()
        write = db.write

        @contextmanager
        def counted(*, beside: bool = False) -> Iterator[Transaction]:
            with write(beside=beside) as tx:
                yield tx
                self.begun.set()
                assert self.gate.wait(20)
            self.number += 1

        monkeypatch.setattr(db, "write", counted)


class FullDisk:
    """Stands where the database's writing transaction was."""

    def __call__(self, *, beside: bool = False) -> AbstractContextManager[Transaction]:
        raise StoreError("the store cannot be used: its disk is full")


@contextmanager
def refusing_writes(house: House) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.db, "write", FullDisk())
        yield


def test_concurrent_deliveries_share_commits_and_none_is_acknowledged_before_its_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(house.db, monkeypatch)
    with ThreadPoolExecutor(30) as senders:
        posts = [senders.submit(house.post, b"[0]")]
        assert commits.begun.wait(10)
        posts += [senders.submit(house.post, b"[%d]" % number) for number in range(1, 30)]
        while len(house.intake._waiting.arrivals) < 29:
            assert not any(post.done() for post in posts)
        assert not any(post.done() for post in posts)
        assert commits.number == 0
        commits.gate.set()
        assert {post.result() for post in posts} == {200}
    assert commits.number == 2
    assert house.states() == {DeliveryState.RECEIVED: 30}


def test_who_waits_no_longer_takes_the_commit_from_nobody_who_shares_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(house.db, monkeypatch)
    monkeypatch.setattr(hooks, "_COMMIT_SECONDS", 0.5)
    with ThreadPoolExecutor(2) as senders:
        first = senders.submit(house.post, b"[0]")
        assert commits.begun.wait(10)
        assert first.result(10) == 503
        impatient = senders.submit(house.post, b"[1]")
        while not house.intake._waiting.arrivals:
            time.sleep(0.01)
        time.sleep(0.1)
        monkeypatch.setattr(hooks, "_COMMIT_SECONDS", 25)
        patient = senders.submit(house.post, b"[2]")
        assert impatient.result(10) == 503
        assert not patient.done()
        commits.gate.set()
        assert patient.result(10) == 200
    assert house.states() == {DeliveryState.RECEIVED: 3}, "who was told to come again is a duplicate then"


def test_a_failing_commit_acknowledges_nobody(house: House) -> None:
    with refusing_writes(house), ThreadPoolExecutor(10) as senders:
        statuses = list(senders.map(house.post, [b"[%d]" % number for number in range(10)]))
    assert set(statuses) == {503}
    assert house.states() == {}
    assert house.post(b"[1]") == 200, "the intake goes on once the disk does"


def test_an_error_nobody_foresaw_is_503_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.db.keyring, "seal", lambda label, plain: 1 / 0)
    assert house.post(b"[1]") == 503
    assert house.outcomes() == {("survey", "failed"): 1}


def test_a_full_intake_asks_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(house.db, monkeypatch)
    intake = house.intake
    arrivals = accept("survey", SignedList(), hook(b"[1, 2, 3]"))
    monkeypatch.setattr(intake, "_max_waiting", 5)
    first = intake.submit(arrivals)
    assert commits.begun.wait(10)
    intake.submit(arrivals)
    with pytest.raises(Full):
        intake.submit(arrivals)
    answer = house.client.post("/hooks/survey", content=b"[1, 2, 3]", headers=sign(b"[1, 2, 3]"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    commits.gate.set()
    assert first.result(20) is None


def test_stopping_commits_what_waits(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/store.db", KeyRing([Secret(KeyRing.generate())]), VirtualClock(NOON)).create()
    intake = Intake(db)
    for number in range(20):
        intake.submit(accept("survey", SignedList(), hook(b"[%d]" % number)))
    intake.stop()
    with db.read() as tx:
        assert inbox.counts(tx).states[DeliveryState.RECEIVED] == 20


def hook(body: bytes) -> Hook:
    headers = {name.lower(): value for name, value in sign(body).items()}
    return Hook(method="POST", path="/hooks/survey", headers=headers, body=body, received_at=NOON)
