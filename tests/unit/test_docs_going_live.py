"""docs/going-live.md shows what the commands really print. `python -m tests.unit.test_docs_going_live` writes it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

import connector.cli.plan
from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState
from connector.domain.model.response import Interaction, Respondent, Sentiment, Understanding
from connector.domain.model.transitions import Event
from connector.store import accounts, inbox, intents, outbox, runs
from connector.store.inbox import Arrival
from connector.store.runs import RunKind
from tests.unit.deciding import ENVIRON, feed, known_contact
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_docs_setup import ROOT, typed, written
from tests.unit.test_preview import KEY, Desk
from tests.unit.test_wiring_readiness import example_with

PAGE = ROOT / "docs" / "going-live.md"
TYRES = Interaction(id="R-2", kind="repair_order", service="tyres")
UNSAFE = Understanding(language="en", sentiment=Sentiment.NEGATIVE, compound=-0.8, themes=("safety",))


@contextlib.contextmanager
def observed() -> Iterator[Desk]:
    """Yesterday's unhappy answer of a known customer, this morning's of a stranger; all of it held by observe mode."""
    folder = Path(tempfile.mkdtemp(prefix="connector-docs-"))
    environ = {**ENVIRON, "CONNECTOR_KEY": KEY, "CONNECTOR__STORE": f"sqlite:///{folder}/store.db"}
    environ["ZENDESK_CLIENT_ID"] = "csat-connector"
    clock = VirtualClock(NOON - timedelta(days=1))
    with pytest.MonkeyPatch.context() as patch:
        for name, text in {**environ, "COLUMNS": "100"}.items():
            patch.setenv(name, text)
        patch.delenv("CONNECTOR_CONFIG", raising=False)
        patch.setattr(connector.cli.plan, "running_clock", lambda: clock)
        (folder / "config").mkdir()
        desk = Desk(folder, example_with(folder / "config", {}, environ=environ), clock, empty_store(folder, clock))
        with desk.db.write() as tx:
            desk.db.run_id = runs.begin(tx, RunKind.START, mode="observe", config="")
        known_contact(desk.db, "0035g0000000042AAA", values={"CSAT_Health__c": 78.4, "CSAT_Band__c": "healthy"})
        feed(desk.db, answer(at=clock.now(), comment="The brakes are dangerous now."), understanding=UNSAFE)
        desk.decide()
        clock.advance(timedelta(days=1) - timedelta(minutes=20))
        kim = Respondent(email="kim.lund@example.com", name="Kim Lund")
        feed(desk.db, answer("2", stars=3, respondent=kim, interaction=TYRES, comment=None, at=clock.now()))
        desk.decide()
        with desk.db.write() as tx:
            for row in outbox.listed(tx, state=IntentState.PLANNED):
                intents.move(tx, row, Event.OBSERVED, "observe mode")
        clock.advance(timedelta(minutes=20))
        patch.chdir(folder / "config")
        yield desk
        desk.db.close()
    shutil.rmtree(folder, ignore_errors=True)


def _came(desk: Desk) -> None:
    """The deliveries the two answers came in, and one that could not be read."""
    with desk.db.write() as tx:
        reasons = {b"1": None, b"2": None, b"3": "is not on the scale 1-5"}
        rows = [
            Arrival(
                connection="typeform",
                kind="typeform",
                payload=payload,
                received_at=tx.now,
                field=reason and "ratings[0]",
                reason=reason,
            )
            for payload, reason in reasons.items()
        ]
        inbox.add(tx, rows)
        for number, delivery in enumerate(inbox.due(tx, limit=2), start=1):
            inbox.mark_mapped(tx, delivery.id, number)


def screens() -> Mapping[str, str]:
    """Every screen of the page."""
    with observed() as desk, pytest.MonkeyPatch.context() as patch:
        shown = {
            "plan": typed("plan", "--config", "config.yaml", "--limit", "1"),
            "explain": typed("explain", "1", "--config", "config.yaml"),
        }
        _came(desk)
        with desk.db.write() as tx:
            accounts.pause(tx, "salesforce:acme", "the credentials were refused")
        patch.setenv("CONNECTOR__CONNECTIONS__SALESFORCE__OWNER", "Sam Rivera, CRM team, +1 555 0100")
        shown["status"] = typed("status", "--config", "config.yaml")
        patch.setenv("CONNECTOR__CONNECTIONS__ZENDESK__QUOTA__SHARE", "20%")
        told = typed("config", "show", "--config", "config.yaml").splitlines()
        lines = [line for line in told if line.startswith("connections.zendesk.")]
        shown["config-show"] = "\n".join(lines).replace(f"{desk.folder}/config", "/etc/csat-connector")
    return shown


@pytest.mark.slow
def test_the_screens_are_what_the_commands_print() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, screens()) == page, "run `make docs`"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), screens()), encoding="utf-8")


if __name__ == "__main__":
    main()
