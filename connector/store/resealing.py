"""Sealing the whole store anew under the first key of the ring, in slices, so that older keys can be dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, LargeBinary, Table, and_, func, select, tuple_, update

from connector.store import keys
from connector.store.columns import metadata
from connector.store.keyring import KeyRing, key_id
from connector.store.transaction import Transaction

SLICE = 200
"""Values sealed anew in one transaction: some milliseconds."""
_ID_AT, _ID_BYTES = 2, 4  # where a sealed value says which key it needs; positions count from 1
DIGESTS = frozenset({"contact.blocks"})  # binary, and keyed digests rather than sealed


@dataclass(frozen=True, slots=True)
class Place:
    """A sealed column."""

    table: Table
    column: Column[bytes]

    @property
    def label(self) -> str:
        """What its values are bound to."""
        return f"{self.table.name}.{self.column.name}"


def places() -> Iterator[Place]:
    """Every sealed column: the binary ones, but for packed digests."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            place = Place(table, column)
            if isinstance(column.type, LargeBinary) and place.label not in DIGESTS:
                yield place


def under_keys(tx: Transaction) -> Counter[str]:
    """How many values each key has sealed, by the key's hex id."""
    found: Counter[str] = Counter()
    for place in places():
        head = func.substr(place.column, 1, _ID_AT - 1 + _ID_BYTES)
        rows = tx.execute(select(head, func.count()).where(func.length(place.column) > 0).group_by(head).order_by(head))
        for start, number in rows:
            found[key_id(bytes(start))] += int(number)
    return found


def reseal(tx: Transaction, ring: KeyRing, place: Place, limit: int = SLICE) -> int:
    """Seal up to `limit` values of one column anew; returns how many there were. 0: this column is done."""
    first = bytes.fromhex(ring.key_ids[0])
    key = list(place.table.primary_key.columns)
    is_older = and_(func.length(place.column) > 0, func.substr(place.column, _ID_AT, _ID_BYTES) != first)
    rows = tx.execute(select(*key, place.column).where(is_older).order_by(*key).limit(limit)).all()
    for row in rows:
        *where, sealed = row
        again = ring.seal(place.label, ring.unseal(place.label, bytes(sealed)))
        tx.execute(
            update(place.table)
            .where(tuple_(*key) == tuple_(*where), place.column == sealed)
            .values({place.column.name: again})
        )
    return len(rows)


def finish(tx: Transaction, ring: KeyRing) -> tuple[str, ...]:
    """Forget the keys that seal nothing any more; returns the hex ids of those that `privacy.keys` may now lack."""
    tx.keep_out()  # nobody seals with an old key while it is seen that none does
    keys.reseal_index(tx, ring)
    left = under_keys(tx)
    free = tuple(one for one in ring.key_ids[1:] if not left[one])
    keys.no_longer_used(tx, free)
    return free
