"""Seeded bugs: mistakes a connector like this can have, each a small change of the code while a program runs.

They prove the auditor: the unmodified chaos run has to find every one of them, by a named check. Nothing else in the
project changes its own code; here it is the point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from connector.adapters import typeform as typeform_adapter
from connector.adapters.typeform import listing
from connector.domain.mapping.fields import FieldMapping
from connector.domain.model.intent import Found, IntentState, Receipt
from connector.domain.model.transitions import Event
from connector.domain.recovery.opening import Move, Standing, Step
from connector.errors import Gone, InDoubt, RemoteError, Throttled, Transient
from connector.ports import Job
from connector.store import confirmed, intents, lanes, quotas, responses, scores, steps, tombstones, writes, writing
from connector.store.schema import confirmed as confirmed_table
from connector.store.schema import lane, response_version
from connector.store.transaction import Transaction
from connector.sync import asking, ceilings, collect, decide, mirroring, settling, winning_back
from connector.sync import understand as understanding
from connector.sync.folding import Folded
from connector.sync.lane import LaneHold
from connector.sync.verdict import Next, Verdict
from connector.sync.write import WriteLane
from connector.testing.twin import Crash
from connector.transport import lease
from connector.transport.grants import ClientCredentials
from connector.web import hooks

Change = Callable[["Changes"], None]


class Changes:
    """Attributes that were changed, to be put back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> Any:
        """Change an attribute; returns what it was."""
        before = getattr(owner, name)
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def undo(self) -> None:
        """Everything as it was."""
        for owner, name, value in reversed(self._before):
            setattr(owner, name, value)
        self._before.clear()


@contextmanager
def seeded(name: str | None) -> Iterator[None]:
    """The connector with one bug, or without."""
    changes = Changes()
    if name is not None:
        BUGS[name](changes)
    try:
        yield
    finally:
        changes.undo()


# --- intake ------------------------------------------------------------------------------------------------------


def acknowledged_before_the_commit(change: Changes) -> None:
    """The sender hears "accepted", and then the delivery is stored."""
    late: list[tuple[collect.Intake, Any]] = []

    def submit(self: collect.Intake, arrivals: Any) -> Future[None]:
        late.append((self, arrivals))
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def store() -> None:
        while late:
            intake, arrivals = late.pop()
            if (error := original(intake, arrivals).exception()) is not None:
                late.clear()
                if isinstance(error, Crash):
                    raise error

    async def receive(self: hooks.Receiver, connection: str, request: Request) -> Response:
        answer: Response = await answered(self, connection, request)
        answer.background = BackgroundTask(store)
        return answer

    original = change.put(collect.Intake, "submit", submit)
    answered = change.put(hooks.Receiver, "receive", receive)


def forged_deliveries_accepted(change: Changes) -> None:
    """The signature is not looked at."""
    change.put(typeform_adapter.Typeform, "verify", lambda self, hook: None)


def the_cursor_says_after(change: Changes) -> None:
    """The next walk through a listing begins behind the newest answer seen: `>`, and no overlap."""

    def earlier(newest: str) -> str:
        at = datetime.fromisoformat(newest) + timedelta(seconds=1)
        return at.replace(microsecond=0, tzinfo=None).isoformat()

    change.put(listing, "_earlier", earlier)


def keys_from_the_connections_name(change: Changes) -> None:
    """An answer is named after what the configuration calls its source, so a new name makes it a new answer."""

    def mapped(delivery: Any, source: Any, record: Any, reading: Any) -> Any:
        found = original(delivery, source, record, reading)
        if isinstance(found, understanding.Mapped) and delivery.connection == "forms":
            key = found.response.key.replace("typeform/", "forms/")
            return replace(found, response=replace(found.response, key=key))
        return found

    original = change.put(understanding, "_map", mapped)


# --- answers -----------------------------------------------------------------------------------------------------


def an_older_version_decided_after_a_newer(change: Changes) -> None:
    """Whatever arrives last counts, whenever it was said."""

    def record(tx: Any, answer: Any, understood: Any, **more: Any) -> Any:
        # Told as if it had been said just now.
        done = original(tx, answer, understood, **more)
        if done.version is not None:
            tx.execute(
                response_version.update()
                .where(
                    response_version.c.response_id == done.response_id,
                    response_version.c.version == done.version,
                    response_version.c.state == "stale",
                )
                .values(state="pending")
            )
            tx.wake(decide.LANE)
        return done

    original = change.put(responses, "record", record)


def the_same_edit_decided_twice(change: Changes) -> None:
    """The same answer in another envelope counts as an edit."""
    number = iter(range(10**9))
    change.put(responses, "_known_as", lambda *_, **__: None)
    change.put(decide, "substance", lambda _: next(number))


def a_blank_erases(change: Changes) -> None:
    """A value that is missing is written as null."""

    def evaluate(self: FieldMapping, context: Mapping[str, object]) -> dict[str, Any]:
        return {rule.name: rule.evaluate(context) for rule in self.fields}

    change.put(FieldMapping, "evaluate", evaluate)


def old_answers_alarm(change: Changes) -> None:
    """Answers are acted on at any age."""
    change.put(decide, "may_act", lambda *_: True)


def joins_ignored(change: Changes) -> None:
    """A second unhappy answer of somebody who is being won back leads to nothing."""

    def on_unhappy(key: str, severity: Any, standing: Standing) -> Step:
        step: Step = original(key, severity, standing)
        return replace(step, move=Move.NOTHING) if step.move is Move.JOIN else step

    original = change.put(winning_back, "on_unhappy", on_unhappy)


def tombstones_not_checked(change: Changes) -> None:
    """Who was erased comes back with the next delivery."""
    change.put(tombstones, "among", lambda *_: frozenset())
    change.put(responses, "is_erased", lambda *_: False)


def an_edit_keeps_the_old_facts(change: Changes) -> None:
    """A score rests on what an answer said before, too."""

    def replace_facts(tx: Any, person_id: int, prefix: str, new: Sequence[Any]) -> bool:
        if prefix.startswith("signal/"):
            return bool(original(tx, person_id, prefix, new))
        sources = {fact.source for fact in new}
        kept = [
            one for one in scores.facts(tx, person_id) if one.source.startswith(prefix) and one.source not in sources
        ]
        return bool(original(tx, person_id, prefix, [*kept, *new]))

    original = change.put(scores, "replace_facts", replace_facts)


def solved_tickets_not_noticed(change: Changes) -> None:
    """A recovery stays open whatever people do."""
    change.put(mirroring, "_close", lambda *_: None)


def an_echo_taken_for_an_edit(change: Changes) -> None:
    """Our own write, read back, looks like a person's."""

    def observe(tx: Any, account: str, name: str, seen: Any, *, read_at: datetime) -> Any:
        known = confirmed.of(tx, account, name)
        ours = [field for field in seen if field in known and known[field].known]
        table = confirmed_table
        tx.execute(
            table.update()
            .where(table.c.account == account, table.c.object == name, table.c.field.in_(ours))
            .values(theirs=True)
        )
        return frozenset(ours)

    change.put(confirmed, "observe", observe)
    change.put(mirroring, "_like", lambda known, seen: f"{seen} ")


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


def a_deadline_before_its_time(changes: Changes) -> None:
    """Deadlines are counted from when the answer was given, or some minutes short."""
    begin: Callable[..., None] = steps.begin

    def hasty(tx: Transaction, row: steps.StepRow, due_at: datetime) -> None:
        begin(tx, row, due_at - timedelta(minutes=10))

    changes.put(steps, "begin", hasty)


BUGS: Mapping[str, Change] = {
    change.__name__.replace("_", " "): change
    for change in (
        acknowledged_before_the_commit,
        forged_deliveries_accepted,
        the_cursor_says_after,
        keys_from_the_connections_name,
        an_older_version_decided_after_a_newer,
        the_same_edit_decided_twice,
        a_blank_erases,
        old_answers_alarm,
        joins_ignored,
        tombstones_not_checked,
        an_edit_keeps_the_old_facts,
        solved_tickets_not_noticed,
        an_echo_taken_for_an_edit,
        a_create_repeated_blindly,
        no_answer_taken_for_a_refusal,
        an_expired_lease_plans_again,
        asked_at_once,
        confirmed_values_kept_in_doubt,
        a_whole_batch_green,
        a_vanished_job_taken_for_done,
        retry_after_ignored,
        a_ceiling_ignored,
        a_deadline_before_its_time,
        folding_drops_the_newest,
        writing_while_observing,
        a_lease_without_an_epoch,
        a_wake_up_dropped,
        a_refused_token_never_renewed,
    )
}
