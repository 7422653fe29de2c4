"""A vendor on loopback whose every byte, silence and reset a test decides."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What happens after a request was read: send `raw`, wait, then keep the connection, close it or reset it."""

    raw: bytes = b""
    wait: float = 0
    then: str = "keep"


def reply(status: int, body: object = None, **headers: str) -> Play:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return Play(raw="\r\n".join(lines).encode() + content)


RESET = Play(then="reset")
CLOSE = Play(then="close")


@dataclass
class Vendor:
    """Answers every request with what `answer` says; `seen` is the log."""

    answer: Callable[[Seen], Play]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    connections: int = 0

    def paths(self) -> list[str]:
        return [request.path for request in self.seen]


@contextmanager
def vendor(answer: Callable[[Seen], Play]) -> Iterator[Vendor]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = Vendor(answer=answer, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        open_connections: list[socket.socket] = []
        stop = threading.Event()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                here.connections += 1
                open_connections.append(connection)
                threading.Thread(target=_serve, args=(here, connection, stop), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield here
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)
            for connection in open_connections:
                connection.close()


def _serve(here: Vendor, connection: socket.socket, stop: threading.Event) -> None:
    stream = connection.makefile("rb")
    try:
        while (request := _read(stream)) is not None:
            here.seen.append(request)
            play = here.answer(request)
            connection.sendall(play.raw)
            if stop.wait(play.wait):
                return
            if play.then == "reset":
                # Linger on with no time: closing sends RST.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if play.then != "keep":
                return
    except OSError:
        return
    finally:
        stream.close()
        connection.close()


def _read(stream: object) -> Seen | None:
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]
    first = readline().decode().split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Seen(method=first[0], target=first[1], headers=headers, body=read(int(headers.get("content-length", "0"))))
