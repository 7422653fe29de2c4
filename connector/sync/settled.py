"""What a receipt means to the people and recoveries it is about."""

from __future__ import annotations

from connector.domain.model.intent import Receipt, WriteKind
from connector.domain.model.person import Evidence, Link, LinkState
from connector.store import history, links, outbox, people, receipts, recoveries
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.identify import settle_link


def settled(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
    """The `on_settled` of every write lane: called in the transaction that moved the intent."""
    if row.kind is WriteKind.CONTACT and row.person_id is not None:
        _contact(tx, row, receipt, people.survivor(tx, row.person_id))
    elif row.kind is WriteKind.NOTE and receipt is not None and row.recovery_id is not None:
        _note(tx, row, receipt, row.recovery_id)


def _contact(tx: Transaction, row: IntentRow, receipt: Receipt | None, person_id: int) -> None:
    """A contact was made or found: that is the link. Several were found: somebody has to choose."""
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
