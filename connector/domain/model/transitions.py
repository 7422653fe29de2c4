"""What may happen to an intent: the one table of its states. `docs/delivery.md` prints it, a test each bears its name.

The store refuses to move an intent along an arrow that is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.domain.model.intent import IntentState as S


class Event(StrEnum):
    """What happened to an intent, in the words of the table."""

    PARENT_UNCONFIRMED = "an object it needs has no receipt yet"
    PARENTS_CONFIRMED = "every object it needs has a receipt"
    PARENT_FAILED = "an object it needs was rejected or given up"
    NEWER = "a newer intent for the same fields"
    UNCHANGED = "nothing left to change"
    CANCELLED = "no longer wanted"
    REPLANNED = "the target was read before sending and asks for something else"
    OBSERVED = "observe mode"
    CEILING = "ceiling reached"
    STORM = "too many unhappy answers to its survey"
    AMBIGUOUS = "asked for a contact, several found"
    RELEASED = "live again, or the ceiling's period is over, or an operator retries"
    FOUND_FIRST = "asked first, found"
    FOUND_EARLIER = "asked first, found what may be an earlier version: updated"
    NOTHING_THERE = "asked first, nothing found"
    SENT = "due, lane held, quota granted: write row committed"
    RODE = "it goes out in the request that makes its object"
    ANSWERED = "answer per record"
    ACCEPTED = "accepted as a job"
    REFUSED_FOR_NOW = "typed error, known not committed"
    PAUSED = "credentials refused: the account pauses"
    KEPT_IN = "the lease is too short for the call: nothing left"
    REFUSED = "typed error: will never work as sent"
    REFUSED_UNSENT = "cannot be rendered, or its target is gone"
    NO_ANSWER = "sent, no answer"
    LEASE_EXPIRED = "the lane's holder died while sending"
    JOB_VANISHED = "the job is unknown there"
    FOUND = "asked, found one"
    REPEATED = "inside the key window: same bytes, same key, answered"
    NOT_FOUND = "asked, nothing found: revision + 1"
    REPEATABLE = "the vendor makes a repeat harmless: revision + 1"
    DOUBLED = "asked, found several: reported"
    UNASKABLE = "no key, no way to ask: not repeated"
    TOO_OLD = "too old for its action: operators told"
    RETRIED = "an operator retries"
    ERASED = "the person is erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the table: from any of `sources`, on `event`, to `to`; `test` in tests/durability proves it."""

    sources: tuple[S, ...]
    event: Event
    to: S
    test: str


UNSENT = (S.PLANNED, S.BLOCKED, S.HELD)
OPEN = (S.SENDING, S.SUBMITTED, S.IN_DOUBT)
_FINAL = (S.CONFIRMED, S.REJECTED, S.SUPERSEDED, S.GIVEN_UP)


def _row(sources: tuple[S, ...] | S, event: Event, to: S, test: str) -> Transition:
    return Transition(sources=sources if isinstance(sources, tuple) else (sources,), event=event, to=to, test=test)


TRANSITIONS: tuple[Transition, ...] = (
    _row(S.PLANNED, Event.PARENT_UNCONFIRMED, S.BLOCKED, "test_planned_to_blocked_when_parent_unconfirmed"),
    _row(S.BLOCKED, Event.PARENTS_CONFIRMED, S.PLANNED, "test_blocked_to_planned_when_parents_are_confirmed"),
    _row(S.BLOCKED, Event.PARENT_FAILED, S.BLOCKED, "test_blocked_stays_blocked_and_says_so_when_parent_rejected"),
    _row(UNSENT, Event.NEWER, S.SUPERSEDED, "test_unsent_to_superseded_by_a_newer_intent"),
    _row(S.PLANNED, Event.UNCHANGED, S.SUPERSEDED, "test_planned_to_superseded_when_nothing_is_left_to_change"),
    _row(UNSENT, Event.CANCELLED, S.SUPERSEDED, "test_unsent_to_superseded_when_cancelled"),
    _row(S.PLANNED, Event.REPLANNED, S.SUPERSEDED, "test_planned_to_superseded_when_prepared_otherwise"),
    _row(S.PLANNED, Event.OBSERVED, S.HELD, "test_planned_to_held_in_observe_mode"),
    _row(S.PLANNED, Event.CEILING, S.HELD, "test_planned_to_held_at_the_ceiling"),
    _row((S.PLANNED, S.BLOCKED), Event.STORM, S.HELD, "test_unsent_to_held_when_too_many_answers_are_unhappy"),
    _row((S.PLANNED, S.IN_DOUBT), Event.AMBIGUOUS, S.HELD, "test_asked_to_held_when_a_contact_is_ambiguous"),
    _row(S.HELD, Event.RELEASED, S.PLANNED, "test_held_to_planned_when_released"),
    _row(S.PLANNED, Event.FOUND_FIRST, S.CONFIRMED, "test_planned_to_confirmed_when_asked_first_and_found"),
    _row(S.PLANNED, Event.FOUND_EARLIER, S.PLANNED, "test_planned_stays_planned_when_an_earlier_version_is_found"),
    _row(S.PLANNED, Event.NOTHING_THERE, S.PLANNED, "test_planned_stays_planned_when_asked_first_and_not_found"),
    _row(S.PLANNED, Event.SENT, S.SENDING, "test_planned_to_sending_is_committed_before_the_socket_opens"),
    _row(S.BLOCKED, Event.RODE, S.SENDING, "test_blocked_to_sending_in_the_request_that_makes_its_object"),
    _row((S.SENDING, S.SUBMITTED), Event.ANSWERED, S.CONFIRMED, "test_sent_to_confirmed_when_answered"),
    _row((S.SENDING, S.IN_DOUBT), Event.ACCEPTED, S.SUBMITTED, "test_sent_to_submitted_when_accepted_as_a_job"),
    _row((S.SENDING, S.SUBMITTED), Event.REFUSED_FOR_NOW, S.PLANNED, "test_sent_to_planned_when_known_not_committed"),
    _row(S.SENDING, Event.PAUSED, S.PLANNED, "test_sending_to_planned_when_the_account_pauses"),
    _row(S.SENDING, Event.KEPT_IN, S.PLANNED, "test_sending_to_planned_when_the_lease_is_too_short_to_send"),
    _row(OPEN, Event.REFUSED, S.REJECTED, "test_open_to_rejected_when_it_will_never_work"),
    _row(S.PLANNED, Event.REFUSED_UNSENT, S.REJECTED, "test_planned_to_rejected_when_it_cannot_be_rendered"),
    _row((S.SENDING, S.SUBMITTED), Event.NO_ANSWER, S.IN_DOUBT, "test_sent_to_in_doubt_when_no_answer_came"),
    _row(S.SENDING, Event.LEASE_EXPIRED, S.IN_DOUBT, "test_sending_to_in_doubt_when_the_lease_expired"),
    _row(S.SUBMITTED, Event.JOB_VANISHED, S.IN_DOUBT, "test_submitted_to_in_doubt_when_the_job_vanished"),
    _row(S.IN_DOUBT, Event.FOUND, S.CONFIRMED, "test_in_doubt_to_confirmed_when_asked_and_found"),
    _row(S.IN_DOUBT, Event.REPEATED, S.CONFIRMED, "test_in_doubt_to_confirmed_by_the_same_bytes_and_key"),
    _row(S.IN_DOUBT, Event.NOT_FOUND, S.PLANNED, "test_in_doubt_to_planned_with_a_revision_when_not_found"),
    _row(S.IN_DOUBT, Event.REPEATABLE, S.PLANNED, "test_in_doubt_to_planned_with_a_revision_when_a_repeat_is_harmless"),
    _row((S.PLANNED, S.IN_DOUBT), Event.DOUBLED, S.CONFIRMED, "test_asked_to_confirmed_and_reported_when_doubled"),
    _row(S.IN_DOUBT, Event.UNASKABLE, S.GIVEN_UP, "test_in_doubt_to_given_up_when_nobody_can_be_asked"),
    _row((*UNSENT, S.SUBMITTED, S.IN_DOUBT), Event.TOO_OLD, S.GIVEN_UP, "test_open_to_given_up_when_too_old"),
    _row((S.REJECTED, S.GIVEN_UP), Event.RETRIED, S.PLANNED, "test_failed_to_planned_when_an_operator_retries"),
    _row((*UNSENT, *OPEN, *_FINAL), Event.ERASED, S.ERASED, "test_any_to_erased_once_settled"),
)

ARROWS = {(source, row.event): row.to for row in TRANSITIONS for source in row.sources}
