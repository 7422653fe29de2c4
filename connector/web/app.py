"""The web application: webhooks, health and metrics."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from connector.clock import Clock
from connector.errors import StoreError
from connector.observe import Metrics
from connector.store import pauses
from connector.store.database import Database
from connector.sync.collect import Intake
from connector.web.hooks import MAX_BODY, Doors, Receiver

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
) -> FastAPI:
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
    app = FastAPI(title="CSAT Connector", openapi_url=None)
    receiver = Receiver(intake=intake, clock=clock, doors=doors, metrics=metrics, max_body=max_body)
    app.include_router(receiver.router())

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

    app.add_api_route("/healthz", healthz)
    app.add_api_route("/readyz", readyz)
    app.add_api_route("/metrics", show_metrics)
    return app
