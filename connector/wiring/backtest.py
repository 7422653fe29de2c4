"""The history of a store played again under a configuration, on a throw-away copy: the store is only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from connector.clock import Clock, VirtualClock
from connector.config import Loaded
from connector.domain.model.intent import WriteKind
from connector.store import copying, looking_back
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.looking_back import Recorded
from connector.sync.backtest import KINDS, Backtest, Tally
from connector.sync.settings import DecideSettings
from connector.sync.winning_back import ANSWER_CHANGED
from connector.wiring.adapters import Adapters
from connector.wiring.opening import graveyard_of
from connector.wiring.settings import adapters_at_rest, decide_settings

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What did happen, and what would have, to the answers decided from `since` until `until`."""

    since: datetime | None
    until: datetime
    did: Recorded
    would: Tally


def backtest(loaded: Loaded, clock: Clock, *, since: datetime | None = None, newest: int | None = None) -> Report:
    """Play the recorded answers again under this configuration; only the `newest` so many. Calls nobody.

    Raises:
        StoreError: the store cannot be read, or is of another version.
        ConfigError: an adapter cannot be made.
    """
    at = clock.now()
    at_rest = adapters_at_rest(loaded, clock)
    settings = decide_settings(loaded, at_rest.accounts)
    keyring, graveyard = KeyRing(loaded.config.privacy.keys), graveyard_of(loaded.config)
    with copying.throw_away(loaded.config.store, keyring, VirtualClock(at), graveyard) as copy:
        return play(copy, settings, batches=_batches(at_rest), until=at, since=since, newest=newest)


def play(
    db: Database,
    settings: DecideSettings,
    *,
    batches: Mapping[tuple[str, WriteKind], int],
    until: datetime,
    since: datetime | None = None,
    newest: int | None = None,
) -> Report:
    """The same, over a store in hand, which is only read. `batches`: see `Backtest`."""
    with db.read() as tx:
        versions = looking_back.decided(tx, newest=newest)
        first, start = next(versions, None), since or EVER
        if newest is not None and first is not None and first.decided_at is not None:
            start = max(start, first.decided_at)
        run = Backtest(tx=tx, settings=settings, since=start, batches=batches)
        if first is not None:
            run.play(first)
        for version in versions:
            run.play(version)
        return Report(
            since=None if start == EVER else start,
            until=until,
            did=looking_back.recorded(tx, start, KINDS, ANSWER_CHANGED),
            would=run.finish(until),
        )


def _batches(adapters: Adapters) -> dict[tuple[str, WriteKind], int]:
    return {
        (one.account, kind): promise.batch
        for one in adapters.writers.values()
        for kind, promise in one.promises.items()
        if kind in KINDS
    }
