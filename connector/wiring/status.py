"""Every count of the store in one snapshot: what came in, where it stands, and what needs a person."""

from __future__ import annotations

from dataclasses import dataclass, field

from connector.domain.model.intent import FINAL_STATES
from connector.store import (
    accounts,
    counts,
    erasures,
    inbox,
    links,
    outbox,
    pauses,
    recoveries,
    responses,
    retention,
    runs,
    storms,
    undoings,
)
from connector.store.accounts import Paused
from connector.store.database import Database
from connector.store.pauses import Pause
from connector.store.runs import Run
from connector.store.storms import Breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Every count, by name. `accepted` deliveries = the states of `deliveries` + `duplicates`.

    `held_links`: how many persons' links wait for somebody to say which contact it is. `run`: what is planned now can
    be undone by its number; `undoing`: runs that are being undone. `pauses`: connections an operator paused. `storms`:
    surveys whose work is held because too many of their answers are unhappy. `retention` is what went because its time
    was over, `erasures` how many people are in which step of being erased.
    """

    mode: str
    accepted: int
    deliveries: dict[str, int]
    duplicates: int
    refused: dict[str, int]
    responses: dict[str, int]
    intents: dict[str, int]
    recoveries: dict[str, int]
    held_links: int
    paused: list[Paused]
    run: Run | None = None
    undoing: tuple[int, ...] = ()
    pauses: tuple[Pause, ...] = ()
    storms: tuple[Breaker, ...] = ()
    retention: dict[str, int] = field(default_factory=dict)
    erasures: dict[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """How much is still under way: deliveries, responses and intents in no final state, held and blocked aside."""
        idle = {state.value for state in FINAL_STATES} | {"held", "blocked"}
        return (
            self.deliveries.get("received", 0)
            + self.responses.get("pending", 0)
            + sum(number for state, number in self.intents.items() if state not in idle)
        )


def read_status(db: Database, mode: str) -> Status:
    """All counts in one snapshot."""
    with db.read() as tx:
        deliveries = inbox.counts(tx)
        return Status(
            mode=mode,
            accepted=sum(deliveries.states.values()) + deliveries.duplicates,
            deliveries={state.value: number for state, number in deliveries.states.items()},
            duplicates=deliveries.duplicates,
            refused=counts.refused(tx),
            retention=retention.taken(tx),
            erasures=erasures.tallies(tx),
            responses=responses.counts(tx),
            intents={state.value: number for state, number in outbox.counts(tx).items()},
            recoveries=recoveries.counts(tx),
            held_links=links.held(tx),
            paused=accounts.all_paused(tx),
            run=runs.active(tx),
            undoing=tuple(one.run_id for one in undoings.open_ones(tx)),
            pauses=tuple(pauses.listed(tx)),
            storms=tuple(storms.held(tx)),
        )
