"""What one would write instead of the connector's web edge. Imports nothing of it, so that it starts as lightly."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from base64 import b64encode
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import LargeBinary, String, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker


class Base(DeclarativeBase):
    """The tables of the endpoint below."""


class Delivery(Base):
    """One delivery, byte for byte."""

    __tablename__ = "delivery"
    event: Mapped[str] = mapped_column(String, primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


def plain_app(folder: Path, secret: str, *, threaded: bool) -> FastAPI:
    """A signed webhook endpoint as FastAPI's and SQLAlchemy's pages show it: a session and a commit a request.

    `threaded`: a plain function, which FastAPI runs in threads; otherwise a coroutine that commits where it stands.
    """
    engine = create_engine(f"sqlite:///{folder / 'plain.db'}", connect_args={"timeout": 30})
    event.listen(engine, "connect", _pragmas)
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    app = FastAPI(openapi_url=None)

    def keep(request: Request, body: bytes) -> dict[str, str]:
        if not hmac.compare_digest(request.headers.get("typeform-signature", ""), _sign(secret, body)):
            raise HTTPException(401)
        with sessions() as session:
            _store(session, Delivery(event=json.loads(body)["event_id"], body=body))
        return {"status": "accepted"}

    async def body_of(request: Request) -> bytes:
        return await request.body()

    def in_threads(request: Request, body: bytes = Depends(body_of)) -> dict[str, str]:
        return keep(request, body)

    async def in_place(request: Request) -> dict[str, str]:
        return keep(request, await request.body())

    app.add_api_route("/hooks/typeform", in_threads if threaded else in_place, methods=["POST"], response_model=None)
    return app


def _pragmas(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _store(session: Session, delivery: Delivery) -> None:
    session.add(delivery)
    try:
        session.commit()
    except IntegrityError:  # it is there already
        session.rollback()


def serve(tell: Connection, folder: Path, secret: str, threaded: bool) -> None:  # noqa: FBT001  a process's argument
    config = uvicorn.Config(plain_app(folder, secret, threaded=threaded), port=0, access_log=False, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    tell.send(socket.getsockname()[1])
    server.run([socket])


def _sign(secret: str, body: bytes) -> str:
    """As Typeform does."""
    return "sha256=" + b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
