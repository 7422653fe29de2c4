"""At the start every account is compared with the mappings, before the first write could be refused."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.clock import SystemClock, VirtualClock
from connector.config import Loaded, load
from connector.domain.model.intent import WriteKind
from connector.errors import Transient
from connector.ports import Finding
from connector.simulator.suite import start_all
from connector.store import outbox
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.wiring.adapters import Adapters
from connector.wiring.daemon import Daemon
from connector.wiring.readiness import Readiness, fields_written
from tests.unit.deciding import ENVIRON, example
from tests.unit.samples import NOON, empty_store

ROOT = Path(__file__).parents[2]
GAP = Finding(subject="Contact.CSAT_Helth__c", message="the org has no such field", fix="create it", blocking=True)
WISH = Finding(subject="Task.CSAT_Key__c", message="without it tasks are slower", fix="create it, too", blocking=False)


class Account:
    """Describes itself as told."""

    def __init__(self, answer: Callable[[], list[Finding]]) -> None:
        self.account = "salesforce:acme"
        self.asked: list[Mapping[WriteKind, frozenset[str]]] = []
        self.answered = threading.Event()
        self._answer = answer

    def describe(self, fields: Mapping[WriteKind, frozenset[str]]) -> list[Finding]:
        self.asked.append(fields)
        try:
            return self._answer()
        finally:
            self.answered.set()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


@pytest.fixture
def told() -> list[tuple[str, str, str]]:
    return []


def begin(db: Database, account: Account, told: list[tuple[str, str, str]]) -> Readiness:
    readiness = Readiness(
        db=db,
        loaded=example(),
        adapters=Adapters(made={"salesforce": account}),
        notify=lambda _, whom, cause, text: told.append((whom, cause, text)),
    )
    readiness.start()
    return readiness


def join() -> None:
    """Wait until every look is over."""
    for thread in threading.enumerate():
        if thread.name.startswith("readiness/"):
            thread.join(10)
            assert not thread.is_alive()


def look(db: Database, account: Account, told: list[tuple[str, str, str]]) -> None:
    begin(db, account, told)
    join()


def example_with(
    folder: Path,
    config: Mapping[str, str],
    mapping: tuple[str, str, str] | None = None,
    environ: Mapping[str, str] = ENVIRON,
) -> Loaded:
    """The example with replaced texts, and one replaced in a mapping file."""
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    for old, new in config.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    if mapping is not None:
        name, old, new = mapping
        path = folder / "mappings" / name
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return load(folder / "config.yaml", kinds(), environ)


def operators_read(db: Database) -> str:
    """What waits to be posted to the operators."""
    with db.read() as tx:
        rows = outbox.listed(tx)
    return "\n".join(str(row.fields.get("text")) for row in rows if row.kind is WriteKind.ALERT)


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.msg for record in caplog.records if isinstance(record.msg, dict)]


def test_findings_are_logged_and_blocking_ones_told(
    db: Database, told: list[tuple[str, str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    account = Account(lambda: [GAP, WISH])
    look(db, account, told)
    assert [(event["event"], event["subject"], event["fix"]) for event in events(caplog)] == [
        ("account_not_ready", GAP.subject, GAP.fix),
        ("account_not_ready", WISH.subject, WISH.fix),
    ]
    ((whom, cause, text),) = told
    assert (whom, cause) == ("salesforce", "account_not_ready")
    assert GAP.subject in text
    assert GAP.fix in text
    assert WISH.subject not in text
    (asked,) = account.asked
    assert asked == fields_written(example(), "salesforce")
    assert "CSAT_Health__c" in asked[WriteKind.CONTACT_FIELDS]


def test_only_sections_in_use_are_asked_about(tmp_path: Path) -> None:
    loaded = example_with(tmp_path, {"missing: create ": "missing: ignore "})
    assert WriteKind.CONTACT not in fields_written(loaded, "salesforce")
    assert WriteKind.CONTACT in fields_written(example(), "salesforce")


def test_what_is_no_obstacle_is_not_told(db: Database, told: list[tuple[str, str, str]]) -> None:
    look(db, Account(lambda: [WISH]), told)
    assert told == []


@pytest.mark.parametrize("error", [Transient("no route"), KeyError("fields"), ValueError("torn")])
def test_an_account_that_cannot_be_asked_stops_nothing(
    db: Database, told: list[tuple[str, str, str]], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail() -> list[Finding]:
        raise error

    look(db, Account(fail), told)
    (event,) = events(caplog)
    assert (event["event"], event["connection"]) == ("account_not_asked", "salesforce")
    assert told == []


def test_starting_does_not_wait_and_nothing_is_told_after_the_stop(
    db: Database, told: list[tuple[str, str, str]]
) -> None:
    asking = threading.Event()

    def slowly() -> list[Finding]:
        asking.wait(10)
        return [GAP]

    account = Account(slowly)
    readiness = begin(db, account, told)
    assert not account.answered.is_set()
    readiness.stop()
    asking.set()
    assert account.answered.wait(10)
    join()
    assert told == []


def told_at_start(folder: Path, config: Mapping[str, str], mapping: tuple[str, str, str] | None = None) -> str:
    """What the operators hear when a daemon starts beside the simulators."""
    clock = SystemClock()
    with start_all(clock) as simulators:
        environ = {**ENVIRON, **simulators.environment(), "CONNECTOR__LISTEN": "127.0.0.1:0"}
        environ["CONNECTOR_KEY"] = KeyRing.generate()
        daemon = Daemon(example_with(folder, config, mapping, environ), clock)
        daemon.start()
        try:
            ends = clock.monotonic() + 15
            while not (text := operators_read(daemon.db)) and clock.monotonic() < ends:
                clock.wait(threading.Event(), 0.05)
        finally:
            assert daemon.stop(30)
    assert "salesforce:" in text
    return text


def test_a_misspelt_custom_field_is_named_before_anything_is_written(tmp_path: Path) -> None:
    text = told_at_start(tmp_path, {}, ("crm/salesforce.yaml", "CSAT_Health__c", "CSAT_Helth__c"))
    assert "Contact.CSAT_Helth__c" in text
    assert "create the field" in text


def test_a_field_that_only_the_score_reads_is_missed_as_well(tmp_path: Path) -> None:
    text = told_at_start(tmp_path, {"field: Last_Service__c": "field: Last_Servis__c"})
    assert "Contact.Last_Servis__c" in text
    assert "the health score reads it" in text
