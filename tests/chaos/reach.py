"""Which programs can reach the code that a seeded bug changes at all.

A program that cannot ends as it does without the bug, so the hunt passes over it; it is counted all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from connector.simulator.parts import FaultKind
from tests.chaos.drawing import Program
from tests.chaos.world import START

Reaches = Callable[[Program], bool]
RENAMES_THE_SOURCE = 3


def _happens(*what: str) -> Reaches:
    return lambda program: any(one.what in what for one in program.happenings)


def _goes_wrong(*kinds: FaultKind) -> Reaches:
    return lambda program: any(one.fault is not None and one.fault.kind in kinds for one in program.happenings)


def _says(mood: str) -> Reaches:
    return lambda program: any(one.mood == mood for answer in program.journal.answers for one in answer.versions)


def _lists_late(program: Program) -> bool:
    """An answer that only a poll brings is listed after one that was given later."""
    listed = [
        (one.at, one.answer.how, one.version.at)
        for one in program.happenings
        if one.what == "list"
        if one.answer and one.version
    ]
    return any(
        how == "poll" and any(other < at and later >= said for other, _, later in listed) for at, how, said in listed
    )


def _thinks_again(program: Program) -> bool:
    """Two versions after the first, the last of which says less."""
    return any(len(one.versions) > 2 and one.versions[-1].mood == "silent" for one in program.journal.answers)


def _renames_what_is_polled(program: Program) -> bool:
    renamed = any(one.what == "reload" and one.number == RENAMES_THE_SOURCE for one in program.happenings)
    return renamed and any(answer.how in {"poll", "both"} for answer in program.journal.answers)


def _is_old(program: Program) -> bool:
    long_ago = START - timedelta(days=8)
    answers = [answer for answer in program.journal.answers if answer.how == "hook"]
    return any(one.at < long_ago and one.is_unhappy for answer in answers for one in answer.versions)


def _mails(program: Program) -> bool:
    return program.vendors.extras.mail


def _tracks(program: Program) -> bool:
    return bool(program.vendors.extras.tracker)


def _is_quiet(program: Program) -> bool:
    return bool(program.vendors.extras.quiet)


def _is_erased_from_issues(program: Program) -> bool:
    return _tracks(program) and _happens("erase")(program)


def _flips(program: Program) -> bool:
    return any(len(answer.versions) > 2 for answer in program.journal.answers)


def _vanishes(program: Program) -> bool:
    return any(one.fault is not None and one.fault.match == "GET */job_statuses/*" for one in program.happenings)


REACHES: Mapping[str, Reaches] = {
    "acknowledged before the commit": _happens("doom"),
    "forged deliveries accepted": _happens("forged"),
    "the cursor says after": _lists_late,
    "keys from the connections name": _renames_what_is_polled,
    "a blank erases": _says("silent"),
    "old answers alarm": _is_old,
    "tombstones not checked": _happens("erase"),
    "solved tickets not noticed": _happens("solve"),
    "a whole batch green": _goes_wrong(FaultKind.RECORD_ERRORS, FaultKind.LATE_JOB_FAILURE),
    "a vanished job taken for done": _vanishes,
    "retry after ignored": _goes_wrong(FaultKind.THROTTLE),
    "a ceiling ignored": lambda program: program.few_tickets,
    "confirmed values kept in doubt": _flips,
    "writing while observing": lambda program: program.mode == "observe",
    "a lease without an epoch": lambda program: bool(program.pauses) and program.pauses[0] < 2500,
    "a refused token never renewed": _happens("expire"),
    "folding drops the newest": _thinks_again,
    "a mail repeated after no answer": _mails,
    "an issue created without looking": _tracks,
    "consent ignored": _mails,
    "a code given twice": _mails,
    "a follow up taken for a fresh answer": _happens("reply"),
    "a second answer to a follow up counts": _happens("reply_again"),
    "a theme that returns opens another issue": _happens("close_issue"),
    "taken back answers stay counted": _tracks,
    "who was erased stays quoted": _is_erased_from_issues,
    "opting out while a message waits ignored": _happens("opt_out"),
    "nights ignored": _is_quiet,
    "of several one is told": _is_quiet,
    "asked at once": _goes_wrong(FaultKind.COMMIT_LATE),
}
