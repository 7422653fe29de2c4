"""What the daemon says of its work: one log line for each decision and each write, metrics, and the lag of its lanes.

Lines carry the answer's key as correlation id, the same from decision to receipt; `connector explain` takes it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from connector import observe
from connector.domain.model.intent import Receipt
from connector.observe import DeliveryOutcome, Metrics
from connector.ports import Writer
from connector.store import inbox, outbox, pauses, responses, storms
from connector.store.database import Database
from connector.store.inbox import DeliveryState
from connector.store.intents import IntentRow
from connector.store.receipts import lane_of
from connector.store.responses import Version, VersionState
from connector.store.transaction import Transaction
from connector.sync import decide, understand
from connector.sync.quota import Readings
from connector.sync.settled import settled
from connector.sync.understand import Understood
from connector.transport.client import CallNote, QuotaReading

_ALWAYS: Mapping[str, Callable[[Transaction], datetime | None]] = MappingProxyType(
    {understand.LANE: inbox.oldest_due, decide.LANE: responses.oldest_pending}
)


class Telemetry:
    """Listens to lanes, adapters and the engine of one process."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.readings = Readings()
        self._log = observe.log("daemon")
        self._accounts: Mapping[str, str] = {}
        self._connections: frozenset[str] = frozenset()
        self._storms: frozenset[str] = frozenset()
        self._due_since = dict(_ALWAYS)
        self._measured: frozenset[str] = frozenset()

    def know(self, adapters: Mapping[str, object]) -> None:
        """Learn which connections there are now and which account each writes to; nothing else is followed yet."""
        self._due_since = dict(_ALWAYS)
        self._connections = frozenset(adapters)
        self._accounts = {name: one.account for name, one in adapters.items() if isinstance(one, Writer)}

    def follow(self, lane: str, due_since: Callable[[Transaction], datetime | None]) -> None:
        """Measure the lag of a lane from what says since when its oldest work is due, also when that is to come."""
        self._due_since[lane] = due_since

    def understood(self, understood: Understood) -> None:
        """A delivery was read: it is an answer, or one we have, or none, or waits for a person."""
        state, named = understood.state, {"delivery": understood.delivery, "connection": understood.connection}
        if state is DeliveryState.QUARANTINED:
            self._delivery(understood.connection, DeliveryOutcome.QUARANTINED)
            self._log.warning("delivery_quarantined", **named, form=understood.form, field=understood.field)
            return
        if state is DeliveryState.DUPLICATE:
            self._delivery(understood.connection, DeliveryOutcome.DUPLICATE)
        self._log.info("delivery_understood", **named, state=state.value, response=understood.key)

    def _delivery(self, connection: str, outcome: DeliveryOutcome) -> None:
        self.metrics.count("deliveries_total", source=connection, outcome=outcome.value)

    def decided(self, version: Version, state: VersionState) -> None:
        """An answer was decided, or quarantined."""
        self.metrics.count("responses_total", state=state.value)
        key = None if state is VersionState.ERASED else version.response.key  # who was erased is not named again
        self._log.info("answer_decided", response=key, version=version.number, state=state.value)

    def settled(self, tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
        """An intent reached its end: what that means to people and recoveries, and a line about it."""
        settled(tx, row, receipt)
        self.metrics.count("intents_total", kind=row.kind.value, state=row.state.value)
        if receipt is not None:
            self.metrics.time("write_seconds", (tx.now - row.planned_at).total_seconds(), kind=row.kind.value)
        self._log.info(
            "intent_settled",
            response=None if row.response_id is None else responses.key_of(tx, row.response_id),
            intent=row.id,
            kind=row.kind.value,
            account=row.account,
            state=row.state.value,
            remote_id=None if receipt is None else receipt.remote_id,
            request_id=None if receipt is None else receipt.request_id,
        )

    def read(self, connection: str, reading: QuotaReading) -> None:
        """A reply said what is left of a quota."""
        if connection in self._accounts:
            self.readings.note(self._accounts[connection], reading)
        if reading.remaining is not None:
            self.metrics.gauge(
                "quota_remaining", reading.remaining, connection=connection, endpoint=reading.endpoint_class
            )

    def called(self, note: CallNote) -> None:
        """A request was sent."""
        self.metrics.count(
            "remote_calls_total", connection=note.connection, endpoint=note.endpoint_class, outcome=note.outcome
        )
        self.metrics.time("remote_seconds", note.seconds, connection=note.connection)

    def measure_lag(self, db: Database) -> None:
        """How long the oldest due work of each lane has waited, and what is paused or held: nothing waits there."""
        with db.read() as tx:
            oldest = {lane: due_since(tx) for lane, due_since in dict(self._due_since).items()}
            oldest |= {lane_of(account): outbox.oldest_due(tx, account) for account in self._accounts.values()}
            oldest |= dict.fromkeys(self._measured - oldest.keys())  # of a configuration before this one
            self._measured |= oldest.keys()
            paused = {one.connection: one.account for one in pauses.listed(tx)}
            storming = frozenset(one.survey for one in storms.held(tx))
            for lane, since in oldest.items():
                is_left_alone = any(one is not None and f"/{one}/" in f"{lane}/" for one in paused.values())
                waited = 0.0 if since is None or is_left_alone else (tx.now - since).total_seconds()
                self.metrics.gauge("lane_lag_seconds", max(waited, 0.0), lane=lane)
        for connection in self._connections | paused.keys():
            self.metrics.gauge("connection_paused", int(connection in paused), connection=connection)
        self._storms |= storming
        for survey in self._storms:
            self.metrics.gauge("storm", int(survey in storming), survey=survey)
