"""The auditor: compares what the oracle issued with the ledger and with what the vendors hold, and names what is wrong.

Imports nothing of the connector: it knows the example configuration by heart, reads the store by SQL and the vendors'
truth as plain data. What a vendor makes impossible to promise (the residual risk on its page) never happens in a
program, so nothing here is waved through; what people did (deleting, merging) narrows what can be foretold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.checks_facts import loop_is_closed, newest_wins, one_open_recovery, scores_are_right, unhappy_is_heard
from tests.chaos.checks_held import (
    ladders_are_climbed_once,
    nothing_invented,
    observe_is_silent,
    old_answers_are_quiet,
    one_object_each,
    others_fields_untouched,
    said_once,
)
from tests.chaos.checks_issues import closings_are_heard, issues_count_right
from tests.chaos.checks_kept import acknowledged_is_kept, counts_add_up, everything_ends
from tests.chaos.checks_manners import (
    ceilings_are_kept,
    life_goes_on,
    nothing_breaks,
    quotas_are_kept,
    secrets_stay_secret,
    the_erased_stay_erased,
    waits_as_told,
)
from tests.chaos.checks_messages import follow_ups_are_heard, messages_arrive, nobody_unwilling_is_written_to
from tests.chaos.checks_nights import nights_are_quiet, the_morning_tells_all
from tests.chaos.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must never be. `check` is the name of who found it."""

    check: str
    text: str


Check = Callable[[Evidence], Iterator[str]]


def audit(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong, by every check."""
    return [Violation(name, text) for name, check in CHECKS.items() for text in check(evidence)]


CHECKS: Mapping[str, Check] = {
    "acknowledged is kept": acknowledged_is_kept,
    "counts add up": counts_add_up,
    "everything ends": everything_ends,
    "one object each": one_object_each,
    "said once": said_once,
    "ladders are climbed once": ladders_are_climbed_once,
    "nothing invented": nothing_invented,
    "old answers are quiet": old_answers_are_quiet,
    "observe is silent": observe_is_silent,
    "others' fields untouched": others_fields_untouched,
    "newest wins": newest_wins,
    "unhappy is heard": unhappy_is_heard,
    "one open recovery": one_open_recovery,
    "the loop is closed": loop_is_closed,
    "scores are right": scores_are_right,
    "quotas are kept": quotas_are_kept,
    "ceilings are kept": ceilings_are_kept,
    "waits as told": waits_as_told,
    "issues count right": issues_count_right,
    "closings are heard": closings_are_heard,
    "nights are quiet": nights_are_quiet,
    "the morning tells all": the_morning_tells_all,
    "messages arrive": messages_arrive,
    "nobody unwilling is written to": nobody_unwilling_is_written_to,
    "follow-ups are heard": follow_ups_are_heard,
    "secrets stay secret": secrets_stay_secret,
    "nothing breaks": nothing_breaks,
    "life goes on": life_goes_on,
    "the erased stay erased": the_erased_stay_erased,
}


def figures(found: Evidence) -> Counter[str]:
    """How much really happened in a program."""
    told: Counter[str] = Counter()
    journal = found.journal
    told["deliveries"] = journal.tried
    told["answers"] = len(journal.answers)
    told["edits"] = sum(len(answer.acknowledged) > 1 for answer in journal.answers)
    joined = Counter(row["recovery_id"] for row in found.tables["recovery_response"])
    told["joins"] = sum(number - 1 for number in joined.values())
    told["duplicates"] = sum(row["duplicates"] for row in found.tables["inbox"])
    told["duplicates"] += sum(row["state"] == "duplicate" for row in found.tables["inbox"])
    told["stale versions"] = sum(row["state"] == "stale" for row in found.tables["response_version"])
    told["kills"], told["pauses"], told["reloads"] = journal.kills, journal.pauses, journal.reloads
    told["restores"], told["erasures"] = len(journal.restored), len(journal.erased)
    told["intents"] = len(found.tables["intent"])
    told["writes"] = len(found.tables["write"])
    told["ambiguous writes"] = sum(
        entry["write"] and entry["fault"] in AMBIGUOUS for entries in found.requests.values() for entry in entries
    )
    for entries in found.requests.values():
        told["vendor calls"] += len(entries)
        for entry in entries:
            if entry["fault"]:
                told[f"fault: {entry['fault']}"] += 1
    return told


AMBIGUOUS = {"reset_after_commit", "error_after_commit", "torn", "cut", "commit_late"}


def counts(told: Mapping[str, int]) -> bool:
    """Whether a program was hard enough to count."""
    return told["ambiguous writes"] >= 1 and told["edits"] >= 1 and told["joins"] >= 1
