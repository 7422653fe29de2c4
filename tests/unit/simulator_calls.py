"""Plain HTTP to a simulator, below everything of ours: http.client, bytes out, bytes in."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.clock import VirtualClock

JSON_TYPE = {"Content-Type": "application/json"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def new_clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One reply; `data` is the parsed JSON, None without a body, and the text where it is no JSON."""

    status: int
    data: Any
    headers: Mapping[str, str]


class Caller:
    """Speaks to one simulator over one kept-alive connection."""

    def __init__(self, base_url: str) -> None:
        self.address = base_url.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.address, timeout=5)
        self.token = ""

    def send(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        raw: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        body = raw if data is None else json.dumps(data)
        sent = {**(JSON_TYPE if data is not None else {}), **self._bearer(), **(headers or {})}
        self.connection.request(method, path, body=body, headers=sent)
        reply = self.connection.getresponse()
        text = reply.read()
        return Got(status=reply.status, data=_parsed(text), headers={k.lower(): v for k, v in reply.getheaders()})

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def close(self) -> None:
        self.connection.close()


def _parsed(text: bytes) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


@contextmanager
def calling(base_url: str) -> Iterator[Caller]:
    caller = Caller(base_url)
    try:
        yield caller
    finally:
        caller.close()
