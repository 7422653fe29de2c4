"""Requests a vendor sends to us: one POST, its status, nothing else."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

UNREACHABLE = 0
"""The status of a delivery that got no answer."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 10.0) -> int:
    """POST `body` and return the HTTP status, or UNREACHABLE. `timeout` is in seconds."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=timeout)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target or "/", body=body, headers=dict(headers))
        reply = connection.getresponse()
        reply.read()
    except (OSError, http.client.HTTPException):
        return UNREACHABLE
    else:
        return reply.status
    finally:
        connection.close()
