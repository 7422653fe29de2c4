"""Seeded bugs of writes, lanes and grants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement

from connector.domain.model.intent import Found, IntentState, Receipt
from connector.domain.model.transitions import Event
from connector.errors import Gone, InDoubt, RemoteError, Throttled, Transient
from connector.ports import Job
from connector.store import confirmed, intents, lanes, quotas, writes, writing
from connector.store.schema import lane
from connector.sync import asking, ceilings, settling
from connector.sync.folding import Folded
from connector.sync.lane import LaneHold
from connector.sync.verdict import Next, Verdict
from connector.sync.write import WriteLane
from connector.transport import lease
from connector.transport.grants import ClientCredentials
from tests.chaos.changes import Changes

# --- writing -----------------------------------------------------------------------------------------------------


def a_create_repeated_blindly(change: Changes) -> None:
    """What got no answer is sent again without a question."""

    def ask(outlet: Any, hold: Any, write: Any) -> None:
        with asking.ours(outlet, hold) as tx:
            settling.settle_found(tx, outlet, write, {n: Found(receipts=()) for n in range(len(write.records))})

    change.put(asking, "_ask", ask)


def no_answer_taken_for_a_refusal(change: Changes) -> None:
    """A write whose answer was lost counts as not committed."""

    def judge(error: RemoteError, **more: Any) -> Verdict:
        if isinstance(error, InDoubt):
            error = Transient(str(error))
        found: Verdict = original(error, **more)
        return found

    original = change.put(settling, "judge", judge)


def an_expired_lease_plans_again(change: Changes) -> None:
    """What a dead process was sending is planned as if it had never been sent."""

    def recover(tx: Any, outlet: Any, epoch: int) -> None:
        for write in writes.left_sending(tx, outlet.account, epoch):
            for row in intents.of_write(tx, write.id, IntentState.SENDING):
                settling.put_back(tx, row, Event.REFUSED_FOR_NOW, "its sender died", revision=row.revision + 1)
            writes.close_if_settled(tx, write.id)

    change.put(settling, "recover", recover)


def asked_at_once(change: Changes) -> None:
    """The question does not wait until a late commit must be visible."""
    change.put(settling, "doubt_until", lambda outlet, write, now: now)


def confirmed_values_kept_in_doubt(change: Changes) -> None:
    """While nobody knows what a field holds, what was confirmed before is believed."""
    change.put(confirmed, "lose", lambda *_: None)


def a_whole_batch_green(change: Changes) -> None:
    """One record that succeeded makes all of them succeed."""

    def settle(tx: Any, outlet: Any, write: Any, answer: Any, only: Any = None) -> None:
        if isinstance(answer, list | tuple):
            good = next((one for one in answer if isinstance(one, Receipt)), None)
            answer = answer if good is None else [one if isinstance(one, Receipt) else good for one in answer]
        original(tx, outlet, write, answer, only)

    original = change.put(settling, "settle", settle)


def a_vanished_job_taken_for_done(change: Changes) -> None:
    """Nobody knows the job any more, so it must have been done."""

    def poll(outlet: Any, hold: Any, write: Any) -> None:
        try:
            answer = outlet.writer.poll(write.kind, write.job, len(write.records))
        except Gone:
            answer = [Receipt(remote_id=record.item.target or "?") for record in write.records]
        except RemoteError as error:
            with asking.ours(outlet, hold) as tx:
                asking._unanswered(tx, outlet, write, error)
            return
        with asking.ours(outlet, hold) as tx:
            if isinstance(answer, Job):
                writes.poll_later(tx, write, tx.now + timedelta(seconds=5))
            else:
                settling.settle(tx, outlet, write, answer)

    change.put(asking, "_poll", poll)


def retry_after_ignored(change: Changes) -> None:
    """ "Too fast" is answered by trying again."""

    def judge(error: RemoteError, **more: Any) -> Verdict:
        if isinstance(error, Throttled):
            return Verdict(next=Next.LATER, at=more["now"])
        found: Verdict = original(error, **more)
        return found

    original = change.put(settling, "judge", judge)
    change.put(quotas, "block", lambda *_: None)


def a_ceiling_ignored(change: Changes) -> None:
    """As many new tickets as there are reasons."""
    change.put(ceilings, "room_for", lambda *_: None)


def folding_drops_the_newest(change: Changes) -> None:
    """Of intents that go out together the first counts."""

    def fields(self: Folded) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row in sorted(self.members, key=lambda row: (row.cause_at, row.id), reverse=True):
            for name, value in row.fields.items():
                found[name] = writing.Wanted(value=value, event_at=row.cause_at)
        return found

    change.put(Folded, "fields", property(fields))


def writing_while_observing(change: Changes) -> None:
    """Observe mode is forgotten on the way."""
    original = WriteLane.__init__

    def init(self: WriteLane, *arguments: Any, **more: Any) -> None:
        original(self, *arguments, **{**more, "live": True})

    change.put(WriteLane, "__init__", init)
    from connector.transport.client import Api

    made = Api.__init__

    def make(self: Api, **more: Any) -> None:
        made(self, **{**more, "read_only": False})

    change.put(Api, "__init__", make)


# --- lanes and grants --------------------------------------------------------------------------------------------


def a_lease_without_an_epoch(change: Changes) -> None:
    """Whoever wakes up late goes on, whoever has the lane by now."""

    def is_held(hold: Any) -> ColumnElement[bool]:
        mine: ColumnElement[bool] = lane.c.name == hold.name
        return mine

    change.put(lanes, "_is_held", is_held)
    change.put(LaneHold, "confirm", lambda self, tx: None)
    change.put(LaneHold, "check", lambda self: None)
    change.put(LaneHold, "seconds_left", lambda self: 1e6)
    change.put(lease, "check", lambda patience: None)


def a_wake_up_dropped(change: Changes) -> None:
    """A lane that waits for a timer is not woken by new work."""

    def wake(tx: Any, wakes: Mapping[str, datetime | None]) -> None:
        resting = {row.name for row in tx.execute(lane.select().where(lane.c.wake_at > tx.now))}
        original(tx, {name: at for name, at in wakes.items() if name not in resting})

    original = change.put(lanes, "wake", wake)


def a_refused_token_never_renewed(change: Changes) -> None:
    """An expired session stays."""
    change.put(ClientCredentials, "renew", lambda self, wire, refused: False)
