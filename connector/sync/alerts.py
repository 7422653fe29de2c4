"""Messages to people that a rule asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from connector.domain.model.intent import Intent, IntentState, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.recovery.act_on import may_notify
from connector.store import history, outbox
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Context, Matter
from connector.sync.planning import Pace
from connector.sync.quiet import loud_from
from connector.sync.settings import DecideSettings, SendAlert

_GONE: Final = frozenset({IntentState.SUPERSEDED, IntentState.REJECTED, IntentState.GIVEN_UP, IntentState.ERASED})


def alerts(
    tx: Transaction,
    matter: Matter,
    wanted: Sequence[SendAlert],
    context: Context,
    settings: DecideSettings,
    pace: Pace,
    recovery_id: int | None,
) -> list[Intent]:
    """The messages about one answer; none about an answer too old to interrupt people for, which the history says.

    An edited answer changes the message its earlier version sent to the same channel instead of sending another.
    """
    if not wanted:
        return []
    response = matter.version.response
    if not may_notify(matter.version.event_at, tx.now, settings.notify_within):
        history.append(
            tx,
            "alert_expired",
            response_id=matter.version.response_id,
            person_id=matter.person_id,
            detail={"reason": "the answer is older than notify_within", "messages": len(wanted)},
        )
        return []
    mine = names.alert_object(response.key, "")
    earlier = [row for row in outbox.for_response(tx, matter.version.response_id) if row.object.startswith(mine)]
    taken: set[str] = set()
    loud = loud_from(settings, tx.now, critical=_is_critical(context))
    planned = []
    for alert in wanted:
        target = settings.targets[alert.connection]
        channel, text = alert.channel.render(context).strip(), alert.text.render(context).strip()
        known = _same_thread(earlier, target.account, channel, taken)
        name = known or names.alert_object(response.key, _next_ordinal(earlier, taken))
        ordinal = name.rpartition("/")[2]
        taken.add(name)
        planned.append(
            Intent(
                key=names.answer_key(target.account, response.key, f"alert/{ordinal}", matter.version.mark),
                account=target.account,
                kind=WriteKind.ALERT,
                object=name,
                target=known,
                fields={"channel": channel, "text": text},
                cause_at=matter.version.event_at,
                not_before=max(pace.not_before(target.linger), loud),
                give_up_at=max(matter.version.event_at + settings.notify_within, loud + timedelta(minutes=10)),
                priority=pace.priority,
                fold=True,
                person_id=matter.person_id,
                recovery_id=recovery_id,
                response_key=response.key,
                version=matter.version.number,
            )
        )
    return planned


def _is_critical(context: Context) -> bool:
    """Whether the answer, or the recovery it is part of, is reason enough to wake somebody."""
    recovery = context.get("recovery")
    severity = recovery.get("severity") if isinstance(recovery, Mapping) else None
    return severity == Severity.CRITICAL.value or bool(context.get("critical") and context.get("unhappy"))


def _same_thread(earlier: Sequence[IntentRow], account: str, channel: str, taken: set[str]) -> str | None:
    for row in earlier:
        if row.state in _GONE or row.account != account or row.object in taken:
            continue
        if row.target is None and row.fields.get("channel") == channel:
            return row.object
    return None


def _next_ordinal(earlier: Sequence[IntentRow], taken: set[str]) -> int:
    return len({row.object for row in earlier} | taken)
