"""Contacts that look like somebody whom no exact key finds: the index they are looked up in, and the look-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connector.domain.matching import blocking
from connector.domain.matching.fuzzy import Do, Fuzzy, Profile, compare, profile_of
from connector.domain.model.person import Contact, Suggestion
from connector.domain.model.response import Respondent
from connector.store import blocks, contacts, cursors
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold

MOST: Final = 20
"""Contacts that are opened and compared in one look-up: those that share the most telling keys."""
TURN: Final = 0.3
"""Seconds of a lane's turn that go into filing what was mirrored before there was an index."""
CHUNK: Final = 25
_FILLING: Final = "filling:"
_FILLED: Final = "filled"
_WHOLE: Final = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look-up found: the contacts that were compared, and how many keys found a crowd and were passed over."""

    suggestions: tuple[Suggestion, ...]
    crowds: int


def keys_of(seen: Contact) -> Sequence[str]:
    """What a contact is filed under; nothing when it is gone."""
    is_gone = seen.deleted or seen.merged_into is not None
    return () if is_gone else blocking.index_keys(profile_of(seen))


def look_up(tx: Transaction, account: str, known: Respondent) -> Looked:
    """Compare what is known of somebody with the contacts of a CRM that share a key of likeness."""
    profile = profile_of(known)
    found = blocks.look_up(tx, account, blocking.query_keys(profile), most=MOST)
    seen = {one.id: profile_of(one) for one in contacts.living(tx, account, found.ids)}
    namesakes = _namesakes(profile, list(seen.values()), found)
    suggestions = []
    for contact_id, other in sorted(seen.items()):
        name = blocking.name_key(other.words)
        likeness = compare(profile, other, namesakes=1 if name is None else namesakes[name])
        suggestions.append(Suggestion(contact_id=contact_id, certainty=likeness.certainty, why=likeness.why))
    return Looked(suggestions=tuple(suggestions), crowds=found.crowds)


def _namesakes(profile: Profile, others: Sequence[Profile], found: blocks.Found) -> Counter[str]:
    """How many contacts share each name that was found; the whole index knows it of the name that was looked up."""
    names = (blocking.name_key(other.words) for other in others)
    counted = Counter(name for name in names if name is not None)
    mine = blocking.name_key(profile.words)
    if mine is not None:
        counted[mine] = max(counted[mine], found.sizes.get(mine, 0))
    return counted


def is_whole(tx: Transaction, account: str) -> bool:
    """Whether every contact of the CRM was read once and filed: before, the best may be one we have not seen."""
    return cursors.get(tx, _name(account)) == _WHOLE


def catch_up(db: Database, hold: LaneHold, account: str, policy: Fuzzy) -> bool:
    """File, for part of a turn, contacts that were mirrored without; True when some are left.

    Where likeness is not looked at, the index is forgotten: it would not follow what changes meanwhile.
    """
    with db.read() as tx:
        state = cursors.get(tx, _name(account))
    if policy.do is Do.NO:
        if state is not None:
            with db.write() as tx:
                hold.confirm(tx)
                cursors.forget(tx, _name(account))
        return False
    started = db.clock.monotonic()
    while state is None or state.startswith(_FILLING):
        if db.clock.monotonic() - started > TURN:
            return True
        with db.write() as tx:
            hold.confirm(tx)
            state = _file_some(tx, account, state)
    return False


def _file_some(tx: Transaction, account: str, state: str | None) -> str:
    """File a few more contacts; returns, and remembers, how far it has come."""
    after = (state or "").removeprefix(_FILLING)
    last = contacts.file_some(tx, account, after, CHUNK, keys_of)
    reached = _FILLED if last is None else _FILLING + last
    cursors.move(tx, _name(account), reached)
    return reached


def swept(db: Database, hold: LaneHold, account: str) -> None:
    """All of the CRM's contacts were read: from now on the index is whole, if it is filled."""
    with db.read() as tx:
        state = cursors.get(tx, _name(account))
    if state == _FILLED:
        with db.write() as tx:
            hold.confirm(tx)
            cursors.move(tx, _name(account), _WHOLE)


def _name(account: str) -> str:
    return f"{account}/likeness@{blocking.VERSION}"
