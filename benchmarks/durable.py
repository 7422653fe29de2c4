"""The same steps as durable workflows of DBOS: one workflow an answer, every call a step that is remembered.

Needs the extra `bench`. Runs in a process of its own, which calls `open_engine` once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, SetWorkflowID

from benchmarks.script import ATTEMPTS, Places, Script, read

NAME, QUEUE, VERSION = "survey-answers", "answers", "1"
AT_ONCE = 16
_OPTIONS: dict[str, Any] = {
    "retries_allowed": True,
    "max_attempts": ATTEMPTS,
    "interval_seconds": 0.1,
    "backoff_rate": 2.0,
}


class Engine:
    """DBOS at work on one database, with one queue of at most sixteen workflows at once."""

    def __init__(self, url: str, places: Places) -> None:
        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": url,
            "log_level": "ERROR",
            "application_version": VERSION,
            "executor_id": "bench",
        }
        DBOS(config=config)
        self._script = Script(places)

        def handle(text: str) -> None:  # it decorates functions, not methods
            self._handle(text)

        def step(what: str, text: str, contact: str = "", ticket: str = "") -> Any:
            return self._do(what, text, contact, ticket)

        self._workflow: Callable[[str], None] = DBOS.workflow(name="handle")(handle)
        self._step: Callable[..., Any] = DBOS.step(name="step", **_OPTIONS)(step)

    def launch(self) -> None:
        """Begin; what an earlier process left is taken up again."""
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=0.1)

    def enqueue(self, bodies: Sequence[bytes]) -> list[Any]:
        """One workflow an answer, named after it, so that a repeated delivery starts nothing."""
        handles = []
        for body in bodies:
            text = body.decode()
            with SetWorkflowID(read(body).token):
                handles.append(DBOS.enqueue_workflow(QUEUE, self._workflow, text))
        return handles

    def close(self) -> None:
        """End."""
        DBOS.destroy()

    def _handle(self, text: str) -> None:
        answer = read(text.encode())
        contact = self._step("find", answer.email) or self._step("create", text)
        self._step("log", text, contact)
        self._step("score", text, contact)
        if answer.unhappy:
            ticket = self._step("ticket", text)
            self._step("task", text, contact, ticket)

    def _do(self, what: str, text: str, contact: str, ticket: str) -> Any:
        crm = self._script.crm
        if what == "find":
            return crm.find(text)
        answer = read(text.encode())
        match what:
            case "create":
                return crm.create(answer)
            case "log":
                return crm.log(contact, answer)
            case "score":
                return crm.score(contact, self._script.points(answer))
            case "ticket":
                return self._script.desk.ticket(answer)
            case _:
                return crm.task(contact, answer, ticket)


def put_in(url: str, places: Places, bodies: Sequence[bytes]) -> None:
    """Workflows for an engine that does not run yet."""
    engine = Engine(url, places)
    engine.launch()  # makes its tables
    engine.close()
    client = DBOSClient(system_database_url=url)
    for body in bodies:
        client.enqueue(
            {
                "workflow_name": "handle",
                "queue_name": QUEUE,
                "workflow_id": read(body).token,
                "app_version": VERSION,
            },
            body.decode(),
        )
    client.destroy()


def serve(url: str, places: Places) -> None:
    """Do what waits, until killed."""
    Engine(url, places).launch()
    Event().wait()
