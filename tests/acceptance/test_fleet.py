"""Celery workers drain the lanes instead of threads, with a real broker, real workers and a real daemon.

What they do is compared with what threads did with the same input, whatever is killed meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from connector.clock import SystemClock
from connector.domain.model.intent import WriteKind
from connector.engines.celery import App, announcing, make_app
from connector.secret import Secret
from connector.simulator.faults import Fault, FaultKind
from connector.store import lanes, schema
from connector.store.keyring import KeyRing
from connector.store.writes import WriteState
from connector.testing.rehearsal import Rehearsal
from tests import stores
from tests.acceptance.answers import desk_delivery
from tests.acceptance.fleet import PASSWORD, Broker, Workers, until
from tests.acceptance.holdings import Thing, held
from tests.acceptance.stages import Stage, staged, writes

pytestmark = [pytest.mark.slow, pytest.mark.both_stores]

QUEUE = "surveys"
TIMES = 8  # each lane is announced when that is to do no harm
TOKENS = ("killed", "deaf", "alone")  # what happens while each answer is worked on
ENGINE = f'engine: {{kind: celery, broker: "${{SHOP_BROKER}}", queue: {QUEUE}}}\n'
HANG = 10.0  # seconds the helpdesk takes to answer while we kill
# An existing deployment: an application of its own, to which the connector is attached in two lines.
DEPLOYMENT = """
import os

from celery import Celery

app = Celery("shop", broker=os.environ["SHOP_BROKER"], broker_connection_retry_on_startup=True)

from connector.wiring.fleet import attach
attach(app, "connector.yaml")
"""


def test_workers_do_what_threads_do_whatever_is_killed(tmp_path: Path) -> None:
    key, began = KeyRing.generate(), SystemClock().now()
    with running(tmp_path / "threads", {"CONNECTOR_KEY": key}) as stage:
        for token in TOKENS:
            answer(stage, token, began)
        expected = settled(stage)

    broker = Broker(tmp_path)
    with ExitStack() as stack:
        stack.callback(broker.kill)
        broker.start()
        counted = tmp_path / "counted"
        counted.mkdir()
        environ = {"CONNECTOR_KEY": key, "PROMETHEUS_MULTIPROC_DIR": str(counted), "SHOP_BROKER": broker.url}
        stage = stack.enter_context(running(tmp_path / "workers", environ, ENGINE))
        (stage.folder / "shop.py").write_text(DEPLOYMENT)
        ours = hire(stack, stage, "connector.wiring.fleet", "--pool=solo", "--loglevel=INFO")
        kill_while_a_ticket_is_written(stage, began, ours)
        shops = hire(stack, stage, "shop", "--concurrency=2", f"--queues={QUEUE}")
        go_deaf(stage, broker, began)
        flood(stage, broker)
        assert shops.stop() == 0
        return_to_threads(stage, broker, began)
        found = settled(stage)
        assert stage.rehearsal.metric('connector_announcements_total{outcome="failed"}')
        wrote = 'connector_intents_total{kind="ticket",state="confirmed"}'
        assert stage.rehearsal.metric(wrote) == len(TOKENS), "what workers counted is in the daemon's metrics"

    assert not Counter(expected) - Counter(found), "missing"
    assert not Counter(found) - Counter(expected), "there twice, or another"
    said = (stage.folder / "workers.log").read_text()
    assert '"event": "answer_decided"' in said, "workers log as the daemon does"
    assert "connector.drain[" not in said, "a line for each task"
    assert PASSWORD not in said + stage.rehearsal.log.read_text()


@contextmanager
def running(folder: Path, environ: dict[str, str], engine: str = "") -> Iterator[Stage]:
    """A stage whose daemon runs."""
    store = {"CONNECTOR__STORE": stores.store_url(folder)}
    with staged(folder, overrides={**environ, **store}, dated=False) as stage:
        file = stage.rehearsal.config
        file.write_text(engine + file.read_text())
        stage.rehearsal.start()
        yield stage


def hire(stack: ExitStack, stage: Stage, app: str, *options: str) -> Workers:
    """Start workers; they are killed with the stack."""
    workers = Workers(stage.folder, stage.rehearsal.environ, app, options)
    stack.callback(workers.kill)
    return workers


def answer(stage: Stage, token: str, at: datetime) -> None:
    """An unhappy answer of somebody new: a contact, a score, a ticket, a task, a message."""
    body = desk_delivery(token, at, f"{token}@example.com", 5).encode()
    assert stage.rehearsal.deliver("typeform", body) == 200


def settled(stage: Stage) -> list[Thing]:
    """What the vendors hold once everything is confirmed."""
    now = stage.rehearsal.settle(90)
    unwell = {state: number for state, number in now.intents.items() if state not in {"confirmed", "superseded"}}
    assert not any(unwell.values()), unwell
    assert now.responses == {"decided": len(TOKENS)}
    return held(stage.simulators)


def kill_while_a_ticket_is_written(stage: Stage, began: datetime, workers: Workers) -> None:
    """The helpdesk commits and takes its time to say so; nobody of the worker lives to hear it."""
    faults = stage.simulators.zendesk.site.faults
    faults.add(Fault(match="POST /api/v2/tickets", kind=FaultKind.SLOW_ANSWER, times=None, seconds=HANG))
    answer(stage, "killed", began)
    until(lambda: WriteKind.TICKET in sending(stage.rehearsal), "no ticket is written")
    workers.kill()
    assert WriteKind.TICKET in sending(stage.rehearsal), "the write had ended before the kill"
    faults.clear()
    with stage.rehearsal.db.write() as tx:  # a minute passes, after which the write may be asked about
        under_way = update(schema.write).where(schema.write.c.state == WriteState.SENDING.value)
        tx.execute(under_way.values(sent_at=began - timedelta(minutes=1)))


def go_deaf(stage: Stage, broker: Broker, began: datetime) -> None:
    """Without a broker, answers are taken all the same, and what waited is done when it is back."""
    broker.kill()
    answer(stage, "deaf", began)
    until(lambda: "announcing_stopped" in events(stage), "the daemon does not miss the broker")
    assert stage.rehearsal.status().waiting
    broker.start()
    announce_everything(broker, list(epochs(stage))).close()  # while there is work, which must not be done twice
    stage.rehearsal.settle(60)
    assert Counter(events(stage))["announcing_stopped"] == Counter(events(stage))["announcing_resumed"] == 1


def return_to_threads(stage: Stage, broker: Broker, began: datetime) -> None:
    """The broker is gone for good: the daemon takes over a configuration without it and does the work itself."""
    broker.kill()
    answer(stage, "alone", began)
    file = stage.rehearsal.config
    file.write_text(file.read_text().removeprefix(ENGINE))
    until(lambda: "reloaded" in events(stage), "the daemon does not take the change over")


def flood(stage: Stage, broker: Broker) -> None:
    """Every lane, and one that does not exist, announced many times over while nothing is due."""
    before, taken = writes(stage.simulators), epochs(stage)
    app = announce_everything(broker, list(taken))
    with app.connection_for_read() as line:
        until(lambda: waiting(line) == 0, "the tasks are not taken")
    app.close()
    assert writes(stage.simulators) == before
    again = sum(epochs(stage).values()) - sum(taken.values())
    assert again < len(taken) * TIMES / 2, "a task for a lane that is not due takes it"


def announce_everything(broker: Broker, names: list[str]) -> App:
    """Send the same tasks again and again; the application they were sent with."""
    app = make_app(Secret(broker.url), QUEUE)
    send = announcing(app, QUEUE)
    for name in [*names, "write/nobody"] * TIMES:
        send(name)
    return app


def epochs(stage: Stage) -> dict[str, int]:
    """How often each lane was taken."""
    with stage.rehearsal.db.read() as tx:
        return {one.name: one.epoch for one in lanes.standing(tx)}


def waiting(line: object) -> int:
    """How many tasks wait in the queue."""
    client = line.default_channel.client  # type: ignore[attr-defined]  # of kombu's Redis transport, which is untyped
    return int(client.llen(QUEUE))


def sending(rehearsal: Rehearsal) -> set[WriteKind]:
    """The kinds of the writes that are under way."""
    with rehearsal.db.read() as tx:
        query = select(schema.write.c.kind).where(schema.write.c.state == WriteState.SENDING.value)
        return {WriteKind(kind) for kind in tx.execute(query).scalars()}


def events(stage: Stage) -> list[str]:
    """What the daemon logged."""
    lines = stage.rehearsal.log.read_text().splitlines()
    return [json.loads(line).get("event", "") for line in lines if line.startswith("{")]
