"""What the end of an intent means to the people and recoveries it is about."""

from __future__ import annotations

from typing import Final

from connector.domain.model.intent import IntentState, Json, Receipt, WriteKind
from connector.domain.model.person import Evidence, Link, LinkState
from connector.store import history, intents, links, outbox, people, receipts, recoveries, scores
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import defects, names
from connector.sync.identify import is_by_hand, settle_link

NO_TICKET: Final = "its ticket could not be opened"
"""The cause of a recovery that was closed because nobody can have seen it: the next unhappy answer opens another."""
_FAILED: Final = frozenset({IntentState.REJECTED, IntentState.GIVEN_UP})


def settled(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
    """The `on_settled` of every write lane: called in the transaction that moved the intent."""
    if row.kind is WriteKind.CONTACT and row.person_id is not None:
        _contact(tx, row, receipt, people.survivor(tx, row.person_id))
    elif row.kind is WriteKind.CONTACT_FIELDS and row.person_id is not None and row.state in _FAILED:
        scores.retract(tx, people.survivor(tx, row.person_id), row.account)
    elif row.kind is WriteKind.ISSUE:
        defects.settled(tx, row, receipt)
    elif row.recovery_id is None:
        return
    elif receipt is None and row.state in _FAILED:
        _without_ticket(tx, row, row.recovery_id)
    elif receipt is not None and row.kind is WriteKind.NOTE:
        _note(tx, row, receipt, row.recovery_id)
    elif receipt is not None and row.kind is WriteKind.TICKET:
        _late_ticket(tx, row, row.recovery_id)


def drop(tx: Transaction, intent_id: int) -> bool:
    """An operator does not want an intent; False when a request of it may be under way or it is done.

    Raises KeyError for a number that is no intent's.
    """
    if not outbox.drop(tx, intent_id):
        return False
    row = intents.get(tx, intent_id)
    if row.kind is WriteKind.CONTACT_FIELDS and row.person_id is not None:
        scores.retract(tx, people.survivor(tx, row.person_id), row.account)
    if row.recovery_id is not None:
        _without_ticket(tx, row, row.recovery_id)
    defects.dropped(tx, row)
    return True


def _contact(tx: Transaction, row: IntentRow, receipt: Receipt | None, person_id: int) -> None:
    """A contact was made or found: that is the link. Several were found: somebody has to choose."""
    known = links.get(tx, person_id, row.account)
    if known is not None and known.remote_id is not None and is_by_hand(known):
        settle_link(tx, person_id, row.account, known.remote_id)  # chosen while this one was being made
        return
    if receipt is not None:
        how = "created by the connector" if receipt.created else "found there when asked"
        link = Link(
            account=row.account,
            state=LinkState.LINKED,
            remote_id=receipt.remote_id,
            evidence=Evidence(decided_by=how),
            candidates=(receipt.remote_id,),
        )
        links.save(tx, person_id, link)
        settle_link(tx, person_id, row.account, receipt.remote_id)
        return
    if row.candidates:
        ids = tuple(candidate.remote_id for candidate in row.candidates)
        evidence = Evidence(decided_by="several found there when asked", losers=())
        held = Link(account=row.account, state=LinkState.HELD, remote_id=None, evidence=evidence, candidates=ids)
        links.save(tx, person_id, held)
        history.append(
            tx,
            "link_held",
            response_id=row.response_id,
            person_id=person_id,
            detail={"account": row.account, "candidates": list(ids)},
        )


def _note(tx: Transaction, row: IntentRow, receipt: Receipt, recovery_id: int) -> None:
    """A recovery began on the ticket its survey was about: from now on that is its ticket."""
    if row.target is None or not row.target.startswith("ticket/"):
        return
    name = names.ticket_object(recovery_id, recoveries.generation(tx, recovery_id))
    known = receipts.of_objects(tx, [row.target, name])
    if name not in known and row.target in known:
        outbox.adopt(tx, row.account, name, known[row.target].remote_id, receipt.url)
        _late_ticket(tx, row, recovery_id)


def _without_ticket(tx: Transaction, row: IntentRow, recovery_id: int) -> None:
    """The ticket a recovery was to be worked on does not exist: closed, or it would swallow every later answer."""
    ticket = names.ticket_object(recovery_id, recoveries.generation(tx, recovery_id))
    if not _opens(row, ticket) or outbox.receipts(tx, [ticket]):
        return
    if recoveries.close(tx, recovery_id, NO_TICKET, tx.now):
        detail: Json = {"cause": NO_TICKET, "reason": row.reason}
        _tell(tx, "recovery_closed", row, recovery_id, detail)


def _opens(row: IntentRow, ticket: str) -> bool:
    """Whether an intent makes `ticket`: creates it, or begins the recovery on a ticket that is not ours."""
    if row.kind is WriteKind.TICKET:
        return row.object == ticket
    return row.kind is WriteKind.NOTE and row.target is not None and row.target.startswith("ticket/")


def _late_ticket(tx: Transaction, row: IntentRow, recovery_id: int) -> None:
    """An operator tried again and the ticket is there after all: the recovery goes on, unless another one does."""
    known = recoveries.get(tx, recovery_id)
    if known is not None and known.cause == NO_TICKET and recoveries.reopen(tx, recovery_id):
        _tell(tx, "recovery_reopened", row, recovery_id, {"reason": "its ticket was opened after all"})


def _tell(tx: Transaction, event: str, row: IntentRow, recovery_id: int, detail: Json) -> None:
    history.append(
        tx, event, response_id=row.response_id, person_id=row.person_id, recovery_id=recovery_id, detail=detail
    )
