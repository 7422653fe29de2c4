"""Persons: our record of the humans who answered, found again by exact keys of which only keyed digests are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update

from connector.domain.model.person import KeyKind
from connector.domain.model.response import Respondent
from connector.store import links, recoveries, responses, scores
from connector.store.canonical import respondent_from_json, respondent_to_json
from connector.store.prepared import Prepared
from connector.store.schema import person, person_key, response, response_version
from connector.store.transaction import Transaction

SEALED = "person.sealed"
_FIND = Prepared(
    select(person.c.id, person.c.merged_into)
    .join(person_key, person_key.c.person_id == person.c.id)
    .where(person_key.c.kind == bindparam("wanted"), person_key.c.blind == bindparam("digest"))
)
_KEYS = Prepared(
    select(person_key.c.kind, person_key.c.blind)
    .where(person_key.c.person_id == bindparam("person"))
    .order_by(person_key.c.kind, person_key.c.blind)
)
_INTO = Prepared(select(person.c.merged_into).where(person.c.id == bindparam("person")))
_SEALED = Prepared(select(person.c.sealed).where(person.c.id == bindparam("person")))
_SCORED = Prepared(select(person.c.scored_at).where(person.c.id == bindparam("person")))
_CREATE = Prepared(person.insert().returning(person.c.id))
_CHANGE = Prepared(update(person).where(person.c.id == bindparam("person")))


def blind(tx: Transaction, kind: KeyKind, value: str) -> str:
    """The keyed digest of an already normalised key value."""
    return tx.blind(kind.value, value)


def find(tx: Transaction, kind: KeyKind, value: str) -> int | None:
    """The person seen with this key, after merges; None when nobody was."""
    found = tx.execute(_FIND, {"wanted": kind.value, "digest": blind(tx, kind, value)}).first()
    if found is None:
        return None
    return int(found.id) if found.merged_into is None else survivor(tx, int(found.merged_into))


def keys_of(tx: Transaction, person_id: int) -> dict[KeyKind, list[str]]:
    """The blind keys a person was seen with, by kind."""
    rows = tx.execute(_KEYS, {"person": person_id}).all()
    found: dict[KeyKind, list[str]] = {}
    for row in rows:
        found.setdefault(KeyKind(row.kind), []).append(str(row.blind))
    return found


def exists(tx: Transaction, person_id: int) -> bool:
    """Whether there is, or was before a merge, a person of this number."""
    return tx.execute(select(person.c.id).where(person.c.id == person_id)).first() is not None


def survivor(tx: Transaction, person_id: int) -> int:
    """Follow merges to the person that is left."""
    current = person_id
    while True:
        into = tx.execute(_INTO, {"person": current}).scalar()
        if into is None:
            return current
        current = int(into)


def create(tx: Transaction) -> int:
    """A new person nobody knows anything about yet."""
    return int(tx.execute(_CREATE, {"created_at": tx.now}).scalar_one())


def learn(tx: Transaction, person_id: int, keys: Mapping[KeyKind, str], respondent: Respondent | None = None) -> None:
    """Remember the keys a person was seen with and what they said of themselves; a blank never erases.

    A key that already belongs to somebody else stays theirs.
    """
    for kind, value in keys.items():
        tx.insert_ignore(person_key, {"kind": kind.value, "blind": blind(tx, kind, value), "person_id": person_id})
    if respondent is None:
        return
    known = respondent_to_json(details(tx, person_id))
    offered = respondent_to_json(respondent)
    latest = {**known, **{name: value for name, value in offered.items() if value is not None}}
    if latest != known:
        sealed = tx.seal(SEALED, latest)
        tx.execute(_CHANGE, {"person": person_id, "sealed": sealed})


def unlearn(tx: Transaction, person_id: int, keys: Mapping[KeyKind, str]) -> None:
    """These keys turned out to be somebody else's."""
    for kind, value in keys.items():
        tx.execute(
            delete(person_key).where(
                person_key.c.kind == kind.value,
                person_key.c.blind == blind(tx, kind, value),
                person_key.c.person_id == person_id,
            )
        )


def details(tx: Transaction, person_id: int) -> Respondent:
    """What the person last said of themselves; all fields None when nothing is known, or it was erased."""
    sealed = tx.execute(_SEALED, {"person": person_id}).scalar()
    return Respondent() if sealed is None else respondent_from_json(tx.unseal(SEALED, sealed))


def merge(tx: Transaction, loser: int, winner: int) -> list[tuple[int, int]]:
    """Two persons turned out to be one: everything of `loser` becomes the winner's.

    Returns pairs (older, younger) of recoveries of the same playbook that were both open; the younger one is closed.
    """
    known = respondent_to_json(details(tx, winner))
    older = respondent_to_json(details(tx, loser))
    both = {**older, **{name: value for name, value in known.items() if value is not None}}
    tx.execute(update(person).where(person.c.id == winner).values(sealed=tx.seal(SEALED, both), scored_at=None))
    tx.execute(update(person_key).where(person_key.c.person_id == loser).values(person_id=winner))
    links.move(tx, loser, winner)
    scores.move(tx, loser, winner)
    responses.move(tx, loser, winner)
    pairs = recoveries.move(tx, loser, winner)
    tx.execute(update(person).where(person.c.id == loser).values(merged_into=winner, sealed=None))
    return pairs


def scored(tx: Transaction, person_id: int, at: datetime | None) -> None:
    """Remember when a person's score was last computed; None: it is due to be computed."""
    tx.execute(_CHANGE, {"person": person_id, "scored_at": at})


def scored_at(tx: Transaction, person_id: int) -> datetime | None:
    """When a person's score was last computed; None: never, or something was learnt that was not news since."""
    at: datetime | None = tx.execute(_SCORED, {"person": person_id}).scalar()
    return at


def due_for_score(tx: Transaction, *, before: datetime, limit: int, known: bool = False) -> Sequence[int]:
    """Persons whose score was computed before `before`, or never, longest ago first; `known`: only the former."""
    # Two walks along the index: sorting everybody for each few of them would take longer than scoring them.
    never, before_then = person.c.scored_at.is_(None), person.c.scored_at < before
    found: list[int] = []
    for which in (before_then,) if known else (never, before_then):
        query = select(person.c.id).where(which, person.c.merged_into.is_(None))
        rows = tx.execute(query.order_by(person.c.scored_at, person.c.id).limit(limit - len(found)))
        found += [int(row.id) for row in rows]
    return found


def next_score_due(tx: Transaction) -> datetime | None:
    """When the score computed longest ago was computed; None without any scored person."""
    return tx.execute(
        select(person.c.scored_at)
        .where(person.c.merged_into.is_(None), person.c.scored_at.is_not(None))
        .order_by(person.c.scored_at)
        .limit(1)
    ).scalar()


def unscored(tx: Transaction) -> int:
    """How many persons' scores are due because something new is known of them."""
    which = person.c.scored_at.is_(None) & person.c.merged_into.is_(None)
    return int(tx.execute(select(func.count()).where(which)).scalar_one())


def rescore_all(tx: Transaction) -> None:
    """Make every person due: the scoring configuration changed."""
    tx.execute(update(person).values(scored_at=None))


def anonymous(tx: Transaction) -> int:
    """How many decided versions of answers are from nobody in particular."""
    query = (
        select(func.count())
        .select_from(response_version.join(response, response.c.id == response_version.c.response_id))
        .where(response_version.c.state == responses.VersionState.DECIDED.value, response.c.person_id.is_(None))
    )
    return int(tx.execute(query).scalar_one())
