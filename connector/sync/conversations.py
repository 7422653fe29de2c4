"""The lane that reads what customers wrote on their own tickets, for the themes they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.response import Sentiment, Understanding
from connector.errors import RemoteError
from connector.ports.conversations import Conversations, Said
from connector.store import defects, outbox, quotas
from connector.store.database import Database
from connector.store.defects import Unheard
from connector.store.transaction import Transaction
from connector.sync.defects import weigh
from connector.sync.lane import LaneHold
from connector.sync.poll import later
from connector.sync.quota import grant
from connector.sync.settings import DecideSettings

MOST: Final = 5
"""Tickets read in one turn, one call each."""
EVERY: Final = timedelta(minutes=1)
Analyse = Callable[[str | None, str | None], Understanding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsPoll:
    """Reads one helpdesk's conversations. `share` of the vendor's quota is ours, 0 to 1."""

    db: Database
    source: Conversations
    settings: Callable[[], DecideSettings]
    analyse: Analyse
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read a few; due again in a minute while more are waiting."""
        settings, account, read_class = self.settings(), self.source.account, self.source.read_class
        with self.db.write() as tx:
            hold.confirm(tx)
            waiting = defects.unheard(tx, account, MOST)
            allowed = grant(quotas.of(tx, account).get(read_class), share=self.share, now=tx.now, can_wait=True)
            if waiting and not allowed.calls:
                return allowed.at
            waiting = waiting[: allowed.calls]
            if waiting:
                quotas.spend(tx, account, read_class, len(waiting))
        for one in waiting:
            try:
                said = self.source.read_conversation(one.remote_id)
            except RemoteError as error:
                what = "conversations"
                return later(self.db, hold, error, account=account, read_class=read_class, what=what, settings=settings)
            themes = self._themes([each for each in said if each.at > self.db.clock.now() - settings.answered_within])
            with self.db.write() as tx:
                hold.confirm(tx)
                take_conversation(tx, account, one, themes, settings)
        return self.db.clock.now() + EVERY if waiting else None

    def _themes(self, said: list[Said]) -> dict[str, datetime]:
        """What they speak of, praise left out, and when they last did."""
        found: dict[str, datetime] = {}
        for each in said:
            understood = self.analyse(each.text, None)
            if understood.sentiment is not Sentiment.POSITIVE:
                found |= dict.fromkeys(understood.themes, each.at)
        return found


def take_conversation(
    tx: Transaction, account: str, one: Unheard, themes: dict[str, datetime], settings: DecideSettings
) -> None:
    """A customer speaks of these themes on a ticket of theirs."""
    outbox.plan(tx, weigh(tx, defects.heard(tx, account, one, themes), settings))
