"""Which keys a store was written with: the one its blind indexes hang on, and those that sealed a part of it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable

from sqlalchemy import bindparam, select

from connector.errors import StoreError
from connector.store.keyring import KeyRing
from connector.store.prepared import Prepared
from connector.store.schema import meta
from connector.store.transaction import Transaction

INDEX = "meta.index_key"
_CHECK = "key_check"
_KEY_IDS = "key_ids"
_INDEX_KEY = "index_key"
_SOME = Prepared(
    select(meta.c.name, meta.c.value).where(meta.c.name.in_(bindparam("names", expanding=True))), lists=["names"]
)


def fit(tx: Transaction, ring: KeyRing) -> KeyRing | None:
    """The ring as this store uses it; None when the store does not know every key of it yet.

    Raises:
        StoreError: the store was made with other keys, or a key that sealed a part of it is missing.
    """
    known = _known(tx)
    if _CHECK not in known:
        return None
    used = set(json.loads(known[_KEY_IDS]))
    if used.isdisjoint(ring.key_ids):
        raise StoreError("privacy.keys does not hold the key this store was made with: restore it")
    if missing := sorted(used - set(ring.key_ids)):
        raise StoreError(
            f"privacy.keys lacks key {', '.join(missing)}, which sealed a part of this store: restore it; "
            "`connector keys reseal` makes it unnecessary"
        )
    if _INDEX_KEY not in known or not used >= set(ring.key_ids):
        return None
    return ring.indexed_by(ring.unseal(INDEX, b64decode(known[_INDEX_KEY])))


def remember(tx: Transaction, ring: KeyRing) -> KeyRing:
    """Write down what this store is sealed and indexed with, and return the ring as it uses it. Raises StoreError."""
    tx.insert_ignore(meta, {"name": _CHECK, "value": ring.check_value()})
    tx.insert_ignore(meta, {"name": _KEY_IDS, "value": json.dumps(sorted(ring.key_ids))})
    fit(tx, ring)  # another process may have been first, perhaps with another ring
    known = _known(tx)
    if _INDEX_KEY not in known:  # made by a version that took the oldest key for it
        index = ring.index_of(known[_CHECK])
        if index is None:
            raise StoreError("privacy.keys does not hold the key this store was made with: restore it")
        reseal_index(tx, ring.indexed_by(index))
    _put(tx, _KEY_IDS, json.dumps(sorted({*json.loads(known[_KEY_IDS]), *ring.key_ids})))
    fitting = fit(tx, ring)
    assert fitting is not None
    return fitting


def reseal_index(tx: Transaction, ring: KeyRing) -> None:
    """Keep the key of the blind indexes, sealed with the ring's first key."""
    _put(tx, _INDEX_KEY, b64encode(ring.seal(INDEX, ring.index)).decode())


def used(tx: Transaction) -> tuple[str, ...]:
    """Hex ids of the keys that may have sealed a part of the store."""
    return tuple(json.loads(tx.execute(_SOME, {"names": [_KEY_IDS]}).one().value))


def no_longer_used(tx: Transaction, ids: Iterable[str]) -> None:
    """Nothing is sealed with these keys any more: they may be missing from now on."""
    _put(tx, _KEY_IDS, json.dumps(sorted(set(used(tx)) - set(ids))))


def _known(tx: Transaction) -> dict[str, str]:
    rows = tx.execute(_SOME, {"names": [_CHECK, _KEY_IDS, _INDEX_KEY]})
    return {row.name: row.value for row in rows}


def _put(tx: Transaction, name: str, value: str) -> None:
    tx.upsert(meta, {"name": name, "value": value}, keys=["name"], update=["value"])
