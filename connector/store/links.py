"""Links: which contact of which account a person is, why, and since when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, update

from connector.domain.model.intent import Json
from connector.domain.model.person import Evidence, Link, LinkState, Suggestion
from connector.store.prepared import Prepared
from connector.store.schema import link
from connector.store.transaction import Transaction

EVIDENCE = "link.evidence"
_GET = Prepared(select(link).where(link.c.person_id == bindparam("person"), link.c.account == bindparam("wanted")))
_OF_PERSON = Prepared(select(link).where(link.c.person_id == bindparam("person")).order_by(link.c.account))
_PERSONS = Prepared(
    select(link.c.person_id)
    .where(
        link.c.account == bindparam("wanted"),
        link.c.remote_id == bindparam("contact"),
        link.c.state == LinkState.LINKED.value,
    )
    .order_by(link.c.person_id)
)


def get(tx: Transaction, person_id: int, account: str) -> Link | None:
    """The remembered link; None when nobody looked yet."""
    row = tx.execute(_GET, {"person": person_id, "wanted": account}).first()
    return None if row is None else _link(tx, row)


def of_person(tx: Transaction, person_id: int) -> list[Link]:
    """Every link of a person, by account."""
    return [_link(tx, row) for row in tx.execute(_OF_PERSON, {"person": person_id})]


def linked(tx: Transaction, account: str) -> list[tuple[int, str]]:
    """Every person that is linked in an account, with the contact's id."""
    rows = tx.execute(
        select(link.c.person_id, link.c.remote_id)
        .where(link.c.account == account, link.c.state == LinkState.LINKED.value, link.c.remote_id.is_not(None))
        .order_by(link.c.person_id)
    )
    return [(int(row.person_id), str(row.remote_id)) for row in rows.all()]


def persons(tx: Transaction, account: str, remote_id: str) -> list[int]:
    """Who is linked to this contact, the person known longest first; more than one after a merge over there."""
    rows = tx.execute(_PERSONS, {"wanted": account, "contact": remote_id}).all()
    return [int(row.person_id) for row in rows]


def save(tx: Transaction, person_id: int, made: Link) -> None:
    """Remember a link, replacing what was known for that account."""
    evidence: dict[str, Json] = {
        "decided_by": made.evidence.decided_by,
        "compared": list(made.evidence.compared),
        "losers": list(made.evidence.losers),
    }
    if made.evidence.suggestions:
        evidence["suggestions"] = [[one.contact_id, one.certainty, one.why] for one in made.evidence.suggestions]
    tx.upsert(
        link,
        {
            "person_id": person_id,
            "account": made.account,
            "state": made.state.value,
            "remote_id": made.remote_id,
            "candidates": list(made.candidates),
            "evidence": tx.seal(EVIDENCE, evidence),
            "made_at": tx.now,
        },
        keys=["person_id", "account"],
        update=["state", "remote_id", "candidates", "evidence", "made_at"],
    )


def repoint(tx: Transaction, account: str, remote_id: str, survivor: str) -> list[int]:
    """The contact was merged away: its links follow to the survivor. Returns the persons that moved."""
    moved = persons(tx, account, remote_id)
    tx.execute(
        update(link)
        .where(link.c.account == account, link.c.remote_id == remote_id)
        .values(remote_id=survivor, made_at=tx.now)
    )
    return moved


def unlink(tx: Transaction, account: str, remote_id: str, reason: str) -> list[int]:
    """The contact was deleted: who was linked to it is no longer. Returns the persons concerned."""
    concerned = persons(tx, account, remote_id)
    for person_id in concerned:
        save(
            tx,
            person_id,
            Link(account=account, state=LinkState.UNLINKED, remote_id=None, evidence=Evidence(decided_by=reason)),
        )
    return concerned


def replace_candidate(tx: Transaction, account: str, gone: str, survivor: str | None, reason: str) -> list[int]:
    """A candidate was merged into `survivor`, or deleted (None): open questions ask about who is left.

    Nobody left, the question is closed: unlinked, for that `reason`. Returns the persons concerned.
    """
    rows = tx.execute(select(link).where(link.c.account == account, link.c.remote_id.is_(None))).all()
    concerned = [(int(row.person_id), _link(tx, row)) for row in rows if gone in row.candidates]
    for person_id, known in concerned:
        mine = known
        left = dict.fromkeys(survivor if one == gone else one for one in mine.candidates)
        candidates = tuple(one for one in left if one is not None)
        evidence = replace(
            mine.evidence,
            suggestions=tuple(one for one in mine.evidence.suggestions if one.contact_id in candidates),
        )
        if not candidates and mine.state is LinkState.HELD:
            mine, evidence = replace(mine, state=LinkState.UNLINKED), Evidence(decided_by=reason)
        save(tx, person_id, replace(mine, candidates=candidates, evidence=evidence))
    return [person_id for person_id, _ in concerned]


def move(tx: Transaction, loser: int, winner: int) -> None:
    """Give one person's links to another; where both have one, a made link beats an open question."""
    for mine in of_person(tx, loser):
        theirs = get(tx, winner, mine.account)
        if theirs is None or (mine.state is LinkState.LINKED and theirs.state is not LinkState.LINKED):
            save(tx, winner, mine)
    tx.execute(delete(link).where(link.c.person_id == loser))


def _link(tx: Transaction, row: Row[Any]) -> Link:
    data = tx.unseal(EVIDENCE, row.evidence)
    assert isinstance(data, dict)
    compared, losers = data["compared"], data["losers"]
    assert isinstance(compared, list)
    assert isinstance(losers, list)
    return Link(
        account=row.account,
        state=LinkState(row.state),
        remote_id=row.remote_id,
        evidence=Evidence(
            decided_by=str(data["decided_by"]),
            compared=tuple(str(line) for line in compared),
            losers=tuple(str(line) for line in losers),
            suggestions=_suggestions(data.get("suggestions")),
        ),
        candidates=tuple(row.candidates),
    )


def _suggestions(data: Json) -> tuple[Suggestion, ...]:
    found: list[Suggestion] = []
    for one in data if isinstance(data, list) else ():
        assert isinstance(one, list)
        found.append(Suggestion(contact_id=str(one[0]), certainty=int(str(one[1])), why=str(one[2])))
    return tuple(found)


def list_held(tx: Transaction, account: str | None = None, *, limit: int) -> list[tuple[int, Link]]:
    """Persons whose link waits for somebody to choose, and that link, longest waiting first."""
    query = select(link).where(link.c.state == LinkState.HELD.value)
    if account is not None:
        query = query.where(link.c.account == account)
    rows = tx.execute(query.order_by(link.c.made_at, link.c.person_id, link.c.account).limit(limit)).all()
    return [(int(row.person_id), _link(tx, row)) for row in rows]


def held(tx: Transaction) -> int:
    """How many links wait for a person to choose."""
    query = select(func.count()).select_from(link).where(link.c.state == LinkState.HELD.value)
    return int(tx.execute(query).scalar_one())
