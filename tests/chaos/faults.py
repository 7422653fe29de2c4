"""Orders to misbehave, each of a sort that its vendor could."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

from connector.simulator.parts import Fault, FaultKind
from tests.chaos.world import START

SILENT = 20.0
"""Seconds of silence after which every adapter has given a call up."""
KINDS = (
    FaultKind.RESET_AFTER_COMMIT,
    FaultKind.RESET_BEFORE,
    FaultKind.ERROR_AFTER_COMMIT,
    FaultKind.TORN,
    FaultKind.CUT,
    FaultKind.COMMIT_LATE,
    FaultKind.THROTTLE,
    FaultKind.REPLY,
    FaultKind.REFUSE,
    FaultKind.RECORD_ERRORS,
    FaultKind.LATE_JOB_FAILURE,
)
OFTEN = (20, 8, 8, 8, 6, 10, 12, 5, 8, 7, 5)
LATE = 25
"""Seconds a request may be committed late: less than the shortest settle time any adapter promises."""
MATCHES = {
    "salesforce": ("PATCH */composite/sobjects/*", "PATCH */composite/sobjects", "GET */query", "*"),
    "hubspot": ("POST *batch/create", "POST *batch/up*", "POST *batch/read", "*"),
    "zendesk": ("POST */tickets", "PUT */update_many", "GET */job_statuses/*", "GET */tickets*", "*"),
    "slack": ("POST */chat.postMessage", "*/conversations*", "*"),
    "zapier": ("POST *",),
    "typeform": ("GET *",),
    "github": ("POST */issues", "POST */comments", "GET */issues", "GET */comments", "PATCH *", "*"),
    "jira": ("POST */issue", "POST */comment", "POST */search/jql", "POST */transitions", "PUT *", "*"),
    "smtp": ("MAIL *",),
}
LOST = (
    FaultKind.RESET_AFTER_COMMIT,
    FaultKind.ERROR_AFTER_COMMIT,
    FaultKind.TORN,
    FaultKind.CUT,
    FaultKind.COMMIT_LATE,
)


def drawn(dice: random.Random, site: str, match: str, kind: FaultKind) -> Fault:
    """One order to misbehave, of a sort that this vendor could."""
    if site == "smtp":
        return mailed(dice, kind)
    after, times = dice.choice((0, 0, 0, 1, 3)), dice.choice((1, 1, 1, 2, 4))
    if kind is FaultKind.COMMIT_LATE:
        return Fault(match=match, kind=kind, after=after, seconds=dice.randint(1, LATE))
    if kind is FaultKind.THROTTLE:
        wait = dice.choice((None, 3, 30, 240, 999_999))
        return Fault(match=match, kind=kind, after=after, times=times, retry_after=wait)
    if kind is FaultKind.REPLY:
        # A date hours ahead: it is believed for an hour.
        until = {"Retry-After": format_datetime(START + timedelta(hours=6), usegmt=True)}
        return Fault(match=match, kind=kind, after=after, status=429, message='{"error":"later"}', headers=until)
    if kind in {FaultKind.RECORD_ERRORS, FaultKind.LATE_JOB_FAILURE} and site in {"salesforce", "zendesk"}:
        if site == "zendesk" and dice.random() < 0.3:
            return Fault(
                match="GET */job_statuses/*", kind=FaultKind.REPLY, status=404, message='{"error":"RecordNotFound"}'
            )
        if site == "zendesk":
            some = dice.choice(((), (0,)))
            return Fault(match="PUT */update_many", kind=FaultKind.LATE_JOB_FAILURE, records=some)
        return Fault(
            match="PATCH */composite/*",
            kind=FaultKind.RECORD_ERRORS,
            records=(0,),
            code="UNABLE_TO_LOCK_ROW",
            message="unable to obtain exclusive access to this record",
            times=times,
        )
    if kind in {FaultKind.REFUSE, FaultKind.RECORD_ERRORS, FaultKind.LATE_JOB_FAILURE}:
        return Fault(match=match, kind=FaultKind.REFUSE, after=after, times=times, status=dice.choice((500, 502, 503)))
    if kind is FaultKind.ERROR_AFTER_COMMIT:
        return Fault(match=match, kind=kind, after=after, times=times, status=dice.choice((500, 502, 504)))
    silent = SILENT if kind in {FaultKind.RESET_AFTER_COMMIT, FaultKind.RESET_BEFORE} and dice.random() < 0.4 else 0.0
    return Fault(match=match, kind=kind, after=after, times=times, seconds=silent)


def fault_at(dice: random.Random, site: str) -> Fault:
    """Any fault of a site."""
    kind = dice.choices(KINDS, OFTEN)[0]
    return drawn(dice, site, dice.choice(MATCHES[site]), kind)


def mailed(dice: random.Random, kind: FaultKind) -> Fault:
    """The same of a mail server, whose every refusal has a number of its own."""
    match, after, times = "MAIL *", dice.choice((0, 0, 1)), dice.choice((1, 1, 2))
    if kind is FaultKind.COMMIT_LATE:
        return Fault(match=match, kind=kind, after=after, seconds=dice.randint(1, LATE))
    if kind is FaultKind.THROTTLE:
        return Fault(match=match, kind=kind, after=after, times=times, retry_after=dice.choice((None, 3, 240)))
    if kind in {FaultKind.REFUSE, FaultKind.REPLY}:
        return Fault(
            match=match, kind=FaultKind.REFUSE, after=after, times=times, status=dice.choice((450, 451, 451, 550))
        )
    if kind in {FaultKind.RECORD_ERRORS, FaultKind.LATE_JOB_FAILURE}:
        refused = Fault(match=match, kind=FaultKind.RECORD_ERRORS, after=after, times=times)
        return replace(refused, status=dice.choice((451, 452, 554)))
    if kind is FaultKind.ERROR_AFTER_COMMIT:
        return Fault(match=match, kind=kind, after=after, times=times, status=421)
    silent = SILENT if kind in {FaultKind.RESET_AFTER_COMMIT, FaultKind.RESET_BEFORE} and dice.random() < 0.4 else 0.0
    return Fault(match=match, kind=kind, after=after, times=times, seconds=silent)
