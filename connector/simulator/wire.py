"""The socket side of a simulator: a threaded HTTP/1.1 server that can also break its connections properly."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_IMMEDIATE = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time left: closing sends RST instead of FIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The bytes of one reply, none where `status` is 0.

    `announced` is a false Content-Length; `reset` breaks the connection afterwards.
    """

    status: int = 0
    head: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced: int | None = None
    reset: bool = False


RESET = Sent(reset=True)
"""No reply at all: the connection is reset."""

Receive = Callable[[str, str, Mapping[str, str], bytes], Sent]


class Listener:
    """Listens on loopback and hands every request to `receive(method, target, headers, body)`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.base_url = ""

    def start(self, port: int) -> str:
        """Listen on 127.0.0.1:`port` (0: any free one); returns the base URL."""
        self._stopping.clear()
        self._server = _Server(("127.0.0.1", port), self._receive)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve, name="simulator", daemon=True)
        self._thread.start()
        return self.base_url

    def stop(self) -> None:
        """Stop listening and break every open connection. Harmless when not started."""
        self._stopping.set()
        if self._server is None or self._thread is None:
            return
        self._server.end()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self._server = self._thread = None

    def pause(self, seconds: float) -> None:
        """Block the calling connection for real seconds, or until `stop`."""
        self._stopping.wait(seconds)


class Server(socketserver.TCPServer):
    """Serves until it is told to end, and sleeps in between.

    The library's own loop wakes up again and again to look whether it should end: with the eight vendors of a rehearsal
    nearly a thousand times a second.
    """

    _is_ending = False

    def serve(self) -> None:
        """Hand over every connection, until `end` is called in another thread."""
        while not self._is_ending:
            self.handle_request()

    def end(self) -> None:
        """Let `serve` return, soon."""
        self._is_ending = True
        with suppress(OSError):  # whoever has ended by now needs no waking
            socket.create_connection(self.server_address[:2]).close()  # type: ignore[arg-type]  # IPv4: str, int

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whoever comes during the end is not served."""
        return not self._is_ending


class _Server(Server, ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """The default of 5 refuses connections when a pool opens at once."""

    def __init__(self, address: tuple[str, int], receive: Receive) -> None:
        self.receive = receive
        self.aborted: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Conversation)

    def server_bind(self) -> None:
        # HTTPServer asks DNS for its own name here, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # IPv4: str, int

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
            aborted = request in self.aborted
            self.aborted.discard(request)
        if aborted:
            # A shutdown would send FIN first and turn the reset into an orderly end.
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):
            # The client went away, or `stop` closed the socket under a waiting read.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing: the request log is the record."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        sent = self.server.receive(self.command, self.path, headers, body)
        if sent.status:
            self.wfile.write(_bytes(sent))
        if sent.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _IMMEDIATE)
            self.server.aborted.add(self.connection)
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815  # http.server's names


def _bytes(sent: Sent) -> bytes:
    """Head and body in one piece, so that a reply is one segment."""
    lines = [f"HTTP/1.1 {sent.status} {_REASONS.get(sent.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in sent.head.items()]
    if sent.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(sent.body) if sent.announced is None else sent.announced}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + sent.body
