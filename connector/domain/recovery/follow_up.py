"""What the answer to a follow-up survey does to the recovery it asks about. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.domain.model.recovery import Recovery, RecoveryState, Stage


class Return(StrEnum):
    """What happens to the recovery."""

    WON_BACK = "won_back"
    """The customer says that it is well: a closed recovery was won."""
    REOPEN = "reopen"
    """The customer says that it is not: the same recovery goes on."""
    NOTHING = "nothing"
    """It is an answer like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A decision, and why in words."""

    move: Return
    why: str


def on_follow_up(
    recovery: Recovery, *, unhappy: bool, in_time: bool, by_another: bool = False, another_open: bool = False
) -> Heard:
    """The answer to the survey of `recovery`.

    Args:
        recovery: the one the survey was about.
        unhappy: what the thresholds make of the answer.
        in_time: it came while it was waited for.
        by_another: another answer came before it under the same reference; an edit of that one is not another.
        another_open: the person has another open recovery under the playbook, which takes unhappy answers.
    """
    if by_another:
        return Heard(move=Return.NOTHING, why="its follow-up was answered before: this is an answer like any other")
    if not in_time:
        return Heard(move=Return.NOTHING, why="answered after the follow-up was waited for")
    is_open = recovery.state is RecoveryState.OPEN
    if not unhappy and is_open:
        return Heard(move=Return.NOTHING, why="answered well while it is open: a person closes it")
    if not unhappy:
        return Heard(move=Return.WON_BACK, why="the follow-up was answered well")
    if is_open:
        return Heard(move=Return.REOPEN, why="the follow-up was answered badly, and it is open already")
    if another_open:
        return Heard(move=Return.NOTHING, why="answered badly; another recovery of this person is open and takes it")
    before = ", after it had been answered well" if recovery.stage is Stage.WON_BACK else ""
    return Heard(move=Return.REOPEN, why=f"the follow-up was answered badly{before}: it goes on")
