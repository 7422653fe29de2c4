"""Closing a recovery by hand, and saying how one ended."""

from __future__ import annotations

from connector.domain.model.intent import Json
from connector.domain.model.nearest import nearest
from connector.domain.model.recovery import Recovery, RecoveryState, Stage
from connector.domain.recovery.proof import known_cause, lacking
from connector.errors import ConnectorError
from connector.store import history, outbox, recoveries, steps
from connector.store.transaction import Transaction
from connector.sync import tracking
from connector.sync.settings import DecideSettings
from connector.sync.work import book_of, recalled

BY_HAND = "closed by an operator"


def conclude(
    tx: Transaction,
    recovery_id: int,
    stage: Stage,
    settings: DecideSettings,
    *,
    root_cause: str | None,
    action_taken: str | None,
) -> Recovery:
    """Close a recovery, or say of a closed one how it ended. Its ticket is left as it is.

    Raises ConnectorError when there is none, or when its playbook needs to know more.
    """
    recovery = known(tx, recovery_id)
    close = book_of(tx, recovery, settings).close
    cause = known_cause(root_cause, close.root_causes)
    if root_cause is not None and cause is None:
        meant = nearest(root_cause, close.root_causes)
        said = f"did you mean {meant!r}?" if meant else f"one of {', '.join(close.root_causes)}"
        raise ConnectorError(f"the playbook {recovery.playbook!r} has no root cause {root_cause!r}: {said}")
    recoveries.account_for(tx, recovery_id, root_cause=cause, action_taken=action_taken)
    known_now = known(tx, recovery_id)
    missing = lacking(
        close.needs,
        root_cause=known_now.root_cause,
        action_taken=recoveries.action_taken(tx, recovery_id),
        causes=close.root_causes,
    )
    if missing:
        options = " and ".join({"root_cause": "--cause", "action_taken": "--action"}[name] for name in missing)
        raise ConnectorError(f"recovery {recovery_id} cannot be closed without {options}: its playbook wants it")
    if not recoveries.close(tx, recovery_id, BY_HAND, tx.now, stage):
        recoveries.conclude(tx, recovery_id, stage)
    detail: dict[str, Json] = {"cause": BY_HAND, "stage": stage.value}
    history.append(tx, "recovery_closed", person_id=recovery.person_id, recovery_id=recovery_id, detail=detail)
    return known(tx, recovery_id)


def mark_done(tx: Transaction, recovery_id: int, name: str, settings: DecideSettings) -> None:
    """Say that a step was done. Raises ConnectorError when nothing of that name is waited for."""
    recovery, work = known(tx, recovery_id), None
    waiting = [row for row in steps.of(tx, recovery_id) if row.is_open]
    row = next((row for row in waiting if row.name.casefold() == name.strip().casefold()), None)
    if recovery.state is RecoveryState.OPEN:
        work = recalled(tx, recovery, settings)
    if row is None or work is None:
        names = ", ".join(row.name for row in waiting) or "nothing"
        raise ConnectorError(f"recovery {recovery_id} does not wait for {name!r}; it waits for {names}")
    outbox.plan(tx, tracking.finish(tx, work, row, "an operator said so", tx.now))


def known(tx: Transaction, recovery_id: int) -> Recovery:
    """The recovery. Raises ConnectorError when there is none of this number."""
    found = recoveries.get(tx, recovery_id)
    if found is None:
        raise ConnectorError(f"there is no recovery {recovery_id}; `connector recovery list` shows them")
    return found
