"""Seeded bugs of issues, messages to customers, the surveys that follow, and nights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connector.adapters.github import GitHub
from connector.adapters.jira import Jira
from connector.domain import defects as rules
from connector.domain.defects import Move, Step
from connector.domain.model.intent import Found, Item, WriteKind
from connector.store import codes, defects
from connector.sync import alerts, asking, follow_up, issues, messages, settling, together, withholding
from tests.chaos.changes import Changes


def a_mail_repeated_after_no_answer(change: Changes) -> None:
    """A mail whose dot had no answer is sent once more."""

    def give_up(outlet: Any, hold: Any, write: Any) -> None:
        with asking.ours(outlet, hold) as tx:
            settling.settle_found(tx, outlet, write, {n: Found(receipts=()) for n in range(len(write.records))})

    change.put(asking, "_give_up", give_up)


def an_issue_created_without_looking(change: Changes) -> None:
    """An issue whose answer was lost is created again; comments are looked for."""

    def blind(original: Any) -> Any:
        def ask(self: Any, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
            if kind is WriteKind.ISSUE:
                return [Found(receipts=()) for _ in items]
            found: Sequence[Found] = original(self, kind, items)
            return found

        return ask

    for tracker in (GitHub, Jira):
        change.put(tracker, "ask", blind(vars(tracker)["ask"]))


def consent_ignored(change: Changes) -> None:
    """Whoever gave an address is written to."""

    def refusal(tx: Any, matter: Any, settings: Any) -> str | None:
        email = messages.address(matter)
        return "no e-mail address is known" if email is None else messages.unwanted(tx, email)

    change.put(messages, "refusal", refusal)


def opting_out_while_a_message_waits_ignored(change: Changes) -> None:
    """Who opted out, or was erased, is asked about when a message is planned, and not when it leaves."""
    change.put(withholding, "unwanted", lambda tx, email: None)


def a_code_given_twice(change: Changes) -> None:
    """Nobody writes down which code was given."""
    change.put(codes, "give", lambda tx, listed, email: listed[0])


def a_follow_up_taken_for_a_fresh_answer(change: Changes) -> None:
    """The reference of a follow-up leads to its person, and to no recovery."""
    change.put(follow_up, "heard", lambda tx, matter, settings, wanted: wanted)


def a_second_answer_to_a_follow_up_counts(change: Changes) -> None:
    """Whoever opens the link again is asked again."""

    def on_follow_up(recovery: Any, **more: Any) -> Any:
        return original(recovery, **{**more, "by_another": False})

    original = change.put(follow_up, "on_follow_up", on_follow_up)


def a_theme_that_returns_opens_another_issue(change: Changes) -> None:
    """A closed issue is forgotten."""

    def decide(*arguments: Any) -> Step:
        step: Step = original(*arguments)
        return replace(step, move=Move.OPEN) if step.move is Move.REOPEN else step

    original = change.put(rules, "decide", decide)


def taken_back_answers_stay_counted(change: Changes) -> None:
    """An answer that is changed to a happy one still counts towards its theme."""

    def mention(tx: Any, response_id: int, themes: Any, at: Any) -> Any:
        return original(tx, response_id, themes, at) if themes else frozenset()

    original = change.put(defects, "mention", mention)


def who_was_erased_stays_quoted(change: Changes) -> None:
    """No issue is written anew."""
    change.put(issues, "write_anew", lambda tx, settings, account: True)


def nights_ignored(change: Changes) -> None:
    """What somebody says by night is told at once."""
    change.put(alerts, "loud_from", lambda settings, now, *, critical: now)


def of_several_one_is_told(change: Changes) -> None:
    """What goes out together counts as told, and the message says the first of it only."""
    change.put(together, "listed", lambda lines: lines[0])
