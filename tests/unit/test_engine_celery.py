"""The Celery engine's edges: what a task carries, what a worker does with any of them, a library that is missing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.signals import worker_process_shutdown

from connector.engines.announcer import LONGEST
from connector.engines.celery import EXPIRES, TASK, announcing, make_app, register
from connector.errors import ConnectorError, StoreError
from connector.secret import Secret

BROKER = Secret("redis://:lighthouse@127.0.0.1:1/0")


@pytest.fixture
def app() -> Iterator[Celery]:
    """An application with a broker inside this process."""
    made = Celery("shop", broker="memory://", set_as_current=False)
    yield made
    made.close()


def work(app: Celery, *lanes: object, error: Exception | None = None) -> list[str]:
    """Run the task for each of `lanes` as a worker does; what was drained."""
    drained: list[str] = []

    def drain(lane: str) -> None:
        drained.append(lane)
        if error is not None:
            raise error

    register(app, drain, lambda: None)
    for lane in lanes:
        app.tasks[TASK].apply(args=(lane,), throw=True)
    return drained


def test_a_task_is_a_lane_s_name_that_expires_and_has_no_result(app: Celery) -> None:
    announcing(app, "surveys")("write/zendesk:acme")
    with app.connection_for_read() as line:
        message = line.SimpleQueue("surveys").get(block=False)
        message.ack()
    headers: dict[str, Any] = message.headers
    assert headers["task"] == TASK == "connector.drain"
    assert message.payload[0] == ["write/zendesk:acme"]
    assert headers["ignore_result"] is True
    left = datetime.fromisoformat(headers["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=EXPIRES - 30) < left <= timedelta(seconds=EXPIRES)
    assert EXPIRES > LONGEST, "else a lane that waits would have no task that is worth something"


def test_the_task_is_acknowledged_before_it_runs_whatever_the_deployment_prefers(app: Celery) -> None:
    app.conf.update(task_acks_late=True, task_ignore_result=False)
    assert work(app, "decide") == ["decide"]
    task = app.tasks[TASK]
    assert (task.acks_late, task.ignore_result, task.max_retries) == (False, True, 0)


def test_another_application_of_the_process_does_not_get_the_task(app: Celery) -> None:
    work(app, "decide")
    with Celery("other", broker="memory://", set_as_current=False) as other:
        assert TASK not in other.tasks


def test_what_is_no_name_of_a_lane_is_left(app: Celery) -> None:
    assert work(app, None, 7, ["decide"], {"lane": "decide"}) == []


@pytest.mark.parametrize("error", [StoreError("the disk said no"), ZeroDivisionError("maria@example.com")])
def test_an_error_is_logged_without_personal_data_and_fails_no_task(
    app: Celery, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with caplog.at_level(logging.DEBUG):
        work(app, "decide", error=error)
    assert "drain_crashed" in caplog.text
    assert type(error).__name__ in caplog.text
    assert "maria" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_process_that_ends_lets_go(app: Celery) -> None:
    ended: list[str] = []
    register(app, ended.append, lambda: ended.append("closed"))
    worker_process_shutdown.send(sender=None)
    assert ended == ["closed"]


def test_a_broker_that_is_away_is_an_error_at_once() -> None:
    app = make_app(BROKER, "connector")
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        announcing(app, "connector")("decide")
    assert "lighthouse" not in str(caught.value)
    app.close()


@pytest.mark.parametrize("library", ["celery", "redis"])
def test_without_the_library_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConnectorError, match=r"pip install 'csat-connector\[celery\]'"):
        make_app(BROKER, "connector")


def test_rabbitmq_needs_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    app = make_app(Secret("amqp://csat:lighthouse@rabbit.example.com//"), "connector")
    assert app.conf.task_default_queue == "connector"
    app.close()
