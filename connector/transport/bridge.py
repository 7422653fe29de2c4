"""Carries the calls of an SDK built on `requests` over our own client.

The SDK builds requests and reads replies; deadlines, authorisation, the error table, quotas, metrics and redaction are
ours. Failures leave as our typed errors, before a retry loop of the SDK could see a status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from io import BytesIO
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from connector.transport.client import Api, Reply

# Ours, or of one hop only. Whatever the SDK believes about credentials does not leave the house.
_NOT_CARRIED = frozenset({"authorization", "connection", "content-length", "cookie", "host", "user-agent"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Bridge(BaseAdapter):
    """A `requests` transport adapter over one Api. Mount it for `https://` and `http://`.

    Only path and query of the SDK's URL are used; host and credentials are the Api's. `is_write(method, path)` tells
    writes from reads, by default by method. `endpoint_class` names the quota of all calls.
    """

    def __init__(
        self,
        api: Api,
        *,
        endpoint_class: str = "default",
        is_write: Callable[[str, str], bool] = lambda method, _path: method not in _READS,
    ) -> None:
        super().__init__()
        self._api = api
        self._endpoint_class = endpoint_class
        self._is_write = is_write

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001  # the signature of `requests`
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: FBT001
        cert: str | bytes | tuple[str | bytes, str | bytes] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Make the call. Raises RemoteError or LeaseLost; the SDK's own time-outs and proxies are not used."""
        method = (request.method or "GET").upper()
        parts = urlsplit(request.url or "")
        path = parts.path or "/"
        body = request.body
        reply = self._api.call(
            method,
            f"{path}?{parts.query}" if parts.query else path,
            body=body.encode() if isinstance(body, str) else body,
            headers={name: value for name, value in request.headers.items() if name.lower() not in _NOT_CARRIED},
            endpoint_class=self._endpoint_class,
            write=self._is_write(method, path),
        )
        if reply.body and "json" in reply.headers.get("content-type", ""):
            reply.json()  # a torn reply fails here, as ours, before the SDK's parser makes an error of its own
        return _response(request, reply)

    def close(self) -> None:
        """Nothing to close: the Api belongs to whoever made it."""


def session(api: Api, *, endpoint_class: str = "default") -> requests.Session:
    """A `requests` session all of whose calls go over `api`; nothing is taken from the environment."""
    made = requests.Session()
    made.trust_env = False
    made.max_redirects = 0
    made.mount("https://", Bridge(api, endpoint_class=endpoint_class))
    made.mount("http://", Bridge(api, endpoint_class=endpoint_class))
    return made


def _response(request: requests.PreparedRequest, reply: Reply) -> requests.Response:
    response = requests.Response()
    response.status_code = reply.status
    response.url = request.url or ""
    response.request = request
    # The body was decoded already, so the headers that describe its encoding no longer hold.
    response.headers.update(
        {
            name: value
            for name, value in reply.headers.items()
            if name not in {"content-encoding", "content-length", "transfer-encoding"}
        }
    )
    response.raw = _Raw(reply.body)
    content_type = Message()
    content_type["content-type"] = reply.headers.get("content-type", "")
    response.encoding = content_type.get_content_charset("utf-8")
    return response


class _Raw(BytesIO):
    """A body as `requests` reads and as `requests.cookies` inspects one."""

    _original_response = None
