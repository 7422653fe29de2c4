"""Web servers in processes of their own, to be posted to: the connector's edge, and what one would write instead."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from types import TracebackType

from benchmarks.plain import serve
from connector.adapters.registry import kinds
from connector.clock import SystemClock
from connector.config import load
from connector.observe import Metrics
from connector.simulator.typeform import SECRET
from connector.store.keyring import KeyRing
from connector.store.tokens import Tokens
from connector.sync.collect import Intake
from connector.transport.kit import Kit
from connector.web.app import build_app
from connector.web.hooks import Doors
from connector.web.server import Server
from connector.wiring.adapters import make_adapters
from connector.wiring.opening import open_store

ROOT = Path(__file__).parents[1]


def _serve_edge(tell: Connection, folder: Path) -> None:
    clock = SystemClock()
    (folder / "connector.yaml").write_text((ROOT / "config.example.yaml").read_text())
    (folder / "mappings").symlink_to(ROOT / "mappings")
    secrets = ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "ZENDESK_CLIENT_ID", "ZENDESK_CLIENT_SECRET")
    others = ("ZENDESK_WEBHOOK_SECRET", "SLACK_TOKEN", "INHOUSE_SECRET")
    environ = {**dict.fromkeys((*secrets, *others), "unused"), "TYPEFORM_SECRET": SECRET}
    loaded = load(folder / "connector.yaml", kinds(), {**environ, "CONNECTOR_KEY": KeyRing.generate()})
    db = open_store(loaded.config, clock).create()
    adapters = make_adapters(loaded.config, Kit(clock=clock, token_store=Tokens(db)))
    doors = Doors(sources=adapters.sources)
    app = build_app(db=db, intake=Intake(db), clock=clock, doors=lambda: doors, metrics=Metrics())
    server = Server(app, "127.0.0.1", 0)
    server.start()
    tell.send(server.port)
    Event().wait()


class Serving:
    """A server in another process, until the `with` block is left."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.port: int = ours.recv()  # fails with EOFError when it died

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.join()


def plain(folder: Path, *, threaded: bool) -> Serving:
    """The plain endpoint on a store of its own."""
    folder.mkdir(parents=True)
    return Serving(serve, folder, SECRET, threaded)


def edge(folder: Path) -> Serving:
    """The connector's web edge and intake on a store of its own, and no lane that would work on what comes in."""
    folder.mkdir(parents=True)
    return Serving(_serve_edge, folder)
