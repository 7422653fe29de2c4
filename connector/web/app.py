"""The web application: webhooks, health and metrics."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.clock import Clock
from connector.errors import StoreError
from connector.observe import Metrics
from connector.store import pauses
from connector.store.database import Database
from connector.sync.collect import Intake
from connector.web.hooks import MAX_BODY, PREFIX, Doors, Receiver

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the Prometheus text format."""


def build_app(
    *,
    db: Database,
    intake: Intake,
    clock: Clock,
    doors: Callable[[], Doors | None],
    metrics: Metrics,
    before_metrics: Callable[[], None] = lambda: None,
    max_body: int = MAX_BODY,
) -> ASGIApp:
    """The application of one daemon.

    Args:
        db: for `/readyz`, which commits a row to prove that it can.
        intake: where deliveries go.
        clock: stamps deliveries.
        doors: the connections that receive webhooks; None while there is no usable configuration.
        metrics: counts hook requests by their outcome, and is what `/metrics` shows.
        before_metrics: called before `/metrics` is shown, to measure what is only worth measuring then.
        max_body: bytes of the largest body taken.
    """
    pages = FastAPI(title="CSAT Connector", openapi_url=None)
    receiver = Receiver(intake=intake, clock=clock, doors=doors, metrics=metrics, max_body=max_body)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # FastAPI has nothing to read or check of a hook, and its way there costs as much as all the rest.
        is_hook = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (receiver.answer if is_hook else pages)(scope, receive, send)

    def healthz() -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    def readyz() -> Response:
        """Deliveries would be accepted: a configuration is loaded and a commit reaches the disk."""
        if doors() is None:
            return JSONResponse({"status": "starting"}, status_code=503)
        try:
            db.probe()
            with db.read() as tx:
                paused = [one.connection for one in pauses.listed(tx)]
        except StoreError as error:
            return JSONResponse({"status": "cannot persist", "reason": str(error)}, status_code=503)
        return JSONResponse({"status": "ready", **({"paused": paused} if paused else {})})

    def show_metrics() -> Response:
        """Counters and gauges for Prometheus."""
        before_metrics()
        return PlainTextResponse(metrics.exposition(), media_type=METRICS_TYPE)

    pages.add_api_route("/healthz", healthz)
    pages.add_api_route("/readyz", readyz)
    pages.add_api_route("/metrics", show_metrics)
    return app
