"""What the connector lets people see of itself: log events as JSON lines, and metrics.

Every event, ours or a library's, passes one processor that hides known secrets and the shapes of personal data, also in
tracebacks. That is the second line of defence; the first is that payloads, names and comments are never logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from structlog.typing import EventDict, Processor, WrappedLogger

from connector.secret import redact

WIRE_LOGGERS = ("httpx", "httpcore", "urllib3", "requests", "hpack")
"""At INFO httpx prints URLs, at DEBUG httpcore prints every header: they stay silent whatever the level."""
ADDRESS_LOGGERS = ("uvicorn.access",)
"""Print the address of whoever called; the hooks are counted in metrics instead."""
STATEMENT_LOGGERS = ("alembic", "sqlalchemy")
"""At INFO they tell every statement and migration step, at DEBUG every row."""
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "sqlalchemy")

# Made by the logging machinery itself; the digits of a time of day look like a phone number.
_OURS = frozenset({"timestamp", "level", "logger"})
_DEPTH = 6
# Delete and the upper controls, invisible and direction-changing characters, line separators, private use. Each of them
# is one UTF-16 unit, so that its escape is one, too.
_STEERING = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ue000-\uf8ff]"
)


class Log(Protocol):
    """What a room needs of a logger: an event's name in a few fixed words, and fields that hold no payload."""

    def debug(self, event: str, **fields: object) -> object:
        """For someone who looks for a bug."""
        ...

    def info(self, event: str, **fields: object) -> object:
        """Something an operator may want to know happened."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Something an operator should look at some day."""
        ...

    def error(self, event: str, **fields: object) -> object:
        """Something an operator should look at now."""
        ...

    def exception(self, event: str, **fields: object) -> object:
        """An error together with the exception that is being handled."""
        ...


def log(room: str) -> Log:
    """The logger of a room, `connector.<room>`. Redacts by itself, configured or not."""
    made = structlog.wrap_logger(
        logging.getLogger(f"connector.{room}"),
        processors=[
            structlog.stdlib.filter_by_level,
            *_prepare(),
            hide,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return cast("Log", made)


def dumps(document: object, **options: Any) -> str:
    """JSON in which no character steers a terminal or ends a line: text in it may come from anybody.

    What json leaves as it is of control, invisible and private characters is written as `\\uXXXX`; it reads back alike.
    """
    text = json.dumps(document, ensure_ascii=False, **options)
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def correlate(**fields: str | int) -> AbstractContextManager[None]:
    """Within the block, every event of this thread carries `fields`, such as `response=17` or `lane="decide"`."""
    return cast("AbstractContextManager[None]", structlog.contextvars.bound_contextvars(**fields))


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every event of the process, libraries' included, as one JSON line to `stream` (stderr by default)."""
    writer = logging.StreamHandler(stream or sys.stderr)
    writer.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_prepare(),
            processors=[
                _hide_foreign,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=dumps, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(level.upper())
    for name in OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in (*ADDRESS_LOGGERS, *STATEMENT_LOGGERS):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    quiet()


def quiet() -> None:
    """Silence the libraries that log URLs and headers."""
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor every event passes: secrets and personal data become `…`, wherever they stand in it."""
    for name in [name for name in event if name not in _OURS and not name.startswith("_")]:
        event[name] = _hidden(event[name], _DEPTH)
    return event


def _hide_foreign(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The same for what libraries log; our own events have been through it (see `log`), and it is not free."""
    return event if event.get("_from_structlog") else hide(logger, method, event)


def _hidden(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {redact(str(name)): _hidden(part, depth - 1) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(part, depth - 1) for part in value]
    return redact(str(value))


def _prepare() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


class DeliveryOutcome(StrEnum):
    """What is counted of deliveries: all but the last two at the door, those when a delivery that was kept is read."""

    ACCEPTED = "accepted"
    EMPTY = "empty"
    FORGED = "forged"
    OVERSIZED = "oversized"
    UNFINISHED = "unfinished"
    BUSY = "busy"
    FAILED = "failed"
    STARTING = "starting"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One metric as it is documented: its kind, its labels, and what it counts."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    labels: tuple[str, ...]
    doc: str
    buckets: tuple[float, ...] = ()


PREFIX = "connector_"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client itself decides, when it is imported, to count in files of a folder."""
_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

# Alerts and dashboards hold on to these names and labels: add, never rename. No label ever holds personal data.
METRICS: Mapping[str, Shape] = MappingProxyType(
    {
        "deliveries_total": Shape(
            kind=Counter,
            labels=("source", "outcome"),
            doc=f"Deliveries by connection and outcome: {', '.join(DeliveryOutcome)}. The last two are counted when a "
            "delivery that was accepted is read; what cannot even be told apart is quarantined at the door.",
        ),
        "hook_seconds": Shape(
            kind=Histogram,
            labels=("source",),
            doc="Seconds from a webhook's arrival to its answer, the commit included.",
            buckets=_FAST,
        ),
        "responses_total": Shape(
            kind=Counter, labels=("state",), doc="Response versions by the state they reached: decided, quarantined."
        ),
        "intents_total": Shape(
            kind=Counter, labels=("kind", "state"), doc="Intents by kind of write and the state they reached."
        ),
        "write_seconds": Shape(
            kind=Histogram,
            labels=("kind",),
            doc="Seconds from planning an intent to its receipt.",
            buckets=_SLOW,
        ),
        "remote_calls_total": Shape(
            kind=Counter,
            labels=("connection", "endpoint", "outcome"),
            doc="Requests sent, by connection, endpoint class and outcome: ok, http_<status>, or the error's name.",
        ),
        "remote_seconds": Shape(kind=Histogram, labels=("connection",), doc="Seconds a request took.", buckets=_FAST),
        "quota_remaining": Shape(
            kind=Gauge, labels=("connection", "endpoint"), doc="What the vendor last said is left of a quota."
        ),
        "lane_lag_seconds": Shape(
            kind=Gauge,
            labels=("lane",),
            doc="Age of the oldest work that is due in a lane, for a feed since it should have been read again; 0 when "
            "it is idle.",
        ),
        "lane_errors_total": Shape(
            kind=Counter, labels=("lane",), doc="Drains that ended in an unexpected error; the lane goes on."
        ),
        "announcements_total": Shape(
            kind=Counter,
            labels=("outcome",),
            doc="With `engine: celery`: due lanes announced to the broker, by outcome: sent, failed.",
        ),
        "connection_paused": Shape(
            kind=Gauge, labels=("connection",), doc="1 while an operator has paused the connection, else 0."
        ),
        "storm": Shape(
            kind=Gauge,
            labels=("survey",),
            doc="1 while what a survey's answers lead to is held because too many of them are unhappy, else 0.",
        ),
        "config_ok": Shape(
            kind=Gauge,
            labels=(),
            doc="1 while the configuration is active as its files have it, 0 while a changed one is refused.",
        ),
    }
)


class Metrics:
    """The metrics of one process, in a registry of their own. The table above names them; others do not exist."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made = {name: self._make(name, shape) for name, shape in METRICS.items()}

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter. Raises KeyError for a name, ValueError for labels that are not in the table."""
        metric = self._child(name, labels)
        assert isinstance(metric, Counter), f"{name} is no counter"
        metric.inc(amount)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        metric = self._child(name, labels)
        assert isinstance(metric, Gauge), f"{name} is no gauge"
        metric.set(value)

    def time(self, name: str, seconds: float, /, **labels: str) -> None:
        """Record a duration in a histogram."""
        metric = self._child(name, labels)
        assert isinstance(metric, Histogram), f"{name} is no histogram"
        metric.observe(seconds)

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format 0.0.4, the content of `/metrics`.

        Where `PROMETHEUS_MULTIPROC_DIR` names a folder, that of every process that counts there (Celery workers do).
        """
        folder = os.environ.get(SHARED)
        if not folder:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]  # prometheus_client says no types
        return generate_latest(together)

    def _make(self, name: str, shape: Shape) -> Counter | Gauge | Histogram:
        if shape.buckets:
            return Histogram(PREFIX + name, shape.doc, shape.labels, buckets=shape.buckets, registry=self._registry)
        if shape.kind is Gauge:  # of several processes that set it, whoever did so last is right
            return Gauge(
                PREFIX + name, shape.doc, shape.labels, registry=self._registry, multiprocess_mode="mostrecent"
            )
        return shape.kind(PREFIX + name, shape.doc, shape.labels, registry=self._registry)

    def _child(self, name: str, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        metric = self._made[name]
        return metric.labels(**labels) if labels or METRICS[name].labels else metric
