"""The index of likeness: under which keys a CRM's contacts are filed, as keyed digests that say nothing by themselves.

A key that very many contacts share finds nobody in particular; looking at them all would take long and prove nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import Any, Final

from sqlalchemy import CompoundSelect, bindparam, literal, select, tuple_, union_all

from connector.store.prepared import Prepared
from connector.store.schema import match_block
from connector.store.transaction import Transaction

CROWD: Final = 200
"""A block with more contacts is passed over."""
_REMOVE = Prepared(
    match_block.delete().where(
        match_block.c.blind == bindparam("digest"), match_block.c.contact_id == bindparam("contact")
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The contacts that share keys, those that share the most telling ones first.

    `sizes` says how many contacts each key that was looked up finds, `CROWD` + 1 where it is a crowd; `crowds` counts
    those keys.
    """

    ids: tuple[str, ...]
    sizes: Mapping[str, int]
    crowds: int


def file(tx: Transaction, account: str, contact_id: str, keys: Sequence[str], before: bytes | None) -> bytes:
    """File a contact under `keys` and nothing else. `before` is what this returned last, None before the first time."""
    wanted = {_digest(tx, account, key) for key in keys}
    known = _unpack(before)
    for digest in known - wanted:
        tx.execute(_REMOVE, {"digest": digest, "contact": contact_id})
    new = [{"blind": digest, "contact_id": contact_id} for digest in sorted(wanted - known)]
    if new:
        tx.execute(tx.insert_for(match_block).on_conflict_do_nothing(), new)
    return _pack(wanted)


def forget(tx: Transaction, contact_id: str, before: bytes | None) -> None:
    """Take a contact out of the index."""
    pairs = [(digest, contact_id) for digest in _unpack(before)]
    if pairs:
        tx.execute(match_block.delete().where(tuple_(match_block.c.blind, match_block.c.contact_id).in_(pairs)))


def look_up(tx: Transaction, account: str, keys: Sequence[str], *, most: int) -> Found:
    """The at most `most` contacts that share the most telling of `keys`."""
    digests = {f"digest{place}": _digest(tx, account, key) for place, key in enumerate(keys)}
    blocks: list[list[str]] = [[] for _ in keys]
    for place, contact_id in tx.execute(_find(len(keys)), digests).all() if keys else ():
        blocks[place].append(contact_id)
    sizes = {key: len(ids) for key, ids in zip(keys, blocks, strict=True)}
    weights: dict[str, float] = {}
    for ids in blocks:
        if len(ids) > CROWD:
            continue
        weight = log2(2 * CROWD / max(len(ids), 1))
        for one in ids:
            weights[one] = weights.get(one, 0.0) + weight
    ranked = sorted(weights, key=lambda one: (-weights[one], one))
    return Found(ids=tuple(ranked[:most]), sizes=sizes, crowds=sum(size > CROWD for size in sizes.values()))


@lru_cache
def _find(number: int) -> CompoundSelect[Any]:
    """What so many blocks hold, each up to a crowd, in one statement: asked one by one they cost several times that."""
    found = [
        select(literal(place).label("place"), match_block.c.contact_id)
        .where(match_block.c.blind == bindparam(f"digest{place}"))
        .order_by(match_block.c.contact_id)
        .limit(CROWD + 1)
        .subquery()
        for place in range(number)
    ]
    return union_all(*(select(one) for one in found))


def _digest(tx: Transaction, account: str, key: str) -> int:
    """The first 64 bits, as a number both stores hold. Two keys that share them cost a comparison and nothing else."""
    return int(tx.blind(f"likeness/{account}", key)[:16], 16) - 2**63


def _pack(digests: set[int]) -> bytes:
    return struct.pack(f">{len(digests)}q", *sorted(digests))


def _unpack(packed: bytes | None) -> set[int]:
    return set(struct.unpack(f">{len(packed) // 8}q", packed)) if packed else set()
