"""Serving the application from a thread of the daemon."""

from __future__ import annotations

import logging
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from connector.errors import ConnectorError

_STOP_SECONDS = 4


class Server:
    """An HTTP server on `host`:`port` (0: any free one), running `app`.

    The socket is bound here, so that an occupied port is an error before anything else starts.

    Raises:
        ConnectorError: the address cannot be bound.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            where = f"cannot listen on {host}:{port}"
            raise ConnectorError(f"{where}: {error.strerror}; end what listens there, or change `listen`") from error
        config = uvicorn.Config(
            app,
            log_config=None,  # the daemon's own logging; access lines would repeat what the metrics say
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        # An address may end in a secret (`/hooks/<connection>/<token>`), whatever else is made of logging.
        logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Start answering. Connections made since the constructor wait in the backlog and are answered too."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests under way, for at most four seconds, and close."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS + 1)
        self._socket.close()
