"""Webhook signatures: a keyed hash over the raw bytes, compared in constant time, several secrets while one rotates."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from connector.errors import Forged
from connector.secret import Secret

WINDOW = timedelta(minutes=5)
Encoding = Literal["base64", "hex"]
Algorithm = Literal["sha1", "sha256", "sha512"]


def verify_hmac(
    secrets: Sequence[Secret],
    payload: bytes,
    given: str | Sequence[str],
    *,
    encoding: Encoding = "hex",
    algorithm: Algorithm = "sha256",
    prefix: str = "",
    key: Callable[[str], bytes] = str.encode,
) -> None:
    """Raise Forged unless one of `given` is the HMAC of `payload` under one of `secrets`.

    `prefix` stands before the encoded hash (`sha256=`); a value without it does not count. `key` turns a secret's text
    into the key's bytes.
    """
    offered = [given] if isinstance(given, str) else list(given)
    digests = [
        text.removeprefix(prefix).strip().lower() if encoding == "hex" else text.removeprefix(prefix).strip()
        for text in offered
        if text.startswith(prefix)
    ]
    expected = [sign(key(secret.reveal()), payload, encoding=encoding, algorithm=algorithm) for secret in secrets]
    # A list, not a generator: how long it takes says nothing about which pair matched.
    matches = [hmac.compare_digest(mine.encode(), theirs.encode()) for mine in expected for theirs in digests]
    if not any(matches):
        raise Forged("the signature does not match" if digests else "the signature is missing")


def verify_secret(secrets: Sequence[Secret], given: str) -> None:
    """Raise Forged unless `given` is one of `secrets`."""
    matches = [hmac.compare_digest(secret.reveal().encode(), given.encode()) for secret in secrets]
    if not any(matches):
        raise Forged("the secret does not match" if given else "the secret is missing")


def sign(key: bytes, payload: bytes, *, encoding: Encoding = "hex", algorithm: Algorithm = "sha256") -> str:
    """The HMAC of `payload`, as lower-case hex or padded base64."""
    digest = hmac.new(key, payload, getattr(hashlib, algorithm)).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def check_fresh(given: str, now: datetime, window: timedelta = WINDOW) -> None:
    """Raise Forged unless `given`, Unix seconds or an ISO-8601 instant, lies within `window` of `now`, either side."""
    try:
        claimed = datetime.fromtimestamp(int(given), UTC) if given.isdigit() else datetime.fromisoformat(given)
    except (ValueError, OverflowError, OSError):
        raise Forged("the signature's timestamp cannot be read") from None
    if claimed.tzinfo is None or abs(claimed - now) > window:
        raise Forged("the signature's timestamp is too far from now")
