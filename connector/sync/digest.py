"""Messages that could not be sent in time become one: nobody reads fourteen old alarms when a chat works again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.transitions import UNSENT
from connector.store import alerts, outbox, receipts, recoveries
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names

PATIENCE: Final = timedelta(days=3)
OBJECT: Final = "digest/"
MOST: Final = 5
"""Tickets named in one message."""


def gather(tx: Transaction, account: str) -> None:
    """Plan one message for each channel about what was given up since the last.

    It takes the place of one that waits to be sent. While nobody knows whether one arrived, the rest waits for that.
    """
    for channel, missed in _untold(tx, account).items():
        _tell(tx, account, channel, missed)


def is_due(tx: Transaction, account: str) -> bool:
    """Whether `gather` has something to plan."""
    return bool(_untold(tx, account))


def _untold(tx: Transaction, account: str) -> dict[str, list[IntentRow]]:
    """What was given up and can be told of now, by channel."""
    channels: dict[str, list[IntentRow]] = {}
    for row in alerts.pending(tx, account):
        channels.setdefault(str(row.fields.get("channel") or ""), []).append(row)
    last = {channel: alerts.open_digest(tx, account, _place(account, channel)) for channel in channels}
    return {channel: channels[channel] for channel, row in sorted(last.items()) if row is None or row.state in UNSENT}


def _place(account: str, channel: str) -> str:
    return f"{OBJECT}{hashlib.sha256(f'{account}/{channel}'.encode()).hexdigest()[:16]}"


def _tell(tx: Transaction, account: str, channel: str, missed: Sequence[IntentRow]) -> None:
    place = _place(account, channel)
    last = alerts.open_digest(tx, account, place)
    name = f"{place}/{alerts.digests(tx, account, place) + 1}" if last is None else last.object
    for row in missed:
        alerts.told_in(tx, row, name)
    rows = alerts.members(tx, account, name)
    first = hashlib.sha256(rows[0].key.encode()).hexdigest()[:16]
    outbox.plan(
        tx,
        [
            Intent(
                key=f"{account}/digest/{first}/{len(rows)}",
                account=account,
                kind=WriteKind.ALERT,
                object=name,
                fields={"channel": channel, "text": _text(tx, rows)},
                cause_at=rows[0].cause_at,  # an old copy of the store may not know that it was sent: it is looked for
                not_before=tx.now,
                give_up_at=tx.now + PATIENCE,
                priority=Priority.NORMAL,
                fold=True,
            )
        ],
    )


def _text(tx: Transaction, rows: Sequence[IntentRow]) -> str:
    critical = _critical(tx, rows)
    many = "1 message" if len(rows) == 1 else f"{len(rows)} messages"
    since = min(row.planned_at for row in rows)
    text = f"{many} could not be sent here in time, {_span(since, tx.now)}, and will not be sent any more"
    if critical:
        text += f"; {len(critical)} about a critical recovery"
    urls = [url for url in critical[:MOST] if url]
    return f"{text}. The tickets have it all.{''.join(f' {url}' for url in urls)}"


def _critical(tx: Transaction, rows: Sequence[IntentRow]) -> list[str]:
    """The tickets of the critical recoveries the messages were about; empty for one that has none yet."""
    found: dict[int, str] = {}
    for row in rows:
        recovery = None if row.recovery_id is None else recoveries.get(tx, row.recovery_id)
        if recovery is None or recovery.severity is not Severity.CRITICAL:
            continue
        ticket = names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id))
        known = receipts.of_objects(tx, [ticket]).get(ticket)
        found[recovery.id] = known.url or "" if known is not None else ""
    return list(found.values())


def _span(since: datetime, until: datetime) -> str:
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    end = f"{until:%H:%M}" if since.date() == until.date() else f"{until:%d %b %H:%M}"
    return f"{since:%d %b %H:%M} to {end} UTC"
