"""Anything that can post JSON: signed, or told by a secret in a header or in the hook's address.

See docs/vendors/webhook.md.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector.errors import Forged, MappingError
from connector.ports import Hook, Record, Row
from connector.secret import Secret
from connector.transport import rows
from connector.transport.kit import Kit
from connector.transport.signatures import check_fresh, verify_hmac, verify_secret

ROLES = frozenset({"source"})

PLAIN_SIGNATURE = "x-signature"
# https://www.standardwebhooks.com: what is signed is `id.timestamp.body`; signatures are separated by spaces.
STANDARD_ID, STANDARD_TIME, STANDARD_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
STANDARD_PREFIX = "whsec_"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")


def _key(secret: str) -> bytes:
    """A secret of the Standard Webhooks form is base64 of the key; any other is the key itself."""
    if secret.startswith(STANDARD_PREFIX):
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    return secret.encode()


class Header(BaseModel):
    """A header that carries a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,100}$", description="Its name: `X-Token`.")
    secret: list[Secret] = Field(min_length=1, description="Its value; several while you rotate.")


class Options(BaseModel):
    """What the YAML says about an in-house source: exactly one way to tell its hooks from others."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_secret: list[Secret] | None = Field(
        default=None,
        min_length=1,
        description="The signing secret; several while you rotate, any of them is accepted. Prefer this.",
    )
    header: Header | None = Field(default=None, description="For senders that cannot sign: a secret in a header.")
    path_token: list[Secret] | None = Field(
        default=None,
        min_length=1,
        description="For senders that can do neither: the end of the hook's address, /hooks/<connection>/<token>.",
    )

    @model_validator(mode="after")
    def _one(self) -> Options:
        if sum(each is not None for each in (self.webhook_secret, self.header, self.path_token)) != 1:
            raise ValueError("expected exactly one of webhook_secret, header and path_token")
        return self

    @field_validator("path_token")
    @classmethod
    def _unguessable(cls, tokens: list[Secret] | None) -> list[Secret] | None:
        if not all(_TOKEN.fullmatch(token.reveal()) for token in tokens or ()):
            raise ValueError("a path token has at least 20 letters, digits, - and _: `openssl rand -hex 20` makes one")
        return tokens

    @field_validator("webhook_secret")
    @classmethod
    def _decodable(cls, secrets: list[Secret] | None) -> list[Secret] | None:
        for secret in secrets or ():
            try:
                _key(secret.reveal())
            except binascii.Error:
                raise ValueError("a secret that starts with whsec_ goes on in base64") from None
        return secrets


class Webhook:
    """One in-house system that posts answers, one an object, or several in an array."""

    kind = "webhook"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:  # every adapter is called so
        self._secrets = tuple(options.webhook_secret or ())
        self._header = options.header
        self._tokens = tuple(options.path_token or ())
        self.has_path_token = bool(self._tokens)

    def verify(self, hook: Hook) -> None:
        """The secret in the header or the address where one is configured, else the signature. Raises Forged."""
        if self._header is not None:
            verify_secret(self._header.secret, hook.headers.get(self._header.name.lower(), ""))
        elif self._tokens:
            verify_secret(self._tokens, hook.path.rpartition("/")[2])
        else:
            self._verify_signature(hook)

    def _verify_signature(self, hook: Hook) -> None:
        """Standard Webhooks headers where there are any, else `X-Signature: sha256=<hex HMAC of the raw body>`.

        Raises Forged, also when a Standard Webhooks timestamp is more than five minutes off.
        """
        headers = hook.headers
        if STANDARD_SIGNATURE not in headers:
            verify_hmac(self._secrets, hook.body, headers.get(PLAIN_SIGNATURE, ""), encoding="hex", prefix="sha256=")
            return
        if STANDARD_ID not in headers or STANDARD_TIME not in headers:
            raise Forged("a Standard Webhooks header is missing")
        signed = f"{headers[STANDARD_ID]}.{headers[STANDARD_TIME]}.".encode() + hook.body
        given = headers[STANDARD_SIGNATURE].split()
        verify_hmac(self._secrets, signed, given, encoding="base64", prefix="v1,", key=_key)
        check_fresh(headers[STANDARD_TIME], hook.received_at)

    def split(self, body: bytes) -> Sequence[bytes]:
        """The array's elements, byte for byte as they stand in it; anything else is one delivery."""
        if not body.lstrip().startswith(b"["):
            return (body,)
        try:
            return _elements(body.decode())
        except (ValueError, RecursionError):
            raise MappingError("is not a JSON array", field="body") from None

    def read(self, payload: bytes) -> Record | None:
        """The answer; None for an empty object, which senders use to try a connection. Raises MappingError."""
        return rows.read_record(payload)

    def deliver(self, row: Row) -> bytes:
        """A row of a file as this system would have posted it."""
        return rows.deliver(row)


def _elements(text: str) -> Sequence[bytes]:
    """The source text of each element of a JSON array. Raises ValueError when it is not one."""
    json.loads(text)
    decoder = json.JSONDecoder()
    found: list[bytes] = []
    place = _next(text, text.index("[") + 1)
    while text[place] != "]":
        _, end = decoder.raw_decode(text, place)
        found.append(text[place:end].encode())
        place = _next(text, end)
        if text[place] == ",":
            place = _next(text, place + 1)
    return found


def _next(text: str, place: int) -> int:
    """The first place from `place` on that is no white space."""
    while text[place] in " \t\r\n":
        place += 1
    return place
