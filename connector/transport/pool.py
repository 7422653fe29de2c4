"""The connection pool of one vendor account."""

from __future__ import annotations

import ssl

import httpx

from connector import observe
from connector.transport import address


def open_client(base_url: str) -> httpx.Client:
    """An httpx client with a connection pool for one vendor account, whose loggers stay silent.

    Idle connections are dropped after 4 s, sooner than common servers (5 s and up) drop theirs: a write on a connection
    the server is just closing would be in doubt. Proxies from the environment are not used for this very machine.
    """
    observe.quiet()
    local = address.is_loopback(base_url)
    return httpx.Client(
        verify=_trusting_nobody() if local and base_url.startswith("http://") else True,
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=4.0),
        trust_env=not local,
    )


def _trusting_nobody() -> ssl.SSLContext:
    """For a simulator, which speaks no TLS: reading every authority there is takes longer than a test."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
