"""Understand: deliveries become recorded answers. What cannot be mapped waits in quarantine, alone, for `replay`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain.mapping.survey import SurveyMapping
from connector.domain.model.response import Response, Understanding
from connector.domain.recovery.act_on import may_act
from connector.errors import ConnectorError, LeaseLost, MappingError, StoreError
from connector.observe import correlate
from connector.ports import Record, Source
from connector.store import history, inbox, responses
from connector.store.database import Database
from connector.store.inbox import Arrival, Delivery, DeliveryState
from connector.store.responses import Outcome
from connector.store.transaction import Transaction
from connector.sync import decide
from connector.sync.identify import blinds_of
from connector.sync.lane import POISON, LaneHold
from connector.sync.outlet import Notify

LANE: Final = inbox.LANE
BATCH, LARGEST = 10, 50
"""Deliveries of one transaction: at first, and at most, while many are waiting."""
TURN: Final = 1.0
NOT_AN_ANSWER: Final = "a test or a preview, not an answer"
NO_SURVEY: Final = "no survey in the configuration reads this form"
TOLD_APART: Final = "told apart into deliveries of their own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the answers of one form are read. `survey` is the YAML's name for it."""

    survey: str
    mapping: SurveyMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading deliveries needs of a configuration.

    `sources` are adapters by kind, `forms` the surveys by kind and form: a delivery is recognised by what it is, so
    that one stored before its connection was renamed is still read. `analyse` adds what comments say.
    """

    sources: Mapping[str, Source]
    forms: Mapping[tuple[str, str], Form]
    analyse: Callable[[str | None, str | None], Understanding]
    answered_within: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A delivery that became an answer."""

    response: Response
    understanding: Understanding


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A delivery that is authentic and no answer we want."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A delivery that could not be mapped, and the place that failed; `form` where it was read that far."""

    field: str
    reason: str
    form: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """A whole request that could not be told apart when it came, and now can: the deliveries in it."""

    payloads: Sequence[bytes]


What = Mapped | Ignored | Unreadable | Several


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What became of one delivery. `key` is the answer's, where it is one; `form` and `field` are for quarantine."""

    delivery: int
    connection: str
    state: DeliveryState
    key: str | None = None
    form: str | None = None
    field: str | None = None


def to_nobody(tx: Transaction, account: str, cause: str, text: str) -> None:
    """No operators are configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderstandLane:
    """Drains received deliveries. `reading` is asked at each drain, so that a reload takes effect between two.

    `on_understood` hears what became of each delivery, once that is committed; `notify` tells the operators what was
    quarantined, in the transaction that does it.
    """

    db: Database
    reading: Callable[[], Reading]
    on_understood: Callable[[Understood], None] = lambda understood: None
    notify: Notify = to_nobody

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read for about a second; due again at once while deliveries are waiting, else when woken."""
        reading, clock, most = self.reading(), self.db.clock, BATCH
        started = clock.monotonic()
        while clock.monotonic() - started < TURN:
            with self.db.read() as tx:
                batch = due = inbox.due(tx, most)
            if batch and batch[0].priority == inbox.LIVE:  # whoever answers now does not wait for what is filled in
                batch = [delivery for delivery in batch if delivery.priority == inbox.LIVE]
            # Reading a comment takes milliseconds: it must not hold the one write lock of a SQLite store meanwhile.
            found = [(delivery, interpret(delivery, reading)) for delivery in batch]
            with self.db.write() as tx:
                hold.confirm(tx)
                settled = [_settle(tx, delivery, what, reading, self.notify) for delivery, what in found]
            for understood in settled:
                self.on_understood(understood)
            if not batch or (len(batch) == len(due) < most):
                return None
            most = min(LARGEST, 2 * len(batch)) if len(batch) == most else max(BATCH, most // 2)
        return clock.now()


def interpret(delivery: Delivery, reading: Reading) -> What:
    """What one delivery is. Never raises for what is in it: that is what quarantine is for."""
    source = reading.sources.get(delivery.kind)
    if source is None:
        return Unreadable(field="connection", reason=f"no connection of kind {delivery.kind} is configured")
    form: str | None = None
    try:
        with correlate(delivery=delivery.id):
            found = _open(delivery, source)
            if not isinstance(found, Record):
                return found
            form = found.form
            return _map(delivery, source, found, reading)
    except MappingError as error:
        return Unreadable(field=error.field, reason=str(error).removeprefix(f"{error.field}: "), form=form)
    except (LeaseLost, StoreError):
        raise
    except POISON as error:
        reason = str(error) if isinstance(error, ConnectorError) else f"a defect: {type(error).__name__}"
        return Unreadable(field="payload", reason=reason, form=form)


def _open(delivery: Delivery, source: Source) -> Record | Ignored | Several:
    # One delivery is itself when split; a request that was kept whole because it could not be split is not, any more.
    payloads = source.split(delivery.payload)
    if list(payloads) != [delivery.payload]:
        return Several(payloads=payloads)
    return source.read(delivery.payload) or Ignored(reason=NOT_AN_ANSWER)


def _map(delivery: Delivery, source: Source, record: Record, reading: Reading) -> Mapped | Ignored:
    form = reading.forms.get((source.kind, record.form))
    if form is None:
        return Ignored(reason=NO_SURVEY)
    response = form.mapping.respond(
        kind=source.kind,
        survey=form.survey,
        form=record.form,
        id=record.id,
        submitted_at=record.submitted_at,
        received_at=delivery.received_at,
        answers=record.answers,
        hidden=record.hidden,
        metadata=record.metadata,
    )
    return Mapped(response=response, understanding=reading.analyse(response.comment, response.language_hint))


def tell_quarantined(
    tx: Transaction, notify: Notify, connection: str, *, form: str | None, field: str, reason: str
) -> None:
    """Tell the operators of a delivery that could not be read: one cause for each form and field."""
    whose = f"a delivery of form {form}" if form else "a delivery"
    text = f"{connection}: {whose} could not be read at {field}: {reason}. `connector replay --list` shows all such"
    notify(tx, connection, f"quarantined/{form or ''}/{field}", text)


def _settle(tx: Transaction, delivery: Delivery, what: What, reading: Reading, notify: Notify) -> Understood:
    """Bring the delivery to its final state, and the answer to the decide lane."""
    if isinstance(what, Several):
        inbox.add(tx, [_part(delivery, payload) for payload in what.payloads])
        inbox.mark_ignored(tx, delivery.id, TOLD_APART)
        return _understood(delivery, DeliveryState.IGNORED)
    if isinstance(what, Ignored):
        inbox.mark_ignored(tx, delivery.id, what.reason)
        return _understood(delivery, DeliveryState.IGNORED)
    if isinstance(what, Unreadable):
        inbox.mark_quarantined(tx, delivery.id, field=what.field, reason=what.reason)
        if delivery.run_id is None:  # whoever imports a file is told by the command itself
            tell_quarantined(tx, notify, delivery.connection, form=what.form, field=what.field, reason=what.reason)
        return _understood(delivery, DeliveryState.QUARANTINED, form=what.form, field=what.field)
    return _understood(delivery, _record(tx, delivery, what, reading), key=what.response.key)


def _record(tx: Transaction, delivery: Delivery, what: Mapped, reading: Reading) -> DeliveryState:
    is_young = may_act(what.response.event_at, tx.now, reading.answered_within)
    done = responses.record(
        tx,
        what.response,
        what.understanding,
        blinds=blinds_of(tx, what.response),
        run_id=delivery.run_id,
        record_only=delivery.record_only,
        acts=is_young if delivery.record_only is None else not delivery.record_only,
    )
    if done.response_id is None:
        inbox.mark_erased(tx, delivery.id)
        return DeliveryState.ERASED
    if done.outcome is Outcome.DUPLICATE:
        inbox.mark_duplicate(tx, delivery.id, done.response_id)
        return DeliveryState.DUPLICATE
    inbox.mark_mapped(tx, delivery.id, done.response_id)
    history.append(
        tx,
        done.outcome.value,
        response_id=done.response_id,
        detail={"version": done.version, "delivery": delivery.id, "source": delivery.kind},
    )
    if done.outcome is Outcome.RECORDED:
        tx.wake(decide.LANE)
    return DeliveryState.MAPPED


def _understood(
    delivery: Delivery,
    state: DeliveryState,
    *,
    key: str | None = None,
    form: str | None = None,
    field: str | None = None,
) -> Understood:
    # Who was erased is not named again, not even by the key of an answer.
    known = None if state is DeliveryState.ERASED else key
    return Understood(
        delivery=delivery.id, connection=delivery.connection, state=state, key=known, form=form, field=field
    )


def _part(delivery: Delivery, payload: bytes) -> Arrival:
    return Arrival(
        connection=delivery.connection,
        kind=delivery.kind,
        payload=payload,
        received_at=delivery.received_at,
        priority=delivery.priority,
        run_id=delivery.run_id,
        record_only=delivery.record_only,
        place=delivery.place,
    )
