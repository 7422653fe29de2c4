"""Retention: what is kept goes after its time, by what it is, a slice at a time. Every step may be repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import and_, delete, func, or_, select, update

from connector.domain.model.intent import FINAL_STATES
from connector.domain.model.recovery import RecoveryState
from connector.domain.model.response import Respondent, Response
from connector.store import counts, figures, forgetting, interactions, people, responses, tombstones
from connector.store.canonical import (
    response_from_json,
    response_to_json,
    understanding_from_json,
    understanding_to_json,
)
from connector.store.inbox import DeliveryState
from connector.store.responses import VersionState
from connector.store.schema import (
    confirmed,
    fact,
    inbox,
    intent,
    interaction_answer,
    prior,
    recovery,
    recovery_response,
    response,
    response_version,
)
from connector.store.subjects import Known, intents_of
from connector.store.transaction import Transaction

PREFIX: Final = "retention/"
PAYLOADS: Final = f"{PREFIX}payloads"
COMMENTS: Final = f"{PREFIX}comments"
TEXTS: Final = f"{PREFIX}texts"
ANSWERS: Final = f"{PREFIX}answers"
INTERACTIONS: Final = f"{PREFIX}interactions"
UNREAD: Final = "it could not be read, and retention took its bytes"
_FINAL: Final = tuple(state.value for state in FINAL_STATES)


def drop_payloads(tx: Transaction, before: datetime, limit: int) -> int:
    """Drop the bytes of deliveries that came before then; how many. One that still is to be understood keeps them."""
    ids = list(
        tx.execute(
            select(inbox.c.id)
            .where(
                inbox.c.payload.is_not(None),
                inbox.c.received_at < before,
                inbox.c.state != DeliveryState.RECEIVED.value,
            )
            .order_by(inbox.c.id)
            .limit(limit)
        ).scalars()
    )
    waiting = and_(inbox.c.id.in_(ids), inbox.c.state == DeliveryState.QUARANTINED.value)
    tx.execute(update(inbox).where(waiting).values(state=DeliveryState.IGNORED.value, reason=UNREAD))
    tx.execute(update(inbox).where(inbox.c.id.in_(ids)).values(payload=None))
    return _counted(tx, PAYLOADS, len(ids))


def drop_comments(tx: Transaction, before: datetime, limit: int) -> int:
    """Drop what people wrote in answers that came before then, and the words themes were found by; how many."""
    rows = tx.execute(
        select(response_version.c.id, response_version.c.sealed, response_version.c.understanding)
        .where(
            response_version.c.trimmed_at.is_(None),
            response_version.c.sealed.is_not(None),
            response_version.c.received_at < before,
            response_version.c.state != VersionState.PENDING.value,
        )
        .order_by(response_version.c.id)
        .limit(limit)
    ).all()
    for row in rows:
        said = response_from_json(tx.unseal(responses.SEALED, row.sealed))
        _reseal(tx, row.id, replace(said, comment=None), row.understanding)
    return _counted(tx, COMMENTS, len(rows))


def drop_texts(tx: Transaction, before: datetime, limit: int) -> int:
    """Drop what was written elsewhere by intents that ended before then, and what it was known to hold; how many."""
    ids = list(
        tx.execute(
            select(intent.c.id)
            .where(intent.c.fields.is_not(None), intent.c.state.in_(_FINAL), intent.c.settled_at < before)
            .order_by(intent.c.id)
            .limit(limit)
        ).scalars()
    )
    objects = list(tx.execute(select(intent.c.object).where(intent.c.id.in_(ids)).distinct()).scalars())
    tx.execute(delete(prior).where(prior.c.intent_id.in_(ids)))
    tx.execute(update(intent).where(intent.c.id.in_(ids)).values(fields=None))
    # What a contact holds is compared with for ever; a ticket or task of that age is over.
    over = [name for name in objects if name.startswith(("response/", "recovery/"))]
    tx.execute(delete(confirmed).where(confirmed.c.object.in_(over), confirmed.c.at < before))
    return _counted(tx, TEXTS, len(ids))


def make_anonymous(tx: Transaction, before: datetime, limit: int) -> int:
    """Make answers nobody's whose every version came before then; how many. Ratings and segments stay.

    One about which something is still under way, or that is part of an open recovery, waits.
    """
    newest = func.max(response_version.c.received_at)
    old = (
        select(response_version.c.response_id)
        .group_by(response_version.c.response_id)
        .having(newest < before)
        .scalar_subquery()
    )
    about = or_(intent.c.response_id == response.c.id, intent.c.person_id == response.c.person_id)
    busy = select(intent.c.id).where(about, intent.c.state.not_in(_FINAL))
    worked_on = (
        select(recovery.c.id)
        .join(recovery_response, recovery_response.c.recovery_id == recovery.c.id)
        .where(recovery_response.c.response_id == response.c.id, recovery.c.state == RecoveryState.OPEN.value)
    )
    undecided = select(response_version.c.id).where(
        response_version.c.response_id == response.c.id, response_version.c.state == VersionState.PENDING.value
    )
    rows = tx.execute(
        select(response.c.id, response.c.key, response.c.person_id)
        .where(
            response.c.anonymous_at.is_(None),
            response.c.id.in_(old),
            response.c.key.not_like("erased/%"),
            ~or_(busy.exists(), worked_on.exists(), undecided.exists()),
        )
        .order_by(response.c.id)
        .limit(limit)
    ).all()
    for row in rows:
        _anonymous(tx, row.id, row.key, row.person_id)
    return _counted(tx, ANSWERS, len(rows))


def _anonymous(tx: Transaction, response_id: int, key: str, person_id: int | None) -> None:
    """One answer. Its key gets a tombstone: fetched or imported again it would be somebody's again."""
    tombstones.add(tx, [tombstones.of_response(tx, key)])
    rows = tx.execute(
        select(response_version.c.id, response_version.c.sealed, response_version.c.understanding).where(
            response_version.c.response_id == response_id, response_version.c.sealed.is_not(None)
        )
    ).all()
    for row in rows:
        said = response_from_json(tx.unseal(responses.SEALED, row.sealed))
        about = replace(said.interaction, id=None, staff=None)
        bare = replace(said, key=f"anonymous/{response_id}", respondent=Respondent(), interaction=about, comment=None)
        _reseal(tx, row.id, bare, row.understanding)
    figures.unname(tx, response_id)
    known = Known(responses=(response_id,), keys=(key,))
    mine = list(tx.execute(select(intent.c.id).where(intents_of(known))).scalars())
    objects = [name for name in forgetting.objects_of(tx, known, mine) if name.startswith("response/")]
    forgetting.sever(tx, known, "anonymous", mine, objects)
    tx.execute(delete(recovery_response).where(recovery_response.c.response_id == response_id))
    tx.execute(delete(interaction_answer).where(interaction_answer.c.response_id == response_id))
    tx.execute(update(recovery).where(recovery.c.opened_by == key).values(opened_by=f"anonymous/{response_id}"))
    tx.execute(update(response).where(response.c.id == response_id).values(anonymous_at=tx.now))
    if person_id is None:
        return
    tx.execute(delete(fact).where(fact.c.person_id == person_id, fact.c.source.startswith(f"{key}#", autoescape=True)))
    people.scored(tx, person_id, None)
    if tx.execute(select(response.c.id).where(response.c.person_id == person_id).limit(1)).first() is None:
        nobody = Known(persons=(person_id,))
        forgetting.stop(tx, nobody)
        forgetting.delete_here(tx, nobody)


def drop_interactions(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget records of what happened before then; how many."""
    return _counted(tx, INTERACTIONS, interactions.drop(tx, before, limit))


def _reseal(tx: Transaction, version_id: int, said: Response, understanding: bytes | None) -> None:
    understood = None
    if understanding is not None:
        plain = understanding_from_json(tx.unseal(responses.UNDERSTANDING, understanding))
        understood = tx.seal(responses.UNDERSTANDING, understanding_to_json(replace(plain, evidence={})))
    tx.execute(
        update(response_version)
        .where(response_version.c.id == version_id)
        .values(sealed=tx.seal(responses.SEALED, response_to_json(said)), understanding=understood, trimmed_at=tx.now)
    )


def _counted(tx: Transaction, name: str, number: int) -> int:
    if number:
        counts.add(tx, name, number)
    return number


def taken(tx: Transaction) -> dict[str, int]:
    """How many of each class retention took so far, by class."""
    found = counts.all_counts(tx)
    return {name.removeprefix(PREFIX): number for name, number in found.items() if name.startswith(PREFIX)}
