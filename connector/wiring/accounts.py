"""The connected accounts as a command sees them: a few careful calls, spent from the budgets the daemon spends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from connector.clock import Clock
from connector.config import Loaded
from connector.errors import QuotaExhausted, Throttled
from connector.store import quotas
from connector.store.database import Database
from connector.sync.quota import Readings, grant
from connector.transport.client import CallNote, QuotaReading
from connector.transport.kit import Kit
from connector.wiring.adapters import make_adapters
from connector.wiring.process import tokens_of

PATIENCE = timedelta(minutes=2)
"""A command waits so long for a vendor that says "too fast", no longer."""
TRIES = 6

T = TypeVar("T")


class Accounts:
    """An adapter for each connection, and what was learned by calling them.

    `read_only` refuses every write before the socket opens. `ahead` is how far each vendor's clock is ahead of ours.
    Raises ConfigError.
    """

    def __init__(self, loaded: Loaded, clock: Clock, db: Database, *, read_only: bool) -> None:
        self._loaded = loaded
        self._clock = clock
        self._db = db
        self._readings = Readings()
        self._calls: Counter[tuple[str, str]] = Counter()
        self.ahead: dict[str, timedelta] = {}
        kit = Kit(
            clock=clock,
            token_store=tokens_of(db),
            read_only=read_only,
            on_reading=self._read,
            on_call=self._count,
            on_headers=self._hear,
        )
        self.made: Mapping[str, object] = make_adapters(loaded.config, kit).made

    def account(self, name: str) -> str:
        """The vendor account behind a connection, by which budgets are kept."""
        return str(getattr(self.made[name], "account", name))

    def ask(self, name: str, call: Callable[[], T]) -> T:
        """What `call` returns; where the vendor says "too fast" it is made again when the vendor allows.

        Raises QuotaExhausted without a call where nothing is left of our share, and RemoteError.
        """
        self._admit(name)
        try:
            for _ in range(TRIES):
                try:
                    return call()
                except Throttled as error:
                    wait = error.retry_at - self._clock.now()
                    if wait > PATIENCE:
                        raise
                    self._clock.wait(threading.Event(), max(wait.total_seconds(), 0.1))
            return call()
        finally:
            self._settle(name)

    def budgets(self, name: str) -> Iterator[tuple[str, int, int]]:
        """Endpoint class, calls left for us and the most there can be for us, where the vendor says."""
        share = self._share(name)
        with self._db.read() as tx:
            known = quotas.of(tx, self.account(name))
        for each in known.values():
            if each.remaining is not None and each.capacity:
                kept = int(each.capacity * (1 - share))
                yield each.endpoint_class, each.remaining - kept, each.capacity - kept

    def _share(self, name: str) -> float:
        return self._loaded.config.connections[name].quota.share

    def _admit(self, name: str) -> None:
        now = self._clock.now()
        with self._db.read() as tx:
            for each in quotas.of(tx, self.account(name)).values():
                allowed = grant(each, share=self._share(name), now=now)
                if not allowed.calls and allowed.at is not None:
                    raise QuotaExhausted(
                        f"nothing is left of our share of {each.endpoint_class} before {allowed.at:%H:%M} UTC",
                        until=allowed.at,
                        connection=name,
                        operation="",
                    )

    def _settle(self, name: str) -> None:
        """Write down what was spent, and what the replies said is left."""
        account = self.account(name)
        with self._db.write() as tx:
            for key in [key for key in self._calls if key[0] == name]:
                quotas.spend(tx, account, key[1], self._calls.pop(key))
            self._readings.flush(tx, account)

    def _read(self, connection: str, reading: QuotaReading) -> None:
        self._readings.note(self.account(connection), reading)

    def _count(self, note: CallNote) -> None:
        self._calls[note.connection, note.endpoint_class] += 1

    def _hear(self, connection: str, headers: Mapping[str, str]) -> None:
        try:
            said = parsedate_to_datetime(headers["date"])
        except (KeyError, ValueError):
            return
        if said.tzinfo is not None:
            self.ahead[connection] = said - self._clock.now()
