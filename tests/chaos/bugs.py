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

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from connector.adapters import typeform as typeform_adapter
from connector.adapters.typeform import listing
from connector.domain.mapping.fields import FieldMapping
from connector.domain.recovery.opening import Move, Standing, Step
from connector.store import confirmed, responses, scores, steps, tombstones
from connector.store.schema import confirmed as confirmed_table
from connector.store.schema import response_version
from connector.store.transaction import Transaction
from connector.sync import collect, decide, looking_back, mirroring, winning_back
from connector.sync import understand as understanding
from connector.testing.twin import Crash
from connector.web import hooks
from tests.chaos import bugs_besides, bugs_writing
from tests.chaos.changes import Change, Changes


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
    answered = change.put(hooks.Receiver, "_receive", receive)


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
    change.put(looking_back, "_close", lambda *_: None)


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
        bugs_writing.a_create_repeated_blindly,
        bugs_writing.no_answer_taken_for_a_refusal,
        bugs_writing.an_expired_lease_plans_again,
        bugs_writing.asked_at_once,
        bugs_writing.confirmed_values_kept_in_doubt,
        bugs_writing.a_whole_batch_green,
        bugs_writing.a_vanished_job_taken_for_done,
        bugs_writing.retry_after_ignored,
        bugs_writing.a_ceiling_ignored,
        a_deadline_before_its_time,
        bugs_writing.folding_drops_the_newest,
        bugs_writing.writing_while_observing,
        bugs_writing.a_lease_without_an_epoch,
        bugs_writing.a_wake_up_dropped,
        bugs_writing.a_refused_token_never_renewed,
        bugs_besides.a_mail_repeated_after_no_answer,
        bugs_besides.an_issue_created_without_looking,
        bugs_besides.consent_ignored,
        bugs_besides.a_code_given_twice,
        bugs_besides.a_follow_up_taken_for_a_fresh_answer,
        bugs_besides.a_second_answer_to_a_follow_up_counts,
        bugs_besides.a_theme_that_returns_opens_another_issue,
        bugs_besides.taken_back_answers_stay_counted,
        bugs_besides.who_was_erased_stays_quoted,
        bugs_besides.opting_out_while_a_message_waits_ignored,
        bugs_besides.nights_ignored,
        bugs_besides.of_several_one_is_told,
    )
}
