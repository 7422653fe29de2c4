"""The Celery engine: the workers of a Celery deployment drain the lanes; a task says which one is due.

A task carries a lane's name and nothing else. It is worth nothing by itself: the lane row guards, so that a task that
comes twice, late or for a lane that is held finds nothing to do, and one that is lost is announced again. That is why
it is acknowledged before it runs, never retried by Celery, has no result, and expires.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from connector import observe
from connector.engines.announcer import LONGEST, Send
from connector.errors import ConnectorError
from connector.observe import log
from connector.secret import Secret

if TYPE_CHECKING:
    from celery import Celery

App: TypeAlias = "Celery"
"""A Celery application; the library is an extra, and is imported where it is needed."""

TASK: Final = "connector.drain"
"""The name of the one task there is."""
EXPIRES: Final = 2 * LONGEST
"""Seconds a task is worth something. Longer than any pause between two announcements of a lane that waits, and than
clocks of two machines should differ: expiry is judged by the worker's clock."""

_ONCE_MORE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_REDIS: Final = ("redis", "rediss", "redis+socket", "sentinel")
_TALKATIVE: Final = ("celery.worker.strategy", "celery.worker.request", "celery.app.trace")


def make_app(broker: Secret, queue: str) -> App:
    """An application of our own, to announce with and for workers that do nothing else.

    Raises:
        ConnectorError: Celery, or its client for this broker, is not installed.
    """
    scheme = broker.reveal().partition("://")[0]
    if find_spec("celery") is None or (scheme in _REDIS and find_spec("redis") is None):
        raise ConnectorError("the Celery engine needs its library: pip install 'csat-connector[celery]'")
    from celery import Celery

    app = Celery("connector", broker=broker.reveal(), set_as_current=False)
    app.conf.update(
        broker_connection_max_retries=None,  # a broker that is away comes back some day
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_connect_timeout": 4, "socket_timeout": 8} if scheme in _REDIS else {},
        task_default_queue=queue,
        task_ignore_result=True,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,  # a task that waits behind a long drain could run elsewhere
    )
    return app


def announcing(app: App, queue: str) -> Send:
    """Puts a task for a lane into `queue`."""

    def send(lane: str) -> None:
        app.send_task(
            TASK,
            args=[lane],
            queue=queue,
            expires=EXPIRES,
            ignore_result=True,
            serializer="json",
            retry=True,  # at once, on a new connection: the one in the pool may have died of old age
            retry_policy=_ONCE_MORE,
        )

    return send


def register(app: App, drain: Callable[[str], None], close: Callable[[], None]) -> None:
    """Let the workers of `app` take the task; `drain` gives a lane its turn if it is due.

    `close` is called when a process that drained ends.
    """
    from celery.signals import worker_process_shutdown, worker_shutdown

    def end(**_: Any) -> None:
        close()

    for signal in (worker_process_shutdown, worker_shutdown):  # of a child, and of a pool without children
        signal.connect(end, weak=False)

    # Not shared: else every other application of this process would get the task, with this one's configuration.
    @app.task(name=TASK, shared=False, acks_late=False, ignore_result=True, max_retries=0, serializer="json")
    def take(lane: object) -> None:
        """Drain a lane of the CSAT connector if it is due."""
        if not isinstance(lane, str):
            return
        try:
            drain(lane)
        except Exception as error:  # noqa: BLE001  # a worker's edge: Celery would log the traceback with its values
            words = str(error) if isinstance(error, ConnectorError) else None
            log("engines").error("drain_crashed", lane=lane, error=type(error).__name__, reason=words)


def log_like_the_daemon() -> None:
    """Workers of this process log as the daemon does: JSON lines, nothing secret, no line for each task."""
    from celery.signals import setup_logging

    setup_logging.connect(_configure, weak=False)


def _configure(loglevel: int = logging.INFO, **_: Any) -> None:
    observe.configure(logging.getLevelName(loglevel))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
