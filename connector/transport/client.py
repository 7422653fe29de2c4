"""The one place that speaks HTTP.

`Api.call` ends in a 2xx reply or in one typed error; nobody above ever sees a status table, a time-out or a socket
error. Reads are repeated a little, here and nowhere else. A write goes out once: what its loss means is decided by the
outbox alone. The single exception is the second try after a refused token, which is known not to have been committed.
"""

from __future__ import annotations

import json as json_text
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NotRequired, TypedDict, TypeVar, cast

import httpx
import tenacity

from connector import __version__
from connector.clock import Clock
from connector.domain.model.intent import Json
from connector.errors import InDoubt, Rejected, RemoteError, Transient, Unauthorized
from connector.ports import TokenStore
from connector.secret import redact
from connector.transport import address, lease, replies
from connector.transport.grants import Answer, Auth, MemoryTokens, Wire
from connector.transport.pool import open_client

CONNECT = 5.0
READ = 20.0
REPLY_LIMIT = 16 * 1024 * 1024
READ_ATTEMPTS = 3
TOKEN_ATTEMPTS = 2

T = TypeVar("T")

# Raised before the first byte of the request left this machine.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class Context(TypedDict):
    """What every RemoteError says about where it happened."""

    connection: str
    operation: str
    status: NotRequired[int | None]
    reply: NotRequired[str]
    request_id: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A 2xx answer, read to its end. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str = ""
    connection: str = ""
    operation: str = ""
    write: bool = False

    def json(self) -> Json:
        """The body as JSON; None for 204. Raises InDoubt (of a write) or Transient (of a read) when it is torn."""
        if self.status == 204:
            return None
        try:
            return cast("Json", json_text.loads(self.body))
        except (ValueError, RecursionError):
            kind = InDoubt if self.write else Transient
            raise kind("the reply is not the JSON it should be", **self.context()) from None

    def context(self) -> Context:
        """Keyword arguments for an error about this reply, with a redacted excerpt of it."""
        return Context(
            connection=self.connection,
            operation=self.operation,
            status=self.status,
            reply=replies.excerpt(self.body),
            request_id=self.request_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """What a reply's headers said about a quota.

    `endpoint_class` names the quota as the adapter's promises do; left empty it is that of the call. None: not said.
    """

    endpoint_class: str = ""
    remaining: int | None = None
    limit: int | None = None
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNote:
    """One request that was sent, for metrics. `outcome` is `ok` or the error's class name; `seconds` its duration."""

    connection: str
    endpoint_class: str
    outcome: str
    write: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One call as it was asked for."""

    method: str
    url: str
    params: Mapping[str, str | int] | None
    body: bytes | None
    headers: Mapping[str, str]
    endpoint_class: str
    write: bool
    operation: str


class Api:
    """One vendor account's HTTP endpoint.

    Args:
        connection: the YAML's name for it, for errors and metrics.
        base_url: where paths begin; written down by an operator, so it may be private.
        auth: makes the headers that authorise a call.
        clock: for deadlines, and waits between reads.
        client: an httpx client to ride on; by default one with its own connection pool.
        timeout: seconds without a byte before a call counts as unanswered, and the most an answer may take in all.
        replies: what this vendor does differently from the shared table of `replies.py`.
        on_reply: reads quota headers of every reply.
        on_reading: gets what `on_reply` read, with the connection's name.
        on_call: gets a note of every request.
        tokens: where the grant's tokens are kept.
        read_only: refuse every write before the socket opens (observe mode).
    """

    def __init__(
        self,
        *,
        connection: str,
        base_url: str,
        auth: Auth,
        clock: Clock,
        client: httpx.Client | None = None,
        timeout: float = READ,
        replies: replies.ReplyTable | None = None,
        on_reply: Callable[[Mapping[str, str]], QuotaReading | None] | None = None,
        on_reading: Callable[[str, QuotaReading], None] | None = None,
        on_call: Callable[[CallNote], None] | None = None,
        tokens: TokenStore | None = None,
        read_only: bool = False,
    ) -> None:
        self.connection = connection
        self.base_url = address.guard(base_url, allow_private=True)
        self.readings = on_reading
        self._auth = auth
        self._clock = clock
        self._timeout = timeout
        self._client = client or open_client(self.base_url)
        # Whoever forgets an Api leaves no open socket behind.
        self._closing = weakref.finalize(self, self._client.close if client is None else _leave_open)
        self._override = replies
        self._on_reply = on_reply
        self._on_call = on_call
        self._read_only = read_only
        self._wire = Wire(
            connection=connection,
            post=self._post_form,
            clock=clock,
            tokens=MemoryTokens(clock) if tokens is None else tokens,
        )

    @property
    def patience(self) -> float:
        """Seconds after which a call that was started has ended, one way or another."""
        return patience(self._timeout)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        json: Json = None,
        headers: Mapping[str, str] | None = None,
        endpoint_class: str = "default",
        write: bool,
    ) -> Reply:
        """Make one call and return its 2xx reply.

        `path` starts with `/`, or is a link of the same origin that the vendor gave. `body` goes out as it is; `json`
        is encoded here. Raises LeaseLost before a write that the lease in force does not cover, and RemoteError.
        """
        sent = dict(headers or {})
        if body is None and json is not None:
            body = json_text.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        if body is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        order = _Order(
            method=method.upper(),
            url=address.join(self.base_url, path),
            params=params,
            body=body,
            headers=sent,
            endpoint_class=endpoint_class,
            write=write,
            operation=f"{method.upper()} {redact(path.partition('?')[0])}",
        )
        if not write:
            return self._repeat(lambda: self._authorised(order), READ_ATTEMPTS)
        if self._read_only:
            raise Transient("observe mode: nothing is written", connection=self.connection, operation=order.operation)
        return self._authorised(order)

    def close(self) -> None:
        """Close the connection pool, unless it was brought along."""
        self._closing()

    def _repeat(self, attempt: Callable[[], T], attempts: int) -> T:
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=2),
            retry=tenacity.retry_if_exception_type(Transient),
            reraise=True,
        )
        return retrying(attempt)

    def _sleep(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)

    def _authorised(self, order: _Order) -> Reply:
        credentials = self._auth.headers(self._wire)
        answer = self._exchange(order, credentials)
        if answer.status == 401 and self._auth.renew(self._wire, credentials):
            answer = self._exchange(order, self._auth.headers(self._wire))
        return self._judge(order, answer)

    def _judge(self, order: _Order, answer: Answer) -> Reply:
        request_id = replies.request_id(answer.headers)
        error = replies.read(
            answer.status,
            answer.headers,
            answer.body,
            write=order.write,
            now=self._clock.now(),
            override=self._override,
        )
        if error is None:
            return Reply(
                status=answer.status,
                headers=answer.headers,
                body=answer.body,
                request_id=request_id,
                connection=self.connection,
                operation=order.operation,
                write=order.write,
            )
        error.connection = self.connection
        error.operation = order.operation
        error.status = answer.status
        error.reply = error.reply or replies.excerpt(answer.body)
        error.request_id = request_id
        raise error

    def _exchange(self, order: _Order, credentials: Mapping[str, str]) -> Answer:
        """Send once. Raises InDoubt or Transient when no whole answer came."""
        if order.write:
            lease.check(self.patience)
        started = self._clock.monotonic()
        outcome = "ok"
        try:
            answer = self._send(order, credentials)
            outcome = "ok" if answer.status < 400 else f"http_{answer.status}"
        except RemoteError as error:
            outcome = type(error).__name__
            raise
        finally:
            if self._on_call is not None:
                self._on_call(
                    CallNote(
                        connection=self.connection,
                        endpoint_class=order.endpoint_class,
                        outcome=outcome,
                        write=order.write,
                        seconds=self._clock.monotonic() - started,
                    )
                )
        self._report(order, answer)
        return answer

    def _report(self, order: _Order, answer: Answer) -> None:
        reading = self._on_reply(answer.headers) if self._on_reply else None
        if reading is not None and self.readings is not None:
            self.readings(
                self.connection, replace(reading, endpoint_class=reading.endpoint_class or order.endpoint_class)
            )

    def _send(self, order: _Order, credentials: Mapping[str, str]) -> Answer:
        lost = InDoubt if order.write else Transient
        where = Context(connection=self.connection, operation=order.operation)
        try:
            request = self._client.build_request(
                order.method,
                order.url,
                params=order.params or None,
                content=order.body,
                headers={"User-Agent": f"csat-connector/{__version__}", **order.headers, **credentials},
                timeout=httpx.Timeout(self._timeout, connect=CONNECT, write=CONNECT, pool=CONNECT),
            )
            response = self._client.send(request, stream=True, follow_redirects=False)
            try:
                return self._drink(response, lost, where)
            finally:
                response.close()
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):
            # Not ours to send: a line break or an umlaut in a header. In a token it is a slip of whoever pasted it.
            clean = all(value.isascii() and value.isprintable() for value in credentials.values())
            kind = Rejected if clean else Unauthorized
            raise kind("the address, a header or the token has characters that cannot be sent", **where) from None
        except _NOT_SENT as error:
            raise Transient(f"no connection ({type(error).__name__})", **where) from None
        except httpx.HTTPError as error:
            # The chain is cut on purpose: httpx puts the URL, and h11 pieces of the reply, into its messages.
            raise lost(f"sent, and no whole answer came ({type(error).__name__})", **where) from None

    def _drink(self, response: httpx.Response, lost: type[RemoteError], where: Context) -> Answer:
        """Read the reply to its end, within the size limit and the deadline."""
        deadline = self._clock.monotonic() + self._timeout
        body = bytearray()
        refused = response.status_code >= 400
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > REPLY_LIMIT:
                    if refused:
                        break
                    raise (lost if lost is InDoubt else Rejected)("the reply is too large", **where)
                if self._clock.monotonic() > deadline:
                    raise lost("the reply took too long", **where)
        except httpx.HTTPError:
            # The status alone says what a refusal means; its text may be incomplete.
            if not refused:
                raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, body=bytes(body))

    def _post_form(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Call a token endpoint: like a read, it may be repeated when no answer came."""
        order = _Order(
            method="POST",
            url=address.guard(url, allow_private=True),
            params=None,
            body=body,
            headers=headers,
            endpoint_class="token",
            write=False,
            operation=f"POST {redact(httpx.URL(url).path)}",
        )

        def attempt() -> Answer:
            answer = self._exchange(order, {})
            if answer.status >= 500:
                raise Transient(
                    "the token endpoint failed",
                    connection=self.connection,
                    operation=order.operation,
                    status=answer.status,
                    reply=replies.excerpt(answer.body),
                )
            return answer

        return self._repeat(attempt, TOKEN_ATTEMPTS)


def _leave_open() -> None:
    """A client that was brought along belongs to whoever made it."""


def patience(timeout: float) -> float:
    """Seconds after which a call with this time-out has ended for certain: connecting, sending and waiting included."""
    return 3 * CONNECT + timeout
