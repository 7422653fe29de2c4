"""What an answer does to a person's recovery, and what its ticket's status makes of that. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.domain.model.recovery import Recovery, RecoveryState, Severity


class Move(StrEnum):
    """What happens to the recovery of one person and playbook."""

    OPEN = "open"
    """A new recovery, with its ticket and tasks."""
    JOIN = "join"
    """The answer joins the open recovery: one note on its ticket."""
    UPDATE = "update"
    """The answer joined before and was edited: one note on the ticket."""
    CANCEL = "cancel"
    """The answer that opened it was edited to a happy one before its ticket was sent: nothing is sent, it is closed."""
    NOTE = "note"
    """An answer in the recovery was edited to a happy one: one note, the recovery stays open for a human to close."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A decision: the move, the severity the recovery has afterwards, whether that is a raise, and why in words."""

    move: Move
    severity: Severity
    raised: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one person and playbook stand when an answer is decided.

    `recovery` is the open one, if any; `answers` the keys of the responses in it; `ticket_sent` is True as soon as its
    ticket may exist: a write of it was started, whatever became of it.
    """

    recovery: Recovery | None = None
    answers: frozenset[str] = frozenset()
    ticket_sent: bool = False


def on_unhappy(response_key: str, severity: Severity, standing: Standing) -> Step:
    """An unhappy response, at `severity` as the rules say: open a recovery, or join the open one.

    There is at most one open recovery per person and playbook. Severity rises and never falls.
    """
    recovery = _open(standing)
    if recovery is None:
        return Step(move=Move.OPEN, severity=severity, raised=False, why="opened, since none was open")
    raised = severity.rank > recovery.severity.rank
    edited = response_key in standing.answers
    why = "this answer is part of it already" if edited else "joined, since one was open already"
    return Step(
        move=Move.UPDATE if edited else Move.JOIN,
        severity=severity if raised else recovery.severity,
        raised=raised,
        why=f"{why}, severity rises to {severity.value}" if raised else why,
    )


def on_happy(response_key: str, standing: Standing) -> Step:
    """A response that is not unhappy. It matters only as an edit of one that is part of the open recovery.

    It cancels only what it alone opened and what nobody can have seen: before its ticket was sent, with no other answer
    in the recovery. Otherwise there is one note and a human decides; other answers were unhappy, or work has begun.
    """
    recovery = _open(standing)
    if recovery is None:
        return Step(move=Move.NOTHING, severity=Severity.NORMAL, raised=False, why="not unhappy, and none was open")
    if response_key not in standing.answers:
        return Step(
            move=Move.NOTHING, severity=recovery.severity, raised=False, why="not unhappy, not part of the recovery"
        )
    if standing.ticket_sent:
        why = "edited to a happy answer after the ticket was sent"
    elif standing.answers - {response_key}:
        why = "edited to a happy answer, other answers are unhappy"
    else:
        why = "edited to a happy answer before the ticket was sent"
        return Step(move=Move.CANCEL, severity=recovery.severity, raised=False, why=why)
    return Step(move=Move.NOTE, severity=recovery.severity, raised=False, why=why)


class IfSolved(StrEnum):
    """What the playbook does with a ticket somebody solved."""

    REOPEN = "reopen"
    FOLLOW_UP = "follow_up"


class TicketMove(StrEnum):
    """How an answer reaches the helpdesk."""

    NEW = "new"
    """A new ticket that refers to none."""
    NOTE = "note"
    """A private note on the ticket."""
    REOPEN = "reopen"
    """A private note, and the ticket is opened again."""
    FOLLOW_UP = "follow_up"
    """A new ticket that points at the old one."""


UNSOLVED = frozenset({"new", "open", "pending", "hold"})
"""Statuses of a ticket somebody has still to do something about."""


def ticket_move(status: str | None, if_solved: IfSolved) -> TicketMove:
    """Decide by the ticket's status as read at send time: new, open, pending, hold, solved, closed or deleted.

    None means that there is no ticket. A closed ticket cannot be changed any more (Zendesk refuses it with 422), so it
    is followed up whatever the YAML says; a deleted one is not pointed at. Raises ValueError for another status.
    """
    if status is None or status == "deleted":
        return TicketMove.NEW
    if status in UNSOLVED:
        return TicketMove.NOTE
    if status == "solved":
        return TicketMove.REOPEN if if_solved is IfSolved.REOPEN else TicketMove.FOLLOW_UP
    if status == "closed":
        return TicketMove.FOLLOW_UP
    raise ValueError(f"a ticket is never {status!r}")


def _open(standing: Standing) -> Recovery | None:
    recovery = standing.recovery
    return recovery if recovery is not None and recovery.state is RecoveryState.OPEN else None
