"""The lane that takes runs back: nothing of a run is sent any more, its answers stop counting, the rest is planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import WriteKind
from connector.ports.taking_back import Retractable
from connector.store import defects as counted
from connector.store import (
    figures,
    history,
    outbox,
    people,
    priors,
    recoveries,
    responses,
    runs,
    scores,
    storms,
    undoings,
)
from connector.store.database import Database
from connector.store.responses import Version
from connector.store.runs import Run, RunKind
from connector.store.transaction import Transaction
from connector.sync import defects, timers
from connector.sync.about import about
from connector.sync.lane import LaneHold
from connector.sync.rescore import remember, rescore
from connector.sync.settings import DecideSettings
from connector.sync.slices import slices
from connector.sync.undoing import BATCH, Step, Undo

LANE: Final = undoings.LANE
TURN: Final = 1.0
UNDONE: Final = "undone"
"""The cause of a recovery whose run was taken back."""
_UNSETTLED: Final = timedelta(seconds=5)


@dataclass(slots=True)
class Progress:
    """How far a run is planned. It is only kept to save time: keys make planning twice the same as once."""

    stopped: bool = False
    intent: int = 0
    place: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoLane:
    """Carries out what `connector undo` asked for. `retractable`: writers that can take their records back."""

    db: Database
    settings: Callable[[], DecideSettings]
    retractable: Mapping[str, Retractable]
    progress: dict[int, Progress] = field(default_factory=dict)

    def drain(self, hold: LaneHold) -> datetime | None:
        """Work for about a second; due again while something is left, or while a write of the run is not settled."""
        clock, started = self.db.clock, self.db.clock.monotonic()
        while clock.monotonic() - started < TURN:
            with self._piece() as tx:
                hold.confirm(tx)
                wanted = undoings.open_ones(tx)
                if not wanted:
                    return None
                moved = [self._move(tx, runs.get(tx, one.run_id)) for one in wanted]
            if not any(moved):
                return clock.now() + _UNSETTLED
        return clock.now()

    @contextmanager
    def _piece(self) -> Iterator[Transaction]:
        """A transaction; what was only remembered here of one that comes to nothing is forgotten with it."""
        before, is_kept = self.db.run_id, False
        try:
            with self.db.write() as tx:
                before = tx.run_id
                yield tx
            is_kept = True
        finally:
            if not is_kept:
                self.progress.clear()
                self.db.run_id = before

    def _move(self, tx: Transaction, run: Run) -> bool:
        """One piece of one run; False when what was sent has to be settled first."""
        if tx.run_id == run.id:
            # What comes next must not be taken back as well, nor escape a later undoing.
            runs.end(tx, run.id)
            self.db.run_id = tx.run_id = runs.begin(tx, run.kind, mode=run.mode, config=run.config)
        progress = self.progress.setdefault(run.id, Progress())
        if not progress.stopped:
            undoings.stop_import(tx, run.id)
            storms.calm(tx, run.id)
            progress.stopped = True
        unsent = undoings.unsent(tx, run.id, BATCH)
        for row in unsent:
            outbox.drop(tx, row.id, f"run {run.id} was undone")
            defects.undone(tx, row)
            if row.kind is WriteKind.CONTACT_FIELDS and row.person_id is not None:
                untell(tx, row.person_id, row.account, run)
        answers = undoings.decided(tx, run.id, BATCH)
        for version in answers:
            withdraw(tx, version, run, self.settings())
        if unsent or answers:
            return True
        undoings.ask_first(tx, run.id)
        if undoings.under_way(tx, run.id):
            return False
        return self._plan(tx, run, progress)

    def _plan(self, tx: Transaction, run: Run, progress: Progress) -> bool:
        undo = Undo(run_id=run.id, retractable=self.retractable)
        rows = undoings.confirmed_after(tx, run.id, progress.intent, BATCH)
        names = [] if rows else priors.objects(tx, run.id, after=progress.place, limit=BATCH)
        steps: list[Step] = list(undo.about(tx, rows))
        for account, name in names:
            steps += undo.restoring(tx, account, name)
        outbox.plan(tx, [step.intent for step in steps if step.intent is not None])
        for row in rows:
            defects.undone(tx, row)
            if row.kind is WriteKind.CONTACT_FIELDS and row.person_id is not None:
                untell(tx, row.person_id, row.account, run)
        if rows:
            progress.intent = rows[-1].id
        elif names:
            progress.place = names[-1]
        else:
            undoings.planned(tx, run.id)
            self.progress.pop(run.id)
        return True


def untell(tx: Transaction, person_id: int, account: str, run: Run) -> None:
    """A CRM gets back the score it had before the run: what is written next is compared with that."""
    survivor = people.survivor(tx, person_id)
    before = scores.as_of_then(tx, survivor, run.began_at)
    if before is None:
        scores.retract(tx, survivor, account)
    else:
        scores.publish(tx, survivor, account, before)


def withdraw(tx: Transaction, version: Version, run: Run, settings: DecideSettings) -> None:
    """An answer decided under the run counts for nothing: no facts of it are left, nor recoveries it opened."""
    for recovery in undoings.opened_by(tx, version):
        if recoveries.close(tx, recovery.id, UNDONE, tx.now):
            history.append(
                tx,
                "recovery_closed",
                response_id=version.response_id,
                person_id=recovery.person_id,
                recovery_id=recovery.id,
                detail={"cause": UNDONE, "run": run.id},
            )
    undoings.withdraw(tx, version)
    counted.mention(tx, version.response_id, (), version.event_at)
    history.append(
        tx,
        "undone",
        response_id=version.response_id,
        person_id=version.person_id,
        detail={"version": version.number, "run": run.id},
    )
    earlier = responses.last_decided(tx, version.response_id)
    figures.withdraw(tx, version.response_id)
    if earlier is not None:
        figures.take(tx, earlier, slices(about(tx, earlier.response, settings).response), unhappy=bool(earlier.unhappy))
    if version.person_id is None or settings.score is None:
        return
    person_id = people.survivor(tx, version.person_id)
    if earlier is None:
        scores.replace_facts(tx, person_id, f"{version.response.key}#", [])
    else:
        remember(tx, earlier, person_id, settings.score)
    rescore(tx, person_id, settings.score)
    if run.kind is RunKind.IMPORT:  # what the timers wrote of its scores is not the import's to take back
        people.scored(tx, person_id, None)
        tx.wake(timers.LANE)
