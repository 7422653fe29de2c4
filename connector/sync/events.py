"""Events for other programs that a rule asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connector.domain.mapping.fields import travelling
from connector.domain.model.intent import Intent, WriteKind
from connector.sync import names
from connector.sync.context import Context, Matter
from connector.sync.planning import PATIENCE, Pace
from connector.sync.settings import DecideSettings, StartWorkflow


def events(
    matter: Matter,
    wanted: Sequence[StartWorkflow],
    context: Context,
    settings: DecideSettings,
    pace: Pace,
    recovery_id: int | None,
) -> list[Intent]:
    """The events about one version of an answer; an edited answer is told as another event."""
    response, mark = matter.version.response, matter.version.mark
    seen: Counter[tuple[str, str]] = Counter()
    planned = []
    for start in wanted:
        target = settings.targets[start.connection]
        ordinal = seen[target.account, start.event]
        seen[target.account, start.event] += 1
        planned.append(
            Intent(
                key=names.answer_key(target.account, response.key, f"event/{start.event}/{ordinal}", mark),
                account=target.account,
                kind=WriteKind.EVENT,
                object=names.event_object(response.key, start.event, ordinal, mark, target.account),
                fields={
                    "event": start.event,
                    "data": {name: travelling(value.evaluate(context)) for name, value in start.data.items()},
                },
                cause_at=matter.version.event_at,
                not_before=pace.not_before(target.linger),
                give_up_at=pace.now + PATIENCE,
                priority=pace.priority,
                person_id=matter.person_id,
                recovery_id=recovery_id,
                response_key=response.key,
                version=matter.version.number,
            )
        )
    return planned
