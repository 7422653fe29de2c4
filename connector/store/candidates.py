"""Forgetting an erased person where they were shown as a candidate: as somebody another person might have been."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sqlalchemy import Text, cast, select, update

from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.person import choice_tag
from connector.store import links
from connector.store.intents import FIELDS
from connector.store.schema import intent, link, receipt
from connector.store.subjects import Known
from connector.store.transaction import Transaction

ERASED: Final = "the candidates were erased"
"""What `Evidence.decided_by` says of a question that ended because nobody is left to choose."""


def forget(tx: Transaction, known: Known) -> list[tuple[str, str]]:
    """Take their contacts out of the questions about others, and out of texts about these. Safe to repeat.

    Returns account and object of everything of others that was written elsewhere and names them.
    """
    told: dict[tuple[str, str], None] = {}
    for account, contact_id in known.contacts:
        others = [one for one in _asked_about(tx, account, contact_id) if one not in known.persons]
        links.replace_candidate(tx, account, contact_id, None, ERASED)
        for person_id in others:
            _forget_evidence(tx, person_id, account, contact_id)
        told |= dict.fromkeys(_unname(tx, others, f"(tag {choice_tag(contact_id)})"))
    return list(told)


def _asked_about(tx: Transaction, account: str, contact_id: str) -> list[int]:
    """Persons who may be, or might have been, this contact."""
    rows = tx.execute(
        select(link.c.person_id, link.c.candidates).where(
            link.c.account == account, cast(link.c.candidates, Text).contains(contact_id, autoescape=True)
        )
    ).all()
    return [int(row.person_id) for row in rows if contact_id in row.candidates]


def _forget_evidence(tx: Transaction, person_id: int, account: str, contact_id: str) -> None:
    made = links.get(tx, person_id, account)
    if made is None or made.remote_id == contact_id:
        return
    evidence = replace(
        made.evidence,
        compared=tuple(line for line in made.evidence.compared if contact_id not in line),
        losers=tuple(one for one in made.evidence.losers if one != contact_id),
        suggestions=tuple(one for one in made.evidence.suggestions if one.contact_id != contact_id),
    )
    left = tuple(one for one in made.candidates if one != contact_id)
    links.save(tx, person_id, replace(made, candidates=left, evidence=evidence))


def _unname(tx: Transaction, persons: Collection[int], tag: str) -> list[tuple[str, str]]:
    """Drop the lines that name a candidate from what is, or was, written about others."""
    rows = tx.execute(
        select(intent.c.id, intent.c.kind, intent.c.fields, receipt.c.account, receipt.c.remote_id)
        .outerjoin(receipt, receipt.c.intent_id == intent.c.id)
        .where(intent.c.person_id.in_(persons), intent.c.fields.is_not(None))
        .order_by(intent.c.id)
    ).all()
    told = []
    for row in rows:
        before = tx.unseal(FIELDS, row.fields)
        after = _without(before, tag)
        if after == before:
            continue
        tx.execute(update(intent).where(intent.c.id == row.id).values(fields=tx.seal(FIELDS, after)))
        if row.remote_id is not None:
            told.append((str(row.account), f"{WriteKind(row.kind).value} {row.remote_id}"))
    return told


def _without(data: Json, tag: str) -> Json:
    """The same without the lines that have this tag in them."""
    if isinstance(data, str) and tag in data:
        return "\n".join(line for line in data.split("\n") if tag not in line)
    if isinstance(data, dict):
        return {name: _without(value, tag) for name, value in data.items()}
    return [_without(one, tag) for one in data] if isinstance(data, list) else data
