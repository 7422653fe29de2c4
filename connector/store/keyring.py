"""The key ring: sealing personal data, and finding it again without being able to read it.

A key is 32 random bytes as URL-safe base64. It is never used as it is: HKDF-SHA256 derives from it a sealing key, a key
id and the key that blind indexes would have. A store is indexed under that of the key that was the oldest when it was
made, and keeps it, sealed, so that every key of the ring can be replaced (`connector keys`). A sealed value is

    version (1 byte) ‖ key id (4 bytes) ‖ nonce (12 bytes) ‖ AES-256-GCM ciphertext and tag

with the label of its column as additional data, so that a value moved to another column does not open there. Nonces are
random; AES-GCM with 96-bit random nonces is safe for about 2³² values a key (NIST SP 800-38D, 8.3), some hundred years
of a million responses a month.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from connector.errors import StoreError
from connector.secret import Secret

KEY_BYTES = 32
_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = len(_VERSION) + _ID_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    id: bytes
    cipher: AESGCM
    index: bytes


class KeyRing:
    """The keys of `privacy.keys`: the first one seals, every one opens.

    Blind indexes hang on the last, oldest key until `indexed_by` says which key a store is really indexed under.

    Raises:
        StoreError: there is no key, one is not 32 bytes of base64, or two are the same.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        if not keys:
            raise StoreError("privacy.keys is empty: make a key with `connector init` and put it into the environment")
        self._keys = tuple(_open_key(key, position) for position, key in enumerate(keys, start=1))
        self._by_id = {key.id: key for key in self._keys}
        if len(self._by_id) != len(self._keys):
            raise StoreError("privacy.keys holds the same key twice: remove one of them")
        self._index = self._keys[-1].index

    @staticmethod
    def generate() -> str:
        """A new random key, in the form `privacy.keys` takes."""
        return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Hex ids of the keys, in order. They tell keys apart and say nothing about them."""
        return tuple(key.id.hex() for key in self._keys)

    @property
    def index(self) -> bytes:
        """The key of the blind indexes. It leaves the process sealed only."""
        return self._index

    def index_of(self, check_value: str) -> bytes | None:
        """The key a store that remembers `check_value` is indexed under, where one of the ring's is it."""
        return next((key.index for key in self._keys if _check(key.index) == check_value), None)

    def indexed_by(self, index: bytes) -> KeyRing:
        """The same ring, with `index` as the key of its blind indexes."""
        made = copy(self)
        object.__setattr__(made, "_index", index)
        return made

    def seal(self, label: str, plain: bytes) -> bytes:
        """Encrypt `plain` for the column `label` with the first key."""
        key = self._keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + key.id + nonce + key.cipher.encrypt(nonce, plain, label.encode())

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Decrypt what `seal` made for the same label.

        Raises:
            StoreError: its key is not in the ring, or the value was altered or belongs to another column.
        """
        key_id = sealed[len(_VERSION) : len(_VERSION) + _ID_BYTES]
        key = self._by_id.get(key_id)
        if sealed[: len(_VERSION)] != _VERSION or key is None:
            raise StoreError(
                f"a value of {label} was sealed with key {key_id.hex()}: put that key back into privacy.keys"
            )
        nonce = sealed[len(_VERSION) + _ID_BYTES : _HEADER_BYTES]
        try:
            return key.cipher.decrypt(nonce, sealed[_HEADER_BYTES:], label.encode())
        except InvalidTag:
            raise StoreError(f"a value of {label} does not open: the file was altered or is damaged") from None

    def blind(self, domain: str, text: str) -> str:
        """A keyed digest of `text` (64 hex digits), equal for equal texts of one domain, to find what is sealed."""
        return self.blind_bytes(domain, text.encode())

    def blind_bytes(self, domain: str, payload: bytes) -> str:
        """The same over bytes, without copying them."""
        digest = hmac.new(self._index, digestmod=hashlib.sha256)
        name = domain.encode()
        digest.update(len(name).to_bytes(2) + name)  # the length keeps ("a", "bc") apart from ("ab", "c")
        digest.update(payload)
        return digest.hexdigest()

    def check_value(self) -> str:
        """What tells the key of the blind indexes apart from others, and says nothing about it."""
        return _check(self._index)


def key_id(sealed: bytes) -> str:
    """Hex id of the key a value was sealed with."""
    return sealed[len(_VERSION) : len(_VERSION) + _ID_BYTES].hex()


def _check(index: bytes) -> str:
    return hmac.new(index, b"check value", hashlib.sha256).hexdigest()


def _open_key(key: Secret, position: int) -> _Key:
    text = key.reveal().strip()
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise StoreError(f"key {position} of privacy.keys is not 32 bytes of base64: make one with `connector init`")
    return _Key(_derive(raw, b"key id", _ID_BYTES), AESGCM(_derive(raw, b"seal")), _derive(raw, b"blind index"))


def _derive(raw: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"csat-connector/" + purpose).derive(raw)
