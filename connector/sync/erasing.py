"""Erasing a person, step by step: search, settle what is under way, erase elsewhere, delete here, certify.

The tombstones are set, and planning has stopped, before the first step (`connector.store.erasures.begin`). Every step
may be repeated, so that a crash anywhere is made good by the next drain, in the daemon or in `connector person erase`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import Json
from connector.errors import RemoteError, Throttled, Transient
from connector.ports import Paced
from connector.ports.erasing import Erased, Erasing, Fate, Subject
from connector.store import erasures, forgetting, returned, subjects
from connector.store.database import Database
from connector.store.erasures import Erasure, State
from connector.store.receipts import lane_of
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.quota import take_turn
from connector.sync.verdict import ASK_AGAIN, judge, wait_after
from connector.transport.lease import fence

LANE: Final = erasures.LANE
SLICE: Final = 100
"""Deliveries and answers looked through in one transaction."""
AGAIN: Final = timedelta(seconds=1)
CALLS: Final = 2
"""What erasing takes of a system's limit at a time: to delete, and to see what is left."""
PATIENCE: Final = 5
"""How often emptying the log is tried before the certificate says that it was in use."""
TURN: Final = 1.0
NO_CONNECTION: Final = "no connection of this account is configured, or its kind cannot erase"
NOT_OURS: Final = (
    "What other people wrote about them elsewhere was not looked for: answers of others are not searched for a name.",
    "Log lines name answers by their id in the survey tool; they hold no personal data and go when logs are rotated.",
    "Copies of the store made before hold them, sealed: who comes back with one is erased again at the next start.",
    "Issues of defects quoted them without names, if at all; they are written anew, but trackers keep the old version.",
    "Messages that left our reach (e-mails of the helpdesk, exports, screenshots) cannot be called back.",
)
"""What no erasure covers; printed on every certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """One system that is told. `account` names it on the certificate.

    `forms` are kind and form of the surveys it holds answers of, for a survey tool; None for what we write to.
    """

    account: str
    system: Erasing
    forms: frozenset[tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureLane:
    """Carries erasures out. Without `erasers` (observe mode) those that need them wait for `connector person erase`.

    `may_call`: whether other systems may be told to erase. `skip` are accounts whose answer is not waited for.
    """

    db: Database
    erasers: Sequence[Eraser]
    may_call: bool = True
    skip: frozenset[str] = frozenset()

    def drain(self, hold: LaneHold) -> datetime | None:
        """Take every erasure as far as it goes now; due again when the next step is."""
        clock = self.db.clock
        started = clock.monotonic()
        due: list[datetime] = []
        with self.db.read() as tx:
            waiting = [one.id for one in erasures.under_way(tx)]
        for erasure_id in waiting:
            while (at := self._step(hold, erasure_id)) is not None and at <= clock.now():
                if clock.monotonic() - started > TURN:
                    return clock.now()
            if at is not None:
                due.append(at)
        return min(due, default=None)

    def _step(self, hold: LaneHold, erasure_id: int) -> datetime | None:
        """One step of one erasure; when to take the next, None when there is none or somebody else takes it."""
        with self.db.read() as tx:
            one, now = erasures.get(tx, erasure_id), tx.now
        if one.state is State.DONE:
            return None
        if one.again_at is not None and one.again_at > now:
            return one.again_at
        if one.state is State.VENDORS and not self.may_call:
            return None
        steps = {
            State.SEARCHING: self._search,
            State.SETTLING: self._settle,
            State.VENDORS: self._tell,
            State.DELETING: self._delete,
            State.EMPTYING: self._empty,
        }
        return steps[one.state](hold, one)

    def _search(self, hold: LaneHold, one: Erasure) -> datetime:
        with self.db.write() as tx:
            hold.confirm(tx)
            if not erasures.search_deliveries(tx, one, SLICE) and not erasures.search_answers(tx, one, SLICE):
                erasures.move(tx, one, State.SETTLING)
            return tx.now

    def _settle(self, hold: LaneHold, one: Erasure) -> datetime:
        """Wait until nothing about them is under way: only then is it known what there is to erase."""
        with self.db.write() as tx:
            hold.confirm(tx)
            forgetting.stop(tx, one.known)
            under_way = subjects.open_writes(tx, one.known)
            if not under_way:
                erasures.move(tx, one, State.DELETING if one.cause == returned.RESTORED else State.VENDORS)
                return tx.now
            for account in under_way:
                tx.wake(lane_of(account))
            asked = ", ".join(f"{number} to {account}" for account, number in sorted(under_way.items()))
            erasures.wait(tx, one, tx.now + AGAIN, f"requests under way: {asked}")
            return tx.now + AGAIN

    def _tell(self, hold: LaneHold, one: Erasure) -> datetime:
        """Tell one account, or delete here once all were told."""
        with self.db.read() as tx:
            wanted = self._wanted(tx, one)
            begun = [each for each in erasures.outcomes(tx, one.id) if each.fate is Fate.UNDER_WAY]
        left = {
            account: replace(subject, under_way=tuple(each.object for each in begun if each.account == account))
            for account, subject in wanted.items()
            if account not in one.told
        }
        systems = {eraser.account: eraser.system for eraser in self.erasers}
        for account, subject in left.items():
            if account in self.skip or account not in systems:
                why = "it was left out on request" if account in systems else NO_CONNECTION
                self._note(hold, one, account, _listed(subject, why))
                return self.db.clock.now()
        trouble: list[tuple[str, RemoteError]] = []
        for account, subject in left.items():
            try:
                self._take_turn(hold, systems[account])
                with fence(hold.seconds_left):
                    results = systems[account].erase(subject)
            except RemoteError as error:
                trouble.append((account, error))
                continue
            running = sum(result.fate is Fate.UNDER_WAY for result in results)
            if not running:
                one = self._note(hold, one, account, _with_residual(results, systems[account]))
                if trouble:
                    continue  # who cannot be told now is not asked again before its time because another one was
                return self.db.clock.now()
            with self.db.write() as tx:
                hold.confirm(tx)
                erasures.note(tx, one.id, account, results)
            trouble.append((account, Transient(f"{running} objects are being deleted there")))
        if not trouble:
            with self.db.read() as tx:
                digests = forgetting.digests_of(tx, one.known)
            self.db.bury_told(digests)
        with self.db.write() as tx:
            hold.confirm(tx)
            if not trouble:
                erasures.move(tx, one, State.DELETING)
                return tx.now
            return self._later(tx, one, trouble)

    def _take_turn(self, hold: LaneHold, system: Erasing) -> None:
        """Whoever says nothing of its limit is not called by reading and erasing at once. Raises Throttled."""
        if not isinstance(system, Paced):
            return
        with self.db.write() as tx:
            hold.confirm(tx)
            turn = take_turn(tx, system.account, system.read_class, pace=system.pace, calls=CALLS)
        if turn.at is not None:
            raise Throttled("its turn comes", retry_at=turn.at)

    def _wanted(self, tx: Transaction, one: Erasure) -> Mapping[str, Subject]:
        """What each account is to erase. Who may hold something without our knowing it is asked, too."""
        wanted = {
            account: replace(subject, keep_contacts=one.keep_contacts, responses=())
            for account, subject in subjects.accounts(tx, one.known).items()
        }
        for eraser in self.erasers:
            if eraser.forms is None:
                if one.known.emails or one.known.phones:
                    wanted.setdefault(
                        eraser.account,
                        Subject(emails=one.known.emails, phones=one.known.phones, keep_contacts=one.keep_contacts),
                    )
                continue
            theirs = tuple(key for key in one.known.keys if tuple(key.split("/")[:2]) in eraser.forms)
            if theirs:
                wanted[eraser.account] = Subject(responses=theirs)
        return wanted

    def _note(self, hold: LaneHold, one: Erasure, account: str, results: Sequence[Erased]) -> Erasure:
        with self.db.write() as tx:
            hold.confirm(tx)
            erasures.note(tx, one.id, account, results)
            return erasures.told(tx, one, account)

    def _later(self, tx: Transaction, one: Erasure, trouble: Sequence[tuple[str, RemoteError]]) -> datetime:
        """Nobody is forgotten halfway: what could not be erased is tried again until it is, or is left out."""
        verdicts = [judge(error, attempts=one.tries, now=tx.now).at for _, error in trouble]
        soonest = tx.now + wait_after(ASK_AGAIN, one.tries + 1)
        at = max([soonest, *(verdict for verdict in verdicts if verdict is not None)])
        why = "; ".join(f"{account}: {error}" for account, error in trouble)
        # Who asks for a pause has not failed, and neither has who waits for a turn.
        erasures.wait(tx, one, at, why, failed=not all(isinstance(error, Throttled) for _, error in trouble))
        return at

    def _delete(self, hold: LaneHold, one: Erasure) -> datetime:
        with self.db.write() as tx:
            hold.confirm(tx)
            erasures.unname(tx, one.id, one.known)
            here = forgetting.delete_here(tx, one.known)
            erasures.move(tx, one, State.EMPTYING, here=here)
            return tx.now

    def _empty(self, hold: LaneHold, one: Erasure) -> datetime | None:
        """Let the old bytes go from the files, too; readers may hold them for a moment."""
        emptied = self.db.empty_log()
        with self.db.write() as tx:
            hold.confirm(tx)
            if not emptied and one.tries < PATIENCE:
                at = tx.now + AGAIN
                erasures.wait(tx, one, at, "somebody reads an older state of the store", failed=True)
                return at
            erasures.finish(tx, one, certificate(tx, one, emptied=emptied))
        self.db.empty_log()
        return None


def _listed(subject: Subject, why: str) -> list[Erased]:
    """Everything known to be there, none of it erased."""
    found = [f"contact {one}" for one in subject.contacts]
    found += [f"{kind.value} {one}" for kind, ids in subject.records.items() for one in ids]
    found += [f"note on ticket {ticket}" for ticket, _ in subject.notes]
    found += [f"ticket {one}" for one in subject.tickets]
    return [Erased(object=one, fate=Fate.KEPT, why=why) for one in dict.fromkeys(found)]


def _with_residual(results: Sequence[Erased], system: Erasing) -> list[Erased]:
    if not system.residual:
        return list(results)
    return [*results, Erased(object="(always)", fate=Fate.KEPT, why=system.residual)]


def certificate(tx: Transaction, one: Erasure, *, emptied: bool) -> Json:
    """What was erased where and what was not, without a word that names the person."""
    told: list[Json] = [
        {
            "account": each.account,
            "object": each.object,
            "fate": each.fate.value,
            "why": each.why,
            "request_id": each.request_id,
            "at": each.at.isoformat(),
        }
        for each in erasures.outcomes(tx, one.id)
    ]
    notes: list[Json] = [*NOT_OURS]
    if not emptied:
        notes.append("The store's write-ahead log was in use: it is overwritten at its next checkpoint.")
    here: dict[str, Json] = dict(one.here)
    return {
        "erasure": one.id,
        "subject": one.subject,
        "cause": one.cause,
        "requested_at": one.requested_at.isoformat(),
        "done_at": tx.now.isoformat(),
        "contacts_kept": one.keep_contacts,
        "here": here,
        "elsewhere": told,
        "not_covered": notes,
    }
