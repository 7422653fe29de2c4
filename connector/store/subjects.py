"""Everything the store knows of one person: which rows are theirs, and what other systems hold of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, or_, select

from connector.domain.matching.canonical import canonical_email, canonical_phone
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.person import KeyKind, LinkState
from connector.ports.erasing import Subject
from connector.store import contacts, interactions, people
from connector.store import responses as answers
from connector.store.canonical import response_from_json
from connector.store.schema import (
    contact,
    intent,
    link,
    person,
    person_key,
    receipt,
    recovery,
    remote,
    response,
    response_version,
    ticket,
    write,
)
from connector.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a person. Rows by number, `contacts` and `tickets` as pairs of account and id there.

    `persons` are the person and all who were merged into them. `emails` and `phones` are canonical. `own_tickets` are
    those they asked for themselves, as far as the mirror goes back.
    """

    persons: tuple[int, ...] = ()
    responses: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    recoveries: tuple[int, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    contacts: tuple[tuple[str, str], ...] = ()
    own_tickets: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> Json:
        """For a sealed column."""
        return cast("Json", asdict(self))

    @classmethod
    def from_json(cls, data: Json) -> Known:
        """What `to_json` gave."""
        fields = cast("dict[str, list[Any]]", data)
        read: dict[str, Any] = {
            name: tuple(tuple(one) if isinstance(one, list) else one for one in listed)
            for name, listed in fields.items()
        }
        return cls(**read)

    def with_answers(self, ids: Collection[int], keys: Collection[str]) -> Known:
        """The same with more answers."""
        return replace(self, responses=_once((*self.responses, *ids)), keys=tuple(dict.fromkeys((*self.keys, *keys))))


def of_person(tx: Transaction, person_id: int) -> Known:
    """Everything known of a person, merged ones included."""
    persons = _family(tx, people.survivor(tx, person_id))
    return _known(tx, persons, _column(tx, select(response.c.id).where(response.c.person_id.in_(persons))), (), ())


def of_answer(tx: Transaction, response_id: int) -> Known:
    """Everything known of whoever gave an answer; of nobody in particular, the answer alone."""
    owner = tx.execute(select(response.c.person_id).where(response.c.id == response_id)).scalar_one()
    return _known(tx, [], [response_id], (), ()) if owner is None else of_person(tx, int(owner))


def of_address(tx: Transaction, *, email: str | None = None, phone: str | None = None) -> Known:
    """Everything known of whoever has this canonical e-mail address or phone number, seen here or only mirrored."""
    wanted = {KeyKind.EMAIL: email, KeyKind.PHONE: phone}
    found = [people.find(tx, kind, value) for kind, value in wanted.items() if value is not None]
    for one in found:
        if one is not None:
            known = of_person(tx, one)
            return _known(tx, known.persons, known.responses, _given(email), _given(phone))
    return _known(tx, [], [], _given(email), _given(phone))


def _given(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _known(
    tx: Transaction, persons: Sequence[int], given: Sequence[int], emails: Sequence[str], phones: Sequence[str]
) -> Known:
    said_emails, said_phones = _addresses_said(tx, persons, given)
    mails, numbers = [*emails, *said_emails], [*phones, *said_phones]
    there = _contacts(tx, persons, mails, numbers if phones else ())
    for account, remote_id in there:
        mirrored = contacts.get(tx, account, remote_id)
        if mirrored is not None:
            mails += _given(canonical_email(mirrored.email or ""))
            numbers += _given(canonical_phone(mirrored.phone or ""))
    blinds = [people.blind(tx, KeyKind.EMAIL, mail) for mail in dict.fromkeys(mails)]
    asked = select(ticket.c.account, ticket.c.remote_id).where(ticket.c.requester.in_(blinds), ticket.c.key.is_(None))
    return Known(
        persons=tuple(persons),
        responses=tuple(given),
        keys=tuple(_column(tx, select(response.c.key).where(response.c.id.in_(given)))),
        recoveries=tuple(_column(tx, select(recovery.c.id).where(recovery.c.person_id.in_(persons)))),
        emails=tuple(dict.fromkeys(mails)),
        phones=tuple(dict.fromkeys(numbers)),
        contacts=tuple(there),
        own_tickets=tuple((str(row.account), str(row.remote_id)) for row in tx.execute(asked)),
    )


def _family(tx: Transaction, survivor: int) -> list[int]:
    """A person and everybody who was merged into them."""
    family, newest = [survivor], [survivor]
    while newest:
        newest = _column(tx, select(person.c.id).where(person.c.merged_into.in_(newest)))
        family += newest
    return family


def _addresses_said(tx: Transaction, persons: Sequence[int], given: Sequence[int]) -> tuple[list[str], list[str]]:
    """The addresses and numbers a person gave with any version of any answer."""
    said = [people.details(tx, one) for one in persons]
    rows = tx.execute(
        select(response_version.c.sealed)
        .where(response_version.c.response_id.in_(given), response_version.c.sealed.is_not(None))
        .order_by(response_version.c.id)
    )
    said += [response_from_json(tx.unseal(answers.SEALED, row.sealed)).respondent for row in rows]
    mails = [mail for one in said if (mail := canonical_email(one.email or ""))]
    numbers = [number for one in said if (number := canonical_phone(one.phone or ""))]
    return list(dict.fromkeys(mails)), list(dict.fromkeys(numbers))


def _contacts(
    tx: Transaction, persons: Sequence[int], emails: Sequence[str], phones: Sequence[str]
) -> list[tuple[str, str]]:
    """Contacts they are linked to, that we made for them, or that have their address.

    Having the same phone number is no proof by itself: households share one. It counts where it was asked for.
    """
    linked = select(link.c.account, link.c.remote_id).where(
        link.c.person_id.in_(persons), link.c.state == LinkState.LINKED.value, link.c.remote_id.is_not(None)
    )
    made = (
        select(receipt.c.account, receipt.c.remote_id)
        .join(intent, intent.c.id == receipt.c.intent_id)
        .where(intent.c.person_id.in_(persons), intent.c.kind == WriteKind.CONTACT.value)
    )
    same = or_(
        contact.c.email.in_([people.blind(tx, KeyKind.EMAIL, mail) for mail in emails]),
        contact.c.phone.in_([people.blind(tx, KeyKind.PHONE, number) for number in phones]),
    )
    keyed = select(contact.c.account, contact.c.remote_id).where(same)
    found = [(str(a), str(i)) for query in (linked, made, keyed) for a, i in tx.execute(query)]
    return list(dict.fromkeys(found))


def is_nobody(tx: Transaction, known: Known) -> bool:
    """Whether nothing at all is held of them, or nothing is left."""
    has_keys = any(people.keys_of(tx, one) for one in known.persons)
    if has_keys or known.responses or known.contacts or known.own_tickets:
        return False
    return not interactions.holds(tx, blinds_of(tx, known))


def blinds_of(tx: Transaction, known: Known) -> list[str]:
    """The digests by which they, their answers, contacts and tickets would be recognised when they come again.

    What an answer was about (a ticket, a repair order) is no key of theirs alone: others may answer about it too.
    """
    rows = tx.execute(
        select(person_key.c.blind).where(
            person_key.c.person_id.in_(known.persons), person_key.c.kind != KeyKind.INTERACTION.value
        )
    )
    digests = [str(row.blind) for row in rows]
    digests += [people.blind(tx, KeyKind.EMAIL, one) for one in known.emails]
    digests += [people.blind(tx, KeyKind.PHONE, one) for one in known.phones]
    digests += [people.blind(tx, KeyKind.CRM_ID, one) for _, one in known.contacts]
    return list(dict.fromkeys(digests))


def intents_of(known: Known) -> ColumnElement[bool]:
    """Every intent about them."""
    return or_(
        intent.c.person_id.in_(known.persons),
        intent.c.response_id.in_(known.responses),
        intent.c.recovery_id.in_(known.recoveries),
    )


def accounts(tx: Transaction, known: Known) -> dict[str, Subject]:
    """What each account may hold of them, from receipts, links and mirrors; contacts and tickets by id."""
    pairs = {account for account, _ in (*known.contacts, *known.own_tickets)}
    rows = tx.execute(
        select(receipt.c.account, receipt.c.remote_id, intent.c.kind, intent.c.record, remote.c.remote_id.label("on"))
        .join(intent, intent.c.id == receipt.c.intent_id)
        .outerjoin(remote, and_(remote.c.object == intent.c.target))
        .where(intents_of(known))
        .order_by(intent.c.id)
    ).all()
    found = {}
    for account in sorted(pairs | {str(row.account) for row in rows}):
        mine = [row for row in rows if row.account == account]
        records: dict[WriteKind, Sequence[str]] = {}
        for kind in (WriteKind.TICKET, WriteKind.TASK, WriteKind.ACTIVITY, WriteKind.ALERT, WriteKind.MESSAGE):
            if ids := _once(str(row.remote_id) for row in mine if row.kind == kind.value):
                records[kind] = ids
        found[account] = Subject(
            emails=known.emails,
            phones=known.phones,
            contacts=_once(one for where, one in known.contacts if where == account),
            records=records,
            notes=_once((str(row.on), str(row.record)) for row in mine if row.kind == WriteKind.NOTE.value and row.on),
            tickets=_once(one for where, one in known.own_tickets if where == account),
            responses=known.keys,
        )
    return found


def open_writes(tx: Transaction, known: Known) -> dict[str, int]:
    """Requests about them that are under way, by account; each carries what it is about until it is settled."""
    rows = tx.execute(
        select(write.c.account, write.c.id)
        .join(intent, intent.c.write_id == write.c.id)
        .where(intents_of(known), write.c.state != "closed")
        .distinct()
    ).all()
    found: dict[str, int] = {}
    for row in rows:
        found[str(row.account)] = found.get(str(row.account), 0) + 1
    return found


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _column(tx: Transaction, query: Select[Any]) -> list[Any]:
    return list(tx.execute(query).scalars())
