"""What is left after every kind of write of every adapter was put to every trouble (`tests/conformance`).

Where a vendor offers neither key nor marker that helps, its truth holds exactly the residual that the promise and the
vendor's page name. The last tests break the machine on purpose and see the trials of the suite notice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.adapters.smtp import Smtp
from connector.adapters.zendesk import Zendesk
from connector.domain.model.intent import Found, IntentState, Item, Request, WriteKind
from connector.domain.model.transitions import Event
from connector.ports import Job, Outcome
from connector.simulator import salesforce, workflow, zendesk
from connector.simulator.parts import FaultKind
from connector.store import intents, outbox, writes
from connector.store.transaction import Transaction
from connector.store.writes import WriteRow
from connector.sync import freezing, settling
from connector.sync.folding import Folded
from connector.sync.outlet import Outlet
from connector.testing.effect import Effect, Held
from connector.testing.trials import (
    DONE,
    Trial,
    answer_lost,
    asked_before_visible,
    committed_late,
    exactly_one,
    killed_before_receipt,
    order,
    promise_of,
    restarted_three_hours_later,
    restored_before,
    restored_planned,
    the_newest_wins,
    world_of,
)
from connector.testing.world import START, Mortal, World
from tests.durability.effects import workspace_unread
from tests.durability.effects_hubspot import hub_of
from tests.durability.every_effect import EFFECTS

PAGES = Path(__file__).parents[2] / "docs" / "vendors"


# What no vendor lets us promise: each is provoked, and named by its promise and its page.


def lands_too_late(world: World, effect: Effect) -> None:
    order(world, effect, FaultKind.COMMIT_LATE, promise_of(world, effect).settle + timedelta(seconds=30))
    world.plan(effect.wanted)


def job_runs_too_late(world: World, effect: Effect) -> None:
    world.stand.hide(promise_of(world, effect).settle + timedelta(seconds=30))
    answer_lost(world, effect)


def line_removed_in_doubt(world: World, effect: Effect) -> None:
    vendor = world.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    answer_lost(world, effect)
    world.drain()
    (made,) = world.held["Task"]
    vendor.human_update(made, Description="tidied up")


def hub_line_removed_in_doubt(world: World, effect: Effect) -> None:
    answer_lost(world, effect)
    world.drain()
    (made,) = world.held["tasks"]
    hub_of(world).human_update(made, kind="tasks", hs_task_body="tidied up")


def typed_in_without_an_address(world: World, effect: Effect) -> None:
    world.writer.before_send = lambda: void(hub_of(world).add_contact(lastname="Sample"))
    world.plan(effect.wanted)


def archived_before_settled(world: World, effect: Effect) -> None:
    vendor = world.stand.account
    assert isinstance(vendor, zendesk.Zendesk)
    world.plan(effect.wanted)
    world.die()
    (made,) = world.held["ticket"]
    vendor.human_update(int(made), status="closed")
    vendor.archive(int(made))
    world.restart(after=timedelta(hours=3))


def typed_in_meanwhile(world: World, effect: Effect) -> None:
    vendor = world.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    fields = {name: str(value) for name, value in effect.wanted[0].fields.items()}
    world.writer.before_send = lambda: void(vendor.add_contact(**fields))
    world.plan(effect.wanted)


def void(_: object) -> None:
    """What it returns is of no interest."""


def forgotten(world: World, effect: Effect) -> None:
    vendor = world.stand.account
    assert isinstance(vendor, workflow.Workflow)
    vendor.forgetful = True
    answer_lost(world, effect)


RESIDUALS: tuple[tuple[str, Trial, str], ...] = (
    ("salesforce contact", typed_in_meanwhile, "between our look-up and our write"),
    ("salesforce task, marker", lands_too_late, "lands later than a minute"),
    ("salesforce task, marker", line_removed_in_doubt, "line while our write is in doubt"),
    ("salesforce activity, marker", lands_too_late, "lands later than a minute"),
    ("hubspot contact", typed_in_without_an_address, "without an e-mail address stays beside ours"),
    ("hubspot task, marker", lands_too_late, "lands later than a minute"),
    ("hubspot task, marker", hub_line_removed_in_doubt, "line while our write is in doubt"),
    ("hubspot activity, marker", lands_too_late, "lands later than a minute"),
    ("zendesk ticket", archived_before_settled, "before its write was settled"),
    ("zendesk note", lands_too_late, "later than a minute after we sent it without getting an answer"),
    ("zendesk three notes, job", job_runs_too_late, "later than a minute after we sent it without getting an answer"),
    ("slack alert", lands_too_late, "lands later than half a minute"),
    ("workflow event", forgotten, "does not remember ids acts twice"),
    ("smtp message", restored_planned, "forgets what was sent since and sends it once more"),
    ("smtp alert", restored_before, "forgets what was sent since and sends it once more"),
)


@pytest.mark.parametrize(("name", "trial", "words"), RESIDUALS, ids=lambda one: getattr(one, "__name__", one))
def test_the_residual_is_the_one_that_is_named(tmp_path: Path, name: str, trial: Trial, words: str) -> None:
    effect = EFFECTS[name]
    with world_of(effect, tmp_path) as world:
        trial(world, effect)
        world.come_to_rest()
        assert objects(effect.held(world)) == 2 * objects(effect.expected)
        assert world.states(effect.wanted) == DONE
        assert_named(world, effect, words)


def objects(held: Held) -> int:
    """How many there are: notes where they are written, else one an entry."""
    return sum(len(entry.get("notes", [entry])) for entry in held)


def assert_named(world: World, effect: Effect, words: str) -> None:
    page = (PAGES / f"{effect.page}.md").read_text(encoding="utf-8")
    for text in (promise_of(world, effect).residual, page):
        plain = " ".join(text.split())
        assert words in plain or words.replace("our ", "") in plain


def test_an_alert_that_cannot_be_looked_for_is_posted_once_and_given_up(tmp_path: Path) -> None:
    """Without the scope to read histories; an operator's retry does not post it again either."""
    posted = EFFECTS["slack alert"]
    wanted = [replace(one, give_up_at=START + timedelta(hours=1)) for one in posted.wanted]
    effect = replace(posted, vendor=workspace_unread, wanted=wanted)
    with world_of(effect, tmp_path) as world:
        answer_lost(world, effect)
        world.run()
        assert world.states(effect.wanted) == {IntentState.GIVEN_UP}
        assert "paused" in {cause.partition("/")[0] for cause in world.told}
        # That it was given up is told in the channel itself, by the one message about what was missed.
        (missed,) = [row["text"] for row in effect.held(world) if row not in effect.expected]
        assert missed.startswith("1 message could not be sent here in time")
        number = world.row(wanted[0].key).id
        with world.db.write() as tx:
            assert outbox.retry(tx, number, for_another=timedelta(hours=1))
        world.run()
        assert [row for row in effect.held(world) if row["text"] != missed] == list(effect.expected)
        assert_named(world, effect, "Where the app may not read that history it is given up")


@pytest.mark.parametrize("trial", [answer_lost, committed_late, killed_before_receipt], ids=lambda one: one.__name__)
def test_a_mail_in_doubt_is_never_repeated(tmp_path: Path, trial: Trial) -> None:
    """There once, given up, and told; what an operator sends again is theirs to answer for."""
    effect = EFFECTS["smtp message"]
    with world_of(effect, tmp_path) as world:
        trial(world, effect)
        world.come_to_rest()
        assert list(effect.held(world)) == list(effect.expected)
        assert world.states(effect.wanted) == {IntentState.GIVEN_UP}
        assert world.told == ["given_up/message/unasked"]
        assert_named(world, effect, "never repeated, is given up and told to the operators, and may have arrived")


def repeat_what_is_in_doubt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Smtp, "promises", {kind: replace(one, native=True) for kind, one in Smtp.promises.items()})


# The matrix is worth what it notices: each of these breaks the machine in one place.

Break = Callable[[pytest.MonkeyPatch], None]


def never_ask_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(freezing, "must_ask", lambda *_, **__: False)


def ask_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settling, "doubt_until", lambda outlet, write, now: now)


def ignore_lookup_lag(patch: pytest.MonkeyPatch) -> None:
    def without_lag(outlet: Outlet, write: WriteRow, now: datetime) -> datetime:
        return max(now, write.sent_at + outlet.promise(write.kind).settle)

    patch.setattr(settling, "doubt_until", without_lag)


def resend_with_a_new_key(patch: pytest.MonkeyPatch) -> None:
    send, numbers = Zendesk.send, itertools.count()

    def with_new_key(self: Zendesk, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        return send(self, kind, replace(request, idempotency_key=f"key-{next(numbers)}"), count)

    patch.setattr(Zendesk, "send", with_new_key)


def believe_what_it_asks_is_absent(patch: pytest.MonkeyPatch) -> None:
    def nothing(self: Mortal, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        return [Found(receipts=()) for _ in items]

    patch.setattr(Mortal, "ask", nothing)


def take_any_version_for_the_newest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Folded, "replaces", property(lambda self: False))


def forget_what_was_sending(patch: pytest.MonkeyPatch) -> None:
    def plan_again(tx: Transaction, outlet: Outlet, epoch: int) -> None:
        for write in writes.left_sending(tx, outlet.account, epoch):
            for row in intents.of_write(tx, write.id, IntentState.SENDING):
                settling.put_back(tx, row, Event.REFUSED_FOR_NOW, "again")
            writes.close_if_settled(tx, write.id)

    patch.setattr(settling, "recover", plan_again)
    never_ask_first(patch)  # which would catch it


Cell = Callable[[Path, Effect, Trial], None]
BREAKS: tuple[tuple[Break, str, Trial, Cell], ...] = (
    (never_ask_first, "zendesk note", restored_before, exactly_one),
    (never_ask_first, "salesforce task, marker", restored_planned, exactly_one),
    (never_ask_first, "hubspot task, marker", restored_planned, exactly_one),
    (never_ask_first, "slack alert", restored_before, exactly_one),
    (ask_at_once, "zendesk note", committed_late, exactly_one),
    (ask_at_once, "zendesk three notes, job", asked_before_visible, exactly_one),
    (ask_at_once, "salesforce task, marker", asked_before_visible, exactly_one),
    (ask_at_once, "hubspot task, marker", committed_late, exactly_one),
    (ask_at_once, "slack alert", committed_late, exactly_one),
    (ignore_lookup_lag, "slack alert", asked_before_visible, exactly_one),
    (resend_with_a_new_key, "zendesk ticket", answer_lost, exactly_one),
    (resend_with_a_new_key, "zendesk ticket", restored_planned, exactly_one),
    (believe_what_it_asks_is_absent, "zendesk note", answer_lost, exactly_one),
    (believe_what_it_asks_is_absent, "zendesk ticket", restarted_three_hours_later, exactly_one),
    (take_any_version_for_the_newest, "salesforce activity, marker", restored_planned, the_newest_wins),
    (take_any_version_for_the_newest, "hubspot activity, keyed", restored_planned, the_newest_wins),
    (take_any_version_for_the_newest, "slack alert", restored_planned, the_newest_wins),
    (forget_what_was_sending, "slack alert", killed_before_receipt, exactly_one),
    (forget_what_was_sending, "zendesk note", killed_before_receipt, exactly_one),
    (forget_what_was_sending, "smtp message", killed_before_receipt, exactly_one),
    (repeat_what_is_in_doubt, "smtp message", answer_lost, exactly_one),
)


@pytest.mark.parametrize(("broken", "name", "trial", "cell"), BREAKS, ids=lambda one: getattr(one, "__name__", one))
def test_the_matrix_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Break, name: str, trial: Trial, cell: Cell
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        cell(tmp_path, EFFECTS[name], trial)
