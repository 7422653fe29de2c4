"""Anything that can sign a JSON POST. See docs/vendors/webhook.md."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector.errors import Forged, MappingError
from connector.ports import Hook, Record
from connector.secret import Secret
from connector.transport import bodies
from connector.transport.kit import Kit
from connector.transport.signatures import check_fresh, verify_hmac

ROLES = frozenset({"source"})

PLAIN_SIGNATURE = "x-signature"
# https://www.standardwebhooks.com: what is signed is `id.timestamp.body`; signatures are separated by spaces.
STANDARD_ID, STANDARD_TIME, STANDARD_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
STANDARD_PREFIX = "whsec_"


def _key(secret: str) -> bytes:
    """A secret of the Standard Webhooks form is base64 of the key; any other is the key itself."""
    if secret.startswith(STANDARD_PREFIX):
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    return secret.encode()


class Options(BaseModel):
    """What the YAML says about an in-house source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_secret: list[Secret] = Field(
        min_length=1, description="The signing secret; several while you rotate, any of them is accepted."
    )

    @field_validator("webhook_secret")
    @classmethod
    def _decodable(cls, secrets: list[Secret]) -> list[Secret]:
        for secret in secrets:
            try:
                _key(secret.reveal())
            except binascii.Error:
                raise ValueError("a secret that starts with whsec_ goes on in base64") from None
        return secrets


class Webhook:
    """One in-house system that posts answers, one an object, or several in an array."""

    kind = "webhook"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:  # every adapter is called so
        self._secrets = tuple(options.webhook_secret)

    def verify(self, hook: Hook) -> None:
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
        found = bodies.read_object(payload)
        if not found:
            return None
        return Record(
            id=bodies.text(found, "id"),
            form=bodies.text(found, "form"),
            submitted_at=bodies.instant(found, "submitted_at"),
            answers=bodies.part(found, "answers"),
            hidden=bodies.part(found, "hidden"),
            metadata=bodies.part(found, "metadata"),
        )


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
