"""Anything that takes a signed JSON POST: Zapier, Make, Zoho Flow, in-house systems. See docs/vendors/workflow.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.errors import Gone, Rejected, RemoteError, Unauthorized
from connector.ports import Job, Outcome
from connector.secret import Secret
from connector.transport.address import guard
from connector.transport.grants import Wire
from connector.transport.kit import Kit
from connector.transport.signatures import sign

ROLES = frozenset({"workflow"})

CONFLICT = 409
SECRET_PREFIX = "whsec_"  # noqa: S105  # of the Standard Webhooks form; what follows is the secret

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.EVENT: Promise(
            native=False,
            can_ask=False,
            batch=1,
            endpoint_class="default",
            key_window=timedelta(hours=24),
            residual=(
                "An event whose answer was lost is sent again with the same webhook-id for a day: a receiver that does "
                "not remember ids acts twice. What is still unanswered then is given up, told to the operators, and "
                "may have arrived."
            ),
        )
    }
)


class Options(BaseModel):
    """What the YAML says about a receiver of events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Secret = Field(description="Where events are posted; whoever knows it may post, too, so it is kept secret.")
    secret: Secret = Field(description="The signing secret, as text or in the form `whsec_` and base64.")
    headers: dict[str, Secret] = Field(default={}, description="Further headers it wants, such as an API key.")
    timeout: float = Field(default=20, gt=0, le=120, description="Seconds to wait for an answer.")

    @field_validator("url")
    @classmethod
    def _callable(cls, url: Secret) -> Secret:
        try:
            guard(url.reveal(), allow_private=True)
        except RemoteError as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("secret")
    @classmethod
    def _decodable(cls, secret: Secret) -> Secret:
        try:
            key = _key(secret.reveal())
        except binascii.Error:
            raise ValueError("a secret that starts with whsec_ goes on in base64") from None
        if len(key) < 16:
            raise ValueError("expected a secret of at least 16 bytes")
        return secret

    @property
    def account(self) -> str:
        """Which receiver this is, whatever the YAML calls it: its host, and a digest of an address that is secret."""
        parts = urlsplit(self.url.reveal())
        digest = hashlib.sha256(self.url.reveal().encode()).hexdigest()[:8]
        return f"workflow:{parts.hostname}/{digest}"


class Workflow:
    """One receiver. `Item.fields` of an event are `event` (its type) and `data` (an object)."""

    kind = "workflow"
    promises = PROMISES

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self._clock = kit.clock
        self._secret = options.secret
        parts = urlsplit(options.url.reveal())
        # As secrets, so that no error and no log line about a call shows what lets anybody post.
        self._path = Secret(parts.path or "/")
        self._query = tuple((key, Secret(value)) for key, value in parse_qsl(parts.query, keep_blank_values=True))
        headers = _OwnHeaders(options.headers)
        self._api = kit.api(name, f"{parts.scheme}://{parts.netloc}", headers, options.timeout, replies=_reply)

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:  # events are all it writes
        """The event in the Standard Webhooks shape: type, timestamp of the cause, data."""
        (item,) = items
        event: dict[str, Json] = {
            "type": item.fields["event"],
            "timestamp": item.cause_at.isoformat(),
            "data": item.fields["data"],
        }
        return Request(
            method="POST",
            path="",  # where to is a secret of the configuration, not of the write
            body=json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(),
            idempotency_key=f"msg_{hashlib.sha256(item.key.encode()).hexdigest()[:32]}",
        )

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Post the one event, signed as of now: receivers refuse what was signed long ago. Raises RemoteError."""
        message = request.idempotency_key or ""
        stamp = str(int(self._clock.now().timestamp()))
        signed = f"{message}.{stamp}.".encode() + request.body
        reply = self._api.call(
            "POST",
            self._path.reveal(),
            params={key: value.reveal() for key, value in self._query},
            body=request.body,
            headers={
                "webhook-id": message,
                "webhook-timestamp": stamp,
                "webhook-signature": f"v1,{sign(_key(self._secret.reveal()), signed, encoding='base64')}",
            },
            write=True,
        )
        return (Receipt(remote_id=message, created=True, request_id=reply.request_id),)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """A receiver has no jobs."""
        raise Gone("a receiver of events has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """A receiver cannot be asked."""
        raise Rejected("a receiver of events cannot be asked")


class _OwnHeaders:
    """The receiver's own headers; there is nothing to renew."""

    def __init__(self, headers: Mapping[str, Secret]) -> None:
        self._headers = headers

    def headers(self, wire: Wire) -> Mapping[str, str]:
        """What is sent with each event."""
        return {name: value.reveal() for name, value in self._headers.items()}

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        """Nothing can be done about a refusal here."""
        return False


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
    """A receiver that is not there, or sends elsewhere, is a mistake of the address, not of one event."""
    if status in {404, 410}:
        return Unauthorized("nobody takes events at this address any more: check `url`")
    if 300 <= status < 400:
        return Unauthorized("the address sends elsewhere: write where to as `url`")
    if status == CONFLICT:
        # The same again is refused as well: after a backup was put back it was told in another life, in other words.
        return Rejected("the receiver took another event with this id")
    return None


def _key(secret: str) -> bytes:
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()
